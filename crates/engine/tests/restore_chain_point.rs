//! Restores to instants that begin with a backup of any kind, and what becomes of backups whose chain is broken.

mod point_support;

use engine::backup::{BackupRequest, ChangesChoice, run_backup};
use engine::reader::ReaderChoice;
use engine::restore::{RecoveryTarget, RestoreNote, RestorePlan, RestoreRequest, RestoreSelector, plan};
use engine::wal::windows;
use engine::{Cancel, SilentProgress};
use pgformat::MajorVersion;
use point_support::*;
use std::path::PathBuf;
use testkit::{backup_options, is_available};
use vault::repository::{BackupId, BackupKind, BackupRecord};

fn increment(world: &World) -> BackupRecord {
    let request = BackupRequest { changes: ChangesChoice::Scan, ..BackupRequest::of(BackupKind::Incremental) };
    let settings = world.source.connection_settings("postgres");
    let options = backup_options(ReaderChoice::Local, None);
    let outcome = run_backup(&settings, &world.repository, request, &options, &SilentProgress, &Cancel::new()).unwrap();
    assert_eq!(outcome.record.kind, BackupKind::Incremental);
    outcome.record
}

fn archive_of(world: &World, record: &BackupRecord) -> PathBuf {
    world.folder.path().join("repository").join(record.kind.folder()).join(&record.archive_name)
}

fn ids(plan: &RestorePlan) -> Vec<BackupId> {
    plan.backups.iter().map(|backup| backup.id).collect()
}

testkit::on_each_version!(recovery_begins_with_the_newest_backup_of_any_kind_before_the_target, |version| {
    let world = World::archiving(version);
    let source = &world.source;
    tick(source);
    let full = world.back_up();
    let second = tick(source);
    // With the last commit before its end a backup is as good as the log up to there: the target must be the one before it.
    tick(source);
    let first_increment = increment(&world);
    let fourth = tick(source);
    source.sql("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    tick(source);
    let second_increment = increment(&world);
    let sixth = tick(source);
    world.archive();
    tick(source);

    let check = |name: &str, target: Row, last: u64, chain: &[&BackupRecord]| {
        let (copy, plan, _) = world.restore(name, at(target.committed_at));
        assert_eq!(ids(&plan), chain.iter().map(|record| record.id).collect::<Vec<_>>(), "{version} {name}");
        assert_eq!(numbers(&copy), (1..=last).collect::<Vec<_>>(), "{version} {name}");
        assert!(plan.notes.is_empty());
        copy.stop();
    };
    check("full", second, 2, &[&full]);
    check("one", fourth, 4, &[&full, &first_increment]);
    check("two", sixth, 6, &[&full, &first_increment, &second_increment]);
    let found = windows(&world.repository).unwrap();
    let [window] = found.windows.as_slice() else { panic!("{version}: {found:?}") };
    assert_eq!(window.backups, [full.id, first_increment.id, second_increment.id]);
    assert!(found.findings.is_empty() && found.isolated_backups.is_empty(), "{found:?}");
});

#[test]
fn a_backup_whose_chain_is_broken_is_passed_over_with_a_note_or_refused_where_nothing_else_leads() {
    let version = MajorVersion::V16;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    let full = world.back_up();
    tick(source);
    let middle = increment(&world);
    tick(source);
    // The segment that only the FULL's own log leads through.
    let between = source.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    world.archive();
    tick(source);
    let broken = increment(&world);
    let last = tick(source);
    world.archive();
    std::fs::remove_file(archive_of(&world, &middle)).unwrap();

    for target in [RecoveryTarget::Time(last.committed_at), RecoveryTarget::Latest] {
        let plan = world.plan("data", to(target)).unwrap();
        assert_eq!(ids(&plan), [full.id]);
        let [RestoreNote::RestorePassedOver { id, reason }] = plan.notes.as_slice() else { panic!("{:?}", plan.notes) };
        assert!(*id == broken.id.to_string() && reason.contains(&middle.archive_name), "{reason}");
    }
    let (copy, _, _) = world.restore("whole", at(last.committed_at));
    assert_eq!(numbers(&copy), [1, 2, 3, 4]);
    copy.stop();
    // Asked for by its number it is refused, with the reason.
    let request =
        RestoreRequest { selector: RestoreSelector::Backup(broken.id), ..world.request("x", at(last.committed_at)) };
    assert_eq!(plan(&world.repository, &request).unwrap_err().key(), "chain-archive-missing");
    let found = windows(&world.repository).unwrap();
    assert_eq!(found.windows[0].backups, [full.id]);
    let keys: Vec<&str> = found.findings.iter().map(|finding| finding["key"].as_str().unwrap()).collect();
    assert_eq!((keys, &found.findings[0]["id"]), (vec!["window-backup-broken"], &broken.id.to_string().into()));

    // With the log of the FULL broken off, too, nothing leads there: the reason is the chain, and an older state is not
    // taken for the latest.
    std::fs::remove_file(world.segment_path(&between)).unwrap();
    for target in [RecoveryTarget::Time(last.committed_at), RecoveryTarget::Latest] {
        assert_eq!(world.plan("data", to(target)).unwrap_err().key(), "chain-archive-missing");
    }
}
