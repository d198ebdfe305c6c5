use super::index_chunk::{ChunkReader, TarPosition};
use super::limits::INDEX_CHUNK_LIMIT_BYTES;
use super::member_path::PathGuard;
use super::service_frame::{ServiceKind, decode_service_frame};
use super::tail::Tail;
use super::{ArchiveError, END_OF_TAR_BYTES, FrameDecoder, TarMember};
use crate::storage::ObjectReader;
use std::ops::Range;
use std::sync::Arc;

/// Says what a member is. Archives hold nothing else: no links, no devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberKind {
    /// A file with content.
    File,
    /// A folder; it has no content.
    Directory,
}

/// One entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveMember {
    /// Relative, `/` as separator, no `..`; bytes, since PostgreSQL's folder may hold names that are not UTF-8.
    pub path: Vec<u8>,
    /// File or directory.
    pub kind: MemberKind,
    /// Permission bits, at most `0o7777`.
    pub mode: u32,
    /// Seconds since the Unix epoch.
    pub modified_seconds: i64,
    /// Size of the content in bytes; 0 for directories.
    pub size_bytes: u64,
    /// Where the member's content begins in the tar stream (plain bytes).
    pub content_offset: u64,
    /// CRC-32C of the content; 0 for directories and empty files.
    pub crc32c: u32,
}

impl ArchiveMember {
    /// Returns where the content lies in the tar stream; see [`super::SeekTable::pieces`].
    pub fn content_range(&self) -> Range<u64> {
        self.content_offset..self.content_offset + self.size_bytes
    }

    /// Returns what the member's tar header is made of.
    pub fn tar_member(&self) -> TarMember<'_> {
        TarMember {
            path: &self.path,
            kind: self.kind,
            mode: self.mode,
            modified_seconds: self.modified_seconds,
            size_bytes: self.size_bytes,
        }
    }
}

/// Reads the members one by one, in archive order. Every path has passed the hostile-path check, none comes twice or lies
/// below a file, and offsets and sizes lie inside the archive and do not overlap.
///
/// Memory: one chunk of the index (under 2 MiB), and some 20 bytes a member, in which paths that come twice are found.
/// Only when the iteration has ended without an error is the index known to be whole.
pub struct IndexReader {
    object: Arc<dyn ObjectReader>,
    tail: Arc<Tail>,
    decoder: FrameDecoder,
    scratch: Vec<u8>,
    chunk: ChunkReader,
    guard: PathGuard,
    next_frame: usize,
    position: TarPosition,
    members: u64,
    ended: bool,
}

impl IndexReader {
    pub(super) fn new(object: Arc<dyn ObjectReader>, tail: Arc<Tail>) -> Result<Self, ArchiveError> {
        Ok(IndexReader {
            object,
            tail,
            decoder: FrameDecoder::new()?,
            scratch: Vec::new(),
            chunk: ChunkReader::empty(),
            guard: PathGuard::new(),
            next_frame: 0,
            position: TarPosition::default(),
            members: 0,
            ended: false,
        })
    }

    fn try_next(&mut self) -> Result<Option<ArchiveMember>, ArchiveError> {
        if self.chunk.is_at_end() {
            if self.next_frame == self.tail.index_frames.len() {
                return self.check_end().map(|()| None);
            }
            self.next_chunk()?;
        }
        let (member, position) = self.chunk.next(self.position).map_err(|fault| self.damaged(fault))?;
        // What is left after the member must hold the end of the stream.
        if position.0 > self.tail.summary.plain_bytes.saturating_sub(END_OF_TAR_BYTES as u64) {
            return Err(self.damaged("an index entry reaches past the end of the tar stream"));
        }
        self.guard.enter(&member.path, member.kind)?;
        self.position = position;
        self.members += 1;
        Ok(Some(member))
    }

    fn next_chunk(&mut self) -> Result<(), ArchiveError> {
        let place = self.tail.index_frames[self.next_frame];
        let ordinal = self.next_frame as u32;
        self.next_frame += 1;
        let frame = place.read(&*self.object, &mut self.scratch)?;
        let payload = decode_service_frame(frame, place.offset, ServiceKind::Index, ordinal)?;
        let plain_bytes = match zstd::zstd_safe::get_frame_content_size(payload) {
            Ok(Some(size)) => size,
            _ => {
                return Err(ArchiveError::damaged(place.offset, "an index chunk is no zstd frame with a content size"));
            }
        };
        if plain_bytes > INDEX_CHUNK_LIMIT_BYTES.into() {
            return Err(ArchiveError::ArchiveAbsurd { what: "plain bytes of an index chunk", value: plain_bytes });
        }
        self.decoder
            .decode(payload, plain_bytes as u32, self.chunk.buffer())
            .map_err(|error| ArchiveError::damaged(place.offset, format!("an index chunk does not decode: {error}")))?;
        self.chunk.begin(self.position).map_err(|fault| ArchiveError::damaged(place.offset, fault))
    }

    fn check_end(&self) -> Result<(), ArchiveError> {
        if self.members != self.tail.summary.members {
            return Err(self.damaged("the index has another number of members than the summary says"));
        }
        if self.position.0 + END_OF_TAR_BYTES as u64 != self.tail.summary.plain_bytes {
            return Err(self.damaged("the members do not fill the tar stream"));
        }
        Ok(())
    }

    /// Tells of damage in the index frame that was read last.
    fn damaged(&self, detail: &'static str) -> ArchiveError {
        let frame = self.next_frame.checked_sub(1).and_then(|last| self.tail.index_frames.get(last));
        ArchiveError::damaged(frame.map_or(self.tail.seek_table.compressed_bytes(), |frame| frame.offset), detail)
    }
}

impl Iterator for IndexReader {
    type Item = Result<ArchiveMember, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.try_next().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl std::iter::FusedIterator for IndexReader {}
