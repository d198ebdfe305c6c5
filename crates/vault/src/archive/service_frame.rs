//! Zstd skippable frames that carry what is not tar: index, checksums, summary, and last the seek table.

use super::ArchiveError;
use super::limits::{FORMAT_VERSION, SERVICE_PAYLOAD_LIMIT_BYTES};

/// One of the sixteen magic numbers that zstd decoders skip; the format's own frames all have this one.
pub(super) const SERVICE_MAGIC: u32 = 0x184D_2A51;
/// The first bytes of every service frame's content.
const SIGNATURE: &[u8; 8] = b"CADENA-A";
/// Magic, length, signature, version, kind, a zero, ordinal.
pub(super) const SERVICE_HEADER_BYTES: usize = 24;
/// The CRC-32C at the end.
pub(super) const SERVICE_TRAILER_BYTES: usize = 4;
/// Length of a whole service frame at the most.
pub(super) const SERVICE_FRAME_LIMIT_BYTES: u32 =
    SERVICE_PAYLOAD_LIMIT_BYTES + (SERVICE_HEADER_BYTES + SERVICE_TRAILER_BYTES) as u32;

/// The skippable frame of zstd's seekable format.
const SEEK_TABLE_MAGIC: u32 = 0x184D_2A5E;
/// The last four bytes of a seekable file.
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
/// Magic and length before the entries.
pub(super) const SEEK_TABLE_HEADER_BYTES: usize = 8;
/// Frame count, descriptor, magic after the entries.
pub(super) const SEEK_TABLE_FOOTER_BYTES: usize = 9;
/// Compressed and decompressed size.
pub(super) const SEEK_TABLE_ENTRY_BYTES: usize = 8;

/// Says what a service frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceKind {
    Index = 1,
    Checksums = 2,
    Summary = 3,
}

/// Makes a whole service frame.
pub(super) fn encode_service_frame(kind: ServiceKind, ordinal: u32, payload: &[u8]) -> Vec<u8> {
    debug_assert!(payload.len() <= SERVICE_PAYLOAD_LIMIT_BYTES as usize);
    let mut frame = Vec::with_capacity(SERVICE_HEADER_BYTES + payload.len() + SERVICE_TRAILER_BYTES);
    let content_bytes = SERVICE_HEADER_BYTES - 8 + payload.len() + SERVICE_TRAILER_BYTES;
    frame.extend_from_slice(&SERVICE_MAGIC.to_le_bytes());
    frame.extend_from_slice(&(content_bytes as u32).to_le_bytes());
    frame.extend_from_slice(SIGNATURE);
    frame.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    frame.push(kind as u8);
    frame.push(0);
    frame.extend_from_slice(&ordinal.to_le_bytes());
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32c::crc32c(&frame).to_le_bytes());
    frame
}

/// Checks a whole service frame that lies at `offset` and returns its payload.
///
/// The checksum is looked at before the version: a damaged frame is not taken for a newer one.
pub(super) fn decode_service_frame(
    frame: &[u8],
    offset: u64,
    kind: ServiceKind,
    ordinal: u32,
) -> Result<&[u8], ArchiveError> {
    let damaged = |detail: &str| Err(ArchiveError::damaged(offset, detail));
    if frame.len() < SERVICE_HEADER_BYTES + SERVICE_TRAILER_BYTES {
        return damaged("a service frame is too short");
    }
    if le_u32(frame, 0) != SERVICE_MAGIC || u64::from(le_u32(frame, 4)) + 8 != frame.len() as u64 {
        return damaged("no service frame of the length that the seek table says");
    }
    if &frame[8..16] != SIGNATURE {
        return damaged("a service frame lacks its signature");
    }
    let (body, trailer) = frame.split_at(frame.len() - SERVICE_TRAILER_BYTES);
    if crc32c::crc32c(body) != le_u32(trailer, 0) {
        return damaged("a service frame does not match its checksum");
    }
    let version = u16::from_le_bytes([frame[16], frame[17]]);
    if version > FORMAT_VERSION {
        return Err(ArchiveError::ArchiveNewer { found: version.into(), supported: FORMAT_VERSION.into() });
    }
    if version != FORMAT_VERSION || frame[18] != kind as u8 || frame[19] != 0 || le_u32(frame, 20) != ordinal {
        return damaged("another service frame is in the place of this one");
    }
    Ok(&body[SERVICE_HEADER_BYTES..])
}

/// What the last service frame says of the whole archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) data_frames: u64,
    pub(super) members: u64,
    pub(super) plain_bytes: u64,
    pub(super) index_frames: u32,
    pub(super) checksum_frames: u32,
    /// CRC-32C of the whole seek table frame.
    pub(super) seek_table_crc32c: u32,
}

impl Summary {
    const PAYLOAD_BYTES: usize = 36;
    pub(super) const FRAME_BYTES: usize = SERVICE_HEADER_BYTES + Self::PAYLOAD_BYTES + SERVICE_TRAILER_BYTES;

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(Self::PAYLOAD_BYTES);
        payload.extend_from_slice(&self.data_frames.to_le_bytes());
        payload.extend_from_slice(&self.members.to_le_bytes());
        payload.extend_from_slice(&self.plain_bytes.to_le_bytes());
        payload.extend_from_slice(&self.index_frames.to_le_bytes());
        payload.extend_from_slice(&self.checksum_frames.to_le_bytes());
        payload.extend_from_slice(&self.seek_table_crc32c.to_le_bytes());
        encode_service_frame(ServiceKind::Summary, 0, &payload)
    }

    pub(super) fn decode(frame: &[u8], offset: u64) -> Result<Self, ArchiveError> {
        let payload = decode_service_frame(frame, offset, ServiceKind::Summary, 0)?;
        if payload.len() != Self::PAYLOAD_BYTES {
            return Err(ArchiveError::damaged(offset, "the summary has a wrong length"));
        }
        Ok(Summary {
            data_frames: le_u64(payload, 0),
            members: le_u64(payload, 8),
            plain_bytes: le_u64(payload, 16),
            index_frames: le_u32(payload, 24),
            checksum_frames: le_u32(payload, 28),
            seek_table_crc32c: le_u32(payload, 32),
        })
    }
}

/// Makes what comes before the entries of a seek table.
pub(super) fn seek_table_header(entries: u32) -> [u8; SEEK_TABLE_HEADER_BYTES] {
    let content_bytes = entries * SEEK_TABLE_ENTRY_BYTES as u32 + SEEK_TABLE_FOOTER_BYTES as u32;
    let mut header = [0; SEEK_TABLE_HEADER_BYTES];
    header[..4].copy_from_slice(&SEEK_TABLE_MAGIC.to_le_bytes());
    header[4..].copy_from_slice(&content_bytes.to_le_bytes());
    header
}

/// Makes what comes after them: the last bytes of the archive. No checksum flag, no reserved bit.
pub(super) fn seek_table_footer(entries: u32) -> [u8; SEEK_TABLE_FOOTER_BYTES] {
    let mut footer = [0; SEEK_TABLE_FOOTER_BYTES];
    footer[..4].copy_from_slice(&entries.to_le_bytes());
    footer[5..].copy_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
    footer
}

/// Reads the last bytes of an archive: the number of seek table entries, or `None` when this is no seek table of ours.
pub(super) fn parse_seek_table_footer(footer: &[u8; SEEK_TABLE_FOOTER_BYTES]) -> Option<u32> {
    let entries = le_u32(footer, 0);
    (seek_table_footer(entries) == *footer).then_some(entries)
}

/// Reads a number from bytes that are known to be long enough.
pub(super) fn le_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn le_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le_u32(bytes, at)) | u64::from(le_u32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_frame_comes_back_as_it_went() {
        let frame = encode_service_frame(ServiceKind::Index, 7, b"payload");
        assert_eq!(decode_service_frame(&frame, 0, ServiceKind::Index, 7).unwrap(), b"payload");
        for (kind, ordinal) in [(ServiceKind::Checksums, 7), (ServiceKind::Index, 8)] {
            assert!(matches!(
                decode_service_frame(&frame, 5, kind, ordinal),
                Err(ArchiveError::ArchiveDamaged { offset: 5, .. })
            ));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_other_length_is_found() {
        let frame = encode_service_frame(ServiceKind::Checksums, 0, b"four");
        for bit in 0..frame.len() * 8 {
            let mut bad = frame.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = decode_service_frame(&bad, 0, ServiceKind::Checksums, 0).unwrap_err();
            assert!(matches!(error, ArchiveError::ArchiveDamaged { .. }), "bit {bit}: {error}");
        }
        for length in 0..frame.len() {
            assert!(decode_service_frame(&frame[..length], 0, ServiceKind::Checksums, 0).is_err());
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut frame = encode_service_frame(ServiceKind::Summary, 0, b"from the future");
        frame[16] = 2;
        let body = frame.len() - SERVICE_TRAILER_BYTES;
        let crc = crc32c::crc32c(&frame[..body]);
        frame[body..].copy_from_slice(&crc.to_le_bytes());
        let error = decode_service_frame(&frame, 0, ServiceKind::Summary, 0).unwrap_err();
        assert!(matches!(error, ArchiveError::ArchiveNewer { found: 2, supported: 1 }));
    }

    #[test]
    fn the_summary_comes_back_as_it_went() {
        let summary = Summary {
            data_frames: 1,
            members: 2 << 40,
            plain_bytes: u64::MAX,
            index_frames: 4,
            checksum_frames: 5,
            seek_table_crc32c: 0xdead_beef,
        };
        let frame = summary.encode();
        assert_eq!(frame.len(), Summary::FRAME_BYTES);
        assert_eq!(Summary::decode(&frame, 0).unwrap(), summary);
    }

    #[test]
    fn a_footer_with_flags_or_another_magic_is_not_ours() {
        let footer = seek_table_footer(3);
        assert_eq!(parse_seek_table_footer(&footer), Some(3));
        for byte in 4..SEEK_TABLE_FOOTER_BYTES {
            let mut other = footer;
            other[byte] ^= 0x80;
            assert_eq!(parse_seek_table_footer(&other), None);
        }
    }
}
