//! Which zstd parameters suit a frame of PostgreSQL's files.

use zstd::zstd_safe::CParameter;

/// Frames up to this length are compressed with tables of their own size.
const SMALL_FRAME_BYTES: usize = 256 << 10;

/// What most of a frame consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Pages without a special space, which are tables, and all that is no page.
    Other,
    /// Pages with a special space: indexes.
    IndexPages,
}

/// Returns the parameters that hold for all frames of an encoder.
///
/// zstd's own checksum stays off: it is XXH64 over the plain bytes, while every byte is already covered by the member's
/// CRC-32C, the frame's CRC-32C and the archive's SHA-256.
pub(super) fn fixed_parameters(level: i32) -> [CParameter; 4] {
    [
        CParameter::CompressionLevel(level),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ]
}

/// Returns the parameters that depend on the frame; 0 is zstd's own choice.
///
/// Measured on 256 KiB frames of pgbench tables, text and JSON, B-tree and GIN indexes. At level 1 short matches cost time
/// and gain nothing in tables (minimal match 7: 3 % faster and 1 % smaller than zstd's 6), but index tuples are so
/// short that 5 makes B-trees of numbers a quarter smaller. A hash table of 2^13 entries stays in the first-level cache:
/// 5 % to 10 % faster at the same size. At level 3 the longer match makes tables 3 % smaller, and indexes larger.
pub(super) fn frame_parameters(level: i32, plain: &[u8]) -> [CParameter; 2] {
    let (min_match, hash_log) = match (level, content_of(plain)) {
        (1, content) => {
            let hash_log = if plain.len() <= SMALL_FRAME_BYTES { 13 } else { 0 };
            (if content == Content::IndexPages { 5 } else { 7 }, hash_log)
        }
        (3, Content::Other) => (6, 0),
        _ => (0, 0),
    };
    [CParameter::MinMatch(min_match), CParameter::HashLog(hash_log)]
}

/// Returns the parameters of a frame of the write-ahead log; 0 is zstd's own choice.
///
/// Measured at level 1 on 256 KiB frames: strings of four and five bytes are what records of short transactions repeat. A minimal
/// match of 5 finds nearly all of them (pgbench's log is 0.3 % larger than with 4, and takes 12 % less time), and does not break
/// up longer ones: texts and bulk updates take a quarter to a third less time and are 5 % to 9 % smaller, index builds take a
/// quarter less and are 3 % larger. 6 makes those 14 % larger. The hash table of 2^13 entries is for the first-level cache again.
/// Who takes a level below -1 wants speed: there short matches cost most of the time, and save little.
pub(super) fn wal_frame_parameters(level: i32) -> [CParameter; 2] {
    let (min_match, hash_log) = match level {
        ..=-2 => (6, 13),
        -1..=1 => (5, 13),
        _ => (0, 0),
    };
    [CParameter::MinMatch(min_match), CParameter::HashLog(hash_log)]
}

/// Looks for page headers (src/include/storage/bufpage.h) where a tar stream can have them: at multiples of 512 bytes.
///
/// A guess: a wrong one costs a little speed or size, nothing else. It looks at a few hundred places, some microseconds' worth.
fn content_of(plain: &[u8]) -> Content {
    const LEAST_PLACE_BYTES: usize = 512;
    const SPECIAL: usize = 16;
    const PAGE_SIZE_AND_VERSION: usize = 18;
    let (mut pages, mut index_pages) = (0usize, 0usize);
    for place in plain.chunks_exact(LEAST_PLACE_BYTES) {
        let number = |at: usize| u16::from_le_bytes([place[at], place[at + 1]]);
        let size_and_version = number(PAGE_SIZE_AND_VERSION);
        let size = size_and_version & 0xff00;
        // Layout version 4, since PostgreSQL 8.3; block sizes from 1 to 32 KiB.
        if size_and_version & 0xff == 4 && size.is_power_of_two() && size >= 1024 {
            pages += 1;
            index_pages += usize::from(number(SPECIAL) < size);
        }
    }
    if index_pages * 2 > pages { Content::IndexPages } else { Content::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(size: u16, special: u16, count: usize) -> Vec<u8> {
        let mut page = vec![0; size.into()];
        page[16..18].copy_from_slice(&special.to_le_bytes());
        page[18..20].copy_from_slice(&(size | 4).to_le_bytes());
        page.repeat(count)
    }

    #[test]
    fn tells_tables_from_indexes_by_the_special_space() {
        for size in [1024, 8192, 32768] {
            assert_eq!(content_of(&pages(size, size, 4)), Content::Other);
            assert_eq!(content_of(&pages(size, size - 16, 4)), Content::IndexPages);
        }
        let shifted = [vec![0; 1536], pages(8192, 8176, 3), pages(8192, 8192, 1)].concat();
        assert_eq!(content_of(&shifted), Content::IndexPages);
        let mixed = [pages(8192, 8176, 2), pages(8192, 8192, 2)].concat();
        assert_eq!(content_of(&mixed), Content::Other);
    }

    #[test]
    fn takes_what_is_no_page_for_other() {
        for plain in [&b""[..], b"short", &[0; 100_000], &[4; 100_000], &[0xff; 8192]] {
            assert_eq!(content_of(plain), Content::Other);
        }
    }
}
