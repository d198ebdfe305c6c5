//! Is every page of a relation file what PostgreSQL wrote? Content arrives in pieces of any size.

use super::finding::{FindingKind, Findings};
use pgformat::page::{PageVerdict, check_page};
use pgformat::relation_file::RelationFile;
use std::collections::HashSet;
use vault::repository::BackupRecord;

/// Checks pages, and knows which were corrupt in the cluster.
pub(super) struct PageChecker {
    block_bytes: usize,
    relation_segment_blocks: u32,
    known_corrupt: HashSet<(String, u32)>,
    /// How many corrupt pages the record counts beyond those it lists.
    unlisted_corrupt: u64,
    pub pages: u64,
}

/// The relation file being looked at.
pub(super) struct PageCursor {
    path: String,
    next_block: u32,
    partial: Vec<u8>,
    size_bytes: u64,
}

impl PageChecker {
    /// Returns `None` when the record says that the cluster had no checksums, or no sensible block size.
    pub fn new(record: &BackupRecord, relation_segment_blocks: Option<u32>) -> Option<Self> {
        let block_bytes = usize::try_from(record.block_size_bytes).ok()?;
        if !record.data_checksums || !pgformat::page::is_block_size(block_bytes) {
            return None;
        }
        let known_corrupt: HashSet<(String, u32)> =
            record.corrupt_pages.iter().map(|page| (page.file.clone(), page.block)).collect();
        Some(PageChecker {
            block_bytes,
            // Every package is built with segments of 1 GiB.
            relation_segment_blocks: relation_segment_blocks.unwrap_or((1 << 30) / record.block_size_bytes),
            unlisted_corrupt: record.corrupt_pages_total.saturating_sub(record.corrupt_pages.len() as u64),
            known_corrupt,
            pages: 0,
        })
    }

    /// Begins a member; `None` when it is no relation's file.
    pub fn begin(&self, path: &[u8], size_bytes: u64) -> Option<PageCursor> {
        let path = std::str::from_utf8(path).ok()?;
        let file = RelationFile::parse(path)?;
        let next_block = file.segment.checked_mul(self.relation_segment_blocks)?;
        Some(PageCursor { path: path.to_owned(), next_block, partial: Vec::new(), size_bytes })
    }

    /// Takes the next bytes of a file.
    pub fn feed(&mut self, cursor: &mut PageCursor, mut bytes: &[u8], findings: &mut Findings) {
        if !cursor.partial.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(self.block_bytes - cursor.partial.len()));
            cursor.partial.extend_from_slice(head);
            bytes = rest;
            if cursor.partial.len() < self.block_bytes {
                return;
            }
            let page = std::mem::take(&mut cursor.partial);
            self.check(cursor, &page, findings);
            cursor.partial = page;
            cursor.partial.clear();
        }
        let mut pages = bytes.chunks_exact(self.block_bytes);
        for page in &mut pages {
            self.check(cursor, page, findings);
        }
        cursor.partial.extend_from_slice(pages.remainder());
    }

    /// Takes bytes that could not be had.
    pub fn skip(&mut self, cursor: &mut PageCursor, length: u64) {
        // The page that they begin in, and the one they end in, can't be judged.
        let block_bytes = self.block_bytes as u64;
        let position = cursor.partial.len() as u64 + length;
        cursor.next_block = cursor.next_block.saturating_add(u32::try_from(position / block_bytes).unwrap_or(u32::MAX));
        // A new page is always valid, so zeros stand for what is missing.
        cursor.partial.clear();
        cursor.partial.resize(usize::try_from(position % block_bytes).unwrap_or(0), 0);
    }

    /// Ends a file.
    pub fn end(&self, cursor: &PageCursor, findings: &mut Findings) {
        if !cursor.partial.is_empty() {
            let (path, size_bytes) = (cursor.path.clone(), cursor.size_bytes);
            findings.warning(&FindingKind::VerifyPartialPage { path, size_bytes });
        }
    }

    fn check(&mut self, cursor: &mut PageCursor, page: &[u8], findings: &mut Findings) {
        let block = cursor.next_block;
        cursor.next_block = cursor.next_block.saturating_add(1);
        self.pages += 1;
        let path = || cursor.path.clone();
        let kind = match check_page(page, block, true) {
            PageVerdict::New | PageVerdict::Valid => return,
            PageVerdict::ChecksumMismatch { found, expected } => {
                FindingKind::VerifyPageChecksum { path: path(), block, found, expected }
            }
            PageVerdict::BadHeader => FindingKind::VerifyPageHeader { path: path(), block },
        };
        if self.known_corrupt.contains(&(path(), block)) {
            findings.warning(&FindingKind::VerifyPageKnownCorrupt { path: path(), block });
        } else if self.unlisted_corrupt > 0 {
            // The record counts more than it lists: these are taken for them.
            self.unlisted_corrupt -= 1;
            findings.warning(&FindingKind::VerifyPageKnownCorrupt { path: path(), block });
        } else {
            findings.error(&kind);
        }
    }
}
