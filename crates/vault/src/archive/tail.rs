//! The end of an archive, read and checked: seek table, summary, frame checksums, and where the index is.

use super::limits::{FRAME_COMPRESSED_LEAST_BYTES, FRAME_LIMIT, SERVICE_PAYLOAD_LIMIT_BYTES};
use super::service_frame::{
    SEEK_TABLE_ENTRY_BYTES, SEEK_TABLE_FOOTER_BYTES, SEEK_TABLE_HEADER_BYTES, SERVICE_FRAME_LIMIT_BYTES, ServiceKind,
    Summary, decode_service_frame, le_u32, parse_seek_table_footer, seek_table_header,
};
use super::{ArchiveError, END_OF_TAR_BYTES, SeekTable, TAR_BLOCK_BYTES};
use crate::storage::ObjectReader;

/// How much of the end is read at once: enough for all but the index of a backup of some 4 GiB, in one request.
const FIRST_READ_BYTES: u64 = 256 << 10;
/// How much of a long seek table is read at a time; whole entries.
const TABLE_READ_BYTES: usize = 1 << 20;
/// How many frame checksums one service frame holds.
pub(super) const CHECKSUMS_PER_FRAME: usize = SERVICE_PAYLOAD_LIMIT_BYTES as usize / 4;

/// All that is known of an archive without its index.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) seek_table: SeekTable,
    /// CRC-32C of each data frame's compressed bytes.
    pub(super) frame_checksums: Vec<u32>,
    pub(super) index_frames: Vec<ServicePlace>,
    pub(super) summary: Summary,
}

/// Where a service frame lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServicePlace {
    pub(super) offset: u64,
    pub(super) size_bytes: u32,
}

impl ServicePlace {
    /// Reads the frame into `scratch`, which only ever grows.
    pub(super) fn read<'s>(
        &self,
        object: &dyn ObjectReader,
        scratch: &'s mut Vec<u8>,
    ) -> Result<&'s [u8], ArchiveError> {
        let buffer = grown(scratch, self.size_bytes as usize);
        object.read_exact_at(self.offset, buffer)?;
        Ok(buffer)
    }
}

/// Lends the first `length` bytes of a buffer that is used again and again; it is zero-filled only where it grows.
pub(super) fn grown(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

/// The end of the object, kept in memory while it is parsed.
struct Window<'o> {
    object: &'o dyn ObjectReader,
    start: u64,
    bytes: Vec<u8>,
}

impl<'o> Window<'o> {
    fn open(object: &'o dyn ObjectReader) -> Result<Self, ArchiveError> {
        let size = object.size_bytes();
        let start = size.saturating_sub(FIRST_READ_BYTES);
        let mut bytes = vec![0; (size - start) as usize];
        object.read_exact_at(start, &mut bytes)?;
        Ok(Window { object, start, bytes })
    }

    /// Fills `buffer` from `offset`; the range must lie inside the object.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        match offset.checked_sub(self.start).map(|at| at as usize) {
            Some(at) => buffer.copy_from_slice(&self.bytes[at..at + buffer.len()]),
            None => self.object.read_exact_at(offset, buffer)?,
        }
        Ok(())
    }
}

/// Where the seek table is, known from the footer alone.
struct TablePlace {
    entries: u32,
    offset: u64,
    size_bytes: u64,
}

/// Reads the end of an archive.
pub(super) fn read_tail(object: &dyn ObjectReader) -> Result<Tail, ArchiveError> {
    let window = Window::open(object)?;
    let table = find_table(&window)?;
    let (summary, summary_place) = read_summary(&window, &table)?;
    let (seek_table, mut services) = read_table(&window, &table, &summary)?;
    check_summary(&summary, &seek_table, services.len() as u64, summary_place.offset)?;
    services.pop();
    let checksums = services.split_off(summary.index_frames as usize);
    let frame_checksums = read_checksums(&window, &checksums, seek_table.frame_count())?;
    Ok(Tail { seek_table, frame_checksums, index_frames: services, summary })
}

fn find_table(window: &Window) -> Result<TablePlace, ArchiveError> {
    let size = window.object.size_bytes();
    let least =
        (SEEK_TABLE_HEADER_BYTES + SEEK_TABLE_ENTRY_BYTES + SEEK_TABLE_FOOTER_BYTES + Summary::FRAME_BYTES) as u64;
    if size < least {
        return Err(ArchiveError::damaged(size, "it ends before an archive can"));
    }
    let footer_offset = size - SEEK_TABLE_FOOTER_BYTES as u64;
    let mut footer = [0; SEEK_TABLE_FOOTER_BYTES];
    window.read(footer_offset, &mut footer)?;
    let entries = parse_seek_table_footer(&footer)
        .ok_or_else(|| ArchiveError::damaged(footer_offset, "it does not end with a seek table"))?;
    if u64::from(entries) > 2 * FRAME_LIMIT {
        return Err(ArchiveError::ArchiveAbsurd { what: "seek table entries", value: entries.into() });
    }
    let size_bytes =
        (SEEK_TABLE_HEADER_BYTES + SEEK_TABLE_FOOTER_BYTES) as u64 + u64::from(entries) * SEEK_TABLE_ENTRY_BYTES as u64;
    // Each entry stands for a frame, so a small file can't make us reserve much.
    if entries == 0 || size_bytes + u64::from(entries) * u64::from(FRAME_COMPRESSED_LEAST_BYTES) > size {
        return Err(ArchiveError::damaged(footer_offset, "the file is too short for its seek table"));
    }
    let place = TablePlace { entries, offset: size - size_bytes, size_bytes };
    let mut header = [0; SEEK_TABLE_HEADER_BYTES];
    window.read(place.offset, &mut header)?;
    if header != seek_table_header(entries) {
        return Err(ArchiveError::damaged(place.offset, "the seek table has a wrong header"));
    }
    Ok(place)
}

/// Reads the summary, the last frame before the seek table. It comes first, since it knows the format's version.
fn read_summary(window: &Window, table: &TablePlace) -> Result<(Summary, ServicePlace), ArchiveError> {
    let entry_offset = table.offset + table.size_bytes - (SEEK_TABLE_FOOTER_BYTES + SEEK_TABLE_ENTRY_BYTES) as u64;
    let mut entry = [0; SEEK_TABLE_ENTRY_BYTES];
    window.read(entry_offset, &mut entry)?;
    let size_bytes = le_u32(&entry, 0);
    if size_bytes > SERVICE_FRAME_LIMIT_BYTES || u64::from(size_bytes) > table.offset {
        return Err(ArchiveError::damaged(entry_offset, "the summary does not fit before the seek table"));
    }
    let place = ServicePlace { offset: table.offset - u64::from(size_bytes), size_bytes };
    let mut frame = vec![0; size_bytes as usize];
    window.read(place.offset, &mut frame)?;
    Ok((Summary::decode(&frame, place.offset)?, place))
}

/// Reads the entries: data frames first, then service frames, which hold no plain bytes.
fn read_table(
    window: &Window,
    table: &TablePlace,
    summary: &Summary,
) -> Result<(SeekTable, Vec<ServicePlace>), ArchiveError> {
    // Both are bounded: `entries` by the file's size, see `find_table`.
    let data_frames = summary.data_frames.min(table.entries.into()) as usize;
    let mut seek_table = SeekTable::with_capacity(data_frames);
    let mut services = Vec::new();
    let mut crc32c = crc32c::crc32c(&seek_table_header(table.entries));
    let mut frame_offset = 0u64;
    let mut buffer = Vec::new();
    let mut at = table.offset + SEEK_TABLE_HEADER_BYTES as u64;
    let end = table.offset + table.size_bytes - SEEK_TABLE_FOOTER_BYTES as u64;
    while at < end {
        let piece = grown(&mut buffer, (end - at).min(TABLE_READ_BYTES as u64) as usize);
        window.read(at, piece)?;
        crc32c = crc32c::crc32c_append(crc32c, piece);
        for (number, entry) in piece.chunks_exact(SEEK_TABLE_ENTRY_BYTES).enumerate() {
            let entry_offset = at + (number * SEEK_TABLE_ENTRY_BYTES) as u64;
            let (compressed_bytes, plain_bytes) = (le_u32(entry, 0), le_u32(entry, 4));
            if plain_bytes > 0 && services.is_empty() {
                seek_table.push(compressed_bytes, plain_bytes)?;
            } else if plain_bytes == 0 && compressed_bytes <= SERVICE_FRAME_LIMIT_BYTES {
                services.push(ServicePlace { offset: frame_offset, size_bytes: compressed_bytes });
            } else {
                return Err(ArchiveError::damaged(entry_offset, "a seek table entry that no archive has"));
            }
            frame_offset += u64::from(compressed_bytes);
        }
        at += piece.len() as u64;
    }
    let mut footer = [0; SEEK_TABLE_FOOTER_BYTES];
    window.read(end, &mut footer)?;
    if crc32c::crc32c_append(crc32c, &footer) != summary.seek_table_crc32c {
        return Err(ArchiveError::damaged(table.offset, "the seek table does not match its checksum"));
    }
    if frame_offset != table.offset {
        return Err(ArchiveError::damaged(table.offset, "the frames of the seek table do not fill the file"));
    }
    Ok((seek_table, services))
}

fn check_summary(summary: &Summary, table: &SeekTable, services: u64, offset: u64) -> Result<(), ArchiveError> {
    let frames = table.frame_count() as u64;
    let agrees = summary.data_frames == frames
        && summary.plain_bytes == table.plain_bytes()
        && u64::from(summary.checksum_frames) == frames.div_ceil(CHECKSUMS_PER_FRAME as u64)
        && u64::from(summary.index_frames) + u64::from(summary.checksum_frames) + 1 == services;
    if !agrees {
        return Err(ArchiveError::damaged(offset, "the summary does not agree with the seek table"));
    }
    if !summary.plain_bytes.is_multiple_of(TAR_BLOCK_BYTES as u64) || summary.plain_bytes < END_OF_TAR_BYTES as u64 {
        return Err(ArchiveError::damaged(offset, "the plain bytes are no tar stream: no whole blocks"));
    }
    // Each member has a header of a block at least, and each index frame a member.
    if summary.members > (summary.plain_bytes - END_OF_TAR_BYTES as u64) / TAR_BLOCK_BYTES as u64 {
        return Err(ArchiveError::ArchiveAbsurd { what: "members", value: summary.members });
    }
    if u64::from(summary.index_frames) > summary.members {
        return Err(ArchiveError::ArchiveAbsurd { what: "index frames", value: summary.index_frames.into() });
    }
    Ok(())
}

fn read_checksums(window: &Window, places: &[ServicePlace], frames: usize) -> Result<Vec<u32>, ArchiveError> {
    let mut checksums = Vec::with_capacity(frames);
    let mut scratch = Vec::new();
    for (ordinal, place) in places.iter().enumerate() {
        let buffer = grown(&mut scratch, place.size_bytes as usize);
        window.read(place.offset, buffer)?;
        let payload = decode_service_frame(buffer, place.offset, ServiceKind::Checksums, ordinal as u32)?;
        let wanted = (frames - checksums.len()).min(CHECKSUMS_PER_FRAME);
        if payload.len() != wanted * 4 {
            return Err(ArchiveError::damaged(place.offset, "a checksum frame has a wrong length"));
        }
        checksums.extend(payload.chunks_exact(4).map(|bytes| le_u32(bytes, 0)));
    }
    Ok(checksums)
}
