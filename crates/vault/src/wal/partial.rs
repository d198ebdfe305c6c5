use super::WalArchiveError;
use pgformat::{Lsn, WalSegment};

/// The beginning of a segment, open for appending. What lies in the file after a crash may be longer than what was made
/// durable; [`PartialSegment::valid_end`] says how far it can be trusted.
pub struct PartialSegment {
    _segment: WalSegment,
}

impl PartialSegment {
    /// Returns the segment.
    pub fn segment(&self) -> WalSegment {
        self._segment
    }

    /// Returns the end of what was in the file when it was opened.
    pub fn file_end(&self) -> Lsn {
        todo!()
    }

    /// Reads what is in the file, from the segment's start, at most `file_end`.
    pub fn read(&self) -> Result<Vec<u8>, WalArchiveError> {
        todo!()
    }

    /// Writes `bytes` at `lsn`, which must not be after the end of what was written. What was there is replaced.
    pub fn write(&mut self, _lsn: Lsn, _bytes: &[u8]) -> Result<(), WalArchiveError> {
        todo!()
    }

    /// Makes everything written durable, and the file itself.
    pub fn sync(&mut self) -> Result<(), WalArchiveError> {
        todo!()
    }
}
