use super::increment::IncrementFile;
use crate::reader::{PageReport, SourceFile};
use std::sync::Arc;
use vault::archive::MemberKind;

/// A piece of the tar stream that one worker makes: reading, checking, compressing.
#[derive(Debug)]
pub(super) enum Work {
    /// Members whose content is at hand: folders, labels, the control file.
    Ready(Vec<ReadyMember>),
    /// Small files, read by the worker; one that is gone by then is left out.
    SmallFiles(SmallFiles),
    /// A run of a large file's content; the first run also makes the member's header, the last one the padding.
    Run(FileRun),
    /// Bytes of the tar stream that belong to no member: its end.
    Raw(Vec<u8>),
}

/// Files that together make one piece.
#[derive(Debug, Default)]
pub(super) struct SmallFiles {
    /// Read whole.
    pub whole: Vec<Vec<u8>>,
    /// Of these, blocks.
    pub increments: Vec<IncrementFile>,
}

/// A member with its content.
#[derive(Debug)]
pub(super) struct ReadyMember {
    pub path: Vec<u8>,
    pub kind: MemberKind,
    pub mode: u32,
    pub modified_seconds: i64,
    pub content: Vec<u8>,
}

/// Where a large file's bytes come from.
#[derive(Debug)]
pub(super) enum RunContent {
    /// From the cluster; the worker reads them.
    Source(Arc<SourceFile>),
    /// From the cluster, blocks of a file; the worker reads them.
    Blocks(Arc<IncrementFile>),
    /// From this process: the manifest.
    Bytes(Vec<u8>),
}

/// A run of a large file.
#[derive(Debug)]
pub(super) struct FileRun {
    pub member: Arc<LargeMember>,
    pub content: RunContent,
    pub offset: u64,
    pub length: usize,
}

/// A large file as a member: its size was settled when it was opened. What it lost since is filled with zeros, as
/// PostgreSQL's own base backup does (`basebackup.c`, `sendFile`): WAL replay truncates it again.
#[derive(Debug)]
pub(super) struct LargeMember {
    pub path: Vec<u8>,
    pub mode: u32,
    pub modified_seconds: i64,
    pub size_bytes: u64,
}

/// What a worker made of one piece of work.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    /// Finished frames, one after the other.
    pub compressed: Vec<u8>,
    /// Compressed and plain length of each.
    pub frames: Vec<FrameLengths>,
    /// Whole members, offsets counted from the beginning of this piece.
    pub members: Vec<EncodedMember>,
    /// The part of a large member in this piece.
    pub part: Option<EncodedPart>,
    pub pages: PageReport,
    /// Bytes of content read from the cluster.
    pub content_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct FrameLengths {
    pub compressed: usize,
    pub plain: usize,
}

#[derive(Debug)]
pub(super) struct EncodedMember {
    pub path: Vec<u8>,
    pub kind: MemberKind,
    pub mode: u32,
    pub modified_seconds: i64,
    pub size_bytes: u64,
    pub content_offset: u64,
    pub crc32c: u32,
}

#[derive(Debug)]
pub(super) struct EncodedPart {
    pub member: Arc<LargeMember>,
    /// Where the content of this part begins in the piece.
    pub content_offset: u64,
    pub length: usize,
    pub crc32c: u32,
    pub is_first: bool,
    pub is_last: bool,
}
