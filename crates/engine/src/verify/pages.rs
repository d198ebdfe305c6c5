//! Is every page of a relation file what PostgreSQL wrote, and every file of changes one that can be put together? Content arrives in
//! pieces of any size.

use super::finding::{FindingKind, Findings};
use crate::chain::changed_path;
use pgformat::incremental_file::{INCREMENTAL_HEAD_BYTES, IncrementalHeader, SegmentGeometry};
use pgformat::page::{PageVerdict, check_page};
use pgformat::relation_file::RelationFile;
use std::collections::HashSet;
use vault::repository::BackupRecord;

/// Checks pages, and knows which were corrupt in the cluster.
pub(super) struct PageChecker<'r> {
    record: &'r BackupRecord,
    geometry: SegmentGeometry,
    known_corrupt: HashSet<(String, u32)>,
    /// How many corrupt pages the record counts beyond those it lists.
    unlisted_corrupt: u64,
    pub pages: u64,
}

/// The relation file being looked at.
pub(super) struct PageCursor {
    /// The relation's file; of changes, the one that they are of.
    path: String,
    /// The number of the segment's first block.
    first_block: u32,
    held: Held,
    /// How many pages have been looked at, or passed over.
    next: u32,
    partial: Vec<u8>,
    size_bytes: u64,
}

/// Which pages a file holds.
enum Held {
    /// All, in order.
    All,
    /// Changes, whose head is being read: its bytes so far.
    Head(Vec<u8>),
    /// Changes: those that the head names.
    Named(IncrementalHeader),
    /// Nobody knows, since the head is damaged: that is a finding already.
    Unknown,
}

impl<'r> PageChecker<'r> {
    /// Returns `None` when the record has no sensible block size.
    pub fn new(record: &'r BackupRecord, relation_segment_blocks: Option<u32>) -> Option<Self> {
        if !pgformat::page::is_block_size(usize::try_from(record.block_size_bytes).ok()?) {
            return None;
        }
        let known_corrupt: HashSet<(String, u32)> =
            record.corrupt_pages.iter().map(|page| (page.file.clone(), page.block)).collect();
        Some(PageChecker {
            record,
            geometry: SegmentGeometry {
                block_size_bytes: record.block_size_bytes,
                // Every package is built with segments of 1 GiB.
                relation_segment_blocks: relation_segment_blocks.unwrap_or((1 << 30) / record.block_size_bytes),
            },
            unlisted_corrupt: record.corrupt_pages_total.saturating_sub(record.corrupt_pages.len() as u64),
            known_corrupt,
            pages: 0,
        })
    }

    /// Begins a member; `None` when nothing is known of what is in it: it is no relation's file, or the cluster had no checksums.
    pub fn begin(&self, path: &[u8], size_bytes: u64) -> Option<PageCursor> {
        let changed = changed_path(self.record, path);
        let held = match (&changed, self.record.data_checksums) {
            (Some(_), _) => Held::Head(Vec::new()),
            (None, true) => Held::All,
            (None, false) => return None,
        };
        let path = changed.map_or_else(|| std::str::from_utf8(path).map(str::to_owned), Ok).ok()?;
        let first_block = RelationFile::parse(&path)?.first_block(self.geometry.relation_segment_blocks)?;
        Some(PageCursor { path, first_block, held, next: 0, partial: Vec::new(), size_bytes })
    }

    fn block_bytes(&self) -> usize {
        self.geometry.block_size_bytes as usize
    }

    /// Takes the next bytes of a file.
    pub fn feed(&mut self, cursor: &mut PageCursor, bytes: &[u8], findings: &mut Findings) {
        let mut bytes = self.feed_head(cursor, bytes, findings);
        if !cursor.partial.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(self.block_bytes() - cursor.partial.len()));
            cursor.partial.extend_from_slice(head);
            bytes = rest;
            if cursor.partial.len() < self.block_bytes() {
                return;
            }
            let page = std::mem::take(&mut cursor.partial);
            self.check(cursor, &page, findings);
            cursor.partial = page;
            cursor.partial.clear();
        }
        let mut pages = bytes.chunks_exact(self.block_bytes());
        for page in &mut pages {
            self.check(cursor, page, findings);
        }
        cursor.partial.extend_from_slice(pages.remainder());
    }

    /// Takes what belongs to the head of a file of changes, and returns the rest.
    fn feed_head<'b>(&self, cursor: &mut PageCursor, mut bytes: &'b [u8], findings: &mut Findings) -> &'b [u8] {
        while let Held::Head(head) = &mut cursor.held {
            let wanted = match head.len() {
                0..INCREMENTAL_HEAD_BYTES => Ok(INCREMENTAL_HEAD_BYTES),
                _ => IncrementalHeader::size_by_head(head, self.geometry),
            };
            let parsed = match wanted {
                Ok(wanted) if head.len() < wanted && bytes.is_empty() => return bytes,
                Ok(wanted) if head.len() < wanted => {
                    let (part, rest) = bytes.split_at(bytes.len().min(wanted - head.len()));
                    head.extend_from_slice(part);
                    bytes = rest;
                    continue;
                }
                Ok(_) => IncrementalHeader::parse(head, self.geometry),
                Err(error) => Err(error),
            };
            let detail = match &parsed {
                Ok(header) if header.file_size_bytes() == cursor.size_bytes => None,
                Ok(header) => {
                    Some(format!("its head speaks of {} bytes, it has {}", header.file_size_bytes(), cursor.size_bytes))
                }
                Err(error) => Some(error.to_string()),
            };
            cursor.held = match (detail, parsed) {
                (None, Ok(header)) => Held::Named(header),
                (detail, _) => {
                    let (path, detail) = (cursor.path.clone(), detail.unwrap_or_default());
                    findings.error(&FindingKind::VerifyChanges { path, detail });
                    Held::Unknown
                }
            };
        }
        bytes
    }

    /// Takes bytes that could not be had.
    pub fn skip(&mut self, cursor: &mut PageCursor, length: u64) {
        if matches!(cursor.held, Held::Head(_)) {
            cursor.held = Held::Unknown;
        }
        // The page that they begin in, and the one they end in, can't be judged.
        let block_bytes = self.block_bytes() as u64;
        let position = cursor.partial.len() as u64 + length;
        cursor.next = cursor.next.saturating_add(u32::try_from(position / block_bytes).unwrap_or(u32::MAX));
        // A new page is always valid, so zeros stand for what is missing.
        cursor.partial.clear();
        cursor.partial.resize(usize::try_from(position % block_bytes).unwrap_or(0), 0);
    }

    /// Ends a file.
    pub fn end(&self, cursor: &PageCursor, findings: &mut Findings) {
        let (path, size_bytes) = (cursor.path.clone(), cursor.size_bytes);
        match &cursor.held {
            Held::All if !cursor.partial.is_empty() => {
                findings.warning(&FindingKind::VerifyPartialPage { path, size_bytes });
            }
            Held::Head(_) => {
                let detail = "its head ends too early".to_owned();
                findings.error(&FindingKind::VerifyChanges { path, detail });
            }
            // That the pages fill the file, its head has been held against.
            Held::All | Held::Named(_) | Held::Unknown => {}
        }
    }

    fn check(&mut self, cursor: &mut PageCursor, page: &[u8], findings: &mut Findings) {
        let place = cursor.next;
        cursor.next = cursor.next.saturating_add(1);
        let number = match &cursor.held {
            Held::All => Some(place),
            Held::Named(header) => header.block_numbers().get(place as usize).copied(),
            Held::Head(_) | Held::Unknown => None,
        };
        let Some(block) = number.and_then(|number| cursor.first_block.checked_add(number)) else { return };
        if !self.record.data_checksums {
            return;
        }
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
