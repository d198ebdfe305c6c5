//! A backup that was taken, restored and compared.

use super::Chains;
use crate::common::{Answer, Cadena};
use pgformat::MajorVersion;
use serde_json::Value;
use std::path::Path;
use testkit::compare::Snapshot;
use testkit::random::index_disagreements;
use testkit::{TestCluster, TestFolder, oracle};

/// A backup, and what it must give back when recovery goes on to the mark that was set right after it.
pub struct Taken {
    pub record: Value,
    /// A restore point.
    pub mark: String,
    pub expected: Snapshot,
}

/// A cluster that was restored and runs.
pub struct Restored {
    pub cluster: TestCluster,
    pub answer: Answer,
    folder: TestFolder,
}

impl Taken {
    pub fn id(&self) -> u64 {
        self.record["id"].as_u64().expect("an id")
    }

    /// Restores up to the mark, starts the server, and demands that it holds what its source held.
    #[track_caller]
    pub fn restore_and_compare(&self, chains: &Chains) -> Restored {
        let restored = self.restore(&chains.cadena, chains.cluster.version());
        self.compare(&restored.cluster);
        restored
    }

    /// The same over a cluster that was restored before and is stopped, of which only what differs is written.
    #[track_caller]
    pub fn restore_over_and_compare(&self, chains: &Chains, before: Restored) -> Restored {
        let target = before.cluster.data_directory().to_owned();
        let Restored { cluster, folder, .. } = before;
        drop(cluster);
        let restored = self.restore_into(&chains.cadena, chains.cluster.version(), folder, &target, &["--delta"]);
        self.compare(&restored.cluster);
        restored
    }

    /// Restores up to the mark and starts the server.
    #[track_caller]
    pub fn restore(&self, cadena: &Cadena, version: MajorVersion) -> Restored {
        let folder = TestFolder::new();
        let target = folder.path().join("data");
        self.restore_into(cadena, version, folder, &target, &[])
    }

    #[track_caller]
    fn restore_into(
        &self,
        cadena: &Cadena,
        version: MajorVersion,
        folder: TestFolder,
        target: &Path,
        further: &[&str],
    ) -> Restored {
        let cluster = TestCluster::adopt(version, target);
        let (id, to, port) = (self.id().to_string(), target.display().to_string(), cluster.port().to_string());
        let sockets = cluster.socket_folder().display().to_string();
        let mut arguments = vec!["restore", "--backup", &id, "--name", &self.mark, "--to", &to, "--json"];
        arguments.extend(["--start", "--port", &port, "--socket-dir", &sockets, "--owner", &cluster.owner().name]);
        let mappings = tablespace_mappings(&self.record, &folder);
        arguments.extend(mappings.iter().flat_map(|mapping| ["--tablespace", mapping.as_str()]));
        arguments.extend(further);
        let answer = cadena.run(&arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        Restored { cluster, answer, folder }
    }

    /// Demands that a restored cluster holds what the source held at the mark, in its tables and through their indexes.
    #[track_caller]
    pub fn compare(&self, restored: &TestCluster) {
        if let Some(difference) = self.expected.difference(restored) {
            panic!("backup {} gives back something else at {}:\n{difference}", self.id(), self.mark);
        }
        let mut disagreements = Vec::new();
        for database in databases(restored) {
            disagreements.extend(index_disagreements(restored, &database));
        }
        assert!(disagreements.is_empty(), "backup {}: indexes differ from tables: {disagreements:#?}", self.id());
    }
}

impl Restored {
    /// Stops the server and demands that every page is whole: none half written, none from another place.
    #[track_caller]
    pub fn stop_and_check_pages(self, has_checksums: bool) -> Restored {
        self.cluster.stop();
        if has_checksums {
            let pages = oracle::check_all_pages(self.cluster.data_directory()).unwrap_or_else(|said| panic!("{said}"));
            assert!(pages > 1000, "{pages} pages are no cluster");
        }
        self
    }

    /// Writes to every table, as free space maps that tell of pages that are not there would forbid, and lets pg_amcheck look at
    /// all of it.
    #[track_caller]
    pub fn write_and_check(&self) {
        for database in databases(&self.cluster) {
            let tables = "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class c JOIN pg_namespace n \
                          ON n.oid = relnamespace WHERE nspname = 'public' AND relkind = 'r' AND NOT relispartition \
                          AND NOT EXISTS (SELECT 1 FROM pg_locks l WHERE l.relation = c.oid AND l.pid IS NULL)";
            for table in self.cluster.sql_in(&database, tables).lines() {
                let copy = format!(
                    "CREATE TEMP TABLE copy AS SELECT * FROM {table} LIMIT 300; INSERT INTO {table} SELECT * FROM copy"
                );
                self.cluster.sql_in(&database, &copy);
            }
        }
        oracle::pg_amcheck(&self.cluster).unwrap_or_else(|said| panic!("{said}"));
    }
}

/// Every database that takes connections, but the templates.
pub fn databases(cluster: &TestCluster) -> Vec<String> {
    let listed = cluster.sql("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1");
    listed.lines().map(str::to_owned).collect()
}

/// `--tablespace` arguments that put every tablespace into the restored cluster's own folder: the source still uses its own.
fn tablespace_mappings(record: &Value, folder: &TestFolder) -> Vec<String> {
    let tablespaces = record["tablespaces"].as_array().into_iter().flatten();
    tablespaces
        .map(|tablespace| {
            let ours = folder.path().join(format!("tablespace-{}", tablespace["oid"]));
            format!("{}={}", tablespace["location"].as_str().expect("a folder"), ours.display())
        })
        .collect()
}
