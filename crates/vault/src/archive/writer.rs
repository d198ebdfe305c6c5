use super::index_chunk::{ChunkWriter, TarPosition};
use super::limits::FRAME_LIMIT;
use super::member_list::MemberListWriter;
use super::member_path::PathGuard;
use super::seek_table::check_frame_sizes;
use super::service_frame::{
    SEEK_TABLE_ENTRY_BYTES, ServiceKind, Summary, encode_service_frame, seek_table_footer, seek_table_header,
};
use super::sink::Sink;
use super::tail::CHECKSUMS_PER_FRAME;
use super::{ArchiveError, ArchiveMember, END_OF_TAR_BYTES, FrameEncoder, MemberKind};
use crate::encryption::Recipients;
use crate::storage::PutStream;

/// The level for the index: a few MiB at the most, written by one thread.
const INDEX_LEVEL: i32 = 3;

/// Seals an archive: takes finished frames in order, digests and writes them, then the index and the seek table.
///
/// Memory: 12 bytes a frame, the index as it is compressed (some 15 bytes a member), and some 20 bytes a member in which
/// paths that come twice are found.
pub struct ArchiveWriter {
    sink: Sink,
    /// With recipients: who they are, and what only the list tells without an identity.
    encrypted: Option<(Recipients, MemberListWriter)>,
    index_encoder: Option<FrameEncoder>,
    chunk: ChunkWriter,
    guard: PathGuard,
    position: TarPosition,
    members: u64,
    /// Sealed index frames, one after the other, and their lengths.
    index: Vec<u8>,
    index_sizes: Vec<u32>,
    /// The entries of the seek table as they will be written.
    table: Vec<u8>,
    /// The CRC-32C of each frame as it will be written.
    checksums: Vec<u8>,
    plain_bytes: u64,
}

/// Says what was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedArchive {
    /// Size of the archive in bytes.
    pub size_bytes: u64,
    /// Length of the tar stream in bytes.
    pub plain_bytes: u64,
    /// Lower-case hexadecimal, as `sha256sum` prints it.
    pub sha256: String,
    /// Data frames.
    pub frames: u64,
    /// Members in the index.
    pub members: u64,
    /// `None` when it is not encrypted.
    pub encryption: Option<SealedEncryption>,
}

/// Says how an archive was encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEncryption {
    /// The age recipients.
    pub recipients: Vec<String>,
    /// Its files, for whoever takes the next backup without an identity: see [`super::read_member_list`].
    pub member_list: Vec<u8>,
}

impl ArchiveWriter {
    /// Begins an archive on a stream that has no bytes yet.
    ///
    /// With recipients the archive is an age file: `age -d` gives the archive, and sizes and SHA-256 are the age file's.
    ///
    /// # Errors
    /// `EncryptionFailed`; `Storage` when the header can't be written.
    pub fn new(out: Box<dyn PutStream>, recipients: Option<&Recipients>) -> Result<Self, ArchiveError> {
        let sink = Sink::new(out, recipients)?;
        let encrypted = match recipients {
            Some(recipients) => Some((recipients.clone(), MemberListWriter::new()?)),
            None => None,
        };
        Ok(ArchiveWriter {
            sink,
            encrypted,
            index_encoder: None,
            chunk: ChunkWriter::new(),
            guard: PathGuard::new(),
            position: TarPosition::default(),
            members: 0,
            index: Vec::new(),
            index_sizes: Vec::new(),
            table: Vec::new(),
            checksums: Vec::new(),
            plain_bytes: 0,
        })
    }

    /// Appends one frame that holds `plain_bytes` of the tar stream.
    ///
    /// # Errors
    /// `ArchiveAbsurd` for sizes that a reader would refuse; `Storage` when it can't be written.
    pub fn append_frame(&mut self, frame: &[u8], plain_bytes: u32) -> Result<(), ArchiveError> {
        check_frame_sizes(frame.len() as u64, plain_bytes.into())?;
        if self.frames() >= FRAME_LIMIT {
            return Err(ArchiveError::ArchiveAbsurd { what: "frames", value: self.frames() + 1 });
        }
        self.sink.write(frame)?;
        // The frame is in the cache now, and CRC-32C takes a tenth of what SHA-256 takes.
        self.checksums.extend_from_slice(&crc32c::crc32c(frame).to_le_bytes());
        self.enter_frame(frame.len() as u32, plain_bytes);
        self.plain_bytes += u64::from(plain_bytes);
        Ok(())
    }

    /// Enters a member into the index; members come in tar order, each after its header has been placed.
    ///
    /// # Errors
    /// `ArchiveHostileMember` for a path that a reader would refuse, beside those before it; `ArchiveMisuse` when the
    /// member does not lie right behind the one before, or is described in a way that no index can hold.
    pub fn add_member(&mut self, member: &ArchiveMember) -> Result<(), ArchiveError> {
        let empty = member.size_bytes == 0;
        if member.mode > 0o7777 || (member.kind == MemberKind::Directory && !empty) || (empty && member.crc32c != 0) {
            return Err(ArchiveError::misuse(format!("a member like {member:?}")));
        }
        let (content_offset, next) = self
            .position
            .place(&member.path, member.kind, member.size_bytes)
            .ok_or(ArchiveError::ArchiveAbsurd { what: "bytes of a member", value: member.size_bytes })?;
        if content_offset != member.content_offset {
            let path = super::error::printable(&member.path);
            return Err(ArchiveError::misuse(format!(
                "the content of {path:?} is to begin at {content_offset}, not at {}",
                member.content_offset
            )));
        }
        self.guard.enter(&member.path, member.kind)?;
        if let Some((_, list)) = &mut self.encrypted {
            list.enter(member)?;
        }
        if self.chunk.is_full() {
            self.seal_chunk()?;
        }
        self.chunk.push(member, self.position);
        self.position = next;
        self.members += 1;
        Ok(())
    }

    /// Returns the plain bytes appended so far.
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Writes index and seek table and hands back the stream, still to be committed.
    ///
    /// # Errors
    /// `ArchiveMisuse` when the frames do not hold exactly the members and the end of the tar stream; `Storage`.
    pub fn finish(mut self) -> Result<(SealedArchive, Box<dyn PutStream>), ArchiveError> {
        let wanted = self.position.0 + END_OF_TAR_BYTES as u64;
        if self.plain_bytes != wanted {
            return Err(ArchiveError::misuse(format!(
                "the frames hold {} plain bytes; the members and the end of the tar stream take {wanted}",
                self.plain_bytes
            )));
        }
        let frames = self.frames();
        if !self.chunk.is_empty() {
            self.seal_chunk()?;
        }
        self.write_index()?;
        let checksum_frames = self.write_checksums()?;
        self.write_summary_and_table(frames, checksum_frames)?;
        let (size_bytes, sha256, out) = self.sink.finish()?;
        let encryption = match self.encrypted {
            Some((recipients, list)) => {
                Some(SealedEncryption { recipients: recipients.texts().to_vec(), member_list: list.finish(&sha256)? })
            }
            None => None,
        };
        let (plain_bytes, members) = (self.plain_bytes, self.members);
        let sealed = SealedArchive { size_bytes, plain_bytes, sha256, frames, members, encryption };
        Ok((sealed, out))
    }

    fn frames(&self) -> u64 {
        (self.checksums.len() / 4) as u64
    }

    /// Enters a frame into the seek table: a data frame, or a service frame with no plain bytes.
    fn enter_frame(&mut self, compressed_bytes: u32, plain_bytes: u32) {
        self.table.extend_from_slice(&compressed_bytes.to_le_bytes());
        self.table.extend_from_slice(&plain_bytes.to_le_bytes());
    }

    fn seal_chunk(&mut self) -> Result<(), ArchiveError> {
        let encoder = match &mut self.index_encoder {
            Some(encoder) => encoder,
            none => none.insert(FrameEncoder::new(INDEX_LEVEL)?),
        };
        let mut payload = Vec::new();
        self.chunk.take(|plain| encoder.encode(plain, &mut payload))?;
        let frame = encode_service_frame(ServiceKind::Index, self.index_sizes.len() as u32, &payload);
        self.index_sizes.push(frame.len() as u32);
        self.index.extend_from_slice(&frame);
        Ok(())
    }

    fn write_index(&mut self) -> Result<(), ArchiveError> {
        let index = std::mem::take(&mut self.index);
        self.sink.write(&index)?;
        for size in std::mem::take(&mut self.index_sizes) {
            self.enter_frame(size, 0);
        }
        Ok(())
    }

    fn write_checksums(&mut self) -> Result<u32, ArchiveError> {
        let checksums = std::mem::take(&mut self.checksums);
        let mut written = 0;
        for payload in checksums.chunks(CHECKSUMS_PER_FRAME * 4) {
            let frame = encode_service_frame(ServiceKind::Checksums, written, payload);
            self.sink.write(&frame)?;
            self.enter_frame(frame.len() as u32, 0);
            written += 1;
        }
        Ok(written)
    }

    fn write_summary_and_table(&mut self, data_frames: u64, checksum_frames: u32) -> Result<(), ArchiveError> {
        self.enter_frame(Summary::FRAME_BYTES as u32, 0);
        let entries = (self.table.len() / SEEK_TABLE_ENTRY_BYTES) as u32;
        let index_frames = entries - data_frames as u32 - checksum_frames - 1;
        let (header, footer) = (seek_table_header(entries), seek_table_footer(entries));
        let crc32c = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&header), &self.table), &footer);
        let summary = Summary {
            data_frames,
            members: self.members,
            plain_bytes: self.plain_bytes,
            index_frames,
            checksum_frames,
            seek_table_crc32c: crc32c,
        };
        self.sink.write(&summary.encode())?;
        self.sink.write(&header)?;
        let table = std::mem::take(&mut self.table);
        self.sink.write(&table)?;
        self.sink.write(&footer)
    }
}
