//! The head of an `INCREMENTAL.*` file of an incremental backup since PostgreSQL 17 (upstream `basebackup.c`,
//! `basebackup_incremental.c`, `reconstruct.c`).
//!
//! The file stands for a relation segment: some of its blocks, and how long it was at its shortest since the backup before.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the magic number |
//! | 4 | how many blocks are in the file |
//! | 4 | the truncation block length |
//! | 4 each | the blocks' numbers within the segment, ascending |
//! | … | zeros up to a multiple of the block size; none when there are no blocks |
//! | block size each | the blocks |

use crate::FormatError;
use crate::page::is_block_size;

/// Begins every incremental file (upstream `INCREMENTAL_MAGIC`).
pub const INCREMENTAL_MAGIC: u32 = 0xD3AE_1F0D;
/// Stands before the name of the file that it is made for.
pub const INCREMENTAL_PREFIX: &str = "INCREMENTAL.";
/// Length of what stands before the blocks' numbers, and tells how many they are.
pub const INCREMENTAL_HEAD_BYTES: usize = 12;

/// Says how a cluster divides relations; from pg_control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentGeometry {
    /// Bytes in a block: a power of two from 1 KiB to 32 KiB.
    pub block_size_bytes: u32,
    /// Blocks in a relation segment.
    pub relation_segment_blocks: u32,
}

/// Holds the head of an incremental file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncrementalHeader {
    geometry: SegmentGeometry,
    truncation_block_length: u32,
    block_numbers: Vec<u32>,
}

impl IncrementalHeader {
    /// Makes the head of a file of the given blocks, numbered within the segment and ascending. The restored segment takes
    /// from older backups only blocks below `truncation_block_length`, is at least that long, and longer when a block lies
    /// behind.
    ///
    /// # Errors
    /// `FormatDamaged` when the numbers are not ascending or are not in a segment.
    pub fn new(
        geometry: SegmentGeometry,
        truncation_block_length: u32,
        block_numbers: Vec<u32>,
    ) -> Result<Self, FormatError> {
        let in_segment = geometry.relation_segment_blocks;
        if !is_block_size(geometry.block_size_bytes as usize) {
            return Err(damaged(format!("the block size is {}", geometry.block_size_bytes)));
        }
        if truncation_block_length > in_segment {
            return Err(damaged(format!("it is cut at {truncation_block_length} of {in_segment} blocks")));
        }
        if let Some(pair) = block_numbers.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(damaged(format!("block {} comes after {}", pair[1], pair[0])));
        }
        if let Some(last) = block_numbers.last().filter(|last| **last >= in_segment) {
            return Err(damaged(format!("block {last} of {in_segment}")));
        }
        Ok(IncrementalHeader { geometry, truncation_block_length, block_numbers })
    }

    /// Tells from the file's first [`INCREMENTAL_HEAD_BYTES`] how long its head is, which is bounded by the segment's size.
    ///
    /// # Errors
    /// `FormatDamaged`.
    pub fn size_by_head(head: &[u8], geometry: SegmentGeometry) -> Result<usize, FormatError> {
        if head.len() < INCREMENTAL_HEAD_BYTES {
            return Err(damaged("it ends too early"));
        }
        if u32_at(head, 0) != INCREMENTAL_MAGIC {
            return Err(damaged(format!("it begins with {:08X}", u32_at(head, 0))));
        }
        let count = u32_at(head, 4);
        if count > geometry.relation_segment_blocks {
            return Err(damaged(format!("{count} blocks of {}", geometry.relation_segment_blocks)));
        }
        if !is_block_size(geometry.block_size_bytes as usize) {
            return Err(damaged(format!("the block size is {}", geometry.block_size_bytes)));
        }
        Ok(size_bytes(count as usize, geometry))
    }

    /// Reads a file's head; `bytes` may go on with the blocks.
    ///
    /// # Errors
    /// `FormatDamaged`.
    pub fn parse(bytes: &[u8], geometry: SegmentGeometry) -> Result<Self, FormatError> {
        let size = Self::size_by_head(bytes, geometry)?;
        let head = bytes.get(..size).ok_or_else(|| damaged("it ends too early"))?;
        let (count, truncation_block_length) = (u32_at(head, 4) as usize, u32_at(head, 8));
        let (numbers, padding) = head[INCREMENTAL_HEAD_BYTES..].split_at(count * 4);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(damaged("its head is not filled with zeros"));
        }
        let numbers = numbers.chunks_exact(4).map(|four| u32_at(four, 0)).collect();
        Self::new(geometry, truncation_block_length, numbers)
    }

    /// Appends the head as the server writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.size_bytes();
        out.extend(INCREMENTAL_MAGIC.to_le_bytes());
        out.extend((self.block_numbers.len() as u32).to_le_bytes());
        out.extend(self.truncation_block_length.to_le_bytes());
        self.block_numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        out.resize(end, 0);
    }

    /// Returns the length below which older backups are asked for blocks.
    pub fn truncation_block_length(&self) -> u32 {
        self.truncation_block_length
    }

    /// Returns the numbers, within the segment, of the blocks in the file.
    pub fn block_numbers(&self) -> &[u32] {
        &self.block_numbers
    }

    /// Returns the head's length.
    pub fn size_bytes(&self) -> usize {
        size_bytes(self.block_numbers.len(), self.geometry)
    }

    /// Returns the whole file's length.
    pub fn file_size_bytes(&self) -> u64 {
        self.offset_at(self.block_numbers.len())
    }

    /// Returns where in the file a block of the segment lies; `None` when it is not in it.
    pub fn offset_of(&self, block_number: u32) -> Option<u64> {
        self.block_numbers.binary_search(&block_number).ok().map(|at| self.offset_at(at))
    }

    /// Returns how many blocks the restored segment has (upstream `find_reconstructed_block_length`).
    pub fn reconstructed_blocks(&self) -> u32 {
        let last = self.block_numbers.last().map_or(0, |last| last + 1);
        last.max(self.truncation_block_length)
    }

    fn offset_at(&self, at: usize) -> u64 {
        self.size_bytes() as u64 + at as u64 * u64::from(self.geometry.block_size_bytes)
    }
}

/// Returns the path of the incremental file for a relation's file: `base/5/INCREMENTAL.1259` for `base/5/1259`.
pub fn incremental_path(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/{INCREMENTAL_PREFIX}{name}"),
        None => format!("{INCREMENTAL_PREFIX}{path}"),
    }
}

/// Returns the path of the file that an incremental file is made for; `None` when it is no incremental file.
pub fn reconstructed_path(path: &str) -> Option<String> {
    match path.rsplit_once('/') {
        Some((directory, name)) => Some(format!("{directory}/{}", name.strip_prefix(INCREMENTAL_PREFIX)?)),
        None => path.strip_prefix(INCREMENTAL_PREFIX).map(str::to_owned),
    }
}

fn size_bytes(count: usize, geometry: SegmentGeometry) -> usize {
    let bare = INCREMENTAL_HEAD_BYTES + count * 4;
    if count == 0 { bare } else { bare.next_multiple_of(geometry.block_size_bytes as usize) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::FormatDamaged { what: "incremental file", detail: detail.into() }
}
