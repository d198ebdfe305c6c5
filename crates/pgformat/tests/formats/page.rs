use crate::fixture;
use pgformat::Lsn;
use pgformat::page::{PageVerdict, check_page, is_block_size, page_checksum, page_lsn};

const PAGES: [(&str, u32); 4] =
    [("page_heap_block_20", 20), ("page_btree_block_3", 3), ("page_vm_block_0", 0), ("page_fsm_block_2", 2)];

#[test]
fn real_pages_are_valid() {
    for (name, block) in PAGES {
        let page = fixture(name);
        assert_eq!(check_page(&page, block, true), PageVerdict::Valid, "{name}");
        assert_eq!(check_page(&page, block, false), PageVerdict::Valid, "{name}");
    }
}

#[test]
fn finds_every_flipped_bit_of_a_real_page() {
    for (name, block) in PAGES {
        let mut page = fixture(name);
        // One bit of each byte of the header and of some others: all would take long without optimisation.
        for at in (0..24).chain((24..page.len()).step_by(5)) {
            page[at] ^= 1 << (at % 8);
            assert_ne!(check_page(&page, block, true), PageVerdict::Valid, "{name} byte {at}");
            page[at] ^= 1 << (at % 8);
        }
        assert_eq!(check_page(&page, block, true), PageVerdict::Valid, "{name}");
    }
}

#[test]
fn a_page_in_another_place_is_a_mismatch_that_tells_both_sums() {
    let page = fixture("page_heap_block_20");
    let found = u16::from_le_bytes([page[8], page[9]]);
    assert_eq!(page_checksum(&page, 20), found);
    let expected = page_checksum(&page, 21);
    assert_eq!(check_page(&page, 21, true), PageVerdict::ChecksumMismatch { found, expected });
    assert_eq!(check_page(&page, 21, false), PageVerdict::Valid, "no checksum tells where a page belongs");
}

#[test]
fn a_torn_page_is_a_mismatch() {
    let (mut page, other) = (fixture("page_heap_block_20"), fixture("page_btree_block_3"));
    page[4096..].copy_from_slice(&other[4096..]);
    assert!(matches!(check_page(&page, 20, true), PageVerdict::ChecksumMismatch { .. }));
}

#[test]
fn reads_the_lsn_with_its_high_half_first() {
    let mut page = vec![0; 1024];
    page[..8].copy_from_slice(&[0x16, 0, 0, 0, 0x48, 0xd8, 0x74, 0xb3]);
    assert_eq!(page_lsn(&page), Some(Lsn(0x16_B374_D848)));
    assert_eq!(page_lsn(&page[..24]), Some(Lsn(0x16_B374_D848)));
    assert_eq!(page_lsn(&page[..23]), None);
    assert_eq!(page_lsn(&[]), None);
}

#[test]
fn only_a_page_of_zeros_is_new() {
    for size in [1024, 2048, 4096, 8192, 16384, 32768] {
        for checksums in [true, false] {
            let mut page = vec![0; size];
            assert_eq!(check_page(&page, 5, checksums), PageVerdict::New);
            page[size - 1] = 1;
            assert_eq!(check_page(&page, 5, checksums), PageVerdict::BadHeader);
        }
    }
}

#[test]
fn what_is_not_one_block_is_no_page() {
    for size in [0, 1, 8, 24, 127, 128, 512, 1023, 1025, 3072, 8191, 8193, 65536] {
        assert!(!is_block_size(size));
        assert_eq!(check_page(&vec![0; size], 0, true), PageVerdict::BadHeader, "{size}");
        assert_eq!(check_page(&vec![1; size], 0, false), PageVerdict::BadHeader, "{size}");
    }
}

#[test]
fn without_checksums_an_impossible_header_is_found() {
    // Flags, lower, upper, special, size and version, each made impossible in turn.
    for (at, value) in [(10, 0x08), (12, 0xffff), (14, 0x2001), (16, 0x2001), (16, 0x1ffe), (18, 0x1004), (18, 0x2003)]
    {
        let mut page = fixture("page_btree_block_3");
        page[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
        assert_eq!(check_page(&page, 3, false), PageVerdict::BadHeader, "field at {at} = {value:#x}");
    }
}
