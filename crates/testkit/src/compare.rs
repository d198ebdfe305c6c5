//! Is a restored cluster the same as its source was, at the same LSN?
//!
//! After the workload a restore point is written and the source, now quiet, is dumped. A restored copy recovers exactly to that
//! restore point and is dumped too; both dumps must be the same text. Row order is compared too: a physical copy keeps it.
//!
//! Four differences are expected, and nothing else is forgiven:
//! * unlogged tables are empty after any recovery, so pg_dumpall leaves out their rows (not their definitions);
//! * a sequence may be ahead by up to 32 values, because PostgreSQL logs sequences in advance (upstream sequence.c,
//!   `SEQ_LOG_VALS`): its value is compared as a range;
//! * a tablespace lies in another folder, since source and copy are on the same host;
//! * the dump's \restrict key is random in new minor versions: a fixed one is given to pg_dumpall.

use crate::cluster::{TestCluster, append};
use crate::sql::OWN_QUERIES;
use crate::versions::server_owner;
use pgformat::{Lsn, MajorVersion};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// How far ahead of the source a sequence may be after recovery (upstream sequence.c, `SEQ_LOG_VALS`).
const SEQUENCE_LOOK_AHEAD: i64 = 32;

/// What a cluster holds at one LSN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The restore point's end, or where the cluster was when it was looked at.
    pub lsn: Lsn,
    /// pg_dumpall's text without the lines that set sequences and without the folders of tablespaces.
    dump: String,
    /// Sequence (with its database) to value.
    sequences: BTreeMap<String, i64>,
    /// Prepared transactions that are neither committed nor rolled back.
    prepared: String,
}

impl Snapshot {
    /// Writes a restore point and dumps the cluster. Nobody may write to it meanwhile.
    ///
    /// # Panics
    /// When something was written meanwhile, or the dump fails.
    pub fn at_restore_point(source: &TestCluster, name: &str) -> Self {
        let lsn: Lsn = source.sql_scalar(&format!("SELECT pg_create_restore_point('{name}')"));
        // Flushed, so that whoever copies the segment gets the restore point too.
        source.sql("SELECT pg_switch_wal()");
        let started = source.sql("SELECT clock_timestamp()");
        let snapshot = Self { lsn, ..Self::of(source) };
        // Transaction ids and LSNs would not do: autovacuum moves both, without changing what a dump shows. Our daemon
        // only asks.
        let others = source.sql(&format!(
            "SELECT application_name, query FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
             AND application_name NOT LIKE 'pg_dump%' AND application_name NOT IN ('{OWN_QUERIES}', 'cadena')
             AND query_start > '{started}'"
        ));
        assert!(others.is_empty(), "the source was written to while it was dumped; stop the workload first: {others}");
        snapshot
    }

    /// Dumps a cluster as it is now.
    ///
    /// # Panics
    /// When the dump fails.
    pub fn of(cluster: &TestCluster) -> Self {
        let (dump, sequences) = split_sequences(&cluster.dump_all());
        let prepared = cluster.sql("SELECT gid, owner, database FROM pg_prepared_xacts ORDER BY 1");
        Self { lsn: cluster.current_lsn(), dump, sequences, prepared }
    }

    /// Returns the dump's size in bytes: a comparison of two empty dumps proves nothing.
    pub fn dump_bytes(&self) -> usize {
        self.dump.len()
    }

    /// Says how a restored cluster differs from this, as a unified diff, or `None` when it does not.
    ///
    /// # Panics
    /// When the restored cluster can't be dumped.
    pub fn difference(&self, restored: &TestCluster) -> Option<String> {
        let found = Self::of(restored);
        if self.dump != found.dump {
            return Some(diff(&self.dump, &found.dump));
        }
        if self.prepared != found.prepared {
            return Some(diff(&self.prepared, &found.prepared));
        }
        sequence_difference(&self.sequences, &found.sequences)
    }

    /// Demands that a restored cluster holds the same.
    ///
    /// # Panics
    /// With the differences, when it does not.
    #[track_caller]
    pub fn assert_equals(&self, restored: &TestCluster) {
        assert!(self.dump.contains("PostgreSQL database cluster dump"), "the source's dump is no dump");
        if let Some(difference) = self.difference(restored) {
            panic!("the restored cluster differs from its source:\n{difference}");
        }
    }
}

/// Takes the lines that set sequences out of a dump.
fn split_sequences(dump: &str) -> (String, BTreeMap<String, i64>) {
    let (mut rest, mut sequences, mut database) = (String::with_capacity(dump.len()), BTreeMap::new(), "");
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix("\\connect ") {
            database = name;
        }
        match sequence_value(line) {
            Some((name, value)) => {
                sequences.insert(format!("{database} {name}"), value);
            }
            None => {
                rest.push_str(without_location(line));
                rest.push('\n');
            }
        }
    }
    (rest, sequences)
}

/// Cuts the folder off `CREATE TABLESPACE name OWNER role LOCATION 'folder';`.
fn without_location(line: &str) -> &str {
    match line.find(" LOCATION '") {
        Some(end) if line.starts_with("CREATE TABLESPACE ") => &line[..end],
        _ => line,
    }
}

/// Reads `SELECT pg_catalog.setval('public.s', 42, true);`: the name as it stands there, and how many values are used up.
fn sequence_value(line: &str) -> Option<(&str, i64)> {
    let arguments = line.strip_prefix("SELECT pg_catalog.setval(")?.strip_suffix(");")?;
    let (rest, is_called) = arguments.rsplit_once(", ")?;
    let (name, value) = rest.rsplit_once(", ")?;
    // `false` means that the value itself is still to be given out.
    let value: i64 = value.parse().ok()?;
    Some((name, if is_called == "true" { value } else { value - 1 }))
}

fn sequence_difference(source: &BTreeMap<String, i64>, restored: &BTreeMap<String, i64>) -> Option<String> {
    if !source.keys().eq(restored.keys()) {
        return Some(format!("sequences: {source:?}\nrestored: {restored:?}"));
    }
    let wrong = |(name, value): &(&String, &i64)| {
        let found = restored.get(*name).copied().unwrap_or(i64::MIN);
        !(**value..=**value + SEQUENCE_LOOK_AHEAD).contains(&found)
    };
    let (name, value) = source.iter().find(wrong)?;
    Some(format!("sequence {name} is at {value} in the source and at {:?} in the restored cluster", restored.get(name)))
}

/// Returns the beginning of a unified diff.
fn diff(source: &str, restored: &str) -> String {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (name, text) in [("source", source), ("restored", restored)] {
        fs::write(folder.path().join(name), text).unwrap_or_else(|error| panic!("{error}"));
    }
    let output = Command::new("diff").args(["-a", "-u", "source", "restored"]).current_dir(folder.path()).output();
    let output = output.unwrap_or_else(|error| panic!("diff: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<String> = text.lines().take(60).map(|line| line.chars().take(200).collect()).collect();
    lines.join("\n")
}

/// Recovers a restored data directory to a restore point that came after its backup, with WAL taken from the source's `pg_wal` (or a
/// folder of whole segments), and returns it promoted and running.
///
/// # Panics
/// With the end of the log, when recovery fails or does not reach the restore point.
pub fn recover_to_restore_point(
    data_directory: &Path,
    version: MajorVersion,
    wal_folder: &Path,
    restore_point: &str,
) -> TestCluster {
    let cluster = TestCluster::adopt(version, data_directory);
    prepare_recovery(data_directory, wal_folder, restore_point);
    cluster.start_with(&[("hot_standby", "on"), ("archive_mode", "off")]);
    // The server ends when WAL runs out before the target; then the reason stands in its log.
    if let Err(failure) = cluster.try_wait_until("SELECT NOT pg_is_in_recovery()") {
        panic!("recovery to {restore_point:?} failed: {failure}\n{}", cluster.log());
    }
    let log = cluster.log();
    assert!(
        log.contains(&format!("recovery stopping at restore point \"{restore_point}\"")),
        "target not reached:\n{log}"
    );
    cluster
}

/// Writes recovery.signal and the settings (a target that the restore has set already gives way) for [`recover_to_restore_point`], without starting the server.
///
/// # Panics
/// When the files can't be written.
pub fn prepare_recovery(data_directory: &Path, wal_folder: &Path, restore_point: &str) {
    let folder = wal_folder.display().to_string();
    assert!(!folder.contains(['\'', '"', '%', '\\']), "a folder that needs quoting: {folder}");
    let settings = format!(
        "restore_command = 'cp \"{folder}/%f\" \"%p\"'\n\
         recovery_target = ''\n\
         recovery_target_name = '{restore_point}'\n\
         recovery_target_action = 'promote'\n"
    );
    append(&data_directory.join("postgresql.auto.conf"), &settings);
    let signal = data_directory.join("recovery.signal");
    let made = fs::write(&signal, "").and_then(|()| server_owner().take_over(&signal));
    made.unwrap_or_else(|error| panic!("{}: {error}", signal.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_sequences_out_of_a_dump_and_keeps_everything_else() {
        let dump = "CREATE TABLESPACE x OWNER y LOCATION '/z';\n\\connect a\nSELECT pg_catalog.setval('public.s', 42, true);\nCREATE TABLE t;\n\
                    SELECT pg_catalog.setval('public.\"x, y\"', 1, false);\n\\connect b\n\
                    SELECT pg_catalog.setval('public.s', 7, true);\n";
        let (rest, sequences) = split_sequences(dump);
        assert_eq!(rest, "CREATE TABLESPACE x OWNER y\n\\connect a\nCREATE TABLE t;\n\\connect b\n");
        let expected = [("a 'public.\"x, y\"'", 0), ("a 'public.s'", 42), ("b 'public.s'", 7)];
        assert_eq!(sequences, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn forgives_a_sequence_that_is_ahead_by_32_and_nothing_more() {
        let at = |value: i64| BTreeMap::from([("s".to_owned(), value)]);
        assert_eq!(sequence_difference(&at(10), &at(10)), None);
        assert_eq!(sequence_difference(&at(10), &at(42)), None);
        assert!(sequence_difference(&at(10), &at(43)).is_some());
        assert!(sequence_difference(&at(10), &at(9)).is_some());
        assert!(sequence_difference(&at(10), &BTreeMap::new()).is_some());
        assert!(sequence_difference(&BTreeMap::new(), &at(10)).is_some());
    }
}
