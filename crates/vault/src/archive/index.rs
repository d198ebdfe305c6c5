use super::ArchiveError;

/// Says what a member is. Archives hold nothing else: no links, no devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    File,
    Directory,
}

/// One entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveMember {
    /// Relative, `/` as separator, no `..`; bytes, since PostgreSQL's folder may hold names that are not UTF-8.
    pub path: Vec<u8>,
    pub kind: MemberKind,
    pub mode: u32,
    pub modified_seconds: i64,
    pub size_bytes: u64,
    /// Where the member's content begins in the tar stream (plain bytes).
    pub content_offset: u64,
    /// CRC-32C of the content; 0 for directories.
    pub crc32c: u32,
}

/// Reads the members one by one, in archive order, with bounded memory. Every path has passed the hostile-path check,
/// and offsets and sizes lie inside the archive and do not overlap.
pub struct IndexReader {
    _private: (),
}

impl Iterator for IndexReader {
    type Item = Result<ArchiveMember, ArchiveError>;
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}
