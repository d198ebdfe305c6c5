/// How many blocks a chunk tells of (upstream `BLOCKS_PER_CHUNK`).
pub(super) const BLOCKS_PER_CHUNK: u32 = 1 << 16;
/// How many two-byte words a bitmap has; a list is shorter (upstream `MAX_ENTRIES_PER_CHUNK`).
pub(super) const BITMAP_WORDS: usize = 4096;
/// The same bitmap in words of eight bytes.
const LONG_WORDS: usize = BITMAP_WORDS / 4;

/// Some of the 65536 blocks of a chunk.
///
/// Two chunks of the same blocks may differ in form: a list keeps the order in which blocks were named, and a bitmap stays one
/// when blocks are forgotten. That is what upstream does, and it shows in the file.
#[derive(Debug, Clone)]
pub(super) enum Chunk {
    /// Offsets, in the order in which they were named; fewer than [`BITMAP_WORDS`].
    List(Vec<u16>),
    /// A bit for each block.
    Bitmap(Box<[u64; LONG_WORDS]>),
}

impl Chunk {
    /// Begins with one block.
    pub(super) fn of(offset: u16) -> Self {
        Chunk::List(vec![offset])
    }

    pub(super) fn mark(&mut self, offset: u16) {
        match self {
            Chunk::Bitmap(words) => set(words, offset),
            Chunk::List(offsets) => {
                if offsets.contains(&offset) {
                    return;
                }
                if offsets.len() < BITMAP_WORDS - 1 {
                    offsets.push(offset);
                    return;
                }
                let mut words = Box::new([0; LONG_WORDS]);
                offsets.iter().chain([&offset]).for_each(|offset| set(&mut words, *offset));
                *self = Chunk::Bitmap(words);
            }
        }
    }

    /// Forgets the blocks from `limit` on, and tells whether the chunk still has anything to write: a bitmap has, even when it
    /// is empty, because upstream writes it.
    pub(super) fn forget_from(&mut self, limit: u16) -> bool {
        match self {
            Chunk::List(offsets) => {
                offsets.retain(|offset| *offset < limit);
                !offsets.is_empty()
            }
            Chunk::Bitmap(words) => {
                let (whole, bits) = (usize::from(limit) / 64, limit % 64);
                words[whole] &= (1_u64 << bits) - 1;
                words[whole + 1..].fill(0);
                true
            }
        }
    }

    pub(super) fn contains(&self, offset: u16) -> bool {
        match self {
            Chunk::List(offsets) => offsets.contains(&offset),
            Chunk::Bitmap(words) => words[usize::from(offset) / 64] & 1 << (offset % 64) != 0,
        }
    }

    pub(super) fn count(&self) -> u32 {
        match self {
            Chunk::List(offsets) => offsets.len() as u32,
            Chunk::Bitmap(words) => words.iter().map(|word| word.count_ones()).sum(),
        }
    }

    /// Returns the offsets in ascending order.
    pub(super) fn sorted(&self) -> Vec<u16> {
        match self {
            Chunk::List(offsets) => {
                let mut offsets = offsets.clone();
                offsets.sort_unstable();
                offsets
            }
            Chunk::Bitmap(words) => {
                let mut offsets = Vec::with_capacity(self.count() as usize);
                for (at, word) in words.iter().enumerate() {
                    let mut word = *word;
                    while word != 0 {
                        offsets.push((at * 64) as u16 + word.trailing_zeros() as u16);
                        word &= word - 1;
                    }
                }
                offsets
            }
        }
    }

    /// Adds what `other` has.
    pub(super) fn merge(&mut self, other: &Chunk) {
        match (&mut *self, other) {
            (Chunk::Bitmap(words), Chunk::Bitmap(others)) => {
                words.iter_mut().zip(others.iter()).for_each(|(word, other)| *word |= other);
            }
            (Chunk::List(offsets), Chunk::Bitmap(others)) => {
                let mut words = others.clone();
                offsets.iter().for_each(|offset| set(&mut words, *offset));
                *self = Chunk::Bitmap(words);
            }
            (_, Chunk::List(others)) => others.iter().for_each(|offset| self.mark(*offset)),
        }
    }

    /// Returns the number of two-byte words in the file.
    pub(super) fn words(&self) -> u16 {
        match self {
            Chunk::List(offsets) => offsets.len() as u16,
            Chunk::Bitmap(_) => BITMAP_WORDS as u16,
        }
    }

    /// Appends the words as the file has them.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Chunk::List(offsets) => offsets.iter().for_each(|offset| out.extend(offset.to_le_bytes())),
            Chunk::Bitmap(words) => words.iter().for_each(|word| out.extend(word.to_le_bytes())),
        }
    }

    /// Reads the words of a file, of which there is at least one and at most [`BITMAP_WORDS`]; `None` when a list names a
    /// block twice.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut seen = Box::new([0; LONG_WORDS]);
        if bytes.len() == BITMAP_WORDS * 2 {
            for (word, eight) in seen.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = eight.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            }
            return Some(Chunk::Bitmap(seen));
        }
        let offsets: Vec<u16> = bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
        offsets.iter().for_each(|offset| set(&mut seen, *offset));
        let distinct: u32 = seen.iter().map(|word: &u64| word.count_ones()).sum();
        (distinct as usize == offsets.len()).then_some(Chunk::List(offsets))
    }
}

fn set(words: &mut [u64; LONG_WORDS], offset: u16) {
    words[usize::from(offset) / 64] |= 1 << (offset % 64);
}
