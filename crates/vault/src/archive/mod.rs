//! What is a `.backup` file? docs/format/archive.md is the contract; this module keeps it.
//!
//! A tar stream cut into independent zstd frames, an index of members in a skippable frame, and a seek table (zstd's
//! seekable format). `zstd -dc x.backup | tar x` works; one block is reached with the tail, one frame, and no more.

mod error;
mod frame;
mod index;
mod reader;
mod seek_table;
mod tar_member;
mod writer;

pub use error::ArchiveError;
pub use frame::{FrameDecoder, FrameEncoder};
pub use index::{ArchiveMember, IndexReader, MemberKind};
pub use reader::ArchiveReader;
pub use seek_table::{SeekTable, frame_size_for};
pub use tar_member::{END_OF_TAR_BYTES, TAR_BLOCK_BYTES, TarMember, padding_bytes};
pub use writer::{ArchiveWriter, SealedArchive};
