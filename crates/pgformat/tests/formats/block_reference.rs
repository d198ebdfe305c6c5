use pgformat::block_reference::{
    BLOCK_REFERENCE_MAGIC, BlockReferenceEntry, BlockReferenceReader, BlockReferenceTable, BlockReferenceWriter,
    RelationFork, SummaryFileName,
};
use pgformat::relation_file::{ForkNumber, RelFileLocator};
use pgformat::{FormatError, Lsn, TimelineId};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn locator(rel_number: u32) -> RelFileLocator {
    RelFileLocator { spc_oid: 1663, db_oid: 5, rel_number }
}

fn written(table: &BlockReferenceTable) -> Vec<u8> {
    let mut out = Vec::new();
    table.write(&mut out);
    out
}

/// Closes a file of the given entries as the server does.
fn file(entries: &[u8]) -> Vec<u8> {
    let mut bytes = BLOCK_REFERENCE_MAGIC.to_le_bytes().to_vec();
    bytes.extend_from_slice(entries);
    bytes.extend([0; 24]);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn entry_bytes(numbers: [u32; 6], words: &[u16]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    numbers.chain(words.iter().flat_map(|word| word.to_le_bytes())).collect()
}

fn marked(blocks: impl IntoIterator<Item = u32>) -> BlockReferenceEntry {
    let mut entry = BlockReferenceEntry::default();
    blocks.into_iter().for_each(|block| entry.mark_block(block));
    entry
}

#[test]
fn the_file_has_the_servers_bytes() {
    let mut table = BlockReferenceTable::new();
    table.mark_block(locator(9), ForkNumber::Vm, 1);
    // In the order of their naming, each once; the chunk between has nothing.
    for block in [70, 3, 70, 131_074, 3] {
        table.mark_block(locator(9), ForkNumber::Main, block);
    }
    table.set_limit_block(locator(8), ForkNumber::Init, 77);
    table.set_whole_database(1664, 4);
    let entries = [
        entry_bytes([1663, 5, 8, 3, 77, 0], &[]),
        entry_bytes([1663, 5, 9, 0, u32::MAX, 3], &[2, 0, 1, 70, 3, 2]),
        entry_bytes([1663, 5, 9, 2, u32::MAX, 1], &[1, 1]),
        entry_bytes([1664, 4, 0, 0, 0, 0], &[]),
    ];
    assert_eq!(written(&table), file(&entries.concat()));
    assert_eq!(BlockReferenceTable::parse(&file(&entries.concat())), Ok(table.clone()));
    assert!(table.is_whole_database(1664, 4) && !table.is_whole_database(1663, 5));
    assert_eq!(written(&BlockReferenceTable::new()), file(&[]));
}

#[test]
fn the_4096th_block_of_a_chunk_makes_it_a_bitmap_for_good() {
    let mut table = BlockReferenceTable::new();
    let length = |table: &BlockReferenceTable| written(table).len() - file(&[]).len() - 24;
    for block in 0..4095 {
        table.mark_block(locator(9), ForkNumber::Main, block * 16);
    }
    assert_eq!(length(&table), 2 + 4095 * 2);
    table.mark_block(locator(9), ForkNumber::Main, 65_535);
    assert_eq!(length(&table), 2 + 4096 * 2);
    let bytes = written(&table);
    // Words of the bitmap: the first block of the first, the first and the last of the last.
    let bitmap = &bytes[4 + 24 + 2..][..8192];
    assert_eq!((bitmap[0], bitmap[1], bitmap[8190], bitmap[8191]), (1, 0, 0, 0x80));
    let entry = table.entry(locator(9), ForkNumber::Main).unwrap();
    assert_eq!(entry.count_blocks(), 4096);
    table.set_limit_block(locator(9), ForkNumber::Main, 16);
    assert_eq!(length(&table), 2 + 4096 * 2);
    assert_eq!(table.entry(locator(9), ForkNumber::Main).unwrap().blocks().collect::<Vec<_>>(), [0]);
    // At the chunk's start, the bitmap is empty and still there, as upstream leaves it; a higher one is not.
    table.mark_block(locator(9), ForkNumber::Main, 70_000);
    table.set_limit_block(locator(9), ForkNumber::Main, 0);
    assert_eq!(length(&table), 2 + 4096 * 2);
    assert_eq!(BlockReferenceTable::parse(&written(&table)), Ok(table));
}

#[test]
fn a_limit_forgets_what_is_behind_it_unless_it_was_shorter_before() {
    let mut entry = marked([1, 9, 10, 11, 65_535, 65_536, 200_000]);
    entry.set_limit_block(10);
    assert_eq!((entry.limit_block(), entry.blocks().collect::<Vec<_>>()), (Some(10), vec![1, 9]));
    entry.mark_block(300_000);
    entry.set_limit_block(10);
    entry.set_limit_block(11);
    assert_eq!((entry.limit_block(), entry.blocks().collect::<Vec<_>>()), (Some(10), vec![1, 9, 300_000]));
    entry.set_limit_block(0);
    assert_eq!((entry.limit_block(), entry.count_blocks()), (Some(0), 0));
    let mut unlimited = marked([5]);
    unlimited.set_limit_block(u32::MAX);
    assert_eq!((unlimited.limit_block(), unlimited.contains(5)), (None, true));
}

#[test]
fn ten_million_blocks_take_little_more_than_a_megabyte() {
    let mut table = BlockReferenceTable::new();
    for block in 0..10_000_000 {
        table.mark_block(locator(9), ForkNumber::Main, block);
    }
    let bytes = written(&table);
    assert!(bytes.len() < 1_300_000, "{}", bytes.len());
    assert_eq!(BlockReferenceTable::parse(&bytes).unwrap().entries().next().unwrap().1.count_blocks(), 10_000_000);
}

#[test]
fn blocks_of_a_segment_are_told_apart() {
    let entry = marked([131_071, 5, 131_072, 262_143, 262_144, u32::MAX]);
    let of = |segment: u32| entry.blocks_in(segment * 131_072..(segment + 1) * 131_072).collect::<Vec<_>>();
    assert_eq!((of(0), of(1), of(2)), (vec![5, 131_071], vec![131_072, 262_143], vec![262_144]));
    assert_eq!(entry.blocks_in(6..131_071).count() + entry.blocks_in(9..9).count(), 0);
    #[allow(clippy::reversed_empty_ranges, reason = "a range that ends before it begins is empty, too")]
    let backwards = entry.blocks_in(400_000..2).count();
    assert_eq!(backwards, 0);
    assert!(entry.contains(u32::MAX) && !entry.contains(u32::MAX - 1));
}

#[test]
fn tablespace_0_is_in_no_table_and_no_file() {
    let nowhere = RelFileLocator { spc_oid: 0, db_oid: 0, rel_number: 0 };
    let mut table = BlockReferenceTable::new();
    table.mark_block(nowhere, ForkNumber::Main, 1);
    table.set_limit_block(nowhere, ForkNumber::Main, 0);
    assert!(table.is_empty());
    assert!(BlockReferenceTable::parse(&file(&entry_bytes([0, 0, 0, 0, 0, 1], &[1, 5]))).is_err());
}

#[test]
fn what_a_server_would_not_write_is_refused() {
    let good = entry_bytes([1663, 5, 9, 0, u32::MAX, 1], &[2, 3, 4]);
    let parse = |entries: &[u8]| BlockReferenceTable::parse(&file(entries));
    assert!(parse(&good).is_ok());
    let cases = [
        ("out of order", [good.clone(), entry_bytes([1663, 5, 8, 0, 7, 0], &[])].concat()),
        ("out of order", [good.clone(), good.clone()].concat()),
        ("a fork 4", entry_bytes([1663, 5, 8, 4, 7, 0], &[])),
        ("65537 chunks", entry_bytes([1663, 5, 8, 0, 7, 65_537], &[])),
        ("too long", entry_bytes([1663, 5, 8, 0, 7, 1], &[4097])),
        ("ends with a chunk of nothing", entry_bytes([1663, 5, 8, 0, 7, 2], &[1, 0, 5])),
        ("names a block twice", entry_bytes([1663, 5, 8, 0, 7, 1], &[3, 5, 6, 5])),
    ];
    for (what, entries) in cases {
        let error = parse(&entries).unwrap_err().to_string();
        assert!(error.contains(what), "{error} is not about {what}");
    }
    let whole = file(&good);
    for length in 0..whole.len() {
        assert!(BlockReferenceTable::parse(&whole[..length]).is_err(), "{length}");
    }
    assert!(BlockReferenceTable::parse(&[&whole[..], &[0]].concat()).is_err());
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        assert!(BlockReferenceTable::parse(&flipped).is_err(), "{at}");
    }
}

#[test]
fn a_reader_that_has_failed_does_not_go_on() {
    let mut reader = BlockReferenceReader::new();
    let refused = reader.feed::<FormatError>(b"none", &mut |_, _| Ok(())).unwrap_err();
    let again = reader.feed::<FormatError>(&BLOCK_REFERENCE_MAGIC.to_le_bytes(), &mut |_, _| Ok(()));
    assert_eq!(again, Err(refused.clone()));
    assert_eq!(reader.finish(), Err(refused));
}

#[test]
fn names_of_summaries_read_as_the_server_writes_them() {
    let name = "0000000100000000016C383800000000039C55C8.summary";
    let range = SummaryFileName { timeline: TimelineId(1), start_lsn: Lsn(0x16C_3838), end_lsn: Lsn(0x39C_55C8) };
    assert_eq!(name.parse(), Ok(range));
    assert_eq!(range.to_string(), name);
    let far = SummaryFileName { timeline: TimelineId(u32::MAX), start_lsn: Lsn(1 << 40), end_lsn: Lsn(u64::MAX) };
    assert_eq!(far.to_string().parse(), Ok(far));
    for bad in [
        "0000000100000000016C383800000000039C55C8",
        "0000000100000000016C383800000000039C55C.summary",
        "0000000100000000016c383800000000039C55C8.summary",
        "+000000100000000016C383800000000039C55C8.summary",
        "0000000100000000016C383800000000039C55C8.summary.summary",
        "ñ00000100000000016C383800000000039C55C8.summary",
        "temp.summary",
        "",
    ] {
        assert!(bad.parse::<SummaryFileName>().is_err(), "{bad}");
    }
}

/// What may happen to a fork.
#[derive(Debug, Clone)]
enum Change {
    Mark(u32),
    MarkRange(u32, u32),
    Limit(u32),
}

type Changes = Vec<(u32, Change)>;

/// Changes of three relations; numbers come near one another and near the borders of chunks.
fn changes() -> impl Strategy<Value = Changes> {
    let block = || prop_oneof![4 => 0..40_u32, 2 => 65_520..65_560_u32, 1 => 131_060..131_090_u32, 1 => any::<u32>()];
    let change = prop_oneof![
        8 => block().prop_map(Change::Mark),
        1 => (block(), 1..5000_u32).prop_map(|(first, count)| Change::MarkRange(first, count)),
        2 => block().prop_map(Change::Limit),
    ];
    vec((1..4_u32, change), 0..40)
}

fn apply(table: &mut BlockReferenceTable, changes: &Changes) {
    for (relation, change) in changes {
        match change {
            Change::Mark(block) => table.mark_block(locator(*relation), ForkNumber::Main, *block),
            Change::MarkRange(first, count) => (*first..first.saturating_add(*count))
                .for_each(|block| table.mark_block(locator(*relation), ForkNumber::Main, block)),
            Change::Limit(limit) => table.set_limit_block(locator(*relation), ForkNumber::Main, *limit),
        }
    }
}

/// The same with plain sets.
fn model(changes: &Changes) -> BTreeMap<u32, (Option<u32>, BTreeSet<u32>)> {
    let mut model: BTreeMap<u32, (Option<u32>, BTreeSet<u32>)> = BTreeMap::new();
    for (relation, change) in changes {
        let (limit, blocks) = model.entry(*relation).or_default();
        match change {
            Change::Mark(block) => drop(blocks.insert(*block)),
            Change::MarkRange(first, count) => blocks.extend(*first..first.saturating_add(*count)),
            Change::Limit(new) if *new < limit.unwrap_or(u32::MAX) => {
                *limit = Some(*new);
                blocks.retain(|block| block < new);
            }
            Change::Limit(_) => {}
        }
    }
    model
}

/// The blocks that were named and not cut off afterwards: no table may lack them.
fn needed(changes: &Changes, relation: u32) -> BTreeSet<u32> {
    let mut blocks = BTreeSet::new();
    for (_, change) in changes.iter().filter(|(of, _)| *of == relation) {
        match change {
            Change::Mark(block) => drop(blocks.insert(*block)),
            Change::MarkRange(first, count) => blocks.extend(*first..first.saturating_add(*count)),
            Change::Limit(limit) => blocks.retain(|block| block < limit),
        }
    }
    blocks
}

fn table_of(changes: &Changes) -> BlockReferenceTable {
    let mut table = BlockReferenceTable::new();
    apply(&mut table, changes);
    table
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_table_is_what_sets_would_be(changes in changes()) {
        let table = table_of(&changes);
        let model = model(&changes);
        prop_assert_eq!(table.len(), model.len());
        for ((key, entry), (relation, (limit, blocks))) in table.entries().zip(&model) {
            prop_assert_eq!((key.locator.rel_number, entry.limit_block()), (*relation, *limit));
            prop_assert!(entry.blocks().eq(blocks.iter().copied()));
            prop_assert_eq!(entry.count_blocks(), blocks.len() as u64);
            prop_assert!(blocks.iter().all(|block| entry.contains(*block)));
            prop_assert!(entry.blocks_in(20..65_540).eq(blocks.range(20..65_540).copied()));
        }
    }

    #[test]
    fn a_file_reads_as_it_was_written_in_pieces_of_any_size(changes in changes(), piece in 1..3000_usize) {
        let table = table_of(&changes);
        let bytes = written(&table);
        let mut reader = BlockReferenceReader::new();
        let mut entries: Vec<(RelationFork, BlockReferenceEntry)> = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.feed::<FormatError>(piece, &mut |key, entry| { entries.push((key, entry)); Ok(()) }).unwrap();
        }
        reader.finish().unwrap();
        prop_assert!(table.entries().eq(entries.iter().map(|(key, entry)| (*key, entry))));
        // What was read is written as it was, even the order of a list; and an entry at a time as all at once.
        let mut again = Vec::new();
        let mut writer = BlockReferenceWriter::new(&mut again);
        entries.iter().for_each(|(key, entry)| writer.entry(*key, entry, &mut again));
        writer.finish(&mut again);
        prop_assert!(again == bytes);
    }

    #[test]
    fn two_stretches_together_name_what_one_table_would(first in changes(), second in changes()) {
        let mut merged = table_of(&first);
        merged.merge_later(&table_of(&second));
        let both = [first, second].concat();
        let single = table_of(&both);
        prop_assert_eq!(merged.len(), single.len());
        for ((key, entry), (_, other)) in merged.entries().zip(single.entries()) {
            prop_assert_eq!(entry.limit_block(), other.limit_block());
            // A limit that was not the shortest is forgotten by one table, and made use of by two.
            prop_assert!(entry.blocks().all(|block| other.contains(block)));
            prop_assert!(needed(&both, key.locator.rel_number).iter().all(|block| entry.contains(*block)));
        }
    }

    #[test]
    fn without_limits_merging_is_union(first in changes(), second in changes()) {
        let marks = |changes: Changes| -> Changes {
            changes.into_iter().filter(|(_, change)| !matches!(change, Change::Limit(_))).collect()
        };
        let (first, second) = (marks(first), marks(second));
        let mut one = table_of(&first);
        one.merge_later(&table_of(&second));
        let mut other = table_of(&second);
        other.merge_later(&table_of(&first));
        prop_assert!(one == other);
        prop_assert!(one == table_of(&[first, second].concat()));
    }
}
