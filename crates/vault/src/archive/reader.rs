use super::{ArchiveError, ArchiveMember, FrameDecoder, IndexReader, SeekTable};
use crate::storage::ObjectReader;

/// Reads a sealed archive by ranges. Trusts nothing in it: every length is bounded before it is used.
pub struct ArchiveReader {
    object: Box<dyn ObjectReader>,
}

impl ArchiveReader {
    /// Reads the tail: footer, seek table, index frame's place.
    ///
    /// # Errors
    /// `ArchiveDamaged`, `ArchiveAbsurd`, `ArchiveNewer`.
    pub fn open(object: Box<dyn ObjectReader>) -> Result<Self, ArchiveError> {
        Ok(ArchiveReader { object })
    }
    /// Returns the archive's size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.object.size_bytes()
    }
    pub fn seek_table(&self) -> &SeekTable {
        todo!()
    }
    /// Starts reading the index.
    pub fn members(&self) -> Result<IndexReader, ArchiveError> {
        todo!()
    }
    /// Decodes one frame into `out`, using `scratch` for its compressed bytes.
    pub fn read_frame(
        &self,
        frame: usize,
        decoder: &mut FrameDecoder,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let _ = (frame, decoder, scratch, out);
        todo!()
    }
    /// Reads a small member whole (at most `limit_bytes`) and checks its CRC.
    pub fn read_member(&self, member: &ArchiveMember, limit_bytes: u64) -> Result<Vec<u8>, ArchiveError> {
        let _ = (member, limit_bytes);
        todo!()
    }
    /// Computes the SHA-256 of the whole file, calling `progress` with each number of bytes read; `false` from it cancels (`Ok(None)`).
    pub fn sha256(&self, progress: &mut dyn FnMut(u64) -> bool) -> Result<Option<String>, ArchiveError> {
        let _ = progress;
        todo!()
    }
}
