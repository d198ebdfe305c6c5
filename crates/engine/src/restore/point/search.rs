//! The address at which one backup's recovery along one path stops.

use crate::Error;
use crate::restore::RecoveryStop;
use crate::wal::{PathLog, ReceiverState, Tail, caught_up_at, transaction_time};
use jiff::Timestamp;
use pgformat::Lsn;

/// Where recovery stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    /// The first byte that will not be replayed.
    pub lsn: Lsn,
    pub how: RecoveryStop,
    /// The end of the record that the server must see to stop there, or the stop itself.
    pub needed_until_lsn: Lsn,
    /// The record that is replayed last, where the log ends there.
    pub last_record: Option<Lsn>,
}

/// What can be reached nearby; each value counts for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Nearest {
    pub earlier_at: Option<Timestamp>,
    pub later_at: Option<Timestamp>,
    pub earlier_lsn: Option<Lsn>,
    pub later_lsn: Option<Lsn>,
    /// Where the log of the nearest backup ends, if that is why.
    pub ends: Option<LogEnd>,
}

/// Where a run of segments ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogEnd {
    pub lsn: Lsn,
    /// The first segment that can't be replayed.
    pub missing: u64,
}

impl Nearest {
    pub fn earlier(&mut self, at: Option<Timestamp>, lsn: Lsn) {
        self.earlier_at = self.earlier_at.max(at);
        self.earlier_lsn = self.earlier_lsn.max(Some(lsn));
    }

    pub fn later(&mut self, at: Option<Timestamp>, lsn: Lsn) {
        self.later_at = self.later_at.into_iter().chain(at).min();
        self.later_lsn = self.later_lsn.into_iter().chain([lsn]).min();
    }
}

/// What a backup has to say about a target.
pub(super) enum Answer {
    /// It leads there.
    Stop(Stop),
    /// It is too new.
    TooNew,
    /// Its log ends before the target.
    EndsBefore(LogEnd),
}

/// Stops where the log ends.
pub(super) fn at_end(tail: &Tail) -> Stop {
    Stop {
        lsn: tail.end_lsn,
        how: RecoveryStop::EndOfWal,
        needed_until_lsn: tail.end_lsn,
        last_record: tail.last_record,
    }
}

fn log_end(log: &PathLog<'_>, tail: &Tail) -> LogEnd {
    let cut = log.coverage.piece(log.run.last).is_some_and(|piece| piece.cut_lsn.is_some());
    LogEnd { lsn: tail.end_lsn, missing: if cut { log.run.last } else { log.run.last + 1 } }
}

/// Finds the first record that begins at or after `lsn`, which stays out.
fn before(log: &PathLog<'_>, lsn: Lsn) -> Result<Stop, Error> {
    Ok(match log.record_from(lsn)? {
        Some(span) => {
            Stop { lsn: span.lsn, how: RecoveryStop::BeforeRecord, needed_until_lsn: span.end_lsn, last_record: None }
        }
        None => at_end(&log.tail()?),
    })
}

/// Applies PostgreSQL's rule (upstream `xlogrecovery.c`, `recoveryStopsBefore`): recovery stops before the first commit or abort
/// whose time is after `time`. Their times are not in order, so the log is searched from the backup's end on.
///
/// # Errors
/// As [`PathLog::walk`].
pub(super) fn by_time(
    log: &PathLog<'_>,
    time: Timestamp,
    receiver: Option<&ReceiverState>,
    nearest: &mut Nearest,
) -> Result<Answer, Error> {
    let first_time = log.first_time()?;
    if time < first_time {
        nearest.later(Some(first_time), log.base.stop_lsn);
        return Ok(Answer::TooNew);
    }
    for number in log.run.first..=log.run.last {
        let after = |found: Option<Timestamp>| found.is_some_and(|found| found > time);
        if number > log.run.first
            && let Some((lsn, fact)) = log.fact_into(number)?
            && after(transaction_time(&fact))
        {
            return Ok(Answer::Stop(before(log, lsn)?));
        }
        let summary = log.summary(number)?;
        if after(summary.latest_time) {
            let facts = log.facts(number)?;
            let mut late =
                facts.iter().filter(|(lsn, fact)| *lsn >= log.base.stop_lsn && after(transaction_time(fact)));
            if let Some((lsn, _)) = late.next() {
                return Ok(Answer::Stop(before(log, *lsn)?));
            }
        }
    }
    // No transaction of the log ended later; does the log go as far as the instant?
    let tail = log.tail()?;
    let known_until = log.times(&tail)?.latest.max(caught_up_at(log, &tail, receiver)).max(Some(first_time));
    if known_until.is_some_and(|known| time <= known) {
        return Ok(Answer::Stop(at_end(&tail)));
    }
    nearest.earlier(known_until, tail.end_lsn);
    Ok(Answer::EndsBefore(log_end(log, &tail)))
}

/// Every record that begins before `lsn` is to be there, and none that begins at it or after.
///
/// # Errors
/// As [`PathLog::walk`].
pub(super) fn by_lsn(log: &PathLog<'_>, lsn: Lsn, nearest: &mut Nearest) -> Result<Answer, Error> {
    if lsn < log.base.stop_lsn {
        nearest.later(Some(log.first_time()?), log.base.stop_lsn);
        return Ok(Answer::TooNew);
    }
    if let Some(span) = log.record_from(lsn)? {
        let (lsn, needed_until_lsn) = (span.lsn, span.end_lsn);
        let how = RecoveryStop::BeforeRecord;
        return Ok(Answer::Stop(Stop { lsn, how, needed_until_lsn, last_record: None }));
    }
    let tail = log.tail()?;
    if lsn <= tail.end_lsn || is_past_page_header(tail.end_lsn, lsn, log.geometry().block_size_bytes) {
        return Ok(Answer::Stop(at_end(&tail)));
    }
    nearest.earlier(log.times(&tail)?.latest, tail.end_lsn);
    Ok(Answer::EndsBefore(log_end(log, &tail)))
}

/// Tells whether nothing but a page's header lies between: a server says that its log ends after the header of the next page
/// when it ends with a page (upstream `xlog.c`, `XLogBytePosToRecPtr`).
pub(crate) fn is_past_page_header(end: Lsn, lsn: Lsn, block_size_bytes: u32) -> bool {
    const LONG_HEADER_BYTES: u64 = 40;
    end.0.is_multiple_of(u64::from(block_size_bytes)) && lsn >= end && lsn.0 - end.0 <= LONG_HEADER_BYTES
}

/// Stops right after the record at `lsn`, which is a restore point.
///
/// # Errors
/// As [`PathLog::walk`].
pub(super) fn after_record(log: &PathLog<'_>, lsn: Lsn, nearest: &mut Nearest) -> Result<Answer, Error> {
    if lsn < log.base.stop_lsn {
        nearest.later(Some(log.first_time()?), log.base.stop_lsn);
        return Ok(Answer::TooNew);
    }
    match log.record_from(lsn)? {
        Some(span) if span.lsn == lsn => Ok(Answer::Stop(before(log, span.end_lsn)?)),
        _ => {
            let tail = log.tail()?;
            nearest.earlier(log.times(&tail)?.latest, tail.end_lsn);
            Ok(Answer::EndsBefore(log_end(log, &tail)))
        }
    }
}
