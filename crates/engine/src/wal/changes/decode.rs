//! What do the records tell that begin in one stretch of one segment?

use super::source::{Fault, Place, Segments};
use crate::wal::TimelinePath;
use crate::{Cancel, Error};
use pgformat::block_reference::BlockReferenceTable;
use pgformat::wal::{ChangeCollector, ChangeEvent, ChangeRules, WalDecoder, WalGeometry, WalRecord};
use pgformat::{FormatError, Lsn, WalSegment};
use std::ops::ControlFlow;

/// What decoding needs besides the bytes.
pub(super) struct Decoding<'a> {
    pub(super) geometry: WalGeometry,
    /// The size of a relation's page.
    pub(super) block_size_bytes: u32,
    pub(super) path: &'a TimelinePath,
    pub(super) cancel: &'a Cancel,
}

/// The part of a segment whose records are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) segment: WalSegment,
    pub(super) from: Lsn,
    /// At most the segment's end.
    pub(super) to: Lsn,
}

/// What a stretch tells.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) table: BlockReferenceTable,
    /// The first record that says that the server logs too little.
    pub(super) minimal: Option<Lsn>,
    /// Where the record before the first one begins, by the first one's link.
    pub(super) link: Option<Lsn>,
    /// Where the last one begins; `None` when none began here.
    pub(super) last: Option<Lsn>,
}

/// Why a stretch tells nothing, and of which segment that is said.
#[derive(Debug)]
pub(super) struct StretchFault {
    pub(super) segment: WalSegment,
    pub(super) fault: Fault,
}

/// Reads records one after the other.
struct Reading {
    decoder: WalDecoder,
    collector: ChangeCollector,
    to: Lsn,
    link: Option<Lsn>,
    last: Option<Lsn>,
    failure: Option<FormatError>,
}

impl Decoding<'_> {
    /// Decodes a stretch out of one place. The record that begins in it last is read to its end, in whatever segments that lies,
    /// from the first of `rest` that has them: it counts where it begins.
    ///
    /// # Errors
    /// Storage errors, those of a connection that breaks, `Cancelled`.
    pub(super) fn decode(
        &self,
        segments: &mut Segments<'_>,
        stretch: Stretch,
        place: Place,
        rest: [Place; 3],
    ) -> Result<Result<Decoded, StretchFault>, Error> {
        let Stretch { segment, from, to } = stretch;
        let start = segment.start_lsn(self.geometry.segment_size);
        let mut reading = Reading {
            decoder: WalDecoder::new(self.geometry, self.path.timeline(), from),
            collector: ChangeCollector::new(ChangeRules::Complete, self.block_size_bytes),
            to,
            link: None,
            last: None,
            failure: None,
        };
        let range = from.0 - start.0..to.0 - start.0;
        let fault = |fault| Ok(Err(StretchFault { segment, fault }));
        let read = segments.read(segment, place, range, &mut |piece| self.take(&mut reading, piece))?;
        self.cancel.check()?;
        if let Some(failure) = reading.failure.take() {
            return fault(Fault::Damaged(failure.to_string()));
        }
        if let Err(found) = read {
            return fault(found);
        }
        // The zeros after a segment switch may be missing; they mean nothing.
        let reached =
            reading.decoder.records_end().map_or(reading.decoder.position(), |end| end.max(reading.decoder.position()));
        if reached < to {
            return fault(Fault::Missing);
        }
        if let Err(fault) = self.finish_record(&mut reading, segments, stretch, rest)? {
            return Ok(Err(fault));
        }
        let (table, events) = reading.collector.finish();
        let minimal = events.iter().find_map(|event| match event {
            ChangeEvent::WalLevelMinimal { lsn } => Some(*lsn),
            _ => None,
        });
        Ok(Ok(Decoded { table, minimal, link: reading.link, last: reading.last }))
    }

    /// Reads on until no record is open that began in the stretch.
    fn finish_record(
        &self,
        reading: &mut Reading,
        segments: &mut Segments<'_>,
        stretch: Stretch,
        rest: [Place; 3],
    ) -> Result<Result<(), StretchFault>, Error> {
        let size = self.geometry.segment_size;
        while reading.is_open() {
            let at = reading.decoder.position();
            let number = at.0 / size.bytes();
            let mut candidates: Vec<WalSegment> =
                self.path.candidates(number, size).map(|part| WalSegment { timeline: part.timeline, number }).collect();
            if number == stretch.segment.number {
                candidates.retain(|candidate| *candidate == stretch.segment);
            }
            let mut fault = None;
            let mut went_on = false;
            'places: for segment in &candidates {
                for place in rest {
                    let offset = at.0 - segment.start_lsn(size).0;
                    let read = segments.read(*segment, place, offset..size.bytes(), &mut |piece| {
                        self.take_until_whole(reading, piece)
                    })?;
                    self.cancel.check()?;
                    went_on = reading.decoder.position() > at || reading.failure.is_some();
                    if went_on {
                        // What was taken can't be given back; the caller may try other places.
                        let found = reading.failure.take().map(|failure| Fault::Damaged(failure.to_string()));
                        fault = found.map(|fault| StretchFault { segment: *segment, fault });
                        break 'places;
                    }
                    if let Err(found) = read {
                        note(&mut fault, *segment, found);
                    }
                }
            }
            match fault {
                Some(fault) => return Ok(Err(fault)),
                None if went_on => {}
                None => {
                    let segment = candidates.first().copied().unwrap_or(stretch.segment);
                    return Ok(Err(StretchFault { segment, fault: Fault::Missing }));
                }
            }
        }
        Ok(Ok(()))
    }

    fn take(&self, reading: &mut Reading, piece: &[u8]) -> ControlFlow<()> {
        if self.cancel.is_cancelled() || !reading.feed(piece) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Takes a page at a time: nothing after the record's end is of interest.
    fn take_until_whole(&self, reading: &mut Reading, piece: &[u8]) -> ControlFlow<()> {
        let block = u64::from(self.geometry.block_size_bytes);
        let mut rest = piece;
        while !rest.is_empty() && reading.is_open() {
            let left_of_page = block - reading.decoder.position().0 % block;
            let (page, after) = rest.split_at(rest.len().min(left_of_page as usize));
            self.take(reading, page)?;
            rest = after;
        }
        if reading.is_open() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Reading {
    /// Takes bytes; `false` when they are no WAL.
    fn feed(&mut self, piece: &[u8]) -> bool {
        let Reading { decoder, collector, to, link, last, .. } = self;
        let fed = decoder.feed::<FormatError>(piece, &mut |record| {
            if record.lsn >= *to {
                return Ok(());
            }
            link.get_or_insert(record.previous_lsn);
            *last = Some(record.lsn);
            collect(collector, record)
        });
        self.failure = fed.err();
        self.failure.is_none()
    }

    /// Tells whether a record that counts is not whole yet.
    fn is_open(&self) -> bool {
        self.decoder.open_record().is_some_and(|lsn| lsn < self.to)
    }
}

/// Collects what a record changes.
///
/// # Errors
/// `FormatDamaged`, also for the first record that pg_resetwal writes: what was before it may be lost.
pub(super) fn collect(collector: &mut ChangeCollector, record: &WalRecord<'_>) -> Result<(), FormatError> {
    if record.previous_lsn == Lsn(0) {
        let detail = format!("{}: the log begins anew", record.lsn);
        return Err(FormatError::FormatDamaged { what: "WAL", detail });
    }
    collector.record(record)
}

/// Remembers the first fault that says more than that something is missing.
pub(super) fn note(known: &mut Option<StretchFault>, segment: WalSegment, fault: Fault) {
    let says_more = matches!(
        (known.as_ref().map(|known| &known.fault), &fault),
        (None, _) | (Some(Fault::Missing), Fault::Damaged(_))
    );
    if says_more {
        *known = Some(StretchFault { segment, fault });
    }
}
