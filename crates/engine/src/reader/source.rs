use super::ReadError;
use std::fs::File;

/// Gives access to the files of one cluster's data directory. Paths are relative to it, with `/` as separator.
pub trait Source: Send + Sync {
    /// Returns `local` or `sql`, for the record.
    fn name(&self) -> &'static str;

    /// Makes a reader; each thread has its own.
    fn reader(&self) -> Result<Box<dyn SourceReader>, ReadError>;
}

/// Reads files, one call at a time. A file or folder that is not there (any more) is `None`, never an error: that is
/// normal while a cluster works, and WAL replay mends it.
pub trait SourceReader: Send {
    /// Lists a folder, links followed.
    fn list(&mut self, folder: &[u8]) -> Result<Option<Vec<DirectoryEntry>>, ReadError>;

    /// Opens a file for [`SourceReader::read_at`]. Its size is settled here: what grows later is not read.
    fn open(&mut self, path: &[u8]) -> Result<Option<SourceFile>, ReadError>;

    /// Fills `buffer` from `offset` as far as the file reaches; returns the number of bytes read.
    fn read_at(&mut self, file: &SourceFile, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// Reads small files whole, at most `limit_bytes` of each, and hands each to `each` with its place in `paths`.
    fn read_files(
        &mut self,
        paths: &[&[u8]],
        limit_bytes: usize,
        each: &mut dyn FnMut(usize, Option<FileContent<'_>>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError>;

    /// Reads ranges of files that may be gone, each named by its path, into `buffer` one after the other (cleared first), each as
    /// far as its file reaches. Returns how many bytes were there for each; `None` for a file that is gone.
    fn read_ranges(&mut self, ranges: &[PathRange<'_>], buffer: &mut Vec<u8>) -> Result<Vec<Option<usize>>, ReadError>;

    /// Says how many bytes one [`SourceReader::read_at`] should ask for, at least `frame_bytes`: what costs a round trip
    /// wants more at once, what comes from memory wants to stay in the processor's cache.
    fn read_size_bytes(&self, frame_bytes: usize) -> usize;
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRange<'a> {
    /// The file.
    pub path: &'a [u8],
    /// Where the part begins.
    pub offset: u64,
    /// How long it is at the most.
    pub length: usize,
}

/// Says what an entry of a folder is, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
    /// A socket, a device, a dangling link.
    Other,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    pub name: Box<[u8]>,
    pub kind: EntryKind,
    pub size_bytes: u64,
    pub modified_seconds: i64,
    /// Permission bits.
    pub mode: u32,
    /// Reached through a symbolic link (known to the local source only).
    pub is_link: bool,
}

/// An opened file.
#[derive(Debug)]
pub struct SourceFile {
    pub path: Vec<u8>,
    pub size_bytes: u64,
    pub modified_seconds: i64,
    /// Permission bits.
    pub mode: u32,
    /// The local source's handle: keeps a file readable when it is unlinked meanwhile.
    pub(super) handle: Option<File>,
}

/// A small file's content.
#[derive(Debug, Clone, Copy)]
pub struct FileContent<'a> {
    pub bytes: &'a [u8],
    pub modified_seconds: i64,
    pub mode: u32,
}
