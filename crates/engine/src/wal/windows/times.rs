//! When: the earliest and the latest instant that a backup and the log after it lead to, and the last commit before an address.

use super::{Holder, PathLog, Tail};
use crate::Error;
use jiff::{SignedDuration, Timestamp};
use pgformat::Lsn;
use pgformat::wal::{SegmentSummary, SummaryPoint, SummaryTime, WalFact};

/// How far back the last transaction before a backup is sought.
const LOOK_BACK_SEGMENTS: u64 = 64;

/// What lies in a run, from the backup's end on.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunTimes {
    /// The commit that is last in the log.
    pub last_commit: Option<SummaryTime>,
    /// The latest time that any record there proves.
    pub latest: Option<Timestamp>,
    /// Restore points.
    pub points: Vec<SummaryPoint>,
}

/// Returns the time of a commit or an abort: what `recovery_target_time` looks at (upstream `xlogrecovery.c`,
/// `recoveryStopsBefore`).
pub(crate) fn transaction_time(fact: &WalFact) -> Option<Timestamp> {
    match fact {
        WalFact::Commit { time } | WalFact::Abort { time } => Some(*time),
        _ => None,
    }
}

impl PathLog<'_> {
    /// Returns the earliest instant that can be asked for: no transaction before the backup's end ended after it.
    ///
    /// PostgreSQL itself minds only those from the backup's start on; but one that ended shortly before the start, after the instant,
    /// would be in the copy. So when there was none during the backup, the last one before it decides, where its log is known; else
    /// when the backup or its checkpoint began, by both clocks.
    ///
    /// # Errors
    /// As [`PathLog::walk`].
    pub fn first_time(&self) -> Result<Timestamp, Error> {
        let stop = self.base.stop_lsn;
        let (first, last) = (self.first_segment(), self.run.first);
        let mut latest: Option<Timestamp> = None;
        let mut checkpoint: Option<Timestamp> = None;
        let mut note = |lsn: Lsn, fact: &WalFact| {
            if lsn < stop {
                latest = latest.max(transaction_time(fact));
                if let WalFact::Checkpoint { time, .. } = fact {
                    checkpoint = checkpoint.max(Some(*time));
                }
            }
        };
        for number in first..=last {
            if number > first
                && let Some((lsn, fact)) = self.fact_into(number)?
            {
                note(lsn, &fact);
            }
            if number == first || number == last {
                self.facts(number)?.iter().for_each(|(lsn, fact)| note(*lsn, fact));
            } else if let Some(time) = self.summary(number)?.latest_time {
                note(self.base.start_lsn, &WalFact::Commit { time });
            }
        }
        if let Some(latest) = latest.or_else(|| self.last_time_before(first)) {
            return Ok(latest);
        }
        // A checkpoint's time is cut to the second.
        let begun = checkpoint.and_then(|time| time.checked_add(SignedDuration::from_secs(1)).ok());
        Ok(begun.map_or(self.record.started_at, |begun| begun.max(self.record.started_at)))
    }

    /// Finds the latest transaction of the last segment before `number` that has one, as far back as the archive goes without a gap
    /// and it is worth looking.
    fn last_time_before(&self, number: u64) -> Option<Timestamp> {
        let mut later = self.summary(number).ok()?;
        for number in (number.saturating_sub(LOOK_BACK_SEGMENTS)..number).rev() {
            self.coverage.piece(number).filter(|piece| piece.holder == Holder::Sealed)?;
            let summary = self.summary(number).ok()?;
            let across = SegmentSummary::fact_across(&summary, &later, self.geometry()).ok()?;
            let time = summary.latest_time.max(across.and_then(|(_, fact)| transaction_time(&fact)));
            if time.is_some() {
                return time;
            }
            later = summary;
        }
        None
    }

    /// Sums up the run, from trailers as far as they go.
    ///
    /// # Errors
    /// As [`PathLog::walk`].
    pub fn times(&self, tail: &Tail) -> Result<RunTimes, Error> {
        let mut times = RunTimes::default();
        for number in self.run.first..=self.run.last {
            if number > self.run.first
                && let Some((lsn, fact)) = self.fact_into(number)?.filter(|(lsn, _)| *lsn < tail.end_lsn)
            {
                times.add(lsn, &fact);
            }
            // The segment with the backup's end has what was before it, too.
            if number == self.run.first {
                let facts = self.facts(number)?;
                let after = facts.iter().filter(|(lsn, _)| *lsn >= self.base.stop_lsn);
                after.for_each(|(lsn, fact)| times.add(*lsn, fact));
                continue;
            }
            let summary = self.summary(number)?;
            times.last_commit = summary.last_commit.or(times.last_commit);
            times.latest = times.latest.max(summary.latest_time);
            times.latest = times.latest.max(summary.restore_points.iter().map(|point| point.time).max());
            times.points.extend(summary.restore_points.iter().cloned());
        }
        Ok(times)
    }

    /// Finds the last commit before `stop`, back to the backup's start.
    ///
    /// # Errors
    /// As [`PathLog::walk`].
    pub fn last_commit_before(&self, stop: Lsn) -> Result<Option<SummaryTime>, Error> {
        let commit = |(lsn, fact): &(Lsn, WalFact)| match fact {
            WalFact::Commit { time } if (self.base.start_lsn..stop).contains(lsn) => {
                Some(SummaryTime { lsn: *lsn, time: *time })
            }
            _ => None,
        };
        let first = self.first_segment();
        let segment_bytes = self.geometry().segment_size.bytes();
        let mut number = (stop.0.saturating_sub(1) / segment_bytes).min(self.run.last);
        // Whether a record that is open at the end of this segment ends before the stop is not seen from here: it did when the
        // segment after it was passed.
        while number >= first {
            let summary = self.summary(number)?;
            let whole = Lsn((number + 1) * segment_bytes) <= stop && number > first;
            let found = match whole {
                true => summary.last_commit,
                false => self.facts(number)?.iter().rev().find_map(commit),
            };
            if found.is_some() {
                return Ok(found);
            }
            if number > first
                && let Some(found) = self.fact_into(number)?.as_ref().and_then(commit)
            {
                return Ok(Some(found));
            }
            number -= 1;
        }
        Ok(None)
    }
}

impl RunTimes {
    fn add(&mut self, lsn: Lsn, fact: &WalFact) {
        self.latest = self.latest.max(transaction_time(fact));
        match fact {
            WalFact::Commit { time } => self.last_commit = Some(SummaryTime { lsn, time: *time }),
            WalFact::RestorePoint { name, time } => {
                self.latest = self.latest.max(Some(*time));
                self.points.push(SummaryPoint { lsn, name: name.clone(), time: *time });
            }
            _ => {}
        }
    }
}
