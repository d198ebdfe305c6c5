//! Data pages: header and checksum (upstream `bufpage.h`, `checksum_impl.h`).

use crate::Lsn;

/// Says what a page of a relation file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageVerdict {
    /// All zeros: a page that was added and not yet written. Valid.
    New,
    /// Header plausible and, if checksums are on, checksum right.
    Valid,
    /// Checksums are on and this one is wrong.
    ChecksumMismatch { found: u16, expected: u16 },
    /// The header's offsets, size or version are impossible (only reported when checksums are off, or `pd_upper` is 0 on a non-zero page).
    BadHeader,
}

/// Returns the LSN in the page's header, or `None` when `page` is shorter than a header.
pub fn page_lsn(page: &[u8]) -> Option<Lsn> {
    let _ = page;
    todo!()
}

/// Computes PostgreSQL's page checksum. `page` must be one whole block (a multiple of 128 bytes, at least 1024);
/// `block` is the block's number in the whole relation, counted across its segments.
/// The stored checksum field is treated as 0.
pub fn page_checksum(page: &[u8], block: u32) -> u16 {
    let _ = (page, block);
    todo!()
}

/// Judges one whole page of the main, vm, fsm or init fork.
pub fn check_page(page: &[u8], block: u32, checksums_enabled: bool) -> PageVerdict {
    let _ = (page, block, checksums_enabled);
    todo!()
}
