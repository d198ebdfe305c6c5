use super::chunk::{BITMAP_WORDS, BLOCKS_PER_CHUNK, Chunk};
use super::{BLOCK_REFERENCE_MAGIC, BlockReferenceEntry, ENTRY_BYTES, RelationFork};
use crate::FormatError;
use crate::relation_file::{ForkNumber, RelFileLocator};

/// Reads a summary file in pieces of any size, an entry at a time.
///
/// It holds the entry that is being read, which takes no more memory than it has bytes in the file, and at most 128 KiB
/// besides. Entries are handed over before the checksum is known: what they say counts only when
/// [`BlockReferenceReader::finish`] has agreed.
#[derive(Debug)]
pub struct BlockReferenceReader {
    state: State,
    crc: u32,
    /// The first bytes of what the state waits for.
    buffer: Vec<u8>,
    last: Option<RelationFork>,
    failure: Option<FormatError>,
}

/// What comes next.
#[derive(Debug)]
enum State {
    Magic,
    Entry,
    Words { key: RelationFork, limit_block: u32, count: usize },
    Chunks(Chunks),
    Checksum,
    End,
}

/// An entry whose chunks are being read.
#[derive(Debug)]
struct Chunks {
    key: RelationFork,
    entry: BlockReferenceEntry,
    /// Two bytes for each chunk, as in the file.
    words: Vec<u8>,
    /// The next one that has any.
    next: usize,
}

impl Default for BlockReferenceReader {
    fn default() -> Self {
        Self::new()
    }
}

impl BlockReferenceReader {
    /// Begins with the file's first byte.
    pub fn new() -> Self {
        BlockReferenceReader { state: State::Magic, crc: 0, buffer: Vec::new(), last: None, failure: None }
    }

    /// Takes the next bytes and hands over every entry that they complete, in ascending order.
    ///
    /// # Errors
    /// `FormatDamaged`, after which the reader gives the same error again; and what `each` returns, after which the file must
    /// not be read on.
    pub fn feed<E: From<FormatError>>(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(RelationFork, BlockReferenceEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let wanted = self.wanted();
            if wanted == 0 {
                let failure = damaged("it goes on after its end");
                self.failure = Some(failure.clone());
                return Err(failure.into());
            }
            let taken = (wanted - self.buffer.len()).min(rest.len());
            let (now, later) = rest.split_at(taken);
            rest = later;
            let done = if taken == wanted {
                self.step(now)
            } else {
                self.buffer.extend_from_slice(now);
                if self.buffer.len() < wanted {
                    return Ok(());
                }
                let mut buffer = std::mem::take(&mut self.buffer);
                let done = self.step(&buffer);
                buffer.clear();
                self.buffer = buffer;
                done
            };
            match done {
                Ok(Some((key, entry))) => each(key, entry)?,
                Ok(None) => {}
                Err(failure) => {
                    self.failure = Some(failure.clone());
                    return Err(failure.into());
                }
            }
        }
        Ok(())
    }

    /// Agrees that the file is whole.
    ///
    /// # Errors
    /// `FormatDamaged` when it is not, or was refused before.
    pub fn finish(self) -> Result<(), FormatError> {
        match (self.failure, self.state) {
            (Some(failure), _) => Err(failure),
            (None, State::End) => Ok(()),
            (None, _) => Err(damaged("it ends too early")),
        }
    }

    /// Returns how many bytes the next step takes; 0 at the end only.
    fn wanted(&self) -> usize {
        match &self.state {
            State::Magic | State::Checksum => 4,
            State::Entry => ENTRY_BYTES,
            State::Words { count, .. } => count * 2,
            State::Chunks(chunks) => usize::from(chunks.words_of(chunks.next)) * 2,
            State::End => 0,
        }
    }

    /// Takes as many bytes as were wanted, and returns the entry that they complete.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<(RelationFork, BlockReferenceEntry)>, FormatError> {
        let before = self.crc;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        match std::mem::replace(&mut self.state, State::End) {
            State::Magic if u32_at(bytes, 0) != BLOCK_REFERENCE_MAGIC => {
                Err(damaged(format!("it begins with {:08X}", u32_at(bytes, 0))))
            }
            State::Magic => {
                self.state = State::Entry;
                Ok(None)
            }
            State::Entry if bytes.iter().all(|byte| *byte == 0) => {
                self.state = State::Checksum;
                Ok(None)
            }
            State::Entry => self.begin_entry(bytes),
            State::Words { key, limit_block, count } => {
                let words = bytes.to_vec();
                let mut chunks = Chunks { key, entry: BlockReferenceEntry::from_file(limit_block), words, next: 0 };
                if (0..count).any(|number| usize::from(chunks.words_of(number)) > BITMAP_WORDS) {
                    return Err(damaged(format!("{key:?} has a chunk that is too long")));
                }
                if chunks.words_of(count - 1) == 0 {
                    return Err(damaged(format!("{key:?} ends with a chunk of nothing")));
                }
                chunks.skip_empty();
                self.state = State::Chunks(chunks);
                Ok(None)
            }
            State::Chunks(mut chunks) => {
                let key = chunks.key;
                let chunk = Chunk::read(bytes).ok_or_else(|| damaged(format!("{key:?} names a block twice")))?;
                chunks.entry.push_chunk(chunks.next as u16, chunk);
                chunks.next += 1;
                if chunks.next * 2 == chunks.words.len() {
                    self.state = State::Entry;
                    return Ok(Some((key, chunks.entry)));
                }
                chunks.skip_empty();
                self.state = State::Chunks(chunks);
                Ok(None)
            }
            State::Checksum if u32_at(bytes, 0) != before => {
                Err(damaged(format!("its CRC is {before:08X}, and {:08X} by itself", u32_at(bytes, 0))))
            }
            State::Checksum | State::End => Ok(None),
        }
    }

    fn begin_entry(&mut self, bytes: &[u8]) -> Result<Option<(RelationFork, BlockReferenceEntry)>, FormatError> {
        let locator =
            RelFileLocator { spc_oid: u32_at(bytes, 0), db_oid: u32_at(bytes, 4), rel_number: u32_at(bytes, 8) };
        let fork = match u32_at(bytes, 12) {
            0 => ForkNumber::Main,
            1 => ForkNumber::Fsm,
            2 => ForkNumber::Vm,
            3 => ForkNumber::Init,
            other => return Err(damaged(format!("{locator:?} has a fork {other}"))),
        };
        let key = RelationFork { locator, fork };
        if locator.spc_oid == 0 || self.last.is_some_and(|last| last >= key) {
            return Err(damaged(format!("{key:?} is out of order")));
        }
        self.last = Some(key);
        let (limit_block, count) = (u32_at(bytes, 16), u32_at(bytes, 20));
        // Block numbers have 32 bits.
        if count > u32::MAX / BLOCKS_PER_CHUNK + 1 {
            return Err(damaged(format!("{key:?} has {count} chunks")));
        }
        if count == 0 {
            self.state = State::Entry;
            return Ok(Some((key, BlockReferenceEntry::from_file(limit_block))));
        }
        self.state = State::Words { key, limit_block, count: count as usize };
        Ok(None)
    }
}

impl Chunks {
    fn words_of(&self, number: usize) -> u16 {
        let at = number * 2;
        u16::from_le_bytes([self.words[at], self.words[at + 1]])
    }

    /// Goes to the next chunk that has words. The last one has.
    fn skip_empty(&mut self) {
        while self.words_of(self.next) == 0 {
            self.next += 1;
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::FormatDamaged { what: "WAL summary", detail: detail.into() }
}
