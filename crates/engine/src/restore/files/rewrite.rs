//! How is a file made right that is nearly right? It is read beside what it should be, and only blocks that differ are written.

use crate::restore::RestoreError;
use crate::restore::error::write_error;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is compared, and written, as a whole; file systems take no less.
const BLOCK_BYTES: u64 = 4096;

/// What a restore over a cluster has done so far.
#[derive(Debug, Default)]
pub(crate) struct RewriteCounts {
    pub compared_bytes: AtomicU64,
    pub written_bytes: AtomicU64,
}

/// Makes a part of a file right, from its first byte to its last.
pub(super) struct Rewriter<'a> {
    file: &'a File,
    path: &'a Path,
    counts: &'a RewriteCounts,
    found: &'a mut Vec<u8>,
    offset: u64,
    /// Where the file ended when it was opened.
    old_end: u64,
    written: bool,
}

impl<'a> Rewriter<'a> {
    /// Begins at `offset`; `found` is a buffer to be used again.
    pub fn new(
        (file, path): (&'a File, &'a Path),
        (offset, old_end): (u64, u64),
        counts: &'a RewriteCounts,
        found: &'a mut Vec<u8>,
    ) -> Self {
        Rewriter { file, path, counts, found, offset, old_end, written: false }
    }

    /// Takes the next bytes that should be there.
    ///
    /// # Errors
    /// `RestoreWrite`, `RestoreDiskFull`.
    pub fn write(&mut self, wanted: &[u8]) -> Result<(), RestoreError> {
        let held = usize::try_from(self.old_end.saturating_sub(self.offset)).unwrap_or(usize::MAX).min(wanted.len());
        if self.found.len() < held {
            self.found.resize(held, 0);
        }
        let failed = |error| write_error(self.path, error);
        self.file.read_exact_at(&mut self.found[..held], self.offset).map_err(failed)?;
        self.counts.compared_bytes.fetch_add(held as u64, Ordering::Relaxed);
        let differing = Differences { wanted, found: &self.found[..held], offset: self.offset, at: 0 };
        for range in differing {
            self.file.write_all_at(&wanted[range.clone()], self.offset + range.start as u64).map_err(failed)?;
            self.counts.written_bytes.fetch_add(range.len() as u64, Ordering::Relaxed);
            self.written = true;
        }
        self.offset += wanted.len() as u64;
        Ok(())
    }

    /// Tells whether anything differed.
    pub fn has_written(&self) -> bool {
        self.written
    }
}

/// Finds what differs: ranges of whole blocks of the file, neighbours joined; what lies behind the end of `found` differs.
struct Differences<'a> {
    wanted: &'a [u8],
    found: &'a [u8],
    offset: u64,
    at: usize,
}

impl Differences<'_> {
    /// Returns the end of the block that begins at, or holds, `at`.
    fn block_end(&self, at: usize) -> usize {
        let within = (self.offset + at as u64) % BLOCK_BYTES;
        at.saturating_add((BLOCK_BYTES - within) as usize).min(self.wanted.len())
    }

    fn differs(&self, range: Range<usize>) -> bool {
        self.found.get(range.clone()) != self.wanted.get(range)
    }
}

impl Iterator for Differences<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut start = None;
        while self.at < self.wanted.len() {
            let block = self.at..self.block_end(self.at);
            let differs = self.differs(block.clone());
            match (differs, start) {
                (true, None) => start = Some(block.start),
                (false, Some(start)) => return Some(start..block.start),
                _ => {}
            }
            self.at = block.end;
        }
        start.map(|start| start..self.wanted.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_file_becomes_what_it_should_be_and_right_blocks_stay(
            wanted_size in 0_usize..30_000,
            old_size in 0_usize..30_000,
            flips in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
            pieces in 1_usize..9000,
        ) {
            let wanted: Vec<u8> = (0..wanted_size).map(|place| (place / 3) as u8).collect();
            let mut old: Vec<u8> = (0..old_size).map(|place| (place / 3) as u8).collect();
            if !old.is_empty() {
                flips.iter().for_each(|flip| old[flip.index(old_size)] ^= 0x55);
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            std::fs::write(&path, &old).unwrap();
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let (counts, mut found) = (RewriteCounts::default(), Vec::new());
            let mut rewriter = Rewriter::new((&file, &path), (0, old_size as u64), &counts, &mut found);
            wanted.chunks(pieces).for_each(|piece| rewriter.write(piece).unwrap());
            file.set_len(wanted_size as u64).unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == wanted);
            let differing: u64 = (0..wanted_size)
                .step_by(BLOCK_BYTES as usize)
                .map(|start| start..(start + BLOCK_BYTES as usize).min(wanted_size))
                .filter(|block| old.get(block.clone()) != wanted.get(block.clone()))
                .map(|block| block.len() as u64)
                .sum();
            prop_assert!(counts.written_bytes.into_inner() <= differing);
            prop_assert_eq!(counts.compared_bytes.into_inner(), wanted_size.min(old_size) as u64);
        }
    }
}
