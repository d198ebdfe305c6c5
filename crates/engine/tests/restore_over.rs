//! Restores over a cluster that is there: what differs is written, what is too much goes, everything else is left alone.

#![allow(clippy::print_stdout, reason = "how often the kills came in time is worth reading")]

mod chain_support;
mod restore_support;

use chain_support::*;
use engine::restore::{
    MARKER_FILE, OverOutcome, RestoreNote, RestoreOutcome, RestorePlan, RestoreRequest, RestoreSelector, apply, plan,
};
use engine::{Cancel, Error, Phase, Progress, SilentProgress};
use pgformat::SystemIdentifier;
use restore_support::*;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use vault::repository::{BackupRecord, Repository};
use vault::storage::LocalFolder;

const VERSION_FOLDER: &str = "PG_15_202209061";
const FOLDER: &str = "CADENA_TEST_RESTORE_OVER_FOLDER";
const STEPS: &str = "CADENA_TEST_RESTORE_OVER_STEPS";
type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// A chain with a tablespace, and places to restore it to.
struct Stage {
    sandbox: Sandbox,
    records: Vec<BackupRecord>,
}

impl Stage {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let mut records: Vec<BackupRecord> = Vec::new();
        for (number, link) in links().iter().enumerate() {
            let mut members = cluster_with(link, start_lsn(number), records.last());
            let folder = format!("pg_tblspc/16400/{VERSION_FOLDER}");
            let folders = ["pg_tblspc/16400".to_owned(), folder.clone(), format!("{folder}/5")];
            members.splice(6..6, folders.iter().map(|path| directory(path)));
            let kind = if number == 0 { BackupKind::Full } else { BackupKind::Incremental };
            let record = seal(&sandbox.repository, &members, &Sealing { kind, ..Sealing::default() }, |record| {
                record.start_lsn = Some(start_lsn(number));
                record.tablespaces = vec![tablespace(16400, "fast", &sandbox.path("nowhere"))];
                records.last().iter().for_each(|base| stand_on(record, base));
            });
            records.push(record);
        }
        Stage { sandbox, records }
    }

    /// `name` is that of the data directory; the tablespace's bears it, too.
    fn request(&self, name: &str, over: bool) -> RestoreRequest {
        request_in(self.sandbox.folder.path(), name, over)
    }

    fn restore(&self, name: &str, over: bool) -> Result<(RestorePlan, RestoreOutcome), Error> {
        self.restore_as(&self.request(name, over))
    }

    fn restore_as(&self, request: &RestoreRequest) -> Result<(RestorePlan, RestoreOutcome), Error> {
        let plan = plan(&self.sandbox.repository, request)?;
        let outcome = apply(&self.sandbox.repository, &plan, &SilentProgress, &Cancel::new())?;
        Ok((plan, outcome))
    }

    fn data(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    fn tablespace(&self, name: &str) -> PathBuf {
        self.sandbox.path(&format!("{name}-fast"))
    }

    /// What an ordinary restore of a backup makes: data directory and tablespace.
    fn wanted(&self, selector: RestoreSelector) -> (Tree, Tree) {
        let request = RestoreRequest { selector, ..self.request("wanted", false) };
        self.restore_as(&request).unwrap();
        let found = self.found("wanted");
        std::fs::remove_dir_all(self.data("wanted")).unwrap();
        std::fs::remove_dir_all(self.tablespace("wanted")).unwrap();
        found
    }

    /// What is there now; the tablespace's link by its name alone.
    fn found(&self, name: &str) -> (Tree, Tree) {
        let (mut data, tablespace) = (tree(&self.data(name)), tree(&self.tablespace(name)));
        let link = format!("pg_tblspc/16400 -> {}", self.tablespace(name).display());
        if data.remove(&link).is_some() {
            data.insert("pg_tblspc/16400".to_owned(), None);
        }
        (data, tablespace)
    }

    #[track_caller]
    fn assert_is(&self, name: &str, wanted: &(Tree, Tree)) {
        let found = self.found(name);
        for (found, wanted) in [(&found.0, &wanted.0), (&found.1, &wanted.1)] {
            assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
            wanted.iter().for_each(|(path, content)| assert!(found[path] == *content, "{path} differs"));
        }
    }
}

fn request_in(folder: &Path, name: &str, over: bool) -> RestoreRequest {
    RestoreRequest {
        selector: RestoreSelector::Latest,
        target: Some(folder.join(name)),
        tablespaces: vec![("fast".to_owned(), folder.join(format!("{name}-fast")))],
        owner: None,
        jobs: 3,
        over,
        recovery: Default::default(),
    }
}

use vault::repository::BackupKind;

fn links() -> Vec<Link> {
    let in_tablespace = format!("pg_tblspc/16400/{VERSION_FOLDER}/5/16401");
    let full = link(&[
        ("base/1/1000", whole(0..10)),
        ("base/1/1001", whole(100..110)),
        ("base/1/1002", whole(200..1400)),
        ("base/1/1003", whole(300..303)),
        (&in_tablespace, whole(400..440)),
    ]);
    let newest = link(&[
        ("base/1/1000", changes(10, &[])),
        ("base/1/1001", changes(8, &[(2, 1102), (8, 1108)])),
        ("base/1/1002", changes(1200, &[(0, 1200), (600, 1201), (1199, 1202)])),
        ("base/1/1004", whole(500..505)),
        (&in_tablespace, changes(40, &[(7, 1407)])),
    ]);
    vec![full, newest]
}

fn over_of(outcome: &RestoreOutcome) -> OverOutcome {
    outcome.over.expect("this restore was made over a cluster")
}

/// WAL and some small files are made anew every time.
const ANEW_BYTES: u64 = 3 * WAL_SEGMENT_BYTES;

#[test]
fn what_is_right_is_compared_and_not_written() {
    let stage = Stage::new();
    stage.restore("data", false).unwrap();
    let wanted = stage.found("data");
    let (plan, outcome) = stage.restore("data", true).unwrap();
    assert!(plan.over && plan.remains.is_empty());
    let over = over_of(&outcome);
    assert_eq!(over.written_bytes, ANEW_BYTES);
    let relations = 10 + 9 + 1200 + 5 + 40;
    assert!(over.compared_bytes >= relations * BLOCK_BYTES as u64, "{over:?}");
    stage.assert_is("data", &wanted);
}

#[test]
fn damage_of_every_kind_is_put_right_and_only_that_is_written() {
    damage_is_put_right(None);
}

#[test]
fn damage_is_put_right_in_many_rounds_where_there_are_too_many_files_for_memory() {
    damage_is_put_right(Some(3));
}

fn damage_is_put_right(most_entries: Option<u64>) {
    let stage = Stage::new();
    stage.restore("data", false).unwrap();
    let wanted = stage.found("data");
    let outside = stage.sandbox.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), b"precious").unwrap();
    let data = stage.data("data");
    let at = |path: &str| data.join(path);
    let flip = |path: &Path, place: usize| {
        let mut content = std::fs::read(path).unwrap();
        content[place] ^= 1;
        std::fs::write(path, content).unwrap();
    };

    flip(&at("base/1/1000"), 3 * BLOCK_BYTES + 77);
    flip(&at("base/1/1002"), 600 * BLOCK_BYTES);
    flip(&stage.tablespace("data").join(VERSION_FOLDER).join("5/16401"), 0);
    std::fs::File::options().write(true).open(at("base/1/1001")).unwrap().set_len(4 * BLOCK_BYTES as u64).unwrap();
    std::fs::write(at("base/1/1004"), blocks(500..520)).unwrap();
    std::fs::remove_file(at("base/1/PG_VERSION")).unwrap();
    // Too much: files, folders, sockets' folder, a standby's signal, WAL of another history, slots.
    std::fs::create_dir_all(at("base/77/deeper")).unwrap();
    std::fs::write(at("base/77/deeper/file"), b"x").unwrap();
    std::fs::write(at("base/1/4242"), b"x").unwrap();
    std::fs::write(at("standby.signal"), b"").unwrap();
    std::fs::write(at("backup_label.old"), b"x").unwrap();
    std::fs::write(at("pg_wal/000000020000000000000012"), vec![1; 1000]).unwrap();
    std::fs::write(at("pg_wal/00000002.history"), b"1\t0/1\n").unwrap();
    std::fs::create_dir_all(at("pg_replslot/old")).unwrap();
    std::fs::write(at("postmaster.pid"), "2000000000\n").unwrap();
    std::fs::write(stage.tablespace("data").join(VERSION_FOLDER).join("5/9999"), b"x").unwrap();
    // Of the wrong kind: a folder for a file, a file for a folder, links out.
    std::fs::remove_file(at("pg_hba.conf")).unwrap();
    std::fs::create_dir_all(at("pg_hba.conf/folder")).unwrap();
    std::fs::remove_dir(at("pg_wal/archive_status").as_path()).unwrap_or_else(|_| {
        std::fs::remove_dir_all(at("pg_wal/archive_status")).unwrap();
    });
    std::fs::write(at("pg_wal/archive_status"), b"file").unwrap();
    std::fs::remove_file(at("pg_ident.conf")).unwrap();
    symlink(outside.join("precious"), at("pg_ident.conf")).unwrap();
    symlink(&outside, at("base/99")).unwrap();
    symlink(&outside, at("pg_tblspc/16999")).unwrap();
    // Modes.
    std::fs::set_permissions(at("base/1/1000"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(at("base"), std::fs::Permissions::from_mode(0o755)).unwrap();
    // A copy that shares its blocks.
    std::fs::hard_link(at("base/1/1002"), outside.join("copy")).unwrap();
    let copy = std::fs::read(outside.join("copy")).unwrap();

    let mut plan = plan(&stage.sandbox.repository, &stage.request("data", true)).unwrap();
    if let Some(most_entries) = most_entries {
        plan = plan.with_most_entries(most_entries);
    }
    let outcome = apply(&stage.sandbox.repository, &plan, &SilentProgress, &Cancel::new()).unwrap();
    stage.assert_is("data", &wanted);
    assert_eq!(std::fs::read(outside.join("precious")).unwrap(), b"precious");
    assert!(std::fs::read(outside.join("copy")).unwrap() == copy);
    assert_eq!(std::fs::metadata(at("base/1/1000")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(at("base")).unwrap().mode() & 0o777, 0o700);
    let over = over_of(&outcome);
    // 1000: half a block; 1001: five lost; the tablespace's one half; 1004 and the small files; 1002 anew, since it was shared.
    let expected = ANEW_BYTES + 4096 + 5 * BLOCK_BYTES as u64 + 4096 + 1200 * BLOCK_BYTES as u64;
    assert!((expected..expected + 1000).contains(&over.written_bytes), "{over:?}, {expected}");
    let link = |path: &str| data.join(path).display().to_string();
    let removed: Vec<&str> = outcome
        .notes
        .iter()
        .filter_map(|note| match note {
            RestoreNote::RestoreRemovedLink { link, .. } => Some(link.as_str()),
            _ => None,
        })
        .collect();
    let mut wanted_links = [link("base/99"), link("pg_ident.conf"), link("pg_tblspc/16999")];
    wanted_links.sort();
    let mut removed: Vec<String> = removed.into_iter().map(str::to_owned).collect();
    removed.sort();
    assert_eq!(removed, wanted_links);
}

#[test]
fn other_clusters_files_in_a_tablespaces_folder_are_left_alone() {
    let stage = Stage::new();
    stage.restore("data", false).unwrap();
    let wanted = stage.found("data");
    let other = stage.tablespace("data").join("PG_14_202107181/5/1");
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::write(&other, b"another cluster's").unwrap();
    stage.restore("data", true).unwrap();
    assert_eq!(std::fs::read(&other).unwrap(), b"another cluster's");
    std::fs::remove_dir_all(stage.tablespace("data").join("PG_14_202107181")).unwrap();
    stage.assert_is("data", &wanted);
}

#[test]
fn a_tablespace_that_belongs_to_nobody_known_is_refused_and_a_moved_one_is_linked() {
    let stage = Stage::new();
    stage.restore("data", false).unwrap();
    let wanted = stage.found("data");
    // A folder with something in it, to which the cluster has no link.
    let foreign = stage.sandbox.path("foreign");
    std::fs::create_dir_all(foreign.join(VERSION_FOLDER)).unwrap();
    let before = tree(&stage.data("data"));
    let request = |to: &Path| RestoreRequest {
        tablespaces: vec![("fast".to_owned(), to.to_owned())],
        ..stage.request("data", true)
    };
    let refused = plan(&stage.sandbox.repository, &request(&foreign)).unwrap_err();
    assert_eq!(refused.key(), "restore-target-not-empty");
    assert!(tree(&stage.data("data")) == before);
    // To an empty place it goes, and the old one stays as it is.
    let moved = stage.sandbox.path("moved");
    stage.restore_as(&request(&moved)).unwrap();
    assert_eq!(std::fs::read_link(stage.data("data").join("pg_tblspc/16400")).unwrap(), moved);
    assert!(tree(&moved) == wanted.1);
    assert!(tree(&stage.tablespace("data")) == wanted.1);
}

#[test]
fn newer_and_older_states_are_put_over_one_another() {
    let stage = Stage::new();
    let [full, newest] = [0, 1].map(|place| RestoreSelector::Backup(stage.records[place].id));
    let (of_full, of_newest) = (stage.wanted(full), stage.wanted(newest));
    stage.restore("data", false).unwrap();
    for (selector, wanted) in [(full, &of_full), (newest, &of_newest), (full, &of_full)] {
        let request = RestoreRequest { selector, ..stage.request("data", true) };
        let (_, outcome) = stage.restore_as(&request).unwrap();
        stage.assert_is("data", wanted);
        // Of the large file three blocks differ.
        let over = over_of(&outcome);
        assert!(over.written_bytes < ANEW_BYTES + 30 * BLOCK_BYTES as u64, "{over:?}");
        assert!(over.compared_bytes > 1200 * BLOCK_BYTES as u64, "{over:?}");
    }
}

#[test]
fn onto_nothing_it_is_an_ordinary_restore() {
    let stage = Stage::new();
    let wanted = stage.wanted(RestoreSelector::Latest);
    let (plan, outcome) = stage.restore("absent", true).unwrap();
    assert!(!plan.over && outcome.over.is_none());
    stage.assert_is("absent", &wanted);
    std::fs::create_dir(stage.data("empty")).unwrap();
    assert!(!stage.restore("empty", true).unwrap().0.over);
    stage.assert_is("empty", &wanted);
}

#[test]
fn foreign_and_running_clusters_and_other_folders_are_refused_untouched() {
    let stage = Stage::new();
    stage.restore("data", false).unwrap();
    let data = stage.data("data");
    let refusal = |wanted: &str| {
        let before = tree(&data);
        assert_eq!(stage.restore("data", true).unwrap_err().key(), wanted);
        assert!(tree(&data) == before, "{wanted}");
    };
    std::fs::write(data.join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
    refusal("restore-target-running");
    std::fs::remove_file(data.join("postmaster.pid")).unwrap();

    let control = data.join("global/pg_control");
    let good = std::fs::read(&control).unwrap();
    std::fs::write(&control, control_file_of(SystemIdentifier(42))).unwrap();
    refusal("restore-foreign-cluster");
    let mut damaged = good.clone();
    damaged[40] ^= 1;
    std::fs::write(&control, damaged).unwrap();
    refusal("restore-no-cluster");
    std::fs::remove_file(&control).unwrap();
    refusal("restore-no-cluster");
    // A marker that is not ours does not make it ours.
    std::fs::write(data.join(MARKER_FILE), "a user's notes").unwrap();
    refusal("restore-no-cluster");
    std::fs::remove_file(data.join(MARKER_FILE)).unwrap();
    std::fs::write(&control, good).unwrap();
    stage.restore("data", true).unwrap();

    std::fs::create_dir(stage.data("home")).unwrap();
    std::fs::write(stage.data("home").join("letter"), b"x").unwrap();
    assert_eq!(stage.restore("home", true).unwrap_err().key(), "restore-no-cluster");
    assert_eq!(std::fs::read(stage.data("home").join("letter")).unwrap(), b"x");
}

/// Sets its cancel after some bytes of the restore itself.
struct CancelAfter {
    cancel: Cancel,
    left: AtomicU64,
    restoring: std::sync::atomic::AtomicBool,
}

impl Progress for CancelAfter {
    fn phase(&self, phase: Phase, _total_bytes: Option<u64>) {
        self.restoring.store(phase == Phase::Restoring, Ordering::SeqCst);
    }

    fn advance(&self, bytes: u64) {
        if self.restoring.load(Ordering::SeqCst)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(bytes)).is_err()
        {
            self.cancel.cancel();
        }
    }
}

#[test]
fn one_that_ends_early_is_no_cluster_until_another_one_over_it_has_ended() {
    let stage = Stage::new();
    let wanted = stage.wanted(RestoreSelector::Latest);
    stage.restore("data", false).unwrap();
    let control = stage.data("data").join("global/pg_control");
    for after in [0, 100_000, 3_000_000, 9_000_000] {
        let plan = plan(&stage.sandbox.repository, &stage.request("data", true)).unwrap();
        let cancel = Cancel::new();
        let progress = CancelAfter { cancel: cancel.clone(), left: after.into(), restoring: false.into() };
        let error = apply(&stage.sandbox.repository, &plan, &progress, &cancel).unwrap_err();
        assert_eq!(error.key(), "restore-cancelled-over", "{error}");
        assert!(!control.exists());
        // Nothing else may be made of it: it may hold what the user still wants.
        let refused = stage.restore("data", false).unwrap_err();
        assert_eq!(refused.key(), "restore-unfinished-over");
        assert!(stage.data("data").join("global/pg_control.cadena-old").exists());
    }
    // Even a foreign cluster's remains are known.
    let aside = stage.data("data").join("global/pg_control.cadena-old");
    let good = std::fs::read(&aside).unwrap();
    std::fs::write(&aside, control_file_of(SystemIdentifier(42))).unwrap();
    assert_eq!(stage.restore("data", true).unwrap_err().key(), "restore-foreign-cluster");
    std::fs::write(&aside, good).unwrap();
    let (plan, _) = stage.restore("data", true).unwrap();
    assert!(plan.over);
    stage.assert_is("data", &wanted);
}

#[test]
fn a_damaged_archive_is_noticed_before_the_cluster_is_touched() {
    let stage = Stage::new();
    stage.restore("data", false).unwrap();
    let before = tree(&stage.data("data"));
    let archive = stage.sandbox.archive_path(&stage.records[0]);
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&archive).unwrap();
    std::fs::write(&archive, bytes).unwrap();
    assert_eq!(stage.restore("data", true).unwrap_err().key(), "repository-archive-digest");
    assert!(tree(&stage.data("data")) == before);
}

#[test]
fn the_remains_of_an_ordinary_restore_are_finished() {
    let stage = Stage::new();
    let wanted = stage.wanted(RestoreSelector::Latest);
    stage.restore("data", false).unwrap();
    // As a kill would leave it: marked, without a control file, half of it there.
    let data = stage.data("data");
    std::fs::remove_file(data.join("global/pg_control")).unwrap();
    std::fs::remove_file(data.join("base/1/1001")).unwrap();
    let marker = serde_json::json!({
        "purpose": "cadena restore", "data_directory": data, "archive_name": "full_20261124_000000.backup", "pid": 1
    });
    for directory in [data.clone(), stage.tablespace("data")] {
        std::fs::write(directory.join(MARKER_FILE), marker.to_string()).unwrap();
    }
    let (plan, outcome) = stage.restore("data", true).unwrap();
    assert!(plan.over && over_of(&outcome).compared_bytes > 1200 * BLOCK_BYTES as u64);
    stage.assert_is("data", &wanted);
}

/// Ends the process without a trace of its own, as a kill does, at the step that it is told.
struct Abort {
    steps: AtomicU64,
}

impl Progress for Abort {
    fn phase(&self, _phase: Phase, _total_bytes: Option<u64>) {
        self.advance(0);
    }

    fn advance(&self, _bytes: u64) {
        if self.steps.fetch_sub(1, Ordering::SeqCst) == 0 {
            std::process::abort();
        }
    }
}

/// Counts the steps of a restore.
struct Count(AtomicU64);

impl Progress for Count {
    fn phase(&self, _phase: Phase, _total_bytes: Option<u64>) {
        self.advance(0);
    }

    fn advance(&self, _bytes: u64) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "the victim of the test below"]
fn victim() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("started by another test"));
    let steps = std::env::var(STEPS).ok().and_then(|steps| steps.parse().ok()).unwrap_or(u64::MAX);
    let repository = Repository::open(Arc::new(LocalFolder::new(&folder.join("repository")))).unwrap();
    let plan = plan(&repository, &request_in(&folder, "data", true)).unwrap();
    apply(&repository, &plan, &Abort { steps: steps.into() }, &Cancel::new()).unwrap();
}

fn start_victim(folder: &Path, steps: u64) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .envs([(FOLDER, folder.as_os_str()), (STEPS, steps.to_string().as_ref())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_at_any_point_it_is_the_old_or_the_new_cluster_or_none_and_ends_right_when_repeated() {
    let stage = Stage::new();
    let [full, newest] = [0, 1].map(|place| RestoreSelector::Backup(stage.records[place].id));
    let (old, new) = (stage.wanted(full), stage.wanted(newest));
    let put_old = || {
        let request = RestoreRequest { selector: full, ..stage.request("data", true) };
        stage.restore_as(&request).unwrap();
    };
    put_old();
    let started = Instant::now();
    let count = Count(0.into());
    let planned = plan(&stage.sandbox.repository, &stage.request("data", true)).unwrap();
    apply(&stage.sandbox.repository, &planned, &count, &Cancel::new()).unwrap();
    let (whole, steps) = (started.elapsed(), count.0.into_inner());

    let folder = stage.sandbox.folder.path();
    let control = stage.data("data").join("global/pg_control");
    let rounds = 24;
    let (mut none, mut as_before, mut as_wanted) = (0, 0, 0);
    for round in 0..rounds {
        put_old();
        stage.assert_is("data", &old);
        // Two kills: of the first one, at a step; of the one that goes on, at a time, which may lie between steps.
        let status = start_victim(folder, steps * round / rounds).wait().unwrap();
        assert!(!status.success());
        if !control.exists() {
            none += 1;
            let mut victim = start_victim(folder, u64::MAX);
            std::thread::sleep(whole.mul_f64(round as f64 / rounds as f64));
            victim.kill().unwrap();
            victim.wait().unwrap();
        }
        if control.exists() {
            // Markers may be left; all else is the one state or the other.
            let found = stage.found("data");
            let rest = |tree: &Tree| {
                let mut tree = tree.clone();
                tree.retain(|path, _| path != MARKER_FILE && !path.ends_with("cadena-old"));
                tree
            };
            let is = |wanted: &(Tree, Tree)| rest(&found.0) == rest(&wanted.0) && rest(&found.1) == rest(&wanted.1);
            assert!(is(&old) || is(&new), "round {round}");
            if is(&old) { as_before += 1 } else { as_wanted += 1 }
        }
        stage.restore("data", true).unwrap();
        stage.assert_is("data", &new);
    }
    println!(
        "{rounds} kills within {steps} steps: {none} left no cluster; then {as_before} the old, {as_wanted} the new; one \
         takes {whole:?}"
    );
    assert!(none >= 8, "too few kills came while files were written: {none}");
    assert!(as_before > 0, "no kill came before anything was written");
}
