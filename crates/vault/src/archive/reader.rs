use super::tail::{Tail, grown, read_tail};
use super::{ArchiveError, ArchiveMember, FrameDecoder, IndexReader, SeekTable, digest};
use crate::encryption::{Keys, UnsealedObject};
use crate::storage::ObjectReader;
use std::sync::Arc;

/// Reads a sealed archive by ranges. Trusts nothing in it: every length is bounded before it is used.
///
/// Can be shared by threads; each brings its own [`FrameDecoder`] and buffers.
pub struct ArchiveReader {
    object: Arc<dyn ObjectReader>,
    /// The age file in which it lies; else the same.
    stored: Arc<dyn ObjectReader>,
    tail: Arc<Tail>,
}

impl ArchiveReader {
    /// Reads the tail: footer, seek table, summary, frame checksums. For all but the largest archives that is one ranged read.
    ///
    /// # Errors
    /// `ArchiveDamaged`, `ArchiveAbsurd`, `ArchiveNewer`.
    pub fn open(object: Box<dyn ObjectReader>) -> Result<Self, ArchiveError> {
        let object: Arc<dyn ObjectReader> = Arc::from(object);
        Self::open_inside(Arc::clone(&object), object)
    }

    /// Opens an archive that is an age file.
    ///
    /// # Errors
    /// `EncryptionIdentityMissing`, `EncryptionIdentityWrong`; those of [`ArchiveReader::open`].
    pub fn open_sealed(
        stored: Box<dyn ObjectReader>,
        keys: &Keys,
        storage: &str,
        key: &str,
    ) -> Result<Self, ArchiveError> {
        let stored: Arc<dyn ObjectReader> = Arc::from(stored);
        let object = UnsealedObject::open(Arc::clone(&stored), keys, storage, key)?;
        Self::open_inside(Arc::new(object), stored)
    }

    fn open_inside(object: Arc<dyn ObjectReader>, stored: Arc<dyn ObjectReader>) -> Result<Self, ArchiveError> {
        let tail = read_tail(&*object)?;
        Ok(ArchiveReader { object, stored, tail: Arc::new(tail) })
    }

    /// Returns the size in bytes of what is stored.
    pub fn size_bytes(&self) -> u64 {
        self.stored.size_bytes()
    }

    /// Returns where the data frames are.
    pub fn seek_table(&self) -> &SeekTable {
        &self.tail.seek_table
    }

    /// Returns how many members the index must have; it is checked when the index is read.
    pub fn member_count(&self) -> u64 {
        self.tail.summary.members
    }

    /// Starts reading the index.
    ///
    /// # Errors
    /// `ArchiveCodec` when there is no memory for a decoder; damage shows up during the iteration.
    pub fn members(&self) -> Result<IndexReader, ArchiveError> {
        IndexReader::new(Arc::clone(&self.object), Arc::clone(&self.tail))
    }

    /// Finds a member by its path. Reads the index to its end, so that nothing behind the member is wrong either.
    ///
    /// # Errors
    /// `ArchiveNoMember`, and what reading the index finds.
    pub fn find_member(&self, path: &[u8]) -> Result<ArchiveMember, ArchiveError> {
        let mut found = None;
        for member in self.members()? {
            let member = member?;
            if member.path == path {
                found = Some(member);
            }
        }
        found.ok_or_else(|| ArchiveError::ArchiveNoMember { path: super::error::printable(path) })
    }

    /// Decodes one frame into `out`, using `scratch` for its compressed bytes.
    ///
    /// `scratch` only ever grows and is not cleared between calls: it holds a frame, then rubbish.
    ///
    /// # Errors
    /// `ArchiveDamaged` with the frame's offset when its CRC-32C differs or it does not decode; `ArchiveMisuse` for a
    /// frame that is not there; `Storage`.
    pub fn read_frame(
        &self,
        frame: usize,
        decoder: &mut FrameDecoder,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        out.clear();
        let Some(&checksum) = self.tail.frame_checksums.get(frame) else {
            return Err(ArchiveError::misuse(format!("frame {frame} of {}", self.tail.frame_checksums.len())));
        };
        let compressed = self.tail.seek_table.compressed_range(frame);
        let plain = self.tail.seek_table.plain_range(frame);
        let bytes = grown(scratch, (compressed.end - compressed.start) as usize);
        self.object.read_exact_at(compressed.start, bytes)?;
        if crc32c::crc32c(bytes) != checksum {
            return Err(ArchiveError::damaged(compressed.start, format!("frame {frame} does not match its checksum")));
        }
        decoder.decode(bytes, (plain.end - plain.start) as u32, out).map_err(|error| match error {
            ArchiveError::ArchiveCodec { detail } => {
                ArchiveError::damaged(compressed.start, format!("frame {frame} does not decode: {detail}"))
            }
            other => other,
        })
    }

    /// Reads a small member whole (at most `limit_bytes`) and checks its CRC.
    ///
    /// # Errors
    /// `ArchiveAbsurd` when it is larger than the limit; `ArchiveContentDamaged` when its CRC-32C differs; what [`Self::read_frame`] finds.
    pub fn read_member(&self, member: &ArchiveMember, limit_bytes: u64) -> Result<Vec<u8>, ArchiveError> {
        if member.size_bytes > limit_bytes {
            return Err(ArchiveError::ArchiveAbsurd { what: "bytes of a member", value: member.size_bytes });
        }
        let mut decoder = FrameDecoder::new()?;
        let (mut scratch, mut plain, mut content) = (Vec::new(), Vec::new(), Vec::new());
        let end = member.content_offset.saturating_add(member.size_bytes);
        for piece in self.seek_table().pieces(member.content_offset..end) {
            self.read_frame(piece.frame, &mut decoder, &mut scratch, &mut plain)?;
            content.extend_from_slice(&plain[piece.offset_in_frame..piece.offset_in_frame + piece.len]);
        }
        if content.len() as u64 != member.size_bytes {
            return Err(ArchiveError::misuse("a member of another archive"));
        }
        check_content_crc32c(member, crc32c::crc32c(&content))?;
        Ok(content)
    }

    /// Computes the SHA-256 of the whole file as it is stored, calling `progress` with each number of bytes read; `false` from it cancels (`Ok(None)`).
    ///
    /// # Errors
    /// `Storage`.
    pub fn sha256(&self, progress: &mut dyn FnMut(u64) -> bool) -> Result<Option<String>, ArchiveError> {
        digest::sha256_of(&*self.stored, progress)
    }
}

/// Compares a content's CRC-32C with the one in the index.
pub(super) fn check_content_crc32c(member: &ArchiveMember, found: u32) -> Result<(), ArchiveError> {
    if found == member.crc32c {
        return Ok(());
    }
    Err(ArchiveError::ArchiveContentDamaged {
        path: super::error::printable(&member.path),
        expected_crc32c: member.crc32c,
        found_crc32c: found,
    })
}
