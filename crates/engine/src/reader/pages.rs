use super::error::display_path;
use pgformat::page::{PageVerdict, check_page};
use pgformat::relation_file::RelationFile;
use std::time::Duration;
use vault::repository::CorruptPage;

/// How often a page that fails is read again before it is called corrupt. A page that the server is just writing settles
/// within microseconds; the pauses add up to half a second for one that does not.
const ATTEMPTS: u32 = 6;
/// How many corrupt pages are named; the others are counted.
const NAMED_PAGES: usize = 1_000;

/// Checks the pages of relation files while they pass.
#[derive(Debug, Clone, Copy)]
pub struct PageChecker {
    /// From the control file; a power of two.
    pub block_size_bytes: usize,
    pub relation_segment_blocks: u32,
    pub checksums_enabled: bool,
}

/// Gathers what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageReport {
    pub pages: u64,
    pub corrupt_total: u64,
    /// The first thousand.
    pub corrupt: Vec<CorruptPage>,
}

impl PageReport {
    /// Adds another report to this one.
    pub fn absorb(&mut self, other: PageReport) {
        self.pages += other.pages;
        self.corrupt_total += other.corrupt_total;
        let room = NAMED_PAGES - self.corrupt.len();
        self.corrupt.extend(other.corrupt.into_iter().take(room));
    }

    fn enter(&mut self, page: CorruptPage) {
        self.corrupt_total += 1;
        if self.corrupt.len() < NAMED_PAGES {
            self.corrupt.push(page);
        }
    }
}

impl PageChecker {
    /// Checks the whole pages in `content`, which begins at `offset` (a multiple of the block size) of the file at `path`.
    ///
    /// A page that fails may just have been half written: `reread` is asked for the block again (it fills the slice and
    /// returns how much of it the file still holds), and what settles replaces the bytes in `content`. A page that stays
    /// the same and still fails is corrupt and goes into `report`. A misaligned tail is no page; WAL replay mends it.
    ///
    /// # Errors
    /// Those of `reread`.
    pub fn check<E>(
        &self,
        path: &[u8],
        offset: u64,
        content: &mut [u8],
        report: &mut PageReport,
        reread: &mut dyn FnMut(u64, &mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let Some(relation) = relation_of(path) else { return Ok(()) };
        let first_block = relation.segment.wrapping_mul(self.relation_segment_blocks);
        let mut position = offset;
        for page in content.chunks_exact_mut(self.block_size_bytes) {
            let block = first_block.wrapping_add((position / self.block_size_bytes as u64) as u32);
            report.pages += 1;
            if !is_sound(check_page(page, block, self.checksums_enabled)) {
                let verdict = self.settle(page, position, block, reread)?;
                if !is_sound(verdict) {
                    report.enter(corrupt_page(path, block, verdict));
                }
            }
            position += self.block_size_bytes as u64;
        }
        Ok(())
    }

    /// Checks a whole file's pages without reading any again: their number if all are sound (0 for what is no relation
    /// file), `None` if one is not.
    pub fn all_sound(&self, path: &[u8], content: &[u8]) -> Option<u64> {
        let Some(relation) = relation_of(path) else { return Some(0) };
        let mut block = relation.segment.wrapping_mul(self.relation_segment_blocks);
        let mut pages = 0;
        for page in content.chunks_exact(self.block_size_bytes) {
            if !is_sound(check_page(page, block, self.checksums_enabled)) {
                return None;
            }
            block = block.wrapping_add(1);
            pages += 1;
        }
        Some(pages)
    }

    /// Reads a page again until it is sound, is gone, or has stayed the same.
    fn settle<E>(
        &self,
        page: &mut [u8],
        position: u64,
        block: u32,
        reread: &mut dyn FnMut(u64, &mut [u8]) -> Result<usize, E>,
    ) -> Result<PageVerdict, E> {
        let mut again = vec![0; page.len()];
        let mut verdict = check_page(page, block, self.checksums_enabled);
        for attempt in 0..ATTEMPTS {
            std::thread::sleep(Duration::from_millis(1 << (2 * attempt).min(8)));
            if reread(position, &mut again)? < again.len() {
                // Truncated meanwhile: what we have will be truncated by WAL replay too.
                return Ok(PageVerdict::New);
            }
            page.copy_from_slice(&again);
            verdict = check_page(page, block, self.checksums_enabled);
            if is_sound(verdict) {
                break;
            }
        }
        Ok(verdict)
    }
}

fn relation_of(path: &[u8]) -> Option<RelationFile> {
    std::str::from_utf8(path).ok().and_then(RelationFile::parse)
}

fn is_sound(verdict: PageVerdict) -> bool {
    matches!(verdict, PageVerdict::New | PageVerdict::Valid)
}

fn corrupt_page(path: &[u8], block: u32, verdict: PageVerdict) -> CorruptPage {
    let (found, expected) = match verdict {
        PageVerdict::ChecksumMismatch { found, expected } => (Some(found), Some(expected)),
        _ => (None, None),
    };
    CorruptPage { file: display_path(path), block, found, expected }
}
