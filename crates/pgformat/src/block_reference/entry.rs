use super::chunk::{BLOCKS_PER_CHUNK, Chunk};
use std::ops::Range;

/// What happened to one fork of a relation.
#[derive(Debug, Clone, Default)]
pub struct BlockReferenceEntry {
    limit_block: Option<u32>,
    /// By the chunk's number; none that has no words.
    chunks: Vec<(u16, Chunk)>,
}

impl BlockReferenceEntry {
    /// Returns the shortest length that the fork had, in blocks; 0 when it was created or dropped, `None` when it was never
    /// cut. What an older copy has from there on is void, and blocks from there on that are not named are zeros.
    pub fn limit_block(&self) -> Option<u32> {
        self.limit_block
    }

    /// Names a block that was changed.
    pub fn mark_block(&mut self, block: u32) {
        let (number, offset) = split(block);
        match self.place(number) {
            Ok(at) => self.chunks[at].1.mark(offset),
            Err(at) => self.chunks.insert(at, (number, Chunk::of(offset))),
        }
    }

    /// Notes that the fork was `limit_block` long, and forgets the blocks from there on. Does nothing when it was that short
    /// before: then it may have grown since, and the blocks were named for that (upstream
    /// `BlockRefTableEntrySetLimitBlock`).
    pub fn set_limit_block(&mut self, limit_block: u32) {
        if limit_block >= self.limit_block.unwrap_or(super::NO_LIMIT) {
            return;
        }
        self.limit_block = Some(limit_block);
        let (number, offset) = split(limit_block);
        let at = self.chunks.partition_point(|(chunk, _)| *chunk < number);
        let in_it = self.chunks.get(at).is_some_and(|(chunk, _)| *chunk == number);
        self.chunks.truncate(at + usize::from(in_it));
        if in_it && !self.chunks[at].1.forget_from(offset) {
            self.chunks.truncate(at);
        }
    }

    /// Adds what happened after it.
    pub fn merge_later(&mut self, later: &Self) {
        if let Some(limit_block) = later.limit_block {
            self.set_limit_block(limit_block);
        }
        for (number, chunk) in &later.chunks {
            match self.place(*number) {
                Ok(at) => self.chunks[at].1.merge(chunk),
                Err(at) => self.chunks.insert(at, (*number, chunk.clone())),
            }
        }
    }

    /// Tells whether the block is named.
    pub fn contains(&self, block: u32) -> bool {
        let (number, offset) = split(block);
        self.place(number).is_ok_and(|at| self.chunks[at].1.contains(offset))
    }

    /// Returns how many blocks are named.
    pub fn count_blocks(&self) -> u64 {
        self.chunks.iter().map(|(_, chunk)| u64::from(chunk.count())).sum()
    }

    /// Returns the named blocks in ascending order.
    pub fn blocks(&self) -> impl Iterator<Item = u32> + '_ {
        self.chunks.iter().flat_map(|(number, chunk)| chunk_blocks(*number, chunk))
    }

    /// Returns the named blocks of a range in ascending order, such as those of one relation segment.
    pub fn blocks_in(&self, range: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        let first = self.chunks.partition_point(|(chunk, _)| *chunk < split(range.start).0);
        let after = self.chunks.partition_point(|(chunk, _)| u32::from(*chunk) * BLOCKS_PER_CHUNK < range.end);
        let chunks = self.chunks.get(first..after).unwrap_or_default();
        chunks
            .iter()
            .flat_map(|(number, chunk)| chunk_blocks(*number, chunk))
            .filter(move |block| range.contains(block))
    }

    fn place(&self, number: u16) -> Result<usize, usize> {
        self.chunks.binary_search_by_key(&number, |(chunk, _)| *chunk)
    }

    /// Makes one of what a file says.
    pub(super) fn from_file(limit_block: u32) -> Self {
        BlockReferenceEntry { limit_block: (limit_block != super::NO_LIMIT).then_some(limit_block), chunks: Vec::new() }
    }

    /// Appends a chunk; they come in ascending order.
    pub(super) fn push_chunk(&mut self, number: u16, chunk: Chunk) {
        self.chunks.push((number, chunk));
    }

    pub(super) fn chunks(&self) -> &[(u16, Chunk)] {
        &self.chunks
    }
}

/// Two entries are equal when they have the same limit and name the same blocks, in whatever order they were named.
impl PartialEq for BlockReferenceEntry {
    fn eq(&self, other: &Self) -> bool {
        self.limit_block == other.limit_block && self.blocks().eq(other.blocks())
    }
}

impl Eq for BlockReferenceEntry {}

fn split(block: u32) -> (u16, u16) {
    ((block / BLOCKS_PER_CHUNK) as u16, block as u16)
}

fn chunk_blocks(number: u16, chunk: &Chunk) -> impl Iterator<Item = u32> + use<> {
    chunk.sorted().into_iter().map(move |offset| u32::from(number) * BLOCKS_PER_CHUNK + u32::from(offset))
}
