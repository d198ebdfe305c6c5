//! Which blocks did a stretch of the log change? PostgreSQL's block reference tables and their file, the WAL summary.
//!
//! [`BlockReferenceTable`] holds, for each fork of a relation, the blocks that records name and the *limit block*: the fork's
//! shortest length in that stretch, 0 when it was created or dropped. It takes little memory (upstream `blkreftable.c`): a
//! chunk of 65536 blocks is a list of two-byte offsets while it is short and a bitmap of 8 KiB afterwards, so that ten million
//! blocks of one relation take 1.3 MB.
//!
//! [`BlockReferenceWriter`] and [`BlockReferenceReader`] write and read the file that a server of PostgreSQL 17 or later keeps
//! in `pg_wal/summaries`, an entry at a time; [`SummaryFileName`] is its name.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the magic number |
//! | 24 each | an entry: tablespace, database, file number, fork, limit block (or `0xFFFFFFFF`), count of chunks |
//! | 2 × chunks | behind each entry: how many two-byte words each chunk has; 4096 means a bitmap |
//! | 2 × words | behind that: the chunks |
//! | 24 | zeros |
//! | 4 | CRC-32C of all before it |

mod chunk;
mod entry;
mod file_name;
mod reader;
mod table;
mod writer;

pub use entry::BlockReferenceEntry;
pub use file_name::SummaryFileName;
pub use reader::BlockReferenceReader;
pub use table::{BlockReferenceTable, RelationFork};
pub use writer::BlockReferenceWriter;

/// Begins every summary file (upstream `BLOCKREFTABLE_MAGIC`).
pub const BLOCK_REFERENCE_MAGIC: u32 = 0x652B_137B;
/// Stands for "no limit" in the file (upstream `InvalidBlockNumber`).
const NO_LIMIT: u32 = u32::MAX;
/// Length of an entry without its chunks (upstream `BlockRefTableSerializedEntry`).
const ENTRY_BYTES: usize = 24;
