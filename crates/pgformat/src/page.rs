//! Data pages: header and checksum (upstream `bufpage.h`, `bufpage.c`, `checksum_impl.h`).

use crate::Lsn;

/// The size of a page header in bytes, line pointers not counted (upstream `SizeOfPageHeaderData`).
pub const PAGE_HEADER_SIZE: usize = 24;

/// Byte offsets of the header's fields (upstream `PageHeaderData`).
const PD_CHECKSUM: usize = 8;
const PD_FLAGS: usize = 10;
const PD_LOWER: usize = 12;
const PD_UPPER: usize = 14;
const PD_SPECIAL: usize = 16;
const PD_PAGESIZE_VERSION: usize = 18;

/// All flag bits that any release has used (upstream `PD_VALID_FLAG_BITS`).
const PD_VALID_FLAG_BITS: u16 = 0x0007;
/// The flag of a page whose rows are visible to everyone.
const PD_ALL_VISIBLE: u16 = 0x0004;
/// The page layout of 8.3 and later (upstream `PG_PAGE_LAYOUT_VERSION`).
const PAGE_LAYOUT_VERSION: u16 = 4;
/// The special space begins at a multiple of this (upstream `MAXALIGN`).
const MAXIMUM_ALIGNMENT: usize = 8;

/// Says what a page of a relation file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageVerdict {
    /// All zeros: a page that was added and not yet written. Valid.
    New,
    /// Header plausible and, if checksums are on, checksum right.
    Valid,
    /// Checksums are on and this one is wrong.
    ChecksumMismatch {
        /// What the page's header says.
        found: u16,
        /// What the page's bytes and its block number make.
        expected: u16,
    },
    /// The header's offsets, size or version are impossible (only reported when checksums are off, or `pd_upper` is 0 on
    /// a non-zero page), or `page` is not one block long.
    BadHeader,
}

/// Tells whether `bytes` is a block size that PostgreSQL can be built with: a power of two from 1 to 32 KiB.
pub fn is_block_size(bytes: usize) -> bool {
    bytes.is_power_of_two() && (1024..=32768).contains(&bytes)
}

/// Returns the LSN in the page's header, or `None` when `page` is shorter than a header.
pub fn page_lsn(page: &[u8]) -> Option<Lsn> {
    let header = page.get(..PAGE_HEADER_SIZE)?;
    // Two 32-bit halves, the high one first, each little-endian (upstream PageXLogRecPtr).
    let half = |at: usize| u64::from(u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
    Some(Lsn(half(0) << 32 | half(4)))
}

/// Tells whether the page's header says that every row on it is visible to everyone (upstream `PD_ALL_VISIBLE`).
pub fn is_all_visible(page: &[u8]) -> bool {
    page.len() >= PAGE_HEADER_SIZE && field(page, PD_FLAGS) & PD_ALL_VISIBLE != 0
}

/// Computes PostgreSQL's page checksum. `page` must be one whole block (a multiple of 128 bytes, at least 1024);
/// `block` is the block's number in the whole relation, counted across its segments.
/// The stored checksum field is treated as 0.
///
/// Bytes after the last whole multiple of 128 would not be covered: [`check_page`] refuses such a page.
pub fn page_checksum(page: &[u8], block: u32) -> u16 {
    let mixed = checksum_block(page) ^ block;
    // Never 0, which would look like a page without a checksum. The sum is at most 65535.
    (mixed % 65535 + 1) as u16
}

/// Judges one whole page of the main, vm, fsm or init fork.
///
/// With checksums on, a page whose checksum is right is valid whatever its header says, as for PostgreSQL's own tools.
pub fn check_page(page: &[u8], block: u32, checksums_enabled: bool) -> PageVerdict {
    if !is_block_size(page.len()) {
        return PageVerdict::BadHeader;
    }
    // Only a page that is not in use has 0 here (upstream PageIsNew), so that only such a page is searched for bytes.
    if field(page, PD_UPPER) == 0 {
        return if is_all_zero(page) { PageVerdict::New } else { PageVerdict::BadHeader };
    }
    if checksums_enabled {
        let (found, expected) = (field(page, PD_CHECKSUM), page_checksum(page, block));
        return if found == expected { PageVerdict::Valid } else { PageVerdict::ChecksumMismatch { found, expected } };
    }
    if is_header_plausible(page) { PageVerdict::Valid } else { PageVerdict::BadHeader }
}

/// Reads one 16-bit field of the header; `page` is at least a header long.
fn field(page: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([page[at], page[at + 1]])
}

/// Tells whether the header could be PostgreSQL's (upstream `PageIsVerified`, with the size and version besides).
///
/// Nothing is asked of `pd_lower`'s least value: upstream asks nothing, and a false alarm is an error too.
fn is_header_plausible(page: &[u8]) -> bool {
    let (lower, upper, special) = (field(page, PD_LOWER), field(page, PD_UPPER), usize::from(field(page, PD_SPECIAL)));
    let size_and_version = field(page, PD_PAGESIZE_VERSION);
    field(page, PD_FLAGS) & !PD_VALID_FLAG_BITS == 0
        && lower <= upper
        && usize::from(upper) <= special
        && special <= page.len()
        && special.is_multiple_of(MAXIMUM_ALIGNMENT)
        && usize::from(size_and_version & 0xff00) == page.len()
        && size_and_version & 0x00ff == PAGE_LAYOUT_VERSION
}

/// Tells whether every byte is 0, many at a time.
fn is_all_zero(page: &[u8]) -> bool {
    page.chunks(128).all(|chunk| chunk.iter().fold(0, |seen, byte| seen | byte) == 0)
}

/// How many sums run side by side (upstream `N_SUMS`).
const SUMS: usize = 32;
/// How many bytes one round of all sums takes in.
const ROW_BYTES: usize = SUMS * 4;
/// The multiplier of FNV-1a (upstream `FNV_PRIME`).
const FNV_PRIME: u32 = 16_777_619;
/// What each sum begins with (upstream `checksumBaseOffsets`).
const BASE_OFFSETS: [u32; SUMS] = [
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C, 0xF8D4474F,
    0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB, 0xE58F764B, 0x187636BC,
    0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4, 0x783125BB, 0x6CA8EAA2, 0xE407EAC6,
    0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
];

/// Hashes the page with the widest instructions that this processor has.
fn checksum_block(page: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as the line above asked.
            return unsafe { checksum_block_avx2(page) };
        }
        if std::arch::is_x86_feature_detected!("sse4.1") {
            // SAFETY: the processor has SSE4.1, as the line above asked.
            return unsafe { checksum_block_sse41(page) };
        }
    }
    checksum_block_portable(page)
}

/// The same loop, compiled for eight lanes in a register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn checksum_block_avx2(page: &[u8]) -> u32 {
    checksum_rows(page)
}

/// The same loop, compiled for four lanes and a 32-bit multiplication, which plain SSE2 lacks.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.1")]
fn checksum_block_sse41(page: &[u8]) -> u32 {
    checksum_rows(page)
}

/// The same loop, compiled for what every processor of this architecture has.
fn checksum_block_portable(page: &[u8]) -> u32 {
    checksum_rows(page)
}

/// One step of one sum.
#[inline(always)]
fn mix(sum: u32, value: u32) -> u32 {
    let mixed = sum ^ value;
    mixed.wrapping_mul(FNV_PRIME) ^ (mixed >> 17)
}

/// Reads one row of words as the server that wrote them did.
#[inline(always)]
fn words(row: &[u8; ROW_BYTES]) -> [u32; SUMS] {
    std::array::from_fn(|lane| {
        let at = lane * 4;
        u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]])
    })
}

/// The hash itself, in a form that the compiler turns into vector instructions; inlined into each caller above, so
/// that each is compiled with that caller's instructions.
#[inline(always)]
fn checksum_rows(page: &[u8]) -> u32 {
    let mut sums = BASE_OFFSETS;
    let (rows, _) = page.as_chunks::<ROW_BYTES>();
    if let Some((first, rest)) = rows.split_first() {
        let mut values = words(first);
        // The checksum was computed before it was stored: its field counts as 0. It is the lower half of the third word.
        values[PD_CHECKSUM / 4] &= 0xffff_0000;
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = mix(*sum, value);
        }
        for row in rest {
            let values = words(row);
            for lane in 0..SUMS {
                sums[lane] = mix(sums[lane], values[lane]);
            }
        }
    }
    // Two rounds of zeros, so that the last row's bits are mixed as well as the others'.
    for _ in 0..2 {
        for sum in &mut sums {
            *sum = mix(*sum, 0);
        }
    }
    sums.into_iter().fold(0, |folded, sum| folded ^ sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, one sum after the other and one word after the other.
    fn plainly(page: &[u8]) -> u32 {
        let mut page = page.to_vec();
        page[PD_CHECKSUM..PD_CHECKSUM + 2].fill(0);
        let mut folded = 0;
        for (lane, start) in BASE_OFFSETS.into_iter().enumerate() {
            let mut sum = start;
            for row in page.chunks(ROW_BYTES).chain([[0; ROW_BYTES].as_slice(); 2]) {
                let word = u32::from_le_bytes(row[lane * 4..lane * 4 + 4].try_into().unwrap());
                let mixed = sum ^ word;
                sum = ((u64::from(mixed) * u64::from(FNV_PRIME)) & 0xffff_ffff) as u32 ^ (mixed >> 17);
            }
            folded ^= sum;
        }
        folded
    }

    #[test]
    fn all_instruction_sets_agree_at_all_block_sizes() {
        let mut seed = 1_u32;
        for size in [1024, 2048, 4096, 8192, 16384, 32768] {
            for fill in [0_u8, 0xff, 0x5a] {
                let page: Vec<u8> = std::iter::repeat_with(|| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    fill ^ (seed >> 24) as u8
                })
                .take(size)
                .collect();
                let expected = plainly(&page);
                assert_eq!(checksum_block(&page), expected);
                assert_eq!(checksum_block_portable(&page), expected);
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("sse4.1") {
                    // SAFETY: the processor has SSE4.1, as the line above asked.
                    assert_eq!(unsafe { checksum_block_sse41(&page) }, expected);
                }
            }
        }
    }
}
