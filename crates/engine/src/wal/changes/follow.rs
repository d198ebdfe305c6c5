//! The way *wal*: the log itself, and what was remembered of it.

use super::choose::Stored;
use super::decode::{Decoded, Decoding, Stretch, StretchFault, note};
use super::history::learn_path;
use super::source::{Fault, Place, Segments};
use super::{ChangeAnswer, ChangeDetail, ChangeRange, ChangesUnknown};
use crate::reader::SourceReader;
use crate::wal::TimelinePath;
use crate::{Cancel, Error};
use pgformat::block_reference::{BlockReferenceTable, SummaryFileName};
use pgformat::wal::WalGeometry;
use pgformat::{Lsn, WalSegment, WalSegmentSize};
use vault::repository::Repository;
use vault::wal::{WalArchive, WalArchiveError};

/// Length of the header of a segment's first page (upstream `xlog_internal.h`, `SizeOfXLogLongPHD`).
const LONG_HEADER_BYTES: u64 = 40;

/// Tells which blocks the records change that begin in a range of the log: from stored summaries, and where there are none, from
/// the segments, archived or still in the server's pg_wal. The repository need not have archived any WAL; the server must then
/// keep it, by a slot, until this has returned. What is decoded from whole archived segments is remembered as summaries.
///
/// `geometry` is the server's, `block_size_bytes` that of its relations. Memory: the table, and a few pieces of 1 MiB.
///
/// # Errors
/// Those of the archive's description, storage errors, those of a connection that breaks, `Cancelled`. Everything else that
/// leaves a doubt is [`ChangeAnswer::Unknown`].
///
/// # Cancellation
/// Leaves summaries of what was decoded so far.
pub fn changes_from_wal(
    repository: &Repository,
    geometry: WalGeometry,
    block_size_bytes: u32,
    range: &ChangeRange,
    server_wal: &mut dyn SourceReader,
    cancel: &Cancel,
) -> Result<ChangeAnswer, Error> {
    // An archive of other segments can't tell of these.
    let archive = WalArchive::open(repository)?.filter(|archive| *archive.geometry() == geometry);
    let path = match learn_path(archive.as_ref(), range, server_wal)? {
        Ok(path) => path,
        Err(unknown) => return Ok(ChangeAnswer::Unknown(unknown)),
    };
    let names = archive.as_ref().map(WalArchive::list_summaries).transpose()?.unwrap_or_default();
    let size = geometry.segment_size;
    let mut follow = Follow {
        decoding: Decoding { geometry, block_size_bytes, path: &path, cancel },
        segments: Segments { archive: archive.as_ref(), server: server_wal, size },
        stored: Stored::new(names),
        size,
        limit: without_header(range.to_lsn, size),
        at: without_header(range.from_lsn, size),
        previous: None,
        table: BlockReferenceTable::new(),
        detail: ChangeDetail::default(),
    };
    Ok(match follow.run()? {
        Ok(()) => ChangeAnswer::Known { table: follow.table, detail: follow.detail },
        Err(unknown) => ChangeAnswer::Unknown(unknown),
    })
}

/// No record begins in the header of a segment's first page: an address right behind it means the segment's start, where
/// summaries begin and end.
pub(super) fn without_header(lsn: Lsn, size: WalSegmentSize) -> Lsn {
    let offset = lsn.0 % size.bytes();
    if offset <= LONG_HEADER_BYTES { Lsn(lsn.0 - offset) } else { lsn }
}

/// Where a segment is looked for, and where its last record's rest, when that lies in the next one: of a segment that is being
/// received, the archive may have a torn end that the server has whole. A place that lacks a segment says so at once.
const ORDER: [(Place, [Place; 3]); 5] = [
    (Place::Sealed, ARCHIVE_FIRST),
    (Place::Sealed, SERVER_FIRST),
    (Place::Partial, ARCHIVE_FIRST),
    (Place::Partial, SERVER_FIRST),
    (Place::Server, SERVER_FIRST),
];
const ARCHIVE_FIRST: [Place; 3] = [Place::Sealed, Place::Partial, Place::Server];
const SERVER_FIRST: [Place; 3] = [Place::Server, Place::Sealed, Place::Partial];

/// One walk along the log.
struct Follow<'a> {
    decoding: Decoding<'a>,
    segments: Segments<'a>,
    stored: Stored,
    size: WalSegmentSize,
    /// Records that begin from there on don't count.
    limit: Lsn,
    /// Records that begin before it are in the table.
    at: Lsn,
    /// Where the last of them begins, if it was seen.
    previous: Option<Lsn>,
    table: BlockReferenceTable,
    detail: ChangeDetail,
}

impl<'a> Follow<'a> {
    fn path(&self) -> &'a TimelinePath {
        self.decoding.path
    }

    fn run(&mut self) -> Result<Result<(), ChangesUnknown>, Error> {
        while self.at < self.limit {
            self.decoding.cancel.check()?;
            let name = self.stored.exactly_from(self.path(), self.at, self.limit, self.size);
            if let Some(name) = name {
                self.take_summary(name)?;
                continue;
            }
            if let Err(unknown) = self.decode()? {
                return Ok(Err(unknown));
            }
        }
        Ok(Ok(()))
    }

    /// Adds a stored summary. One that can't be read counts as missing from then on.
    fn take_summary(&mut self, name: SummaryFileName) -> Result<(), Error> {
        let Some(archive) = self.segments.archive else { return Ok(()) };
        match archive.read_summary(name) {
            Ok(Some(table)) => {
                self.table.merge_later(&table);
                self.detail.summaries += 1;
                (self.at, self.previous) = (name.end_lsn, None);
            }
            // Merged into a longer one meanwhile.
            Ok(None) => self.stored.replace(name, archive.list_summaries()?),
            Err(error @ WalArchiveError::WalUnreadable { .. }) => {
                tracing::warn!("{error}; it is made anew");
                self.stored.mark_damaged(name);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Goes on to the end of the segment, as far as one of its files serves.
    fn decode(&mut self) -> Result<Result<(), ChangesUnknown>, Error> {
        let number = self.at.0 / self.size.bytes();
        let mut fault = None;
        for part in self.path().candidates(number, self.size) {
            let segment = WalSegment { timeline: part.timeline, number };
            let end = segment.end_lsn(self.size).min(self.limit);
            let stretch = Stretch { segment, from: self.at, to: part.end_lsn.map_or(end, |cut| cut.min(end)) };
            if stretch.to <= self.at {
                continue;
            }
            for (place, rest) in ORDER {
                match self.decoding.decode(&mut self.segments, stretch, place, rest)? {
                    Ok(decoded) => match self.take(stretch, place, decoded) {
                        Ok(()) => return Ok(Ok(())),
                        Err(Refusal::Unknown(unknown)) => return Ok(Err(unknown)),
                        Err(Refusal::Fault(detail)) => note(&mut fault, segment, Fault::Damaged(detail)),
                    },
                    Err(found) => note(&mut fault, found.segment, found.fault),
                }
            }
        }
        let over = self.stored.over(self.path(), self.at, self.limit, self.size);
        if let Some(name) = over {
            self.take_summary(name)?;
            return Ok(Ok(()));
        }
        let StretchFault { segment, fault } = fault.unwrap_or(StretchFault {
            segment: WalSegment { timeline: self.path().timeline(), number },
            fault: Fault::Missing,
        });
        let segment = segment.file_name(self.size);
        Ok(Err(match fault {
            Fault::Missing => ChangesUnknown::ChangesWalMissing { segment },
            Fault::Damaged(detail) => ChangesUnknown::ChangesWalDamaged { segment, detail },
        }))
    }

    /// Adds what a stretch tells, when it follows on what came before.
    fn take(&mut self, stretch: Stretch, place: Place, decoded: Decoded) -> Result<(), Refusal> {
        if let (Some(link), Some(previous)) = (decoded.link, self.previous)
            && link != previous
        {
            let from = stretch.from;
            let detail = format!("{from}: the record before is at {link} by the link, at {previous} by the log");
            return Err(Refusal::Fault(detail));
        }
        if let Some(lsn) = decoded.minimal {
            return Err(Refusal::Unknown(ChangesUnknown::ChangesWalLevelMinimal { lsn }));
        }
        self.remember(stretch, place, &decoded.table);
        self.table.merge_later(&decoded.table);
        match place {
            Place::Server => self.detail.server_segments += 1,
            Place::Sealed | Place::Partial => self.detail.archived_segments += 1,
        }
        self.previous = decoded.last.or(self.previous);
        self.at = stretch.to;
        Ok(())
    }

    /// Keeps what the rest of an archived segment tells. That it can't be kept does no harm: it is found out again.
    fn remember(&mut self, stretch: Stretch, place: Place, table: &BlockReferenceTable) {
        let Some(archive) = self.segments.archive else { return };
        let end_lsn = stretch.segment.end_lsn(self.size);
        if place != Place::Sealed || stretch.to != end_lsn {
            return;
        }
        let name = SummaryFileName { timeline: stretch.segment.timeline, start_lsn: stretch.from, end_lsn };
        let kept = if self.stored.is_damaged(name) {
            self.detail.mended_summaries += 1;
            archive.replace_summary(name, table)
        } else {
            archive.put_summary(name, table).map(|_| ())
        };
        if let Err(error) = kept {
            tracing::warn!("the summary {name} can't be kept: {error}");
        }
    }
}

/// Why what was decoded does not count.
enum Refusal {
    /// These bytes don't follow on what came before; another copy may.
    Fault(String),
    Unknown(ChangesUnknown),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_or_right_behind_a_segments_first_header_means_its_start() {
        let size = WalSegmentSize::new(1 << 20).unwrap();
        for (lsn, meant) in [(0, 0), (8, 0), (40, 0), (48, 48), (24 + 8192, 24 + 8192)] {
            assert_eq!(without_header(Lsn((7 << 20) + lsn), size), Lsn((7 << 20) + meant));
        }
    }
}
