//! Writing segments and histories.

use super::layout::Cover;
use super::pieces::Pieces;
use super::{PartialSegment, SealOutcome, SegmentSealer, WalArchive, WalArchiveError, layout, scan};
use crate::storage::StorageError;
use pgformat::timeline_history::parse_history;
use pgformat::{FormatError, Lsn, TimelineId, WalSegment};

impl WalArchive {
    /// Begins to archive a whole segment: takes its bytes in order, in pieces of any size, compresses them on `jobs` threads (with 0,
    /// on the caller's own) with bounded memory, and checks that they are WAL of this segment. [`SegmentSealer::finish`] makes it durable.
    ///
    /// # Errors
    /// `archive-codec` for a level that zstd does not have; storage errors.
    pub fn seal(&self, segment: WalSegment, level: i32, jobs: usize) -> Result<SegmentSealer, WalArchiveError> {
        SegmentSealer::new(self, segment, level, jobs)
    }

    /// Makes durable which segments of a timeline are visible: those that were published, by whomever.
    ///
    /// # Errors
    /// Storage errors.
    pub fn settle(&self, of: WalSegment) -> Result<(), WalArchiveError> {
        Ok(self.storage().settle(&self.sealed_key(of, self.cover()))?)
    }

    /// Tells whether a segment is sealed here, without looking into it.
    ///
    /// # Errors
    /// Storage errors.
    pub fn is_sealed(&self, segment: WalSegment) -> Result<bool, WalArchiveError> {
        Ok(self.sealed_cover(segment)?.is_some())
    }

    /// Removes what writers of segments of a timeline left when they died, unseen by any listing, and makes durable what is
    /// visible. Never needed for correctness; it looks through the timeline's whole folder.
    ///
    /// # Errors
    /// Storage errors.
    pub fn sweep(&self, of: WalSegment) -> Result<(), WalArchiveError> {
        Ok(self.storage().sweep_folder(&self.sealed_key(of, self.cover()))?)
    }

    /// Opens (or makes) the partial file of a segment for appending. Only the holder of the receiver's lock may.
    ///
    /// # Errors
    /// Storage errors.
    pub fn open_partial(&self, segment: WalSegment) -> Result<PartialSegment, WalArchiveError> {
        PartialSegment::open(self, segment)
    }

    /// Removes the partial file of a segment that is sealed. One that is not there is no error.
    ///
    /// # Errors
    /// `WalMissing` when the segment is not sealed: its partial file is all there is; storage errors.
    pub fn remove_partial(&self, segment: WalSegment) -> Result<(), WalArchiveError> {
        if !self.is_sealed(segment)? {
            return Err(self.missing(segment));
        }
        self.delete_partial(segment)
    }

    fn delete_partial(&self, segment: WalSegment) -> Result<(), WalArchiveError> {
        self.whole.forget(segment);
        for cover in self.covers() {
            self.storage().delete(&self.partial_key(segment, cover))?;
        }
        Ok(())
    }

    /// Returns the forms in which something may be here.
    fn covers(&self) -> impl Iterator<Item = Cover> {
        let may_be_encrypted = self.recipients().is_some();
        Cover::BEST_FIRST.into_iter().filter(move |cover| may_be_encrypted || *cover == Cover::Plain)
    }

    /// Removes a segment in whatever form it is here: nobody will ever restore through it. One that is not there is no error. Its
    /// absence has to be noted before (see [`WalArchive::replace_gap`]), or a receiver takes it for a hole that it should mend.
    ///
    /// # Errors
    /// Storage errors.
    pub fn remove_segment(&self, segment: WalSegment) -> Result<(), WalArchiveError> {
        // The whole form last: of a segment that is here in both, never only the beginning is left.
        self.delete_partial(segment)?;
        for cover in self.covers() {
            self.storage().delete(&self.sealed_key(segment, cover))?;
        }
        Ok(())
    }

    /// Keeps the beginning of a segment that an archiver brings at the end of a timeline (`SEGMENT.partial`), unless as much or
    /// more of it is here. Only the bytes up to the end of the last whole record count; what lies after it in the file is not
    /// WAL of this timeline.
    ///
    /// # Errors
    /// `WalConflict` when the bytes that both have differ; `WalForeign`, `WalInvalid` when not one record of this segment is
    /// there; `WalDamaged` when it is sealed here and can't be read; storage errors.
    pub fn put_partial(&self, segment: WalSegment, bytes: &[u8]) -> Result<SealOutcome, WalArchiveError> {
        let size = self.geometry().segment_size;
        let start = segment.start_lsn(size);
        let part = scan::valid_part(self.geometry(), segment, bytes);
        if part.end == start {
            let nothing = FormatError::FormatDamaged { what: "WAL segment", detail: "not one whole record".to_owned() };
            return Err(self.refusal(segment, bytes, part.fault.as_ref().unwrap_or(&nothing)));
        }
        // The zeros after a segment switch may be missing; they mean nothing.
        let length = |end: pgformat::Lsn, of: &[u8]| ((end.0 - start.0) as usize).min(of.len());
        let ours = &bytes[..length(part.end, bytes)];
        let checked = length(part.checked_end, bytes);

        let mut there = Vec::new();
        if self.is_sealed(segment)? {
            // Without an identity it is not compared: it is whole, and stays.
            if self.can_read_back() {
                self.read_sealed(segment, &mut there)?;
                self.compare(segment, &ours[..checked], &there)?;
            }
            self.settle(segment)?;
            return Ok(SealOutcome::AlreadyThere);
        }
        if self.cover() == Cover::Encrypted {
            return self.put_encrypted_partial(segment, ours, checked);
        }
        let key = self.partial_key(segment, Cover::Plain);
        match self.storage().put_if_absent(&key, ours) {
            Err(StorageError::StorageExists { .. }) => {}
            done => return Ok(done.map(|()| SealOutcome::Archived)?),
        }
        self.read_partial_file(segment, &mut there)?;
        let known = scan::valid_part(self.geometry(), segment, &there);
        let known_bytes = length(known.end, &there);
        self.compare(segment, &ours[..checked], &there[..length(known.checked_end, &there)])?;
        // In place, and never by replacing the file: a receiver may have it open, and writes the same bytes there.
        let mut object = self.storage().open_append(&key)?;
        let is_longer = known_bytes < ours.len();
        if is_longer {
            object.write_at(known_bytes as u64, &ours[known_bytes..])?;
        }
        // What a receiver wrote may not be durable yet, and whoever asks may drop its own copy now.
        object.sync()?;
        Ok(if is_longer { SealOutcome::Archived } else { SealOutcome::AlreadyThere })
    }

    /// Does the same where partial segments are encrypted. Without an identity what is here is compared by its checksums alone.
    fn put_encrypted_partial(
        &self,
        segment: WalSegment,
        ours: &[u8],
        checked: usize,
    ) -> Result<SealOutcome, WalArchiveError> {
        let start = segment.start_lsn(self.geometry().segment_size);
        let mut partial = self.open_partial(segment)?;
        let mut known_bytes = 0;
        if self.can_read_back() {
            let there = partial.read()?;
            let known = scan::valid_part(self.geometry(), segment, &there);
            let length = |end: Lsn| ((end.0 - start.0) as usize).min(there.len());
            known_bytes = length(known.end);
            self.compare(segment, &ours[..checked], &there[..length(known.checked_end)])?;
        } else if let Some(content) = self.storage().get(&self.partial_key(segment, Cover::Encrypted))? {
            let pieces = Pieces::find(&content, self.geometry().segment_size.bytes());
            for head in pieces.all.iter().map(|piece| &piece.head).filter(|head| head.to <= checked as u64) {
                if crc32c::crc32c(&ours[..head.to as usize]) != head.crc32c {
                    let lsn = Lsn(start.0 + head.to);
                    return Err(self.conflict(segment, format!("they differ before {lsn}")));
                }
            }
            if pieces.covered() >= ours.len() as u64 {
                known_bytes = ours.len();
            }
        }
        let is_longer = known_bytes < ours.len();
        if is_longer {
            partial.write(Lsn(start.0 + known_bytes as u64), &ours[known_bytes..])?;
        }
        partial.sync()?;
        Ok(if is_longer { SealOutcome::Archived } else { SealOutcome::AlreadyThere })
    }

    /// Keeps a timeline's history file (`wal/TIMELINE/TIMELINE.history`).
    ///
    /// # Errors
    /// `WalHistoryConflict` when another content is here; `FormatText` when it is no history.
    pub fn put_history(&self, timeline: TimelineId, text: &[u8]) -> Result<SealOutcome, WalArchiveError> {
        let no_history = || FormatError::FormatText {
            what: "timeline history",
            text: String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned(),
        };
        let entries = parse_history(std::str::from_utf8(text).map_err(|_| no_history())?)?;
        // Upstream `timeline.c`, readTimeLineHistory: ancestors come before, and there is one.
        if entries.last().is_none_or(|last| last.timeline >= timeline) {
            return Err(no_history().into());
        }
        let key = layout::history_key(timeline);
        match self.storage().put_if_absent(&key, text) {
            Err(StorageError::StorageExists { .. }) => {}
            done => return Ok(done.map(|()| SealOutcome::Archived)?),
        }
        if self.history(timeline)?.as_deref() != Some(text) {
            let (timeline, storage) = (timeline.to_string(), self.storage().describe());
            return Err(WalArchiveError::WalHistoryConflict { timeline, storage });
        }
        self.storage().sweep(&key)?;
        Ok(SealOutcome::AlreadyThere)
    }

    /// Compares the bytes that two beginnings of a segment both have.
    fn compare(&self, segment: WalSegment, ours: &[u8], there: &[u8]) -> Result<(), WalArchiveError> {
        match ours.iter().zip(there).position(|(ours, there)| ours != there) {
            None => Ok(()),
            Some(at) => {
                let lsn = pgformat::Lsn(segment.start_lsn(self.geometry().segment_size).0 + at as u64);
                Err(self.conflict(segment, format!("they differ at {lsn}")))
            }
        }
    }
}
