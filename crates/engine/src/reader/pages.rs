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

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::page::page_checksum;
    use std::convert::Infallible;

    const PATH: &[u8] = b"base/5/16384.1";
    const CHECKER: PageChecker =
        PageChecker { block_size_bytes: 8192, relation_segment_blocks: 131_072, checksums_enabled: true };

    /// A page with a right checksum for block `block` of the file's segment.
    fn page(block: u32, fill: u8) -> Vec<u8> {
        let mut page = vec![fill; 8192];
        // pd_lower, pd_upper, pd_special, pd_pagesize_version (upstream `bufpage.h`).
        for (at, value) in [(12, 24_u16), (14, 1000), (16, 8192), (18, 8192 | 4)] {
            page[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        let checksum = page_checksum(&page, 131_072 + block);
        page[8..10].copy_from_slice(&checksum.to_le_bytes());
        page
    }

    fn check(content: &mut [u8], offset: u64, reread: &mut dyn FnMut(u64, &mut [u8]) -> usize) -> PageReport {
        let mut report = PageReport::default();
        let mut reread = |position: u64, page: &mut [u8]| Ok::<_, Infallible>(reread(position, page));
        CHECKER.check(PATH, offset, content, &mut report, &mut reread).unwrap();
        report
    }

    fn never(_: u64, _: &mut [u8]) -> usize {
        panic!("nothing needs to be read again")
    }

    #[test]
    fn sound_pages_are_counted_with_their_block_in_the_whole_relation_and_not_read_again() {
        let mut content = [page(2, 1), vec![0; 8192], page(4, 3)].concat();
        assert_eq!(check(&mut content, 2 * 8192, &mut never), PageReport { pages: 3, ..PageReport::default() });
        assert_eq!(CHECKER.all_sound(PATH, &[page(0, 1), page(1, 2)].concat()), Some(2));
        assert_eq!(CHECKER.all_sound(PATH, &page(1, 2)), None);
    }

    #[test]
    fn a_torn_page_is_replaced_by_what_it_settles_to() {
        let settled = page(1, 9);
        let mut content = [page(0, 1), settled.clone()].concat();
        content[8192 + 4096..].fill(0);
        let mut asked = 0;
        let report = check(&mut content, 0, &mut |position, page| {
            assert_eq!(position, 8192);
            asked += 1;
            // It is still half written when it is first read again.
            page.copy_from_slice(&settled);
            if asked == 1 {
                page[4096..].fill(0);
            }
            page.len()
        });
        assert_eq!((report.pages, report.corrupt_total, asked), (2, 0, 2));
        assert_eq!(content[8192..], settled);
    }

    #[test]
    fn a_page_that_stays_the_same_is_corrupt_and_named() {
        let mut damaged = page(1, 9);
        damaged[5000] ^= 1;
        let mut content = [page(0, 1), damaged.clone()].concat();
        let report = check(&mut content, 0, &mut |_, page| {
            page.copy_from_slice(&damaged);
            page.len()
        });
        let named = report.corrupt.first().unwrap();
        assert_eq!((report.corrupt_total, named.file.as_str(), named.block), (1, "base/5/16384.1", 131_073));
        assert!(named.found.is_some() && named.expected.is_some() && named.found != named.expected);
    }

    #[test]
    fn a_page_that_was_truncated_away_meanwhile_is_no_corruption() {
        let mut content = page(0, 1);
        content[100] ^= 1;
        assert_eq!(check(&mut content, 0, &mut |_, _| 0).corrupt_total, 0);
    }

    #[test]
    fn what_is_no_relation_file_has_no_pages() {
        let mut report = PageReport::default();
        let mut reread = |_: u64, _: &mut [u8]| Ok::<_, Infallible>(0);
        for path in
            [b"global/pg_control".as_slice(), b"PG_VERSION", b"base/5/pg_filenode.map", b"base/5/t3_16384", b"\xff"]
        {
            CHECKER.check(path, 0, &mut [7; 16384], &mut report, &mut reread).unwrap();
        }
        assert_eq!(report, PageReport::default());
    }

    #[test]
    fn a_thousand_are_named_and_the_others_counted() {
        let mut sum = PageReport::default();
        for block in 0..1_500 {
            let mut one = PageReport::default();
            one.enter(CorruptPage { file: String::new(), block, found: None, expected: None });
            sum.absorb(one);
        }
        assert_eq!((sum.corrupt_total, sum.corrupt.len()), (1_500, 1_000));
    }
}
