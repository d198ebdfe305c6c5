use super::page::{header_size_bytes, u32_at};
use super::record::damaged_record;
use super::{RECORD_HEADER_BYTES, WalDecoder, WalFact, WalGeometry, WalRecord, fact_of_head};
use crate::{FormatError, Lsn, TimelineId, WalSegment};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many of a record's first bytes are kept when it does not end in the segment where it begins: enough for
/// [`super::fact_of_head`].
pub const RECORD_HEAD_BYTES: usize = 160;

/// What one segment says for itself, whoever brought it: a pure function of its bytes (or, for a partial one, of the bytes
/// so far). Records count where they are whole; one that crosses the segment's border is in `open` of the one and
/// `continued` of the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSummary {
    /// The timeline of the newest page.
    pub timeline: TimelineId,
    /// The first record that begins here.
    pub first_record_lsn: Option<Lsn>,
    /// The end of the last record that begins and ends here.
    pub records_end_lsn: Option<Lsn>,
    /// The record that began earlier and goes on at the segment's start.
    pub continued: Option<ContinuedRecord>,
    /// The record that begins here and does not end here.
    pub open: Option<OpenRecord>,
    /// Commits and aborts.
    pub transactions: u64,
    /// The earliest time of a commit or abort (their times are not in order).
    pub earliest_time: Option<Timestamp>,
    /// The latest time of one.
    pub latest_time: Option<Timestamp>,
    /// The commit that is last in the log (not in time).
    pub last_commit: Option<SummaryTime>,
    /// Restore points.
    pub restore_points: Vec<SummaryPoint>,
    /// Whether some record says that `wal_level` became minimal.
    pub wal_level_minimal: bool,
}

/// The rest of a record that began earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinuedRecord {
    /// How long the rest is, in this and later segments.
    pub remaining_bytes: u32,
    /// Its first bytes, at most [`RECORD_HEAD_BYTES`], in hex.
    pub head: String,
    /// Whether it ends in this segment.
    pub ends_here: bool,
}

/// A record whose end lies in a later segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRecord {
    /// Where it begins.
    pub lsn: Lsn,
    /// Its first bytes, at most [`RECORD_HEAD_BYTES`], in hex.
    pub head: String,
}

/// A commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryTime {
    /// Where its record begins.
    pub lsn: Lsn,
    /// When it happened, by the server's clock.
    pub time: Timestamp,
}

/// A restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryPoint {
    /// Where its record begins.
    pub lsn: Lsn,
    /// Its name.
    pub name: String,
    /// When it was made, by the server's clock.
    pub time: Timestamp,
}

/// Makes a [`SegmentSummary`] from a segment's bytes, checking them on the way as [`super::WalDecoder`] does.
pub struct SegmentSummarizer {
    decoder: WalDecoder,
    end_lsn: Lsn,
    tally: Tally,
}

/// What whole records say.
struct Tally {
    timeline: TimelineId,
    first_record_lsn: Option<Lsn>,
    transactions: u64,
    times: Option<(Timestamp, Timestamp)>,
    last_commit: Option<SummaryTime>,
    restore_points: Vec<SummaryPoint>,
    wal_level_minimal: bool,
}

impl SegmentSummarizer {
    /// Begins with the segment's first byte.
    pub fn new(geometry: WalGeometry, segment: WalSegment) -> Self {
        SegmentSummarizer {
            decoder: WalDecoder::new(geometry, segment.timeline, segment.start_lsn(geometry.segment_size)),
            end_lsn: segment.end_lsn(geometry.segment_size),
            tally: Tally {
                timeline: segment.timeline,
                first_record_lsn: None,
                transactions: 0,
                times: None,
                last_commit: None,
                restore_points: Vec::new(),
                wal_level_minimal: false,
            },
        }
    }

    /// Takes the next bytes, and hands over whole records with their facts.
    ///
    /// # Errors
    /// `FormatDamaged` when the bytes are no WAL of this segment; and what `each` returns.
    pub fn feed<E: From<FormatError>>(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(&WalRecord<'_>, Option<&WalFact>) -> Result<(), E>,
    ) -> Result<(), E> {
        let room = self.end_lsn.0.saturating_sub(self.decoder.position().0);
        if bytes.len() as u64 > room {
            let detail = format!("{}: {} bytes more than the segment has", self.end_lsn, bytes.len() as u64 - room);
            return Err(FormatError::FormatDamaged { what: "WAL segment", detail }.into());
        }
        let tally = &mut self.tally;
        self.decoder.feed(bytes, &mut |record| {
            let fact = record.fact()?;
            tally.count(record, fact.as_ref());
            each(record, fact.as_ref())
        })
    }

    /// Returns the decoder, which knows how far it is.
    pub fn decoder(&self) -> &WalDecoder {
        &self.decoder
    }

    /// Returns what the bytes so far say.
    pub fn summary(&self) -> SegmentSummary {
        let tally = &self.tally;
        SegmentSummary {
            timeline: self.decoder.page_timeline().unwrap_or(tally.timeline),
            first_record_lsn: tally.first_record_lsn.or(self.decoder.open_record()),
            records_end_lsn: self.decoder.records_end(),
            continued: self.decoder.passed_rest().map(|rest| ContinuedRecord {
                remaining_bytes: rest.remaining_bytes,
                head: hex::encode(&rest.head),
                ends_here: rest.end_lsn.is_some(),
            }),
            open: self.decoder.open_record().map(|lsn| {
                let bytes = self.decoder.open_bytes();
                OpenRecord { lsn, head: hex::encode(&bytes[..bytes.len().min(RECORD_HEAD_BYTES)]) }
            }),
            transactions: tally.transactions,
            earliest_time: tally.times.map(|(earliest, _)| earliest),
            latest_time: tally.times.map(|(_, latest)| latest),
            last_commit: tally.last_commit,
            restore_points: tally.restore_points.clone(),
            wal_level_minimal: tally.wal_level_minimal,
        }
    }
}

impl Tally {
    fn count(&mut self, record: &WalRecord<'_>, fact: Option<&WalFact>) {
        self.first_record_lsn.get_or_insert(record.lsn);
        match fact {
            Some(WalFact::Commit { time }) => {
                self.transaction(*time);
                self.last_commit = Some(SummaryTime { lsn: record.lsn, time: *time });
            }
            Some(WalFact::Abort { time }) => self.transaction(*time),
            Some(WalFact::RestorePoint { name, time }) => {
                self.restore_points.push(SummaryPoint { lsn: record.lsn, name: name.clone(), time: *time });
            }
            Some(WalFact::ParameterChange { wal_level: 0 }) => self.wal_level_minimal = true,
            _ => {}
        }
    }

    fn transaction(&mut self, time: Timestamp) {
        self.transactions += 1;
        let (earliest, latest) = self.times.unwrap_or((time, time));
        self.times = Some((earliest.min(time), latest.max(time)));
    }
}

impl SegmentSummary {
    /// Joins the record that is open at the end of `earlier` with what `later`, the next segment, has of it; both summaries are
    /// of whole segments. The record may go on after `later`.
    /// `None` when none is open, or it is none that matters, or too little of it is known, or a crash broke it off and
    /// `later` has something else.
    ///
    /// # Errors
    /// `FormatDamaged` when the two do not fit together.
    pub fn fact_across(
        earlier: &Self,
        later: &Self,
        geometry: &WalGeometry,
    ) -> Result<Option<(Lsn, WalFact)>, FormatError> {
        let earlier_goes_on = earlier.open.is_some() || earlier.continued.as_ref().is_some_and(|rest| !rest.ends_here);
        let (open, rest) = match (&earlier.open, &later.continued) {
            (Some(open), Some(rest)) => (open, rest),
            (None, Some(_)) if !earlier_goes_on => {
                let at = earlier.records_end_lsn.unwrap_or_default();
                return Err(damaged_record(at, "a record goes on in the next segment that did not begin"));
            }
            _ => return Ok(None),
        };
        let mut head = bytes_of(&open.head, open.lsn)?;
        let total = if head.len() < 4 { 0 } else { u32_at(&head, 0) };
        let here = room_in_segment(open.lsn, geometry);
        if total < RECORD_HEADER_BYTES as u32 || u64::from(total) != here + u64::from(rest.remaining_bytes) {
            let remaining = rest.remaining_bytes;
            let detail = format!("of {total} bytes {here} are in its segment and {remaining} in the next");
            return Err(damaged_record(open.lsn, detail));
        }
        // What stands in `later` behind the record's page without its end is what overwrote it.
        if !rest.ends_here && later.first_record_lsn.is_some() {
            return Ok(None);
        }
        // The first bytes are all that the earlier segment has, or enough.
        if head.len() < RECORD_HEAD_BYTES {
            head.extend(bytes_of(&rest.head, open.lsn)?);
        }
        Ok(fact_of_head(&head, geometry.version)?.map(|fact| (open.lsn, fact)))
    }
}

fn bytes_of(text: &str, lsn: Lsn) -> Result<Vec<u8>, FormatError> {
    hex::decode(text).map_err(|error| damaged_record(lsn, format!("its first bytes are not hexadecimal: {error}")))
}

/// Returns how many bytes of records, at most, lie between `lsn` and the end of its segment.
fn room_in_segment(lsn: Lsn, geometry: &WalGeometry) -> u64 {
    let block = u64::from(geometry.block_size_bytes);
    let end = lsn.0 | (geometry.segment_size.bytes() - 1);
    let pages_after = end / block - lsn.0 / block;
    let short_header = header_size_bytes(geometry, Lsn(block)) as u64;
    (end - lsn.0 + 1).saturating_sub(pages_after * short_header)
}
