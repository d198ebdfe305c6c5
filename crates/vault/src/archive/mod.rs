//! What is a `.backup` file? docs/format/archive.md is the contract; this module keeps it.
//!
//! A tar stream cut into independent zstd frames, an index of members in skippable frames, and a seek table (zstd's
//! seekable format). `zstd -dc x.backup | tar x` works; one block is reached with the tail, one frame, and no more.
//!
//! Writing: workers cut the tar stream ([`TarMember`]) into frames ([`FrameEncoder`]), one thread seals them in order
//! ([`ArchiveWriter`]). Reading: [`ArchiveReader`] opens, [`TarLayout`] knows what each frame holds, workers decode in any
//! order ([`FrameDecoder`]), [`ContentChecksums`] or [`TarChecker`] prove the result.

mod content_checksums;
mod digest;
mod error;
mod frame;
mod frame_parameters;
mod index;
mod index_chunk;
mod limits;
mod member_list;
mod member_path;
mod reader;
mod seek_table;
mod service_frame;
mod sink;
mod tail;
mod tar_layout;
mod tar_member;
mod writer;

pub use content_checksums::ContentChecksums;
pub use error::ArchiveError;
pub use frame::{FrameDecoder, FrameEncoder};
pub use index::{ArchiveMember, IndexReader, MemberKind};
pub use member_list::read_member_list;
pub use reader::ArchiveReader;
pub use seek_table::{FramePiece, SeekTable, frame_size_for};
pub use tar_layout::{MemberContent, TarChecker, TarLayout, TarPiece};
pub use tar_member::{END_OF_TAR_BYTES, TAR_BLOCK_BYTES, TarMember, header_bytes, padding_bytes};
pub use writer::{ArchiveWriter, SealedArchive, SealedEncryption};
