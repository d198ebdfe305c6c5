//! How is a restore cut into work for many hands? Whole files into runs of whole frames, layered ones into runs of their content,
//! cut where frames end, so that each frame is decoded about once.
//!
//! A small file that lies within one run is made and written by one worker. A file that crosses into another run, or is large, is
//! made beforehand and shared: each worker writes its part, and whoever writes the last one checks the whole.

use super::durable::{begin_writeback, sync_file};
use super::tree::{OpenedFile, Tree, TreeWriter};
use crate::chain::{Chain, LayeredFile};
use crate::restore::RestoreError;
use crate::restore::error::write_error;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use vault::archive::SeekTable;

/// A run ends with the frame that reaches this many bytes …
const RUN_BYTES: u64 = 8 << 20;
/// … or this many files, which keeps all workers busy on a cluster of tiny ones.
const RUN_FILES: usize = 256;

/// Files of this size and more are written past the page cache; see [`super::direct`].
pub(super) const DIRECT_FILE_BYTES: u64 = 1 << 20;

/// Work for one worker.
#[derive(Default)]
pub(crate) struct Run {
    /// In the order in which the archives hold them.
    pub pieces: Vec<Piece>,
}

/// A part of a file, or a whole one.
pub(crate) struct Piece {
    pub source: PieceSource,
    pub destination: Destination,
}

/// Where a piece's bytes are.
pub(crate) enum PieceSource {
    /// A range of the newest archive's tar stream.
    Plain(Range<u64>),
    /// A range of a layered file's content.
    Layered(Arc<LayeredFile>, Range<u64>),
}

impl PieceSource {
    pub fn size_bytes(&self) -> u64 {
        match self {
            PieceSource::Plain(range) | PieceSource::Layered(_, range) => range.end - range.start,
        }
    }
}

/// Which file a piece belongs to.
pub(crate) enum Destination {
    Whole(WholeFile),
    Part { file: Arc<SharedFile>, offset: u64 },
}

/// A file to be made by the worker that has all of it.
pub(crate) struct WholeFile {
    pub root: usize,
    pub path: Box<[u8]>,
    /// `None` for a layered one, of which nobody took any.
    pub crc32c: Option<u32>,
}

/// A file of the newest archive.
pub(crate) struct WholeContent {
    pub content_offset: u64,
    pub size_bytes: u64,
    pub crc32c: u32,
}

/// A file that several workers write.
pub(crate) struct SharedFile {
    file: File,
    /// The same file, for writes past the page cache.
    direct: Option<File>,
    path: PathBuf,
    size_bytes: u64,
    crc32c: Option<u32>,
    /// How long it was, if it was there before.
    old_bytes: Option<u64>,
    parts: Mutex<Vec<WrittenPart>>,
}

struct WrittenPart {
    offset: u64,
    length: u64,
    crc32c: u32,
}

impl SharedFile {
    pub fn new(opened: OpenedFile, path: PathBuf, size_bytes: u64, crc32c: Option<u32>) -> Self {
        let OpenedFile { file, direct, old_bytes } = opened;
        SharedFile { file, direct, path, size_bytes, crc32c, old_bytes, parts: Mutex::new(Vec::new()) }
    }

    /// Returns the file, its path and its old length, if it was there before.
    pub fn existing(&self) -> Option<(&File, &Path, u64)> {
        self.old_bytes.map(|old_bytes| (&self.file, self.path.as_path(), old_bytes))
    }

    /// Tells whether whole aligned pieces are to go to [`Self::write_direct_at`].
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Writes an aligned piece past the page cache, or through it where that is refused.
    ///
    /// # Errors
    /// `RestoreWrite`, `RestoreDiskFull`.
    pub fn write_direct_at(&self, offset: u64, bytes: &[u8]) -> Result<(), RestoreError> {
        if let Some(direct) = &self.direct {
            match direct.write_all_at(bytes, offset) {
                // The file system wants another alignment. A piece that was written in part is written again, the same.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {}
                result => return result.map_err(|error| write_error(&self.path, error)),
            }
        }
        self.write_at(offset, bytes)
    }

    /// Writes bytes of a part.
    ///
    /// # Errors
    /// `RestoreWrite`, `RestoreDiskFull`.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), RestoreError> {
        self.file.write_all_at(bytes, offset).map_err(|error| write_error(&self.path, error))
    }

    /// Enters a part as written. The last one checks the whole file's CRC and makes the file durable.
    ///
    /// # Errors
    /// `RestoreContent` when the CRC differs; `RestoreWrite`.
    pub fn finish_part(&self, offset: u64, length: u64, crc32c: u32) -> Result<(), RestoreError> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(WrittenPart { offset, length, crc32c });
        if parts.iter().map(|part| part.length).sum::<u64>() < self.size_bytes {
            drop(parts);
            if !self.is_direct() {
                begin_writeback(&self.file, offset, length);
            }
            return Ok(());
        }
        parts.sort_unstable_by_key(|part| part.offset);
        let whole = parts.iter().fold(0, |crc, part| combine(crc, part.crc32c, part.length));
        drop(parts);
        if self.crc32c.is_some_and(|wanted| whole != wanted) {
            return Err(RestoreError::RestoreContent { path: self.path.display().to_string() });
        }
        // What was written directly is on the disk but for its cache and the edges, which the final sync takes care of.
        if self.is_direct() {
            return Ok(());
        }
        sync_file(&self.file, self.size_bytes).map_err(|error| write_error(&self.path, error))
    }
}

/// Joins the CRC-32C of a beginning and of the `length` bytes after it.
fn combine(first: u32, second: u32, length: u64) -> u32 {
    crc32c::crc32c_combine(first, second, usize::try_from(length).unwrap_or(usize::MAX))
}

/// Cuts whole files, given in archive order, into runs.
pub(crate) struct Splitter<'a> {
    seek_table: &'a SeekTable,
    run: Run,
    /// The plain byte where the present run's last frame ends; 0 when there is no run.
    run_end: u64,
}

impl<'a> Splitter<'a> {
    pub fn new(seek_table: &'a SeekTable) -> Self {
        Splitter { seek_table, run: Run::default(), run_end: 0 }
    }

    /// Adds a file; hands finished runs to `emit`.
    ///
    /// # Errors
    /// `emit`'s, and those of making a shared file.
    pub fn add_file<E: From<RestoreError>>(
        &mut self,
        member: &WholeContent,
        (root, path): (usize, &[u8]),
        (tree, writer): (&Tree, &mut TreeWriter<'_>),
        emit: &mut dyn FnMut(Run) -> Result<(), E>,
    ) -> Result<(), E> {
        let content = member.content_offset..member.content_offset + member.size_bytes;
        if content.start >= self.run_end {
            self.emit_run(emit)?;
            self.run_end = self.run_end_from(content.start);
        }
        // A run that ends before the file would leave it for ever: the seek table does not reach it.
        let incomplete = || RestoreError::RestoreContent { path: tree.full_path(root, path).display().to_string() };
        if content.end <= self.run_end && member.size_bytes < DIRECT_FILE_BYTES {
            let whole = WholeFile { root, path: path.into(), crc32c: Some(member.crc32c) };
            let source = PieceSource::Plain(content.clone());
            self.run.pieces.push(Piece { source, destination: Destination::Whole(whole) });
            if self.run.pieces.len() >= RUN_FILES {
                self.run_end = self.run_end.min(self.frame_end(content.end));
            }
            return Ok(());
        }
        let opened = writer.open_large_file(root, path, member.size_bytes)?;
        let full_path = tree.full_path(root, path);
        let shared = Arc::new(SharedFile::new(opened, full_path, member.size_bytes, Some(member.crc32c)));
        let mut start = content.start;
        while start < content.end {
            if start >= self.run_end {
                self.emit_run(emit)?;
                self.run_end = self.run_end_from(start);
                if self.run_end <= start {
                    return Err(incomplete().into());
                }
            }
            let end = content.end.min(self.run_end);
            let destination = Destination::Part { file: Arc::clone(&shared), offset: start - content.start };
            self.run.pieces.push(Piece { source: PieceSource::Plain(start..end), destination });
            start = end;
        }
        Ok(())
    }

    /// Hands out what is left.
    pub fn finish<E>(mut self, emit: &mut dyn FnMut(Run) -> Result<(), E>) -> Result<(), E> {
        self.emit_run(emit)
    }

    fn emit_run<E>(&mut self, emit: &mut dyn FnMut(Run) -> Result<(), E>) -> Result<(), E> {
        if self.run.pieces.is_empty() { Ok(()) } else { emit(std::mem::take(&mut self.run)) }
    }

    /// Returns where a run ends that begins with the frame of `start`; `start` itself past the last frame.
    fn run_end_from(&self, start: u64) -> u64 {
        let Some(first) = self.seek_table.frame_at(start) else { return start };
        let wanted = self.seek_table.plain_range(first).start + RUN_BYTES;
        if wanted >= self.seek_table.plain_bytes() { self.seek_table.plain_bytes() } else { self.frame_end(wanted) }
    }

    /// Returns the end of the frame that ends at or after `position`.
    fn frame_end(&self, position: u64) -> u64 {
        let inside = position.saturating_sub(1);
        self.seek_table.frame_at(inside).map_or(position, |frame| self.seek_table.plain_range(frame).end)
    }
}

/// Cuts layered files into runs.
pub(crate) struct LayeredSplitter<'c> {
    chain: &'c Chain,
    run: Run,
    run_bytes: u64,
}

impl<'c> LayeredSplitter<'c> {
    pub fn new(chain: &'c Chain) -> Self {
        LayeredSplitter { chain, run: Run::default(), run_bytes: 0 }
    }

    /// Adds a file; hands finished runs to `emit`.
    ///
    /// # Errors
    /// `emit`'s, and those of making a shared file.
    pub fn add_file<E: From<RestoreError>>(
        &mut self,
        layered: &Arc<LayeredFile>,
        (root, path): (usize, &[u8]),
        (tree, writer): (&Tree, &mut TreeWriter<'_>),
        emit: &mut dyn FnMut(Run) -> Result<(), E>,
    ) -> Result<(), E> {
        let size_bytes = layered.size_bytes();
        if size_bytes < DIRECT_FILE_BYTES {
            let destination = Destination::Whole(WholeFile { root, path: path.into(), crc32c: None });
            return self.push(layered, 0..size_bytes, destination, emit);
        }
        let opened = writer.open_large_file(root, path, size_bytes)?;
        let full_path = tree.full_path(root, path);
        let shared = Arc::new(SharedFile::new(opened, full_path, size_bytes, None));
        let mut start = 0;
        while start < size_bytes {
            let end = layered.cut_after(self.chain, start + RUN_BYTES - self.run_bytes.min(RUN_BYTES - 1));
            let destination = Destination::Part { file: Arc::clone(&shared), offset: start };
            self.push(layered, start..end, destination, emit)?;
            start = end;
        }
        Ok(())
    }

    fn push<E>(
        &mut self,
        layered: &Arc<LayeredFile>,
        range: Range<u64>,
        destination: Destination,
        emit: &mut dyn FnMut(Run) -> Result<(), E>,
    ) -> Result<(), E> {
        self.run_bytes += range.end - range.start;
        self.run.pieces.push(Piece { source: PieceSource::Layered(Arc::clone(layered), range), destination });
        if self.run_bytes >= RUN_BYTES || self.run.pieces.len() >= RUN_FILES {
            self.run_bytes = 0;
            emit(std::mem::take(&mut self.run))?;
        }
        Ok(())
    }

    /// Hands out what is left.
    pub fn finish<E>(self, emit: &mut dyn FnMut(Run) -> Result<(), E>) -> Result<(), E> {
        if self.run.pieces.is_empty() { Ok(()) } else { emit(self.run) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_checked_in_any_order_give_the_crc_of_the_whole(
            content in proptest::collection::vec(any::<u8>(), 1..4000),
            cuts in proptest::collection::vec(0_usize..4000, 0..8),
            seed in any::<u64>(),
        ) {
            let mut borders: Vec<usize> = cuts.into_iter().map(|cut| cut % content.len()).collect();
            borders.extend([0, content.len()]);
            borders.sort_unstable();
            borders.dedup();
            let mut parts: Vec<Range<usize>> = borders.windows(2).map(|pair| pair[0]..pair[1]).collect();
            let rotation = usize::try_from(seed % parts.len() as u64).unwrap();
            parts.rotate_left(rotation);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            let shared = |crc32c| {
                let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
                let opened = OpenedFile { file, direct: None, old_bytes: None };
                SharedFile::new(opened, path.clone(), content.len() as u64, Some(crc32c))
            };
            let write = |file: &SharedFile| -> Vec<bool> {
                parts.iter().map(|part| {
                    let bytes = &content[part.clone()];
                    file.write_at(part.start as u64, bytes).unwrap();
                    file.finish_part(part.start as u64, bytes.len() as u64, crc32c::crc32c(bytes)).is_ok()
                }).collect()
            };
            prop_assert!(write(&shared(crc32c::crc32c(&content))).iter().all(|&right| right));
            prop_assert_eq!(std::fs::read(&path).unwrap(), content.clone());
            // A wrong CRC is told by the last part, and by none before it.
            let wrong = write(&shared(crc32c::crc32c(&content) ^ 1));
            prop_assert_eq!(wrong.iter().position(|&right| !right), Some(parts.len() - 1));
        }
    }
}
