//! Where does the write-ahead log lie? Sealed segments, the one that is being received, history files, and known gaps.
//!
//! docs/format/wal.md is the contract. `wal/TIMELINE/SEGMENT.zst` is a whole segment: independent zstd frames (`zstd -dc` gives
//! the segment), then a skippable frame with its checksum and its [`SegmentSummary`]. `SEGMENT.partial` is the beginning of one:
//! its plain bytes. Writers need no lock among each other: a sealed segment is never replaced, and the same segment may come
//! twice. Where the repository is encrypted both are: `SEGMENT.zst.age` and `SEGMENT.partial.pieces`.

mod archive;
mod compressor;
mod contents;
mod error;
mod layout;
mod partial;
mod pieces;
mod read;
mod scan;
mod sealed;
mod summaries;
mod trailer;
mod write;

pub use archive::{SealOutcome, WalArchive, WalDescription};
pub use contents::{ArchivedSegment, SegmentForm, TimelineContents, WalContents, WalGap};
pub use error::WalArchiveError;
pub use partial::PartialSegment;
pub use sealed::{SealedInfo, SegmentSealer, WrittenSegment};
