//! Records and facts along a path, for one backup: from the archive's segments, and from those that the backup itself holds.

use super::known::read_small;
use super::{Base, Coverage, Holder, KnownWal, Piece, Run, TimelinePath};
use crate::Error;
use pgformat::wal::{SegmentSummarizer, SegmentSummary, WalDecoder, WalFact, WalGeometry, WalRecord};
use pgformat::{FormatError, Lsn};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use vault::repository::BackupRecord;
use vault::wal::WalArchiveError;

/// The log as one backup's recovery sees it.
pub(crate) struct PathLog<'a> {
    known: &'a KnownWal,
    pub coverage: Coverage<'a>,
    pub record: &'a BackupRecord,
    pub base: Base,
    pub run: Run,
    geometry: WalGeometry,
    /// Of files whose own summary says too much: cut at a switch, or in the backup.
    summaries: RefCell<HashMap<u64, Arc<SegmentSummary>>>,
}

/// Where the log of a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last whole record.
    pub last_record: Option<Lsn>,
    /// Where the next one would begin.
    pub end_lsn: Lsn,
}

/// A record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub lsn: Lsn,
    pub end_lsn: Lsn,
}

/// Returns what of a segment's facts its summary tells.
fn told_facts(summary: &SegmentSummary) -> Vec<(Lsn, WalFact)> {
    let commits = summary.last_commit.iter().map(|commit| (commit.lsn, WalFact::Commit { time: commit.time }));
    let points = summary
        .restore_points
        .iter()
        .map(|point| (point.lsn, WalFact::RestorePoint { name: point.name.clone(), time: point.time }));
    let mut facts: Vec<_> = commits.chain(points).collect();
    facts.sort_by_key(|(lsn, _)| *lsn);
    facts
}

/// Ends a walk through the log.
enum Halt {
    Enough,
    Invalid(FormatError),
}

impl From<FormatError> for Halt {
    fn from(error: FormatError) -> Self {
        Halt::Invalid(error)
    }
}

impl<'a> PathLog<'a> {
    /// Returns the log that a backup leads into; `None` when the backup is not on the path.
    pub fn new(
        known: &'a KnownWal,
        contents: &'a vault::wal::WalContents,
        path: &'a TimelinePath,
        record: &'a BackupRecord,
    ) -> Option<Self> {
        let (geometry, base) = (known.geometry?, Base::of(record)?);
        if !path.holds(base.timeline, base.stop_lsn) {
            return None;
        }
        let coverage = Coverage { contents, path, size: geometry.segment_size, base: Some(base) };
        let run = coverage.run()?;
        Some(PathLog { known, coverage, record, base, run, geometry, summaries: RefCell::default() })
    }

    /// Tells whether the log is encrypted, and no identity was given: then what stands in plain has to do.
    fn is_blind(&self) -> bool {
        !self.known.repository.can_read_back()
    }

    /// Returns the number of the segment where the backup's WAL starts.
    pub fn first_segment(&self) -> u64 {
        self.base.first_segment(self.geometry.segment_size)
    }

    /// Returns the name of the file for a segment, for messages.
    pub fn name(&self, number: u64) -> String {
        let segment = self.coverage.piece(number).map(|piece| piece.segment);
        let timeline = || self.coverage.path.candidates(number, self.geometry.segment_size).next().map(|p| p.timeline);
        let missing = || timeline().map(|timeline| pgformat::WalSegment { timeline, number });
        segment.or_else(missing).map_or_else(String::new, |segment| segment.file_name(self.geometry.segment_size))
    }

    /// Returns the size of a segment and of a page of the log.
    pub fn geometry(&self) -> &WalGeometry {
        &self.geometry
    }

    /// Reads the valid bytes of a segment's file.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`; those of the backup's archive.
    fn read(&self, piece: &Piece, into: &mut Vec<u8>) -> Result<(), Error> {
        let size = self.geometry.segment_size;
        let start = piece.segment.start_lsn(size);
        match piece.holder {
            Holder::Sealed => {
                self.known.archive()?.read_sealed(piece.segment, into)?;
            }
            Holder::Partial => match self.known.archive()?.read_partial(piece.segment, into) {
                Ok(end) => into.truncate((end.0 - start.0) as usize),
                // It has been sealed since it was listed.
                Err(WalArchiveError::WalMissing { .. }) => {
                    self.known.archive()?.read_sealed(piece.segment, into)?;
                }
                Err(error) => return Err(error.into()),
            },
            Holder::Base => {
                let reader = self.known.repository.open_archive(self.record)?;
                let name = piece.segment.file_name(size);
                let found = read_small(&reader, format!("pg_wal/{name}").as_bytes(), size.bytes())?;
                let storage = self.record.archive_name.clone();
                *into = found.ok_or(WalArchiveError::WalMissing { segment: name, storage })?;
            }
        }
        if let Some(cut) = piece.cut_lsn {
            into.truncate(cut.0.saturating_sub(start.0) as usize);
        }
        Ok(())
    }

    /// Returns what a segment says, as far as it is on the path.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`; those of the backup's archive.
    pub fn summary(&self, number: u64) -> Result<Arc<SegmentSummary>, Error> {
        let piece = self.piece(number)?;
        if piece.cut_lsn.is_none() && piece.holder != Holder::Base {
            return Ok(self.known.summary(piece.segment)?);
        }
        if let Some(summary) = self.summaries.borrow().get(&number) {
            return Ok(summary.clone());
        }
        let mut bytes = Vec::new();
        let mut summarizer = SegmentSummarizer::new(self.geometry, piece.segment);
        match self.read(&piece, &mut bytes) {
            Ok(()) => {}
            // All that is seen from outside is that it goes as far as it goes.
            Err(error) if error.lacks_identity() => {
                let summary = summarizer.summary();
                let end_lsn = piece.cut_lsn.unwrap_or(self.base.stop_lsn);
                return Ok(Arc::new(SegmentSummary { records_end_lsn: Some(end_lsn), ..summary }));
            }
            Err(error) => return Err(error),
        }
        // A standby's copy may end anywhere: what is whole counts.
        let _ = summarizer.feed::<FormatError>(&bytes, &mut |_, _| Ok(()));
        let summary = Arc::new(summarizer.summary());
        self.summaries.borrow_mut().insert(number, summary.clone());
        Ok(summary)
    }

    fn piece(&self, number: u64) -> Result<Piece, Error> {
        let missing = || {
            let storage = self.known.repository.storage().describe();
            WalArchiveError::WalMissing { segment: self.name(number), storage }
        };
        Ok(self.coverage.piece(number).ok_or_else(missing)?)
    }

    /// Hands over the whole records that begin in the segments `first..=last`, in order; one that begins in the last segment and
    /// ends later is left out.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`; those of the backup's archive.
    pub fn walk(
        &self,
        first: u64,
        last: u64,
        each: &mut dyn FnMut(&WalRecord<'_>) -> Result<ControlFlow<()>, FormatError>,
    ) -> Result<(), Error> {
        let start = Lsn(first * self.geometry.segment_size.bytes());
        let mut decoder = WalDecoder::new(self.geometry, self.coverage.path.timeline(), start);
        let mut bytes = Vec::new();
        for number in first..=last {
            let piece = self.piece(number)?;
            self.read(&piece, &mut bytes)?;
            let fed = decoder.feed::<Halt>(&bytes, &mut |record| match each(record)? {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Halt::Enough),
            });
            match fed {
                Ok(()) => {}
                Err(Halt::Enough) => return Ok(()),
                // After the run's end there may be anything.
                Err(Halt::Invalid(_)) if number == self.run.last => return Ok(()),
                Err(Halt::Invalid(error)) => {
                    let (segment, detail) = (self.name(number), error.to_string());
                    let storage = self.known.repository.storage().describe();
                    return Err(WalArchiveError::WalDamaged { segment, storage, detail }.into());
                }
            }
        }
        Ok(())
    }

    /// Returns the facts of the whole records that begin and end in a segment, in order.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub fn facts(&self, number: u64) -> Result<Vec<(Lsn, WalFact)>, Error> {
        let mut facts = Vec::new();
        let walked = self.walk(number, number, &mut |record| {
            facts.extend(record.fact()?.map(|fact| (record.lsn, fact)));
            Ok(ControlFlow::Continue(()))
        });
        match walked {
            Err(error) if error.lacks_identity() => Ok(told_facts(&*self.summary(number)?)),
            walked => walked.map(|()| facts),
        }
    }

    /// Returns the fact of the record that begins before a segment and goes on in it.
    ///
    /// # Errors
    /// As [`Self::summary`].
    pub fn fact_into(&self, number: u64) -> Result<Option<(Lsn, WalFact)>, Error> {
        if self.is_blind() {
            // What a record holds is not told in plain.
            return Ok(None);
        }
        let (earlier, later) = (self.summary(number - 1)?, self.summary(number)?);
        SegmentSummary::fact_across(&earlier, &later, &self.geometry).map_err(|error| {
            let (segment, detail) = (self.name(number), error.to_string());
            let storage = self.known.repository.storage().describe();
            WalArchiveError::WalDamaged { segment, storage, detail }.into()
        })
    }

    /// Finds the first whole record that begins at or after `lsn`.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub fn record_from(&self, lsn: Lsn) -> Result<Option<Span>, Error> {
        let number = lsn.0 / self.geometry.segment_size.bytes();
        let mut found = None;
        if number > self.run.last {
            return Ok(None);
        }
        self.walk(number, self.run.last, &mut |record| {
            if record.lsn >= lsn {
                found = Some(Span { lsn: record.lsn, end_lsn: record.end_lsn });
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Finds the end of the run: of the last whole record, at least the backup's own.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub fn tail(&self) -> Result<Tail, Error> {
        let mut number = self.run.last;
        loop {
            if self.is_blind() {
                let end_lsn = self.summary(number)?.records_end_lsn.unwrap_or_default();
                if end_lsn >= self.base.stop_lsn || number <= self.first_segment() {
                    return Ok(Tail { last_record: None, end_lsn: end_lsn.max(self.base.stop_lsn) });
                }
                number -= 1;
                continue;
            }
            let mut last = None;
            self.walk(number, self.run.last, &mut |record| {
                last = Some(Span { lsn: record.lsn, end_lsn: record.end_lsn });
                Ok(ControlFlow::Continue(()))
            })?;
            match last {
                Some(span) if span.end_lsn >= self.base.stop_lsn => {
                    return Ok(Tail { last_record: Some(span.lsn), end_lsn: span.end_lsn });
                }
                _ if number <= self.first_segment() => {
                    return Ok(Tail { last_record: last.map(|span| span.lsn), end_lsn: self.base.stop_lsn });
                }
                _ => number -= 1,
            }
        }
    }
}
