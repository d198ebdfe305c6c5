//! How is a throw-away cluster set up? On the command line, which wins over every file of the source's.

use pgformat::MajorVersion;
use pgformat::control_file::ControlFile;
use std::path::Path;

/// Room for prepared transactions that are open at the target, should the source have been allowed more after its backup.
const PREPARED_TRANSACTIONS_AT_LEAST: u32 = 64;
/// Locks in all: a dump takes one on every table.
const LOCKS_AT_LEAST: u64 = 64 * 1024;
/// Sessions besides those of parallel dumps and loads.
const SPARE_CONNECTIONS: u32 = 16;
/// Where redo keeps how far each subscription has come. Too few of them stop recovery (upstream `origin.c`), and no file says how many
/// the source has.
const REPLICATION_ORIGINS: u32 = 512;

/// The server's own files, in place of the source's.
pub(super) struct OwnFiles<'a> {
    pub config: &'a Path,
    pub hba: &'a Path,
    pub ident: &'a Path,
}

/// What is asked of it.
pub(super) struct Wanted<'a> {
    pub control: &'a ControlFile,
    pub libraries: &'a [String],
    pub connections: u32,
    pub read_only: bool,
    /// Whether files of other databases have no content: what recovery misses there is no reason to stop. What else it misses is looked for in
    /// its log.
    pub hollow: bool,
}

/// The one rule: whoever may reach the socket, in its closed folder, may be anyone.
pub(super) const HBA: &str =
    "# Written by cadena: the socket lies in a folder that only its owner may enter.\nlocal all all trust\n";
pub(super) const IDENT: &str = "# Written by cadena: there are no maps.\n";
/// An empty main file: the source's own is not read.
pub(super) const CONFIG: &str = "# Written by cadena: all settings are on the command line.\n";

/// Returns names and values, in the order in which they are given.
///
/// `hot_standby = off`: nobody is let in before recovery has ended, and so the server does not ask for the source's limits, which may
/// have been raised in the log (upstream `CheckRequiredParameterValues`). `max_worker_processes = 0`: no extension's worker can
/// start, static or dynamic, whatever the extension is called; its functions and types work all the same.
pub(super) fn settings(files: &OwnFiles<'_>, wanted: &Wanted<'_>) -> Vec<(String, String)> {
    let control = wanted.control;
    let version = control.version;
    let connections = SPARE_CONNECTIONS + 2 * wanted.connections;
    let prepared = control.max_prepared_transactions.max(PREPARED_TRANSACTIONS_AT_LEAST);
    let source_sessions = u64::from(control.max_connections) + u64::from(control.max_prepared_transactions);
    let source_locks = u64::from(control.max_locks_per_transaction) * source_sessions;
    let locks = source_locks.max(LOCKS_AT_LEAST).div_ceil(u64::from(connections + prepared));

    let mut settings: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: String| settings.push((name.to_owned(), value));
    for (name, file) in [("config_file", files.config), ("hba_file", files.hba), ("ident_file", files.ident)] {
        set(name, file.display().to_string());
    }
    set("max_connections", connections.to_string());
    set("max_prepared_transactions", prepared.to_string());
    set("max_locks_per_transaction", locks.to_string());
    set("max_replication_slots", REPLICATION_ORIGINS.to_string());
    set("shared_preload_libraries", wanted.libraries.join(","));
    set("track_commit_timestamp", on_off(control.track_commit_timestamp));
    set("default_transaction_read_only", on_off(wanted.read_only));
    set("ignore_invalid_pages", on_off(wanted.hollow));
    let fixed = ALWAYS.iter().chain(SINCE.iter().filter(|(since, ..)| version >= *since).map(|(_, setting)| setting));
    for (name, value) in fixed {
        set(name, (*value).to_owned());
    }
    settings
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

/// Of every version.
const ALWAYS: [(&str, &str); 48] = [
    ("hot_standby", "off"),
    // Who may connect.
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0777"),
    ("unix_socket_group", ""),
    ("bonjour", "off"),
    ("ssl", "off"),
    ("external_pid_file", ""),
    ("superuser_reserved_connections", "3"),
    // Whom it talks to, and what it runs by itself.
    ("archive_mode", "off"),
    ("archive_command", ""),
    ("archive_cleanup_command", ""),
    ("recovery_end_command", ""),
    ("primary_conninfo", ""),
    ("primary_slot_name", ""),
    ("synchronous_standby_names", ""),
    ("max_wal_senders", "0"),
    ("wal_level", "replica"),
    ("max_logical_replication_workers", "0"),
    ("max_worker_processes", "0"),
    ("max_parallel_workers", "0"),
    ("max_parallel_workers_per_gather", "0"),
    ("max_parallel_maintenance_workers", "0"),
    ("autovacuum", "off"),
    ("autovacuum_max_workers", "1"),
    ("session_preload_libraries", ""),
    ("local_preload_libraries", ""),
    ("jit", "off"),
    // What it forgives: a damaged page is to be told of, not read as zeros.
    ("zero_damaged_pages", "off"),
    ("ignore_checksum_failure", "off"),
    // What it costs.
    ("shared_buffers", "64MB"),
    ("huge_pages", "off"),
    ("wal_buffers", "1MB"),
    ("max_wal_size", "1GB"),
    ("min_wal_size", "80MB"),
    ("wal_keep_size", "0"),
    // Nobody takes it up again after a crash.
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    // What it says, and where: our log file takes its error output.
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_statement", "none"),
    ("log_min_duration_statement", "-1"),
    ("log_duration", "off"),
    ("log_connections", "off"),
    ("log_disconnections", "off"),
    ("log_min_messages", "warning"),
    ("lc_messages", "C"),
    ("cluster_name", "cadena throw-away"),
];

/// Of a version and those after it.
const SINCE: [(MajorVersion, (&str, &str)); 7] = [
    (MajorVersion::V15, ("archive_library", "")),
    (MajorVersion::V15, ("allow_in_place_tablespaces", "on")),
    (MajorVersion::V16, ("reserved_connections", "0")),
    (MajorVersion::V17, ("summarize_wal", "off")),
    // Triggers on logins would run the users' own code while we look.
    (MajorVersion::V17, ("event_triggers", "off")),
    (MajorVersion::V18, ("io_method", "sync")),
    (MajorVersion::V18, ("max_active_replication_origins", "512")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_stands_once() {
        let mut names: Vec<&str> = ALWAYS.iter().map(|(name, _)| *name).collect();
        names.extend(SINCE.iter().map(|(_, (name, _))| *name));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
