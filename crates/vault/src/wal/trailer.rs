//! The end of a sealed segment: one zstd skippable frame that tells what is before it, and checks it.

use super::SealedInfo;
use crate::storage::{ObjectReader, StorageError};

/// One of the sixteen magic numbers that zstd decoders skip; archives use others.
const TRAILER_MAGIC: u32 = 0x184D_2A57;
/// The first bytes of the frame's content, and its last.
const SIGNATURE: &[u8; 8] = b"CADENA-W";
/// The version of a sealed segment that this program writes, and the newest that it reads.
pub(super) const SEALED_VERSION: u16 = 1;
/// Plain bytes of each frame that is written. Every segment size is a multiple. What a frame refers back to, and the tables
/// with which it is made, stay in a processor's own cache; larger ones take longer and are hardly smaller.
pub(super) const FRAME_PLAIN_BYTES: usize = 256 << 10;
/// Plain bytes of a frame that is read, at the most.
const FRAME_PLAIN_LIMIT_BYTES: u64 = 1 << 20;
/// Frames of the largest segment, 1 GiB.
const FRAME_LIMIT: usize = (1 << 30) / FRAME_PLAIN_BYTES;
/// Bytes of the JSON at the most.
const JSON_LIMIT_BYTES: usize = 4 << 20;
/// Restore points that the JSON names at the most. Each takes less than 512 bytes (names have at most 63), so the limit above
/// is never reached; a segment with more of them says so, and readers that want them all read the segment.
pub(super) const RESTORE_POINT_LIMIT: usize = 4096;

/// Magic, length, signature, version, two zeros, number of frames, length of the JSON.
const HEADER_BYTES: usize = 28;
/// Compressed size and CRC-32C.
const ENTRY_BYTES: usize = 8;
/// CRC-32C of all before, length of the whole frame, signature.
const FOOTER_BYTES: usize = 16;
/// How much of the end is read at once: usually all of the trailer.
const FIRST_READ_BYTES: u64 = 8 << 10;
const TRAILER_LIMIT_BYTES: u64 = (HEADER_BYTES + FRAME_LIMIT * ENTRY_BYTES + JSON_LIMIT_BYTES + FOOTER_BYTES) as u64;

/// One data frame of a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SealedFrame {
    pub(super) compressed_bytes: u32,
    /// Of the compressed bytes.
    pub(super) crc32c: u32,
}

/// What the trailer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) info: SealedInfo,
    /// In the segment's order; together they end where the trailer begins.
    pub(super) frames: Vec<SealedFrame>,
    /// Of each frame.
    pub(super) frame_plain_bytes: u32,
}

/// Why a trailer can't be had.
#[derive(Debug)]
pub(super) enum TrailerFault {
    Damaged(String),
    Newer(u32),
    Storage(StorageError),
}

impl From<StorageError> for TrailerFault {
    fn from(error: StorageError) -> Self {
        TrailerFault::Storage(error)
    }
}

fn damaged<T>(detail: impl Into<String>) -> Result<T, TrailerFault> {
    Err(TrailerFault::Damaged(detail.into()))
}

/// Makes the whole skippable frame.
///
/// # Errors
/// `Damaged` when it would be none that a reader takes.
pub(super) fn encode(info: &SealedInfo, frames: &[SealedFrame]) -> Result<Vec<u8>, TrailerFault> {
    let json = serde_json::to_vec(info).or_else(|error| damaged(error.to_string()))?;
    if json.len() > JSON_LIMIT_BYTES || frames.len() > FRAME_LIMIT {
        return damaged(format!("a trailer of {} frames and {} bytes of JSON", frames.len(), json.len()));
    }
    let length = HEADER_BYTES + frames.len() * ENTRY_BYTES + json.len() + FOOTER_BYTES;
    let mut trailer = Vec::with_capacity(length);
    trailer.extend_from_slice(&TRAILER_MAGIC.to_le_bytes());
    trailer.extend_from_slice(&(length as u32 - 8).to_le_bytes());
    trailer.extend_from_slice(SIGNATURE);
    trailer.extend_from_slice(&SEALED_VERSION.to_le_bytes());
    trailer.extend_from_slice(&[0; 2]);
    trailer.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    trailer.extend_from_slice(&(json.len() as u32).to_le_bytes());
    for frame in frames {
        trailer.extend_from_slice(&frame.compressed_bytes.to_le_bytes());
        trailer.extend_from_slice(&frame.crc32c.to_le_bytes());
    }
    trailer.extend_from_slice(&json);
    trailer.extend_from_slice(&crc32c::crc32c(&trailer).to_le_bytes());
    trailer.extend_from_slice(&(length as u32).to_le_bytes());
    trailer.extend_from_slice(SIGNATURE);
    Ok(trailer)
}

/// Reads the trailer of an object: usually one ranged read.
pub(super) fn read(object: &dyn ObjectReader) -> Result<Trailer, TrailerFault> {
    let size = object.size_bytes();
    if size < (HEADER_BYTES + FOOTER_BYTES) as u64 {
        return damaged(format!("it ends after {size} bytes"));
    }
    let mut end = vec![0; size.min(FIRST_READ_BYTES) as usize];
    object.read_exact_at(size - end.len() as u64, &mut end)?;
    let footer = end.len() - FOOTER_BYTES;
    let length = u64::from(u32_at(&end, footer + 4));
    if &end[footer + 8..] != SIGNATURE {
        return damaged("it does not end as a sealed segment does");
    }
    if length < (HEADER_BYTES + FOOTER_BYTES) as u64 || length > TRAILER_LIMIT_BYTES.min(size) {
        return damaged(format!("its trailer can't have {length} bytes"));
    }
    let trailer = match (end.len() as u64).checked_sub(length) {
        Some(before) => end.split_off(before as usize),
        None => {
            let mut trailer = vec![0; (length - end.len() as u64) as usize];
            object.read_exact_at(size - length, &mut trailer)?;
            trailer.append(&mut end);
            trailer
        }
    };
    let trailer = decode(&trailer)?;
    let frames: u64 = trailer.frames.iter().map(|frame| u64::from(frame.compressed_bytes)).sum();
    if frames + length != size {
        return damaged(format!("it has {size} bytes, its frames and its trailer {}", frames + length));
    }
    Ok(trailer)
}

/// Reads a whole trailer frame. The checksum comes before the version: damage is not taken for a newer format.
fn decode(trailer: &[u8]) -> Result<Trailer, TrailerFault> {
    let (body, footer) = trailer.split_at(trailer.len() - FOOTER_BYTES);
    if u32_at(body, 0) != TRAILER_MAGIC || &body[8..16] != SIGNATURE {
        return damaged("its trailer does not begin as one does");
    }
    if u32_at(body, 4) as usize + 8 != trailer.len() {
        return damaged("its trailer contradicts itself about its length");
    }
    if crc32c::crc32c(body) != u32_at(footer, 0) {
        return damaged("its trailer does not match its checksum");
    }
    let version = u16::from_le_bytes([body[16], body[17]]);
    if version > SEALED_VERSION {
        return Err(TrailerFault::Newer(version.into()));
    }
    if version != SEALED_VERSION || body[18..20] != [0; 2] {
        return damaged(format!("its trailer has version {version}"));
    }
    let (frame_count, json_bytes) = (u32_at(body, 20) as usize, u32_at(body, 24) as usize);
    if frame_count > FRAME_LIMIT || HEADER_BYTES + frame_count * ENTRY_BYTES + json_bytes != body.len() {
        return damaged(format!("its trailer can't have {frame_count} frames and {json_bytes} bytes of JSON"));
    }
    let (entries, json) = body[HEADER_BYTES..].split_at(frame_count * ENTRY_BYTES);
    let frames: Vec<SealedFrame> = entries
        .chunks_exact(ENTRY_BYTES)
        .map(|entry| SealedFrame { compressed_bytes: u32_at(entry, 0), crc32c: u32_at(entry, 4) })
        .collect();
    let info: SealedInfo = match serde_json::from_slice(json) {
        Ok(info) => info,
        Err(error) => return damaged(format!("its trailer can't be read: {error}")),
    };
    let Some(frame_plain_bytes) = frame_plain_bytes(info.segment_bytes, frame_count as u64) else {
        return damaged(format!("{frame_count} frames can't be {} bytes", info.segment_bytes));
    };
    // What zstd makes of bytes that can't be compressed is shorter.
    let limit = frame_plain_bytes + frame_plain_bytes / 16;
    if let Some(frame) = frames.iter().find(|frame| frame.compressed_bytes > limit) {
        return damaged(format!("one of its frames can't have {} bytes", frame.compressed_bytes));
    }
    Ok(Trailer { info, frames, frame_plain_bytes })
}

/// Returns the plain length of each of a segment's frames, if there can be so many of them.
fn frame_plain_bytes(segment_bytes: u64, frames: u64) -> Option<u32> {
    let each =
        segment_bytes.checked_div(frames).filter(|each| each.is_power_of_two() && each * frames == segment_bytes)?;
    let is_allowed = (FRAME_PLAIN_BYTES as u64..=FRAME_PLAIN_LIMIT_BYTES).contains(&each);
    u32::try_from(each).ok().filter(|_| is_allowed)
}

/// Reads a number from bytes that are known to be long enough.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
