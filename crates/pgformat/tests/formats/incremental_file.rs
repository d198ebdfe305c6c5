use pgformat::incremental_file::{
    INCREMENTAL_HEAD_BYTES, INCREMENTAL_MAGIC, IncrementalHeader, SegmentGeometry, incremental_path, reconstructed_path,
};
use proptest::prelude::*;

const GEOMETRY: SegmentGeometry = SegmentGeometry { block_size_bytes: 8192, relation_segment_blocks: 131_072 };

fn header(truncation: u32, blocks: &[u32]) -> Result<IncrementalHeader, pgformat::FormatError> {
    IncrementalHeader::new(GEOMETRY, truncation, blocks.to_vec())
}

fn bytes_of(numbers: &[u32], size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes.resize(size.max(bytes.len()), 0);
    bytes
}

#[test]
fn a_head_is_filled_up_only_when_blocks_follow() {
    let mut out = vec![7];
    header(131_072, &[]).unwrap().write(&mut out);
    assert_eq!(out, [&[7][..], &bytes_of(&[INCREMENTAL_MAGIC, 0, 131_072], 12)].concat());
    let mut out = Vec::new();
    let two = header(4, &[2, 9]).unwrap();
    two.write(&mut out);
    assert_eq!(out, bytes_of(&[INCREMENTAL_MAGIC, 2, 4, 2, 9], 8192));
    assert_eq!((two.offset_of(2), two.offset_of(9), two.offset_of(3)), (Some(8192), Some(16384), None));
    assert_eq!((two.size_bytes(), two.file_size_bytes(), two.reconstructed_blocks()), (8192, 24576, 10));
    assert_eq!(header(40, &[2, 9]).unwrap().reconstructed_blocks(), 40);
    // 2045 numbers fill a block to its end, one more goes over.
    let numbers: Vec<u32> = (0..2046).collect();
    assert_eq!(header(0, &numbers[..2045]).unwrap().size_bytes(), 8192);
    assert_eq!(header(0, &numbers).unwrap().size_bytes(), 16384);
}

#[test]
fn what_a_server_would_not_write_is_refused() {
    let parse = |numbers: &[u32]| IncrementalHeader::parse(&bytes_of(numbers, 8192), GEOMETRY);
    assert!(parse(&[INCREMENTAL_MAGIC, 2, 4, 2, 131_071]).is_ok());
    let cases: [(&str, &[u32]); 6] = [
        ("begins with 00000007", &[7, 2, 4, 2, 9]),
        ("131073 blocks of 131072", &[INCREMENTAL_MAGIC, 131_073, 4]),
        ("cut at 131073", &[INCREMENTAL_MAGIC, 1, 131_073, 4]),
        ("comes after", &[INCREMENTAL_MAGIC, 2, 4, 9, 9]),
        ("block 131072 of 131072", &[INCREMENTAL_MAGIC, 1, 4, 131_072]),
        ("not filled with zeros", &[INCREMENTAL_MAGIC, 1, 4, 9, 1]),
    ];
    for (what, numbers) in cases {
        let error = parse(numbers).unwrap_err().to_string();
        assert!(error.contains(what), "{error} is not about {what}");
    }
    let whole = bytes_of(&[INCREMENTAL_MAGIC, 1, 4, 9], 8192);
    for length in [0, 11, 12, 15, 16, 8191] {
        assert!(IncrementalHeader::parse(&whole[..length], GEOMETRY).is_err(), "{length}");
    }
    for block_size_bytes in [0, 1000, 65_536, u32::MAX] {
        let odd = SegmentGeometry { block_size_bytes, ..GEOMETRY };
        assert!(IncrementalHeader::parse(&whole, odd).is_err());
        assert!(IncrementalHeader::new(odd, 4, vec![9]).is_err());
    }
}

#[test]
fn paths_of_incremental_files_are_told() {
    for (plain, incremental) in [
        ("base/5/1259_vm.2", "base/5/INCREMENTAL.1259_vm.2"),
        ("global/1262", "global/INCREMENTAL.1262"),
        ("1262", "INCREMENTAL.1262"),
    ] {
        assert_eq!(incremental_path(plain), incremental);
        assert_eq!(reconstructed_path(incremental).as_deref(), Some(plain));
        assert_eq!(reconstructed_path(plain), None);
    }
    assert_eq!(reconstructed_path("INCREMENTAL.base/5"), None);
}

proptest! {
    #[test]
    fn a_head_reads_as_it_was_written(
        blocks in proptest::collection::btree_set(0..131_072_u32, 0..3000),
        truncation in 0..=131_072_u32,
        power in 10..=15_u32,
    ) {
        let geometry = SegmentGeometry { block_size_bytes: 1 << power, ..GEOMETRY };
        let header = IncrementalHeader::new(geometry, truncation, blocks.into_iter().collect()).unwrap();
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        prop_assert_eq!(bytes.len(), header.size_bytes());
        prop_assert_eq!(IncrementalHeader::size_by_head(&bytes[..INCREMENTAL_HEAD_BYTES], geometry), Ok(bytes.len()));
        bytes.extend([1, 2, 3]);
        prop_assert_eq!(IncrementalHeader::parse(&bytes, geometry), Ok(header));
    }
}
