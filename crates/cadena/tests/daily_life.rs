//! The description's snippets, run against real servers; and what they print is what is.

#![cfg(unix)]

#[path = "../examples/daily_life.rs"]
mod example;

use cadena::cluster::BinarySearch;
use cadena::daemon::{DaemonEvent, DaemonLog, ReceiverSettings, run_once};
use cadena::repository::{BackupId, BackupKind, Repository};
use cadena::scheduler::{Job, JobTime};
use cadena::services::{BackupManager, BackupService, RestoreInto, RestoreService, StartAt};
use cadena::wal::{ReceiveOptions, StopWhen};
use cadena::{Cancel, SilentProgress};
use pgformat::MajorVersion;
use std::path::Path;
use testkit::{ClusterOptions, TestCluster, TestFolder, is_available, repository_for};

struct NoLog;

impl DaemonLog for NoLog {
    fn record(&self, _event: &DaemonEvent) {}
}

/// Archives the WAL that the server has now.
fn receive(source: &TestCluster, repository: &Repository) {
    let settings = ReceiverSettings {
        connection: source.connection_settings("postgres"),
        repository: repository.clone(),
        receive: ReceiveOptions {
            slot: "cadena".to_owned(),
            max_slot_retained_bytes: None,
            compression_level: 1,
            jobs: 1,
            stop: StopWhen::Never,
            tool_version: "test".to_owned(),
        },
    };
    run_once(&settings, &NoLog, &Cancel::new()).unwrap();
}

fn run_on(version: MajorVersion) {
    if !is_available(version) {
        return;
    }
    let source = TestCluster::new(version, &ClusterOptions::default());
    let folder = TestFolder::new();
    let place = folder.path().join("repository");
    let repository = repository_for(&source, &place);
    receive(&source, &repository);
    let (backups, _) = example::services(source.connection_settings("postgres"), &place).unwrap();
    let mut settings = backups.settings().clone();
    settings.binaries = BinarySearch { configured: Some(source.binaries().folder.clone()), path_folders: vec![] };
    let backups = BackupService::new(&settings);
    let restores = RestoreService::new(&backups);
    let manager = BackupManager::new(&settings);
    let (progress, cancel) = (SilentProgress, Cancel::new());

    source.sql("CREATE TABLE clock AS SELECT 1 AS n");
    let full = backups.full(&progress, &cancel);
    assert!(full.succeeded && full.id == Some(BackupId(1)), "{full:?}");
    source.sql("INSERT INTO clock VALUES (2)");
    assert_eq!(backups.differential(&progress, &cancel).kind, BackupKind::Differential);
    source.sql("INSERT INTO clock VALUES (3)");
    let incremental = manager.run_backup(BackupKind::Incremental, &progress, &cancel);
    assert_eq!((incremental.succeeded, incremental.kind), (true, BackupKind::Incremental));
    let value = serde_json::to_value(&incremental).unwrap();
    assert!(value["exitoso"] == true && value["checksum"].as_str().is_some_and(|text| text.len() == 64), "{value}");
    source.sql("INSERT INTO clock VALUES (4)");
    let target: jiff::Timestamp = source
        .sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        .parse()
        .unwrap();
    source.sql("INSERT INTO clock VALUES (5)");
    receive(&source, &repository);

    let status = example::statistics(&manager).unwrap();
    assert_eq!(status.statistics.total.count, 3);
    assert_eq!(status.statistics.by_kind["DIFERENCIAL"].count, 1);
    assert_eq!(status.restore_points.iter().map(|point| point.backup_count).collect::<Vec<_>>(), [3, 2, 1]);
    assert!(status.restore_points.iter().all(|point| point.until.is_some_and(|until| until > target)), "{status:?}");
    let archives: u64 =
        ["full", "differential", "incremental"].iter().map(|kind| archive_bytes(&place.join(kind))).sum();
    assert_eq!(status.space.total.bytes, archives + status.space.by_kind["WAL"].bytes);
    let value = serde_json::to_value(&status).unwrap();
    assert_eq!(value["estadisticas"]["_total"]["cantidad"], 3);
    assert_eq!(value["puntos_restauracion"][0]["cantidad_backups"], 3, "{value}");

    let preview = example::preview(&restores, target).unwrap();
    assert_eq!(preview.backup_count, 3);
    assert_eq!(preview.backups[2].archive_name, incremental.archive_name.unwrap_or_default());
    let valid = example::validate(&restores, BackupId(3)).unwrap();
    assert!(valid.valid && valid.checks.len() == 7, "{valid:?}");
    let round = manager.validate_all(&progress, &cancel).unwrap();
    assert_eq!((round.outcomes.len(), round.left), (3, 0));

    example::set_schedules(&manager).unwrap();
    let next: Vec<_> = manager.schedule(1).unwrap().iter().map(|job| (job.job, job.next[0])).collect();
    let zone = &settings.backup.time_zone;
    let local = |job| next.iter().find(|(known, _)| *known == job).unwrap().1.to_zoned(zone.clone());
    assert_eq!((local(Job::Full).day(), local(Job::Full).hour()), (1, 0));
    assert_eq!(local(Job::Differential).weekday(), jiff::civil::Weekday::Sunday);
    assert_eq!((local(Job::Incremental).hour(), local(Job::Incremental).minute()), (23, 0));
    let nonsense = manager.set_schedule(Job::Full, JobTime { day: Some(32), weekday: None, hour: 0, minute: 0 });
    assert!(nonsense.is_err());

    let database = example::restore_from_backup_id(&manager, BackupId(3));
    assert!(database.succeeded && database.backups_applied == [1, 2, 3].map(BackupId), "{database:?}");
    let restored = source.sql_in("nexoryn_tech_restaurado", "SELECT string_agg(n::text, ',' ORDER BY n) FROM clock");
    assert_eq!(restored, "1,2,3");
    let again = example::restore_from_backup_id(&manager, BackupId(3));
    assert!(!again.succeeded && again.message.contains("nexoryn_tech_restaurado"), "{again:?}");

    // An instant that nothing leads to is refused before anything is written.
    let nowhere = RestoreInto::directory(folder.path().join("nowhere"));
    let refused = example::restore_to_a_date(&restores, "2000-01-01T00:00:00Z".parse().unwrap(), &nowhere);
    assert!(!refused.succeeded && !nowhere.directory.exists(), "{refused:?}");
    assert_eq!(serde_json::to_value(&refused).unwrap()["error"]["key"], "restore-target-unreachable");

    let copy = TestCluster::adopt(version, &folder.path().join("restored"));
    let at = StartAt { port: copy.port(), socket_folder: Some(copy.socket_folder().to_owned()) };
    let into = RestoreInto { start: Some(at), ..RestoreInto::directory(copy.data_directory()) };
    let restored = example::restore_to_a_date(&restores, target, &into);
    assert!(restored.succeeded, "{restored:?}");
    assert_eq!(restored.backups_applied, [1, 2, 3].map(BackupId));
    assert_eq!(copy.sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM clock"), "1,2,3,4");

    // What was damaged is told, link by link.
    let archive = place.join("full").join(full.archive_name.unwrap_or_default());
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let damaged = example::validate(&restores, BackupId(3)).unwrap();
    let failed: Vec<_> = damaged.checks.iter().filter(|check| !check.valid).collect();
    assert!(!damaged.valid && failed.len() == 1 && failed[0].kind == "CHECKSUM" && failed[0].backup_id == BackupId(1));
}

fn archive_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let archives = files.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "backup"));
    archives.map(|entry| entry.metadata().unwrap().len()).sum()
}

#[test]
fn the_descriptions_snippets_do_what_they_say_on_postgresql_15() {
    run_on(MajorVersion::V15);
}

#[test]
fn the_descriptions_snippets_do_what_they_say_on_postgresql_18() {
    run_on(MajorVersion::V18);
}
