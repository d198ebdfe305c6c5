use super::{WalArchive, WalArchiveError, scan};
use crate::storage::AppendObject;
use pgformat::wal::WalGeometry;
use pgformat::{Lsn, WalSegment};

/// The beginning of a segment, open for appending. What lies in the file after a crash may be longer than what was made
/// durable; [`PartialSegment::valid_end`] says how far it can be trusted.
pub struct PartialSegment {
    geometry: WalGeometry,
    segment: WalSegment,
    object: Box<dyn AppendObject>,
    size_at_open_bytes: u64,
}

impl PartialSegment {
    pub(super) fn open(archive: &WalArchive, segment: WalSegment) -> Result<Self, WalArchiveError> {
        let object = archive.storage().open_append(&archive.partial_key(segment))?;
        // What lies behind a segment's length is none of it.
        let size_at_open_bytes = object.size_bytes().min(archive.geometry().segment_size.bytes());
        Ok(PartialSegment { geometry: *archive.geometry(), segment, object, size_at_open_bytes })
    }

    /// Returns the segment.
    pub fn segment(&self) -> WalSegment {
        self.segment
    }

    /// Returns the end of what was in the file when it was opened.
    pub fn file_end(&self) -> Lsn {
        Lsn(self.start().0 + self.size_at_open_bytes)
    }

    /// Reads what is in the file, from the segment's start, at most `file_end`.
    ///
    /// # Errors
    /// Storage errors.
    pub fn read(&self) -> Result<Vec<u8>, WalArchiveError> {
        let mut bytes = vec![0; self.size_at_open_bytes as usize];
        self.object.read_exact_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `into` from `lsn` on; all of it must have been written.
    ///
    /// # Errors
    /// Storage errors.
    pub fn read_range(&self, lsn: Lsn, into: &mut [u8]) -> Result<(), WalArchiveError> {
        Ok(self.object.read_exact_at(lsn.0.saturating_sub(self.start().0), into)?)
    }

    /// Returns the end of the last whole, checked record in what [`PartialSegment::read`] reads, from where the log can be
    /// received again; the segment's start when there is none, and its end when all of it is valid, or when its last record is a
    /// segment switch, even if the zeros that follow it are not in the file.
    ///
    /// # Errors
    /// Storage errors.
    pub fn valid_end(&self) -> Result<Lsn, WalArchiveError> {
        Ok(scan::valid_part(&self.geometry, self.segment, &self.read()?).checked_end)
    }

    /// Writes `bytes` at `lsn`, which must not be after the end of what was written. What was there is replaced.
    ///
    /// # Errors
    /// `WalInvalid` when they do not lie in the segment; storage errors, after which any part of `bytes` may be written.
    pub fn write(&mut self, lsn: Lsn, bytes: &[u8]) -> Result<(), WalArchiveError> {
        let size = self.geometry.segment_size.bytes();
        let offset = lsn.0.checked_sub(self.start().0);
        let offset = offset.filter(|offset| offset.checked_add(bytes.len() as u64).is_some_and(|end| end <= size));
        let Some(offset) = offset else {
            let segment = self.segment.file_name(self.geometry.segment_size);
            return Err(WalArchiveError::WalInvalid { segment, detail: format!("{} bytes at {lsn}", bytes.len()) });
        };
        Ok(self.object.write_at(offset, bytes)?)
    }

    /// Makes everything written durable, and the file itself.
    ///
    /// # Errors
    /// Storage errors. What was written since the last success has to be written again.
    pub fn sync(&mut self) -> Result<(), WalArchiveError> {
        Ok(self.object.sync()?)
    }

    fn start(&self) -> Lsn {
        self.segment.start_lsn(self.geometry.segment_size)
    }
}
