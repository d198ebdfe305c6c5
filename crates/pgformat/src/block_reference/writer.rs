use super::{BLOCK_REFERENCE_MAGIC, BlockReferenceEntry, ENTRY_BYTES, NO_LIMIT, RelationFork};

/// Writes a summary file an entry at a time. Each call appends to `out`, which the caller may empty in between.
#[derive(Debug)]
pub struct BlockReferenceWriter {
    crc: u32,
}

impl BlockReferenceWriter {
    /// Begins the file.
    pub fn new(out: &mut Vec<u8>) -> Self {
        let mut writer = BlockReferenceWriter { crc: 0 };
        writer.append(out, |out| out.extend(BLOCK_REFERENCE_MAGIC.to_le_bytes()));
        writer
    }

    /// Appends an entry. They must come in ascending order, each once, and not of tablespace 0: the reader refuses anything else.
    pub fn entry(&mut self, key: RelationFork, entry: &BlockReferenceEntry, out: &mut Vec<u8>) {
        let chunks = entry.chunks();
        let count = chunks.last().map_or(0, |(number, _)| u32::from(*number) + 1);
        self.append(out, |out| {
            let locator = key.locator;
            for number in [locator.spc_oid, locator.db_oid, locator.rel_number, key.fork as u32] {
                out.extend(number.to_le_bytes());
            }
            out.extend(entry.limit_block().unwrap_or(NO_LIMIT).to_le_bytes());
            out.extend(count.to_le_bytes());
            let words_at = out.len();
            out.resize(words_at + count as usize * 2, 0);
            for (number, chunk) in chunks {
                let at = words_at + usize::from(*number) * 2;
                out[at..at + 2].copy_from_slice(&chunk.words().to_le_bytes());
            }
            chunks.iter().for_each(|(_, chunk)| chunk.write(out));
        });
    }

    /// Ends the file.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.append(out, |out| out.extend([0; ENTRY_BYTES]));
        out.extend(self.crc.to_le_bytes());
    }

    fn append(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        write(out);
        self.crc = crc32c::crc32c_append(self.crc, &out[start..]);
    }
}
