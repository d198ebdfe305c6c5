use crate::wal_crafter::sealed;
use pgformat::block_reference::BlockReferenceTable;
use pgformat::relation_file::{ForkNumber, RelFileLocator};
use pgformat::wal::{ChangeCollector, ChangeEvent, ChangeRules, ResourceManager, WalRecord};
use pgformat::{FormatError, Lsn, MajorVersion};

const RELATION: RelFileLocator = RelFileLocator { spc_oid: 1663, db_oid: 5, rel_number: 16384 };
const V14: MajorVersion = MajorVersion::V14;
const V15: MajorVersion = MajorVersion::V15;
const V17: MajorVersion = MajorVersion::V17;
const LSN: Lsn = Lsn(0x30_0028);

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn put(
    collector: &mut ChangeCollector,
    version: MajorVersion,
    resource_manager: ResourceManager,
    info: u8,
    parts: &[u8],
) -> Result<(), FormatError> {
    let bytes = sealed(Lsn(64), resource_manager.0, info, 7, parts);
    collector.record(&WalRecord {
        lsn: LSN,
        end_lsn: Lsn(0x30_1000),
        previous_lsn: Lsn(64),
        xid: 7,
        info,
        resource_manager,
        version,
        bytes: &bytes,
    })
}

/// Reads one record of main data.
fn after(
    version: MajorVersion,
    rules: ChangeRules,
    resource_manager: ResourceManager,
    info: u8,
    data: &[u32],
) -> Result<(BlockReferenceTable, Vec<ChangeEvent>), FormatError> {
    let data = numbers(data);
    let parts = [&[255, data.len() as u8][..], &data].concat();
    let mut collector = ChangeCollector::new(rules, 8192);
    put(&mut collector, version, resource_manager, info, &parts)?;
    Ok(collector.finish())
}

fn server(version: MajorVersion, manager: ResourceManager, info: u8, data: &[u32]) -> BlockReferenceTable {
    after(version, ChangeRules::AsServer, manager, info, data).unwrap().0
}

/// Names a table's limits.
fn limits(table: &BlockReferenceTable) -> Vec<(u32, ForkNumber, u32)> {
    let limit = |entry: &pgformat::block_reference::BlockReferenceEntry| entry.limit_block().unwrap();
    table.entries().map(|(key, entry)| (key.locator.rel_number, key.fork, limit(entry))).collect()
}

/// The header of one block that has no data.
fn block(locator: RelFileLocator, fork: u8, block: u32) -> Vec<u8> {
    let relation = [locator.spc_oid, locator.db_oid, locator.rel_number, block];
    [&[0, fork, 0, 0][..], &numbers(&relation)].concat()
}

#[test]
fn blocks_of_all_forks_but_the_free_space_map_count() {
    for rules in [ChangeRules::AsServer, ChangeRules::Complete] {
        let mut collector = ChangeCollector::new(rules, 8192);
        for fork in 0..4 {
            put(&mut collector, V14, ResourceManager(11), 0, &block(RELATION, fork, 40_000 + u32::from(fork))).unwrap();
        }
        let told: Vec<(ForkNumber, Vec<u32>)> =
            collector.table().entries().map(|(key, entry)| (key.fork, entry.blocks().collect())).collect();
        let expected = [(ForkNumber::Main, 40_000), (ForkNumber::Vm, 40_002), (ForkNumber::Init, 40_003)];
        assert_eq!(told, expected.map(|(fork, block)| (fork, vec![block])));
        assert!(collector.events().is_empty());
    }
}

#[test]
fn a_record_of_rows_may_change_the_visibility_map() {
    for (block_size, per_map_block) in [(8192, 32_672), (1024, 4000), (32_768, 130_976)] {
        for manager in [ResourceManager::HEAP, ResourceManager::HEAP2] {
            for rules in [ChangeRules::AsServer, ChangeRules::Complete] {
                let mut collector = ChangeCollector::new(rules, block_size);
                for at in [per_map_block - 1, per_map_block * 5] {
                    put(&mut collector, V14, manager, 0, &block(RELATION, 0, at)).unwrap();
                }
                let map = collector.table().entry(RELATION, ForkNumber::Vm);
                let blocks = map.map(|entry| entry.blocks().collect::<Vec<_>>());
                assert_eq!(blocks, (rules == ChangeRules::Complete).then(|| vec![0, 5]));
            }
        }
    }
}

#[test]
fn the_first_block_of_an_sp_gist_index_changes_with_the_others() {
    for (rules, expected) in [(ChangeRules::AsServer, vec![70]), (ChangeRules::Complete, vec![0, 70])] {
        let mut collector = ChangeCollector::new(rules, 8192);
        put(&mut collector, V14, ResourceManager::SPGIST, 0, &block(RELATION, 0, 70)).unwrap();
        let blocks: Vec<u32> = collector.table().entry(RELATION, ForkNumber::Main).unwrap().blocks().collect();
        assert_eq!((blocks, collector.table().len()), (expected, 1));
    }
}

#[test]
fn a_fork_that_is_created_begins_anew() {
    for (fork, expected) in
        [(0, Some(ForkNumber::Main)), (1, None), (2, Some(ForkNumber::Vm)), (3, Some(ForkNumber::Init))]
    {
        let table = server(V14, ResourceManager::STORAGE, 0x10, &[1663, 5, 16384, fork]);
        assert_eq!(limits(&table), expected.map(|fork| (16384, fork, 0)).into_iter().collect::<Vec<_>>());
    }
    assert!(after(V14, ChangeRules::AsServer, ResourceManager::STORAGE, 0x10, &[1663, 5, 16384, 4]).is_err());
    assert!(after(V14, ChangeRules::AsServer, ResourceManager::STORAGE, 0x10, &[1663, 5, 16384]).is_err());
}

#[test]
fn a_relation_that_is_cut_has_a_limit_and_its_map_another() {
    for (length, by_server, complete) in
        [(0, 0, 0), (1, 1, 0), (32_671, 1, 0), (32_672, 1, 1), (32_673, 2, 1), (653_440, 20, 20)]
    {
        for (flags, main, map) in [(7, true, true), (1, true, false), (2, false, true), (4, false, false)] {
            for (rules, limit) in [(ChangeRules::AsServer, by_server), (ChangeRules::Complete, complete)] {
                let data = [length, 1663, 5, 16384, flags];
                let table = after(V17, rules, ResourceManager::STORAGE, 0x20, &data).unwrap().0;
                let mut expected = Vec::new();
                expected.extend(main.then_some((16384, ForkNumber::Main, length)));
                expected.extend(map.then_some((16384, ForkNumber::Vm, limit)));
                assert_eq!(limits(&table), expected);
            }
        }
    }
}

/// What a record of a transaction has: the time, which parts follow, and those.
fn transaction(parts: u32, rest: &[u32]) -> Vec<u32> {
    [&[1, 2, parts][..], rest].concat()
}

#[test]
fn relations_dropped_by_a_transaction_are_void() {
    let relation = [1663, 5, 16384];
    let other = [1700, 5, 9];
    let forks = [ForkNumber::Main, ForkNumber::Vm, ForkNumber::Init];
    let expected: Vec<_> = [16384, 9].into_iter().flat_map(|number| forks.map(|fork| (number, fork, 0))).collect();
    let relations = [&[2][..], &relation, &other].concat();
    let all = [&[5, 1663, 3, 70, 71, 72][..], &relations, &[8, 8]].concat();
    for version in MajorVersion::ALL {
        for kind in [0x80, 0xA0, 0xB0, 0xC0] {
            for data in [transaction(0x04, &relations), transaction(0x1FF, &all)] {
                assert_eq!(limits(&server(version, ResourceManager::TRANSACTION, kind, &data)), expected);
            }
            assert!(server(version, ResourceManager::TRANSACTION, kind, &transaction(0x02, &[1, 7])).is_empty());
        }
        // Without the highest bit there is nothing but the time; a prepared transaction has not dropped anything yet.
        for kind in [0x00, 0x20, 0x30, 0x40, 0x90, 0xD0, 0xE0] {
            let table = server(version, ResourceManager::TRANSACTION, kind, &transaction(0x04, &relations));
            assert!(table.is_empty(), "{kind:x}");
        }
    }
    for wrong in [
        transaction(0x04, &[2, 1663, 5, 16384]),
        transaction(0x04, &[u32::MAX]),
        transaction(0x02, &[u32::MAX]),
        transaction(0x01, &[1]),
        vec![1, 2],
    ] {
        let answer = after(V15, ChangeRules::AsServer, ResourceManager::TRANSACTION, 0x80, &wrong);
        assert!(answer.is_err(), "{wrong:?}");
    }
}

#[test]
fn databases_that_are_made_or_dropped_are_new_as_a_whole() {
    let created = |by_copy| ChangeEvent::DatabaseCreated { lsn: LSN, spc_oid: 1663, db_oid: 16_390, by_copy };
    let dropped = |spc_oid| ChangeEvent::DatabaseDropped { lsn: LSN, spc_oid, db_oid: 16_390 };
    let database = |version, info, data: &[u32]| {
        after(version, ChangeRules::Complete, ResourceManager::DATABASE, info, data).unwrap()
    };
    let copied = [16_390, 1663, 1, 1663];
    for version in MajorVersion::ALL {
        let (table, events) = database(version, 0x00, &copied);
        assert_eq!((limits(&table), events), (vec![(0, ForkNumber::Main, 0)], vec![created(true)]));
        assert!(table.is_whole_database(1663, 16_390));
        let drop_info = if version == V14 { 0x10 } else { 0x20 };
        let (table, events) = database(version, drop_info, &[16_390, 2, 1663, 1700]);
        assert_eq!(events, [dropped(1663), dropped(1700)]);
        assert!(table.is_whole_database(1663, 16_390) && table.is_whole_database(1700, 16_390) && table.len() == 2);
        if version >= V15 {
            let (table, events) = database(version, 0x10, &[16_390, 1663]);
            assert_eq!((limits(&table), events), (vec![(0, ForkNumber::Main, 0)], vec![created(false)]));
        }
        let too_short = [16_390, 3, 1663, 1700];
        assert!(after(version, ChangeRules::Complete, ResourceManager::DATABASE, drop_info, &too_short).is_err());
    }
    assert!(database(V14, 0x20, &copied).0.is_empty());
}

#[test]
fn a_minimal_wal_level_is_told_where_the_version_tells_it() {
    let minimal = |version, info, data: &[u32]| {
        let events = after(version, ChangeRules::AsServer, ResourceManager::XLOG, info, data).unwrap().1;
        assert!(events.iter().all(|event| *event == ChangeEvent::WalLevelMinimal { lsn: LSN }));
        !events.is_empty()
    };
    let (zeros, ones) = ([0; 24], [1; 24]);
    for version in MajorVersion::ALL {
        assert!(minimal(version, 0x60, &zeros[..8]) && !minimal(version, 0x60, &ones[..8]));
        for (info, length) in [(0x00, 22), (0x90, 5), (0xE0, 1)] {
            assert_eq!(minimal(version, info, &zeros[..length]), version >= V17, "{version} {info:x}");
            assert!(!minimal(version, info, &ones[..length]));
        }
        // An online checkpoint repeats what its start has told.
        assert!(!minimal(version, 0x10, &zeros[..22]));
    }
    assert!(after(V17, ChangeRules::AsServer, ResourceManager::XLOG, 0xE0, &[]).is_err());
    assert!(after(V15, ChangeRules::AsServer, ResourceManager::XLOG, 0xE0, &[]).is_ok());
}

#[test]
fn a_damaged_record_is_an_error_that_names_its_place() {
    let mut collector = ChangeCollector::new(ChangeRules::Complete, 8192);
    let parts = &block(RELATION, 0, 7)[..10];
    let error = put(&mut collector, V15, ResourceManager::HEAP, 0, parts).unwrap_err();
    assert!(error.to_string().contains("0/300028"), "{error}");
}
