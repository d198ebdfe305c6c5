use super::{ArchivedSegment, PartialSegment, SealedInfo, SegmentSealer, WalArchiveError, WalContents, WalGap};
use crate::repository::Repository;
use pgformat::wal::{SegmentSummary, WalGeometry};
use pgformat::{Lsn, SystemIdentifier, TimelineId, WalSegment};
use serde::{Deserialize, Serialize};

/// The content of `wal/wal.json`: what all segments have in common. Written by the first writer, and only once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalDescription {
    /// 1.
    pub format_version: u32,
    /// What every segment must agree with.
    pub geometry: WalGeometry,
    /// What made it, such as `cadena 0.1.0`.
    pub created_by: String,
}

/// How a segment came to be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealOutcome {
    /// It is new.
    Archived,
    /// The same bytes were there already.
    AlreadyThere,
}

/// The WAL of one repository.
#[derive(Clone)]
pub struct WalArchive {
    _repository: Repository,
    geometry: WalGeometry,
}

impl WalArchive {
    /// Opens the archive for reading; `None` when no WAL was ever archived.
    ///
    /// # Errors
    /// `WalNewer`, `WalUnreadable` for a description that can't be used; storage errors.
    pub fn open(_repository: &Repository) -> Result<Option<Self>, WalArchiveError> {
        todo!()
    }

    /// Opens the archive for writing, and makes `wal/wal.json` when there is none.
    ///
    /// # Errors
    /// `WalForeign` when the repository belongs to another cluster; `WalGeometry` when segments of another size, page size or
    /// version lie here; those of [`WalArchive::open`].
    pub fn open_for(
        _repository: &Repository,
        _geometry: WalGeometry,
        _tool_version: &str,
    ) -> Result<Self, WalArchiveError> {
        todo!()
    }

    /// Returns what all segments have in common.
    pub fn geometry(&self) -> &WalGeometry {
        &self.geometry
    }

    /// Lists everything: segments by timeline and number, histories, known gaps. Opens no segment.
    pub fn contents(&self) -> Result<WalContents, WalArchiveError> {
        todo!()
    }

    /// Returns how `segment` lies here, or `None`. Sealed wins over partial.
    pub fn find(&self, _segment: WalSegment) -> Result<Option<ArchivedSegment>, WalArchiveError> {
        todo!()
    }

    /// Begins to archive a whole segment: takes its bytes in order, in pieces of any size, compresses them on `jobs` threads with
    /// bounded memory, and checks that they are WAL of this segment. [`SegmentSealer::finish`] makes it durable.
    pub fn seal(&self, _segment: WalSegment, _level: i32, _jobs: usize) -> Result<SegmentSealer, WalArchiveError> {
        todo!()
    }

    /// Opens (or makes) the partial file of a segment for appending. Only the holder of the receiver's lock may.
    pub fn open_partial(&self, _segment: WalSegment) -> Result<PartialSegment, WalArchiveError> {
        todo!()
    }

    /// Removes the partial file of a segment that is sealed. One that is not there is no error.
    pub fn remove_partial(&self, _segment: WalSegment) -> Result<(), WalArchiveError> {
        todo!()
    }

    /// Keeps the beginning of a segment that an archiver brings at the end of a timeline (`SEGMENT.partial`), unless as much or
    /// more of it is here. Only the bytes up to `end` count; what lies after it in the file is not WAL of this timeline.
    ///
    /// # Errors
    /// `WalConflict` when the bytes that both have differ.
    pub fn put_partial(&self, _segment: WalSegment, _bytes: &[u8]) -> Result<SealOutcome, WalArchiveError> {
        todo!()
    }

    /// Reads the trailer of a sealed segment: nothing of its content.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`, `WalNewer`.
    pub fn info(&self, _segment: WalSegment) -> Result<SealedInfo, WalArchiveError> {
        todo!()
    }

    /// Returns what a segment says, sealed (from its trailer) or partial (by reading it).
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`.
    pub fn summary(&self, _segment: WalSegment) -> Result<SegmentSummary, WalArchiveError> {
        todo!()
    }

    /// Reads a sealed segment whole and checks it against its trailer. Fills `into` (cleared first) with exactly one segment.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`.
    pub fn read_sealed(&self, _segment: WalSegment, _into: &mut Vec<u8>) -> Result<SealedInfo, WalArchiveError> {
        todo!()
    }

    /// Reads the valid part of a partial segment, up to the end of its last whole record, or all of it when that record crosses
    /// into the next segment; the rest of `into` (cleared first, one segment long) is zero. Returns the end of the valid part.
    ///
    /// # Errors
    /// `WalMissing`.
    pub fn read_partial(&self, _segment: WalSegment, _into: &mut Vec<u8>) -> Result<Lsn, WalArchiveError> {
        todo!()
    }

    /// Keeps a timeline's history file (`wal/TIMELINE/TIMELINE.history`).
    ///
    /// # Errors
    /// `WalHistoryConflict` when another content is here; `FormatText` when it is no history.
    pub fn put_history(&self, _timeline: TimelineId, _text: &[u8]) -> Result<SealOutcome, WalArchiveError> {
        todo!()
    }

    /// Reads a timeline's history file.
    pub fn history(&self, _timeline: TimelineId) -> Result<Option<Vec<u8>>, WalArchiveError> {
        todo!()
    }

    /// Notes a gap and its cause, once.
    pub fn put_gap(&self, _gap: &WalGap) -> Result<(), WalArchiveError> {
        todo!()
    }

    /// Returns the cluster.
    pub fn system_identifier(&self) -> SystemIdentifier {
        self.geometry.system_identifier
    }
}
