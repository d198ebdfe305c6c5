//! Compares a control file that we read with what pg_controldata printed of it.

use pgformat::Lsn;
use pgformat::control_file::{ClusterState, ControlFile, WalLevel};
use std::collections::HashMap;

/// Checks every field that pg_controldata prints. Its output was made with `TZ=UTC LC_ALL=C`.
pub fn assert_agrees(control: &ControlFile, text: &str) {
    let values: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
    let value = |name: &str| *values.get(name).unwrap_or_else(|| panic!("no {name:?} in {text}"));
    let number = |name: &str| -> u64 { value(name).parse().unwrap() };
    let lsn = |name: &str| -> Lsn { value(name).parse().unwrap() };
    let time = |name: &str| -> i64 {
        jiff::civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", value(name))
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp()
            .as_second()
    };
    assert_eq!(control.system_identifier.0, number("Database system identifier"));
    assert_eq!(u64::from(control.catalog_version), number("Catalog version number"));
    let state = match control.state {
        ClusterState::Startup => "starting up",
        ClusterState::ShutDowned => "shut down",
        ClusterState::ShutDownedInRecovery => "shut down in recovery",
        ClusterState::ShuttingDown => "shutting down",
        ClusterState::InCrashRecovery => "in crash recovery",
        ClusterState::InArchiveRecovery => "in archive recovery",
        ClusterState::InProduction => "in production",
    };
    assert_eq!(state, value("Database cluster state"));
    assert_eq!(control.time_seconds, time("pg_control last modified"));
    assert_eq!(control.checkpoint_lsn, lsn("Latest checkpoint location"));
    assert_eq!(control.redo_lsn, lsn("Latest checkpoint's REDO location"));
    assert_eq!(u64::from(control.timeline.0), number("Latest checkpoint's TimeLineID"));
    assert_eq!(u64::from(control.previous_timeline.0), number("Latest checkpoint's PrevTimeLineID"));
    let on = |flag: bool| if flag { "on" } else { "off" };
    assert_eq!(on(control.full_page_writes), value("Latest checkpoint's full_page_writes"));
    assert_eq!(control.checkpoint_time_seconds, time("Time of latest checkpoint"));
    assert_eq!(control.min_recovery_lsn, lsn("Minimum recovery ending location"));
    assert_eq!(u64::from(control.min_recovery_timeline), number("Min recovery ending loc's timeline"));
    assert_eq!(control.backup_start_lsn, lsn("Backup start location"));
    assert_eq!(control.backup_end_lsn, lsn("Backup end location"));
    assert_eq!(if control.backup_end_required { "yes" } else { "no" }, value("End-of-backup record required"));
    let level = match control.wal_level {
        WalLevel::Minimal => "minimal",
        WalLevel::Replica => "replica",
        WalLevel::Logical => "logical",
    };
    assert_eq!(level, value("wal_level setting"));
    assert_eq!(on(control.wal_log_hints), value("wal_log_hints setting"));
    assert_eq!(u64::from(control.max_connections), number("max_connections setting"));
    assert_eq!(u64::from(control.max_worker_processes), number("max_worker_processes setting"));
    assert_eq!(u64::from(control.max_wal_senders), number("max_wal_senders setting"));
    assert_eq!(u64::from(control.max_prepared_transactions), number("max_prepared_xacts setting"));
    assert_eq!(u64::from(control.max_locks_per_transaction), number("max_locks_per_xact setting"));
    assert_eq!(on(control.track_commit_timestamp), value("track_commit_timestamp setting"));
    assert_eq!(u64::from(control.block_size_bytes), number("Database block size"));
    assert_eq!(u64::from(control.relation_segment_blocks), number("Blocks per segment of large relation"));
    assert_eq!(u64::from(control.wal_block_size_bytes), number("WAL block size"));
    assert_eq!(control.wal_segment_size.bytes(), number("Bytes per WAL segment"));
    assert_eq!(u64::from(control.data_checksum_version), number("Data page checksum version"));
}
