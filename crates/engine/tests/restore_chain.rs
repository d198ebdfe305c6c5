//! Restores of chains made by hand: each block from the newest backup that has it, and what is refused.

mod chain_support;
mod restore_support;

use chain_support::*;
use engine::chain::{Chain, OutputContent};
use engine::restore::{
    RecoveryRequest, RecoveryTarget, RestoreOutcome, RestorePlan, RestoreRequest, RestoreSelector, apply, plan,
};
use engine::{Cancel, Error, SilentProgress};
use pgformat::Lsn;
use proptest::prelude::*;
use restore_support::*;
use std::collections::BTreeMap;
use std::path::Path;
use vault::repository::{BackupKind, BackupRecord, Repository};

fn request(target: &Path) -> RestoreRequest {
    RestoreRequest {
        selector: RestoreSelector::Latest,
        target: Some(target.to_owned()),
        tablespaces: vec![],
        owner: None,
        jobs: 3,
        over: false,
        recovery: Default::default(),
    }
}

fn restore(repository: &Repository, request: &RestoreRequest) -> Result<(RestorePlan, RestoreOutcome), Error> {
    let plan = plan(repository, request)?;
    let outcome = apply(repository, &plan, &SilentProgress, &Cancel::new())?;
    Ok((plan, outcome))
}

fn key_of<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error.key(),
    }
}

/// A file of every kind: unchanged, changed, grown, cut, cut and grown again, with a hole, made anew, empty, gone.
fn every_kind() -> Vec<Link> {
    let large = 0..200_u32;
    let full = link(&[
        ("base/1/1000", whole(0..10)),
        ("base/1/1001", whole(100..110)),
        ("base/1/1002", whole(200..205)),
        ("base/1/1003", whole(300..310)),
        ("base/1/1004", whole(400..410)),
        ("base/1/1005", whole(500..502)),
        ("base/1/1006", whole(600..610)),
        ("base/1/1007", whole([])),
        ("base/1/1008", whole(800..803)),
        ("base/1/1009", whole(large.clone())),
        ("base/1/1009.1", whole(5000..5010)),
        ("global/1262", whole(900..902)),
    ]);
    let middle = link(&[
        ("base/1/1000", changes(10, &[])),
        ("base/1/1001", changes(10, &[(3, 1103), (9, 1109)])),
        ("base/1/1002", changes(5, &[(5, 1205), (6, 1206)])),
        ("base/1/1003", changes(4, &[])),
        ("base/1/1004", changes(5, &[(2, 1402)])),
        ("base/1/1005", changes(2, &[(6, 1506)])),
        ("base/1/1006", whole(1600..1603)),
        ("base/1/1007", changes(0, &[])),
        ("base/1/1009", changes(200, &[(0, 1), (63, 2), (64, 3), (199, 4)])),
        ("base/1/1009.1", changes(10, &[(0, 5)])),
        ("base/1/1010", whole(1700..1702)),
        ("global/1262", changes(2, &[(1, 1901)])),
    ]);
    let newest = link(&[
        ("base/1/1000", changes(10, &[])),
        ("base/1/1001", changes(10, &[(3, 2103), (4, 2104)])),
        ("base/1/1002", changes(7, &[])),
        ("base/1/1003", changes(4, &[(3, 2303)])),
        // Cut to 5 and grown to 10 again: what the FULL has from 5 on is not the file's.
        ("base/1/1004", changes(10, &[(9, 2409)])),
        ("base/1/1005", changes(8, &[])),
        ("base/1/1006", changes(3, &[(1, 2601)])),
        ("base/1/1007", changes(0, &[(0, 2700)])),
        ("base/1/1009", changes(200, &[(32, 6), (64, 7)])),
        ("base/1/1009.1", changes(3, &[])),
        ("base/1/1010", changes(2, &[])),
        ("base/1/1011", whole([2800])),
        ("global/1262", changes(2, &[])),
    ]);
    vec![full, middle, newest]
}

/// With a file that several workers write.
fn with_a_large_file() -> Vec<Link> {
    let mut chain = every_kind();
    let layers = [
        whole(0..2500),
        changes(2500, &[(0, 1), (1023, 2), (1024, 3), (1999, 4)]),
        changes(2400, &[(512, 6), (1024, 7), (2450, 8)]),
    ];
    for (link, held) in chain.iter_mut().zip(layers) {
        link.insert("base/1/1012".to_owned(), held);
    }
    chain
}

fn assert_restored(target: &Path, chain: &[Link], start: Lsn) {
    let found = tree(target);
    let wanted = put_together(chain);
    for (path, content) in &wanted {
        let content = content.as_ref().expect("a test's chain is whole");
        assert!(found[path].as_ref() == Some(content), "{path} differs");
    }
    let relations = |path: &&String| path.starts_with("base/1/1") || path.starts_with("global/1");
    let (found_paths, wanted_paths): (Vec<_>, Vec<_>) =
        (found.keys().filter(relations).collect(), wanted.keys().collect());
    assert_eq!(found_paths, wanted_paths);
    assert!(!found.keys().any(|path| path.contains("INCREMENTAL")));
    assert!(!found.contains_key("backup_manifest") || chain.len() == 1);
    assert_eq!(found["backup_label"], Some(label_of(start, None).into_bytes()));
    assert_eq!(found["global/pg_control"], Some(control_file()));
    assert!(found.contains_key("pg_wal/000000010000000000000012"));
}

#[test]
fn every_block_comes_from_the_newest_backup_that_has_it() {
    for (frame_bytes, jobs) in [(700, 1), (8192, 4), (64 * 1024, 2), (16 << 20, 3)] {
        let sandbox = Sandbox::new();
        let chain = if frame_bytes < 64 * 1024 { every_kind() } else { with_a_large_file() };
        let records = seal_chain(&sandbox.repository, &chain, &Sealing { frame_bytes, ..Sealing::default() });
        let target = sandbox.path("new/data");
        let (plan, outcome) = restore(&sandbox.repository, &RestoreRequest { jobs, ..request(&target) }).unwrap();
        assert_restored(&target, &chain, start_lsn(2));
        let ids = |records: &[BackupRecord]| records.iter().map(|record| record.id).collect::<Vec<_>>();
        assert_eq!(ids(&plan.backups), ids(&records));
        assert_eq!(plan.archive_bytes, records.iter().map(|record| record.archive_bytes).sum::<u64>());
        let written: u64 = put_together(&chain).values().flatten().map(|content| content.len() as u64).sum();
        // The rest is three WAL segments and some small files.
        let rest = plan.plain_bytes - written;
        assert!((3 << 20..(3 << 20) + 100_000).contains(&rest), "{rest}");
        assert_eq!(outcome.stop_lsn, Some(STOP_LSN));
        assert_eq!(outcome.notes, []);
    }
}

#[test]
fn every_backup_of_a_chain_restores_as_it_was() {
    let sandbox = Sandbox::new();
    let chain = every_kind();
    let records = seal_chain(&sandbox.repository, &chain, &Sealing::default());
    for (number, record) in records.iter().enumerate() {
        let target = sandbox.path(&format!("data{number}"));
        let selector = RestoreSelector::Backup(record.id);
        restore(&sandbox.repository, &RestoreRequest { selector, ..request(&target) }).unwrap();
        assert_restored(&target, &chain[..=number], start_lsn(number));
    }
}

#[test]
fn tablespaces_of_a_chain_go_to_their_places() {
    let sandbox = Sandbox::new();
    let mut chain = every_kind();
    for (number, link) in chain.iter_mut().enumerate() {
        let held = if number == 0 { whole(0..20) } else { changes(20, &[(number as u32, 70 + number as u32)]) };
        link.insert("pg_tblspc/16400/PG_15_202209061/5/16401".to_owned(), held);
    }
    let mut records: Vec<BackupRecord> = Vec::new();
    for (number, held) in chain.iter().enumerate() {
        let mut members = cluster_with(held, start_lsn(number), records.last());
        let folders = ["pg_tblspc/16400", "pg_tblspc/16400/PG_15_202209061", "pg_tblspc/16400/PG_15_202209061/5"];
        members.splice(6..6, folders.map(directory));
        let kind = if number == 0 { BackupKind::Full } else { BackupKind::Incremental };
        let record = seal(&sandbox.repository, &members, &Sealing { kind, ..Sealing::default() }, |record| {
            record.start_lsn = Some(start_lsn(number));
            record.tablespaces = vec![tablespace(16400, "fast", &sandbox.path("old/fast"))];
            records.last().iter().for_each(|base| stand_on(record, base));
        });
        records.push(record);
    }
    let (target, new) = (sandbox.path("data"), sandbox.path("new"));
    let request = RestoreRequest { tablespaces: vec![("fast".to_owned(), new.clone())], ..request(&target) };
    restore(&sandbox.repository, &request).unwrap();
    let found = std::fs::read(new.join("PG_15_202209061/5/16401")).unwrap();
    assert!(Some(&found) == put_together(&chain)["pg_tblspc/16400/PG_15_202209061/5/16401"].as_ref());
}

#[test]
fn a_file_whose_older_part_is_missing_is_named_and_nothing_stays() {
    // Missing in the middle, and in the FULL.
    for lacking in [1, 0] {
        let sandbox = Sandbox::new();
        let mut chain = every_kind();
        chain[lacking].remove("base/1/1001");
        let records = seal_chain(&sandbox.repository, &chain, &Sealing::default());
        let error = restore(&sandbox.repository, &request(&sandbox.path("parent/data"))).unwrap_err();
        let value = serde_json::to_value(&error).unwrap();
        assert_eq!(value["key"], "chain-file-missing", "{error}");
        assert_eq!(value["path"], "base/1/1001");
        assert_eq!(value["id"], records[lacking].id.to_string());
        assert_eq!(value["newer"], records[lacking + 1].id.to_string());
        assert!(!sandbox.path("parent").exists());
    }
}

#[test]
fn damage_in_any_archive_of_the_chain_is_refused_before_a_byte_is_written() {
    let sandbox = Sandbox::new();
    let records = seal_chain(&sandbox.repository, &every_kind(), &Sealing::default());
    let target = sandbox.path("parent/data");
    for record in &records {
        let archive = sandbox.archive_path(record);
        let good = std::fs::read(&archive).unwrap();
        for place in [good.len() / 7, good.len() / 2, good.len() - 60] {
            let mut bad = good.clone();
            bad[place] ^= 4;
            put(&archive, &bad);
            let error = restore(&sandbox.repository, &request(&target)).unwrap_err();
            assert_ne!(error.key(), "unknown", "{error}");
            assert!(!sandbox.path("parent").exists(), "{error}");
        }
        put(&archive, &good[..good.len() - 1]);
        let key = key_of(plan(&sandbox.repository, &request(&target)));
        let is_newest = record.id == records[2].id;
        assert_eq!(key, if is_newest { "repository-archive-size" } else { "chain-archive-missing" });
        put(&archive, &good);
    }
    restore(&sandbox.repository, &request(&target)).unwrap();
    assert_restored(&target, &every_kind(), start_lsn(2));
}

fn put(path: &Path, content: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, content).unwrap();
}

#[test]
fn an_archive_in_another_ones_place_is_refused_by_its_digest() {
    // The middle is replaced, record and all, but for the digest by which the newest knows it.
    let sandbox = Sandbox::new();
    let records = seal_chain(&sandbox.repository, &every_kind(), &Sealing::default());
    rewrite_record(&sandbox, &records[1], |record| record.sha256 = Some("0".repeat(64)));
    assert_eq!(key_of(plan(&sandbox.repository, &request(&sandbox.path("data")))), "chain-base-swapped");
    // And with that digest everywhere, its bytes are not the ones.
    rewrite_record(&sandbox, &records[2], |record| {
        record.base.as_mut().unwrap().sha256 = "0".repeat(64);
    });
    assert_eq!(key_of(restore(&sandbox.repository, &request(&sandbox.path("data")))), "repository-archive-digest");
    assert!(!sandbox.path("data").exists());
}

#[test]
fn a_label_that_names_another_base_is_refused_by_the_plan() {
    for wrong in [1, 2] {
        for lie in [
            |label: String| label.replace("INCREMENTAL FROM LSN: ", "INCREMENTAL FROM LSN: 1"),
            |label: String| label.replace("INCREMENTAL FROM TLI: 1", "INCREMENTAL FROM TLI: 2"),
            |label: String| label.split_inclusive('\n').filter(|line| !line.starts_with("INCR")).collect(),
        ] {
            let sandbox = Sandbox::new();
            let mut records: Vec<BackupRecord> = Vec::new();
            for (number, link) in every_kind().iter().enumerate() {
                let mut members = cluster_with(link, start_lsn(number), records.last());
                if number == wrong {
                    let label = members.iter_mut().find(|(path, _)| path == b"backup_label").unwrap();
                    let text = lie(String::from_utf8(label.1.take().unwrap()).unwrap());
                    label.1 = Some(text.into_bytes());
                }
                records.push(seal_link(&sandbox.repository, records.last(), number, &members, &Sealing::default()));
            }
            assert_eq!(key_of(plan(&sandbox.repository, &request(&sandbox.path("data")))), "chain-label");
        }
    }
}

#[test]
fn changes_that_no_server_writes_are_refused() {
    let good = incremental_content(&BTreeMap::from([(3, block(1)), (5, block(2))]), 10);
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("no head", good[..8].to_vec()),
        ("another magic number", [&[0; 4], &good[4..]].concat()),
        ("a block less than it says", good[..good.len() - BLOCK_BYTES].to_vec()),
        ("a byte too many", [&good[..], &[0]].concat()),
        ("numbers that go down", [&good[..12], &[9, 0, 0, 0], &good[16..]].concat()),
        ("more blocks than a segment", [&good[..4], &[255, 255, 255, 0], &good[8..]].concat()),
        ("nothing", Vec::new()),
    ];
    for wrong in [1, 2] {
        for (what, content) in &bad {
            let sandbox = Sandbox::new();
            let mut records: Vec<BackupRecord> = Vec::new();
            for (number, link) in every_kind().iter().enumerate() {
                let mut members = cluster_with(link, start_lsn(number), records.last());
                if number == wrong {
                    let member = members.iter_mut().find(|(path, _)| path.ends_with(b"INCREMENTAL.1001"));
                    member.unwrap().1 = Some(content.clone());
                }
                records.push(seal_link(&sandbox.repository, records.last(), number, &members, &Sealing::default()));
            }
            let result = restore(&sandbox.repository, &request(&sandbox.path("parent/data")));
            assert_eq!(key_of(result), "chain-file-damaged", "{what} in {wrong}");
            assert!(!sandbox.path("parent").exists());
        }
    }
}

#[test]
fn a_file_that_an_archive_holds_whole_and_as_changes_is_refused() {
    for twice in [1, 2] {
        let sandbox = Sandbox::new();
        let mut records: Vec<BackupRecord> = Vec::new();
        for (number, link) in every_kind().iter().enumerate() {
            let mut members = cluster_with(link, start_lsn(number), records.last());
            if number == twice {
                members.insert(15, file("base/1/1001", blocks(0..3)));
            }
            records.push(seal_link(&sandbox.repository, records.last(), number, &members, &Sealing::default()));
        }
        let error = restore(&sandbox.repository, &request(&sandbox.path("parent/data"))).unwrap_err();
        assert_eq!(error.key(), "chain-file-twice", "{error}");
        assert!(!sandbox.path("parent").exists());
    }
}

#[test]
fn a_name_like_that_of_changes_is_a_file_like_others_where_there_can_be_none() {
    let sandbox = Sandbox::new();
    let mut records: Vec<BackupRecord> = Vec::new();
    for (number, link) in every_kind().iter().enumerate() {
        let mut members = cluster_with(link, start_lsn(number), records.last());
        members.insert(15, file("INCREMENTAL.notes", "n"));
        members.insert(15, file("base/1/INCREMENTAL.words", "w"));
        if number == 0 {
            members.insert(15, file("base/1/INCREMENTAL.1001", "not changes"));
        }
        records.push(seal_link(&sandbox.repository, records.last(), number, &members, &Sealing::default()));
    }
    for (record, junk) in [(&records[0], Some(b"not changes".to_vec())), (&records[2], None)] {
        let target = sandbox.path(&format!("data{}", record.id));
        let selector = RestoreSelector::Backup(record.id);
        restore(&sandbox.repository, &RestoreRequest { selector, ..request(&target) }).unwrap();
        assert_eq!(std::fs::read(target.join("INCREMENTAL.notes")).unwrap(), b"n");
        assert_eq!(std::fs::read(target.join("base/1/INCREMENTAL.words")).unwrap(), b"w");
        assert_eq!(std::fs::read(target.join("base/1/INCREMENTAL.1001")).ok(), junk);
    }
}

#[test]
fn a_broken_chain_is_passed_over_where_an_older_backup_leads_to_the_target() {
    let sandbox = Sandbox::new();
    let records = seal_chain(&sandbox.repository, &every_kind(), &Sealing::default());
    std::fs::remove_file(sandbox.archive_path(&records[1])).unwrap();
    // Asked for by its number, and as the newest: refused with the reason.
    for selector in [RestoreSelector::Backup(records[2].id), RestoreSelector::Latest] {
        for target in [RecoveryTarget::BackupEnd, RecoveryTarget::Latest] {
            let recovery = RecoveryRequest { target, ..RecoveryRequest::default() };
            let request = RestoreRequest { selector, recovery, ..request(&sandbox.path("data")) };
            assert_eq!(key_of(plan(&sandbox.repository, &request)), "chain-archive-missing");
        }
    }
    // The FULL is as it was.
    let selector = RestoreSelector::Backup(records[0].id);
    restore(&sandbox.repository, &RestoreRequest { selector, ..request(&sandbox.path("data")) }).unwrap();
}

/// All that a chain's outputs give: content by path, in order, and whether folders came before what is in them.
fn contents(chain: &Chain) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
    let mut reader = chain.reader()?;
    let mut found = Vec::new();
    for output in chain.outputs()? {
        let output = output?;
        let path = String::from_utf8(output.path.clone()).unwrap();
        if matches!(output.content, OutputContent::Directory) {
            found.push((path, None));
            continue;
        }
        let mut content = Vec::new();
        reader.read(&output, 0..output.size_bytes, &mut |bytes| {
            content.extend_from_slice(bytes);
            Ok::<(), Error>(())
        })?;
        assert_eq!(content.len() as u64, output.size_bytes);
        found.push((path, Some(content)));
    }
    Ok(found)
}

#[test]
fn a_chain_of_too_many_files_for_memory_is_read_in_rounds_to_the_same() {
    let sandbox = Sandbox::new();
    let records = seal_chain(&sandbox.repository, &every_kind(), &Sealing::default());
    let open = || Chain::open(&sandbox.repository, &records).unwrap();
    let at_once = contents(&open()).unwrap();
    assert_eq!(at_once.last().unwrap().0, "global/pg_control");
    for most_entries in [1, 7, 30] {
        let in_rounds = contents(&open().with_most_entries(most_entries)).unwrap();
        assert_eq!(in_rounds.last().unwrap().0, "global/pg_control");
        for (place, (path, _)) in in_rounds.iter().enumerate() {
            if let Some((folder, _)) = path.rsplit_once('/') {
                let made = in_rounds[..place].iter().any(|(other, content)| other == folder && content.is_none());
                assert!(made || !at_once.iter().any(|(other, _)| other == folder), "{path} comes before its folder");
            }
        }
        let sorted = |found: &[(String, Option<Vec<u8>>)]| found.iter().cloned().collect::<BTreeMap<_, _>>();
        assert_eq!(in_rounds.len(), at_once.len());
        assert!(sorted(&in_rounds) == sorted(&at_once));
    }
}

#[test]
fn a_chain_must_begin_with_a_full() {
    let sandbox = Sandbox::new();
    let records = seal_chain(&sandbox.repository, &every_kind(), &Sealing::default());
    for part in [&records[1..], &records[..0]] {
        assert_eq!(Chain::open(&sandbox.repository, part).err().unwrap().key(), "chain-incomplete");
    }
}

/// A random chain: each file is whole in the FULL or appears later; what stands on nothing is whole.
fn any_chain() -> impl Strategy<Value = Vec<Link>> {
    let held = (any::<bool>(), proptest::collection::btree_map(0_u32..12, any::<u32>(), 0..6), 0_u32..13, 0_u32..12);
    let files = proptest::collection::vec(proptest::option::weighted(0.9, held), 4);
    proptest::collection::vec(files, 1..6).prop_map(|links| {
        let mut chain: Vec<Link> = Vec::new();
        for (number, files) in links.into_iter().enumerate() {
            let mut link = Link::new();
            for (file, held) in files.into_iter().enumerate() {
                let path = format!("base/1/{}", 1000 + file);
                let Some((is_whole, blocks, limit, length)) = held else { continue };
                let before = number > 0 && chain[number - 1].contains_key(&path);
                let held = if is_whole && file % 2 == 0 || !before {
                    Held::Whole(chain_support::blocks((0..length).map(|n| n + limit * 100)))
                } else {
                    let blocks = blocks.into_iter().map(|(number, seed)| (number, block(seed))).collect();
                    Held::Changes(blocks, limit)
                };
                link.insert(path, held);
            }
            chain.push(link);
        }
        chain
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_chain_gives_what_the_rules_say(
        chain in any_chain(),
        frame_bytes in prop_oneof![Just(512_usize), Just(8192), Just(50_000), Just(1 << 20)],
        most_entries in prop_oneof![Just(3_u64), Just(1 << 20)],
        cut in 0_u64..100_000,
    ) {
        let sandbox = Sandbox::new();
        let sealing = Sealing { frame_bytes, with_manifest: false, ..Sealing::default() };
        let mut records: Vec<BackupRecord> = Vec::new();
        for (number, link) in chain.iter().enumerate() {
            let mut members = members_of(link);
            members.push(file("global/pg_control", control_file()));
            records.push(seal_link(&sandbox.repository, records.last(), number, &members, &sealing));
        }
        let opened = Chain::open(&sandbox.repository, &records).unwrap().with_most_entries(most_entries);
        let mut reader = opened.reader().unwrap();
        let mut found = BTreeMap::new();
        for output in opened.outputs().unwrap() {
            let output = output.unwrap();
            // In two parts, cut anywhere.
            let mut content = Vec::new();
            let cut = cut.min(output.size_bytes);
            for range in [0..cut, cut..u64::MAX] {
                reader.read(&output, range, &mut |bytes| {
                    content.extend_from_slice(bytes);
                    Ok::<(), Error>(())
                }).unwrap();
            }
            found.insert(String::from_utf8(output.path).unwrap(), content);
        }
        let mut sizes = BTreeMap::new();
        opened.layered_sizes(&mut |path, _, restored| {
            sizes.insert(path.to_owned(), restored);
            Ok(())
        }).unwrap();
        prop_assert!(found.remove("global/pg_control") == Some(control_file()));
        let wanted = put_together(&chain);
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (path, content) in &wanted {
            prop_assert!(Some(&found[path]) == content.as_ref(), "{} differs", path);
            if let Some(size) = sizes.get(path) {
                prop_assert_eq!(*size, found[path].len() as u64);
            }
        }
    }
}
