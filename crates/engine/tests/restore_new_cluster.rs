//! Restores of a cluster made by hand into new directories: what is written, and what is refused before anything is.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod restore_support;

use engine::restore::{
    MARKER_FILE, RestoreError, RestoreNote, RestoreOutcome, RestorePlan, RestoreRequest, RestoreSelector, apply, plan,
};
use engine::{Cancel, Error, Phase, Progress, SilentProgress};
use pgformat::{Lsn, SystemIdentifier};
use restore_support::*;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use vault::repository::{BackupRecord, BackupState, Repository};

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

fn error_of<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error,
    }
}

/// What a restore of `members` must leave, but for the settings that it adds.
fn expected(members: &Members) -> BTreeMap<String, Option<Vec<u8>>> {
    let name = |path: &[u8]| String::from_utf8(path.to_vec()).unwrap();
    members.iter().map(|(path, content)| (name(path), content.clone())).collect()
}

fn assert_restored(target: &Path, members: &Members) {
    let mut found = tree(target);
    let auto_conf = found.remove("postgresql.auto.conf").unwrap().unwrap();
    let auto_conf = String::from_utf8(auto_conf).unwrap();
    assert!(auto_conf.ends_with("\nrestore_command = 'false'\n"), "{auto_conf}");
    assert_eq!(found.remove("recovery.signal"), Some(Some(vec![])));
    for segment in ["10", "11", "12"] {
        let done = format!("pg_wal/archive_status/0000000100000000000000{segment}.done");
        assert_eq!(found.remove(&done), Some(Some(vec![])));
    }
    assert!(found.remove("backup_manifest").is_some());
    let mut wanted = expected(members);
    wanted.remove("postgresql.auto.conf");
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (path, content) in &wanted {
        assert!(found[path] == *content, "{path} differs");
    }
}

#[test]
fn every_byte_comes_back_whatever_the_frame_size_and_the_number_of_workers() {
    for (frame_bytes, jobs) in [(700, 1), (8192, 4), (64 * 1024, 2), (16 << 20, 3)] {
        let sandbox = Sandbox::new();
        let members = cluster_members();
        seal(&sandbox.repository, &members, &Sealing { frame_bytes, ..Sealing::default() }, |_| ());
        let target = sandbox.path("new/data");
        let (plan, outcome) = restore(&sandbox.repository, &RestoreRequest { jobs, ..request(&target) }).unwrap();
        assert_restored(&target, &members);
        assert_eq!((plan.files, outcome.files), (17, 17));
        assert_eq!(outcome.stop_lsn, Some(STOP_LSN));
        assert_eq!(outcome.notes, []);
        assert!(std::fs::read_to_string(target.join("postgresql.auto.conf")).unwrap().starts_with("# Do not edit"));
    }
}

fn with_large_files() -> Members {
    let mut members = cluster_members();
    members.insert(10, file("base/1/16999", relation(2500, 0)));
    members.insert(11, file("base/1/16999.1", relation(700, 131_072)));
    members
}

#[test]
fn a_file_that_many_workers_write_comes_back() {
    let sandbox = Sandbox::new();
    let members = with_large_files();
    seal(&sandbox.repository, &members, &Sealing::default(), |_| ());
    let target = sandbox.path("data");
    restore(&sandbox.repository, &request(&target)).unwrap();
    assert_restored(&target, &members);
}

#[test]
fn content_that_does_not_match_its_checksum_undoes_everything() {
    for wrong in ["base/1/16999", "base/1/1259", "pg_wal/000000010000000000000011"] {
        let sandbox = Sandbox::new();
        let sealing = Sealing { wrong_crc_of: Some(wrong), ..Sealing::default() };
        seal(&sandbox.repository, &with_large_files(), &sealing, |_| ());
        let error = error_of(restore(&sandbox.repository, &request(&sandbox.path("parent/data"))));
        let Error::Restore(RestoreError::RestoreContent { path }) = &error else { panic!("{error}") };
        assert!(path.ends_with(wrong), "{path}");
        assert!(!sandbox.path("parent").exists());
    }
}

#[test]
fn modes_and_owner_are_those_that_postgresql_wants() {
    for (file_mode, wanted) in [(0o600, (0o700, 0o600)), (0o640, (0o750, 0o640))] {
        let sandbox = Sandbox::new();
        seal(&sandbox.repository, &cluster_members(), &Sealing { file_mode, ..Sealing::default() }, |_| ());
        let target = sandbox.path("made/data");
        let (plan, _) = restore(&sandbox.repository, &request(&target)).unwrap();
        let owner = plan.owner.unwrap();
        let status = |path: &str| std::fs::metadata(target.join(path)).unwrap();
        for path in ["", "base/1", "pg_wal", "pg_wal/archive_status", "global"] {
            assert_eq!(status(path).mode() & 0o7777, wanted.0, "{path}");
        }
        for path in ["base/1/1259", "base/1/16384", "global/pg_control", "recovery.signal", "postgresql.auto.conf"] {
            assert_eq!(status(path).mode() & 0o7777, wanted.1, "{path}");
        }
        for path in tree(&target).keys() {
            assert_eq!(status(path).uid(), owner.uid, "{path}");
        }
        assert_eq!(std::fs::metadata(sandbox.path("made")).unwrap().uid(), owner.uid);
    }
}

#[test]
fn an_empty_target_is_used_and_a_full_one_is_refused() {
    let sandbox = Sandbox::new();
    let members = cluster_members();
    seal(&sandbox.repository, &members, &Sealing::default(), |_| ());
    let target = sandbox.path("data");
    std::fs::create_dir(&target).unwrap();
    restore(&sandbox.repository, &request(&target)).unwrap();
    assert_restored(&target, &members);
    let before = tree(&target);
    let error = error_of(restore(&sandbox.repository, &request(&target)));
    assert_eq!(error.key(), "restore-target-not-empty");
    assert_eq!(tree(&target), before);
}

#[test]
fn a_target_that_fills_up_between_plan_and_apply_is_left_alone() {
    let sandbox = Sandbox::new();
    seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    let target = sandbox.path("data");
    std::fs::create_dir(&target).unwrap();
    let plan = plan(&sandbox.repository, &request(&target)).unwrap();
    std::fs::write(target.join("precious"), b"x").unwrap();
    let error = error_of(apply(&sandbox.repository, &plan, &SilentProgress, &Cancel::new()));
    assert_eq!(error.key(), "restore-target-not-empty");
    assert_eq!(tree(&target).keys().collect::<Vec<_>>(), ["precious"]);
}

#[test]
fn a_running_server_in_the_target_is_named() {
    let sandbox = Sandbox::new();
    seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    let target = sandbox.path("data");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
    assert_eq!(error_of(plan(&sandbox.repository, &request(&target))).key(), "restore-target-running");
}

#[test]
fn an_archive_with_any_flipped_bit_is_refused_before_a_byte_is_written() {
    let sandbox = Sandbox::new();
    let record = seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    let archive = sandbox.archive_path(&record);
    let good = std::fs::read(&archive).unwrap();
    let target = sandbox.path("parent/data");
    let steps = 61;
    for step in 0..steps {
        let mut bad = good.clone();
        let position = (good.len() - 1) * step / (steps - 1);
        bad[position] ^= 1 << (step % 8);
        write_archive(&archive, &bad);
        let error = error_of(restore(&sandbox.repository, &request(&target)));
        assert_ne!(error.key(), "unknown", "{error}");
        assert!(!sandbox.path("parent").exists(), "byte {position}: {error}");
    }
    for bad in [&good[..good.len() - 1], &[good.as_slice(), &[0]].concat()] {
        write_archive(&archive, bad);
        assert_eq!(error_of(restore(&sandbox.repository, &request(&target))).key(), "repository-archive-size");
    }
    std::fs::remove_file(&archive).unwrap();
    assert_eq!(error_of(restore(&sandbox.repository, &request(&target))).key(), "repository-archive-missing");
    write_archive(&archive, &good);
    restore(&sandbox.repository, &request(&target)).unwrap();
}

fn write_archive(path: &Path, content: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, content).unwrap();
}

#[test]
fn an_archive_swapped_for_another_of_the_same_size_is_refused() {
    let sandbox = Sandbox::new();
    let record = seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    rewrite_record(&sandbox, &record, |record| record.sha256 = Some("0".repeat(64)));
    let target = sandbox.path("data");
    let error = error_of(restore(&sandbox.repository, &request(&target)));
    assert_eq!(error.key(), "repository-archive-digest");
    assert!(!target.exists());
}

#[test]
fn backups_that_are_not_completed_are_refused() {
    let sandbox = Sandbox::new();
    let refusal = |record: &BackupRecord| {
        let selector = RestoreSelector::Backup(record.id);
        error_of(plan(&sandbox.repository, &RestoreRequest { selector, ..request(&sandbox.path("data")) }))
    };
    let full = seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    rewrite_record(&sandbox, &full, |record| {
        record.state = BackupState::Failed;
        record.archive_bytes = 0;
        record.sha256 = None;
        record.error = Some(serde_json::json!({ "key": "cancelled" }));
    });
    assert_eq!(refusal(&full).key(), "restore-not-completed");
}

#[test]
fn an_archive_that_could_not_start_is_refused_by_the_plan() {
    let lacking = |path: &str| {
        let mut members = cluster_members();
        members.retain(|(member, _)| member != path.as_bytes());
        members
    };
    for path in ["PG_VERSION", "backup_label", "global/pg_control", "pg_wal/000000010000000000000011"] {
        let sandbox = Sandbox::new();
        seal(&sandbox.repository, &lacking(path), &Sealing::default(), |_| ());
        let error = error_of(plan(&sandbox.repository, &request(&sandbox.path("data"))));
        let Error::Restore(RestoreError::RestoreIncomplete { path: named, .. }) = &error else { panic!("{error}") };
        assert_eq!(named, path);
    }
    let sandbox = Sandbox::new();
    let mut members = cluster_members();
    let short = members.iter_mut().find(|(path, _)| path.ends_with(b"00012")).unwrap();
    short.1.as_mut().unwrap().truncate(4096);
    seal(&sandbox.repository, &members, &Sealing::default(), |_| ());
    assert_eq!(error_of(plan(&sandbox.repository, &request(&sandbox.path("data")))).key(), "restore-incomplete");
}

#[test]
fn an_archive_and_a_record_of_different_backups_are_refused_by_the_plan() {
    let lies: [fn(&mut BackupRecord); 3] = [
        |_| (),
        |record| record.start_lsn = Some(Lsn(START_LSN.0 + 8)),
        |record| record.postgresql_version = pgformat::MajorVersion::V17,
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let sandbox = Sandbox::new();
        let mut members = cluster_members();
        if number == 0 {
            members.last_mut().unwrap().1 = Some(control_file_of(SystemIdentifier(1)));
        }
        seal(&sandbox.repository, &members, &Sealing::default(), lie);
        let error = error_of(plan(&sandbox.repository, &request(&sandbox.path("data"))));
        assert_eq!(error.key(), "restore-mismatch", "{error}");
    }
}

fn with_tablespaces() -> Members {
    let mut members = cluster_members();
    let more = [
        directory("pg_tblspc/16400"),
        directory("pg_tblspc/16400/PG_15_202209061"),
        directory("pg_tblspc/16400/PG_15_202209061/5"),
        file("pg_tblspc/16400/PG_15_202209061/5/16401", relation(40, 0)),
        directory("pg_tblspc/16402"),
        directory("pg_tblspc/16402/PG_15_202209061"),
        file("pg_tblspc/16402/PG_15_202209061/x", "inside"),
        directory("pg_tblspc/16403"),
        directory("pg_tblspc/16403/PG_15_202209061"),
        file("pg_tblspc/16403/PG_15_202209061/y", "stays"),
    ];
    for (place, member) in more.into_iter().enumerate() {
        members.insert(6 + place, member);
    }
    members
}

fn seal_with_tablespaces(sandbox: &Sandbox) {
    seal(&sandbox.repository, &with_tablespaces(), &Sealing::default(), |record| {
        record.tablespaces = vec![
            tablespace(16400, "fast", &sandbox.path("old/fast")),
            tablespace(16402, "inside", Path::new("pg_tblspc/16402")),
            tablespace(16403, "slow", &sandbox.path("old/slow")),
        ];
    });
}

#[test]
fn tablespaces_go_to_their_new_or_old_places_and_are_linked() {
    let sandbox = Sandbox::new();
    seal_with_tablespaces(&sandbox);
    let target = sandbox.path("data");
    let new = sandbox.path("new/fast");
    let request = RestoreRequest { tablespaces: vec![("fast".to_owned(), new.clone())], ..request(&target) };
    let (plan, _) = restore(&sandbox.repository, &request).unwrap();
    assert_eq!(plan.tablespaces.len(), 2);
    assert_eq!(std::fs::read_link(target.join("pg_tblspc/16400")).unwrap(), new);
    assert_eq!(std::fs::read_link(target.join("pg_tblspc/16403")).unwrap(), sandbox.path("old/slow"));
    assert!(target.join("pg_tblspc/16402").symlink_metadata().unwrap().is_dir());
    let through = |path: &str| std::fs::read(target.join("pg_tblspc").join(path)).unwrap();
    assert!(through("16400/PG_15_202209061/5/16401") == relation(40, 0));
    assert_eq!(through("16402/PG_15_202209061/x"), b"inside");
    assert_eq!(through("16403/PG_15_202209061/y"), b"stays");
    for directory in [&new, &sandbox.path("old/slow")] {
        let status = std::fs::metadata(directory).unwrap();
        assert_eq!((status.mode() & 0o777, status.uid()), (0o700, plan.owner.as_ref().unwrap().uid));
        assert_eq!(tree(directory).keys().next().unwrap(), "PG_15_202209061");
    }
}

#[test]
fn a_tablespace_target_in_use_refuses_the_whole_restore() {
    let sandbox = Sandbox::new();
    seal_with_tablespaces(&sandbox);
    std::fs::create_dir_all(sandbox.path("old/slow/PG_14_202107181")).unwrap();
    let target = sandbox.path("data");
    let error = error_of(plan(&sandbox.repository, &request(&target)));
    assert_eq!(error.key(), "restore-target-not-empty");
    assert!(!target.exists() && !sandbox.path("old/fast").exists());
}

#[test]
fn a_member_in_a_tablespace_that_the_record_does_not_name_is_refused() {
    let sandbox = Sandbox::new();
    seal(&sandbox.repository, &with_tablespaces(), &Sealing::default(), |_| ());
    let error = error_of(plan(&sandbox.repository, &request(&sandbox.path("data"))));
    assert_eq!(error.key(), "archive-hostile-member");
}

#[test]
fn a_preview_needs_no_target_and_shows_where_all_would_go() {
    let sandbox = Sandbox::new();
    seal_with_tablespaces(&sandbox);
    let request = RestoreRequest { target: None, ..request(&sandbox.path("data")) };
    let plan = plan(&sandbox.repository, &request).unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["tablespaces"][0]["name"], "fast");
    assert_eq!(json["backups"][0]["kind"], "FULL");
    assert!(json["plain_bytes"].as_u64().unwrap() > 3 << 20);
    assert!(apply(&sandbox.repository, &plan, &SilentProgress, &Cancel::new()).is_err());
}

#[test]
fn missing_configuration_is_written_and_told() {
    let sandbox = Sandbox::new();
    let mut members = cluster_members();
    let config = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "postgresql.auto.conf"];
    members.retain(|(path, _)| !config.iter().any(|name| name.as_bytes() == path));
    members.insert(6, file("standby.signal", ""));
    members.insert(6, file("recovery.signal", "old"));
    seal(&sandbox.repository, &members, &Sealing::default(), |_| ());
    let target = sandbox.path("data");
    let (_, outcome) = restore(&sandbox.repository, &request(&target)).unwrap();
    let read = |name: &str| std::fs::read_to_string(target.join(name)).unwrap();
    let conf = read("postgresql.conf");
    for line in ["max_connections = 123", "max_prepared_transactions = 3", "max_locks_per_transaction = 64"] {
        assert!(conf.lines().any(|found| found == line), "{conf}");
    }
    assert!(read("pg_hba.conf").contains("scram-sha-256"));
    assert!(read("postgresql.auto.conf").contains("recovery_target_name = ''"));
    assert_eq!(read("recovery.signal"), "");
    assert!(!target.join("standby.signal").exists());
    let wrote = |file: &str| RestoreNote::RestoreWroteConfig { file: file.to_owned() };
    let dropped = |file: &str| RestoreNote::RestoreDroppedSignal { file: file.to_owned() };
    assert_eq!(
        outcome.notes,
        [
            dropped("recovery.signal"),
            dropped("standby.signal"),
            wrote("postgresql.conf"),
            wrote("pg_hba.conf"),
            wrote("pg_ident.conf")
        ]
    );
}

/// Cancels after some bytes of the given phase.
struct CancelAfter {
    cancel: Cancel,
    phase: Phase,
    left: AtomicU64,
    active: std::sync::atomic::AtomicBool,
}

impl Progress for CancelAfter {
    fn phase(&self, phase: Phase, _total_bytes: Option<u64>) {
        let active = phase == self.phase;
        self.active.store(active, Ordering::SeqCst);
        if active && self.left.load(Ordering::SeqCst) == 0 {
            self.cancel.cancel();
        }
    }
    fn advance(&self, bytes: u64) {
        if self.active.load(Ordering::SeqCst)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(bytes)))
                <= Ok(bytes)
        {
            self.cancel.cancel();
        }
    }
}

#[test]
fn a_cancelled_restore_leaves_the_targets_as_they_were() {
    let sandbox = Sandbox::new();
    seal_with_tablespaces(&sandbox);
    let target = sandbox.path("data");
    std::fs::create_dir(&target).unwrap();
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o755)).unwrap();
    let owner = std::fs::metadata(&target).unwrap().uid();
    let before = tree(sandbox.folder.path());
    let points = [(Phase::Verifying, 1), (Phase::Restoring, 0), (Phase::Restoring, 1), (Phase::Restoring, 3 << 20)];
    for (phase, after) in points.into_iter().chain([(Phase::Syncing, 0)]) {
        let cancel = Cancel::new();
        let (left, active) = (AtomicU64::new(after), false.into());
        let progress = CancelAfter { cancel: cancel.clone(), phase, left, active };
        let plan = plan(&sandbox.repository, &request(&target)).unwrap();
        let error = error_of(apply(&sandbox.repository, &plan, &progress, &cancel));
        assert!(error.is_cancelled(), "{error}");
        assert_eq!(tree(sandbox.folder.path()).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        let status = std::fs::metadata(&target).unwrap();
        assert_eq!((status.mode() & 0o777, status.uid()), (0o755, owner));
    }
}

#[test]
fn remains_of_an_earlier_restore_are_shown_in_the_plan_and_removed() {
    let sandbox = Sandbox::new();
    let members = cluster_members();
    seal(&sandbox.repository, &members, &Sealing::default(), |_| ());
    let target = sandbox.path("data");
    std::fs::create_dir_all(target.join("base/7")).unwrap();
    std::fs::write(target.join("base/7/old"), b"half").unwrap();
    let marker = serde_json::json!({
        "purpose": "cadena restore", "data_directory": target, "archive_name": "full_x.backup", "pid": 1
    });
    std::fs::write(target.join(MARKER_FILE), marker.to_string()).unwrap();
    let (plan, outcome) = restore(&sandbox.repository, &request(&target)).unwrap();
    assert_eq!(plan.remains, std::slice::from_ref(&target));
    let directory = target.display().to_string();
    assert_eq!(outcome.notes, [RestoreNote::RestoreRemovedRemains { directory }]);
    assert_restored(&target, &members);
}

#[test]
fn twenty_thousand_tiny_files_come_back() {
    let sandbox = Sandbox::new();
    let mut members = cluster_members();
    let mut place = members.len() - 1;
    for database in 0..20 {
        members.insert(place, directory(&format!("base/{}", 20_000 + database)));
        place += 1;
        for number in 0..1000_usize {
            let content = vec![number as u8; number % 5];
            members.insert(place, file(&format!("base/{}/{}", 20_000 + database, 30_000 + number), content));
            place += 1;
        }
    }
    seal(&sandbox.repository, &members, &Sealing { frame_bytes: 256 * 1024, ..Sealing::default() }, |_| ());
    let target = sandbox.path("data");
    let (plan, _) = restore(&sandbox.repository, &request(&target)).unwrap();
    assert_eq!(plan.files, 20_017);
    assert_restored(&target, &members);
}

#[test]
fn a_backup_that_contains_a_marker_does_not_restore_it() {
    let sandbox = Sandbox::new();
    let mut members = cluster_members();
    members.insert(6, file(MARKER_FILE, "from a cluster whose restore was killed at its very end"));
    seal(&sandbox.repository, &members, &Sealing::default(), |_| ());
    let target = sandbox.path("data");
    restore(&sandbox.repository, &request(&target)).unwrap();
    assert!(!target.join(MARKER_FILE).exists());
}

#[test]
fn a_disk_too_small_is_refused_and_one_that_fills_up_is_left_empty() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can mount a small file system");
        return;
    }
    let sandbox = Sandbox::new();
    seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    let disk = SmallDisk::mount(&sandbox.path("disk"), 4 << 20);
    let target = disk.0.join("data");
    let error = error_of(plan(&sandbox.repository, &request(&target)));
    assert_eq!(error.key(), "restore-no-space");

    // Room enough when the plan looks, and too little when the writing comes to it.
    disk.resize(8 << 20);
    let plan = plan(&sandbox.repository, &request(&target)).unwrap();
    std::fs::write(disk.0.join("other"), vec![1; 5 << 20]).unwrap();
    let error = error_of(apply(&sandbox.repository, &plan, &SilentProgress, &Cancel::new()));
    assert_eq!(error.key(), "restore-disk-full", "{error}");
    assert_eq!(tree(&disk.0).keys().collect::<Vec<_>>(), ["other"]);
}

struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path, bytes: u64) -> Self {
        std::fs::create_dir(path).unwrap();
        let size = format!("size={bytes},mode=755");
        let status = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).status();
        assert!(status.unwrap().success(), "mounting a tmpfs");
        SmallDisk(path.to_owned())
    }
    fn resize(&self, bytes: u64) {
        let size = format!("remount,size={bytes}");
        assert!(std::process::Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
