//! A chain with something wrong in it: a restore says what, before it writes anything, whatever is sound still restores, and the next
//! backup begins where the chain is whole, and says so.
//!
//! One chain is made for each version; every fault happens to a copy of its repository.

#![allow(clippy::print_stderr, reason = "a test says what it does")]
#![cfg(unix)]

mod chain_support;
mod common;
mod stream_support;

use chain_support::{Chains, archive_path, describe, warning_keys};
use common::Answer;
use pgformat::MajorVersion;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use testkit::random::{Changes, Kind};
use testkit::{ClusterOptions, TestCluster, TestFolder};

/// What every table holds, in one line.
const DIGEST: &str = "SELECT count(*) || md5(string_agg(item::text, ',' ORDER BY id)) FROM item";

/// FULL 1, DIFERENCIAL 2 on it, INCREMENTAL 3, 4 and 5 each on the one before it.
struct Scene {
    chains: Chains,
    records: Vec<Value>,
    /// What the cluster held at the end of each.
    digests: Vec<String>,
}

impl Scene {
    fn new(version: MajorVersion) -> Self {
        let chains = Chains::without_slot(version, &ClusterOptions::default().wal_segment_mb(1));
        chains
            .cluster
            .sql("CREATE TABLE item AS SELECT id, 0 AS n, md5(id::text) AS body FROM generate_series(1, 3000) id");
        let kinds = [Kind::Full, Kind::Differential, Kind::Incremental, Kind::Incremental, Kind::Incremental];
        let (mut records, mut digests) = (Vec::new(), Vec::new());
        for (number, kind) in (1_u64..).zip(kinds) {
            chains.cluster.sql(&format!("UPDATE item SET n = {number} WHERE id % 500 = {number}"));
            let record = chains.back_up(kind, Changes::Auto, &["--jobs", "2"]);
            let bases = [None, Some(1), Some(2), Some(3), Some(4)];
            assert_eq!((record["id"].as_u64(), record["base_id"].as_u64()), (Some(number), bases[records.len()]));
            records.push(record);
            digests.push(chains.cluster.sql(DIGEST));
        }
        Scene { chains, records, digests }
    }

    /// Copies the repository and does something to the copy.
    fn broken(&self, fault: &dyn Fn(&Broken<'_>)) -> Broken<'_> {
        let folder = TestFolder::new();
        let repository = folder.path().join("repository");
        copy_tree(&self.chains.repository(), &repository);
        let broken = Broken { scene: self, folder, repository };
        fault(&broken);
        broken
    }
}

/// A copy of the repository with a fault.
struct Broken<'a> {
    scene: &'a Scene,
    folder: TestFolder,
    repository: PathBuf,
}

impl Broken<'_> {
    fn archive(&self, id: usize) -> PathBuf {
        archive_path(&self.repository, &self.scene.records[id - 1])
    }

    fn record_file(&self, id: usize) -> PathBuf {
        self.archive(id).with_extension("json")
    }

    fn record(&self, id: usize) -> Value {
        let path = self.record_file(id);
        serde_json::from_slice(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn edit(&self, id: usize, change: impl FnOnce(&mut Value)) {
        let mut record = self.record(id);
        change(&mut record);
        write(&self.record_file(id), record.to_string().as_bytes());
    }

    fn remove_record(&self, id: usize) {
        remove(&self.record_file(id));
    }

    fn remove_archive(&self, id: usize) {
        remove(&self.archive(id));
    }

    fn exchange(&self, one: &Path, other: &Path) {
        let (of_one, of_other) = (read(one), read(other));
        write(one, &of_other);
        write(other, &of_one);
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let repository = self.repository.display().to_string();
        self.scene.chains.cadena.run(&[arguments, &["--json", "--repository", &repository]].concat())
    }

    /// Demands that a restore is refused, with one of these reasons, before anything is written.
    #[track_caller]
    fn refuses(&self, id: usize, code: i32, keys: &[&str]) {
        let target = self.folder.path().join(format!("refused-{id}"));
        let answer = self.run(&["restore", "--backup", &id.to_string(), "--to", &target.display().to_string()]);
        let key = answer.json()["error"]["key"].as_str().unwrap_or_default().to_owned();
        assert!(
            answer.code == code && keys.contains(&key.as_str()),
            "backup {id}: {keys:?}, {code} expected: {answer:?}"
        );
        let json = answer.json();
        let said = ["message", "remedy"].map(|part| json["error"][part].as_str().unwrap_or_default().len());
        assert!(said.iter().all(|length| *length > 20), "no reason or no remedy: {answer:?}");
        assert!(!target.exists(), "backup {id} was refused after {} was made", target.display());
    }

    /// Demands that a restore would begin.
    #[track_caller]
    fn would_restore(&self, id: usize) {
        let target = self.folder.path().join(format!("planned-{id}"));
        let arguments = ["restore", "--backup", &id.to_string(), "--to", &target.display().to_string(), "--dry-run"];
        let answer = self.run(&arguments);
        assert_eq!(answer.code, 0, "backup {id}: {answer:?}");
    }

    /// Restores a backup and demands what the cluster held then.
    #[track_caller]
    fn gives_back(&self, id: u64, digest: &str) {
        let version = self.scene.chains.cluster.version();
        let target = self.folder.path().join(format!("restored-{id}"));
        let restored = TestCluster::adopt(version, &target);
        let (port, sockets) = (restored.port().to_string(), restored.socket_folder().display().to_string());
        let (id, to, owner) = (id.to_string(), target.display().to_string(), restored.owner().name.clone());
        let mut arguments = vec!["restore", "--backup", &id, "--to", &to, "--start", "--port", &port];
        arguments.extend(["--socket-dir", &sockets, "--owner", &owner]);
        let answer = self.run(&arguments);
        assert_eq!(answer.code, 0, "backup {id}: {answer:?}");
        assert_eq!(restored.sql(DIGEST), digest, "backup {id}");
        restored.stop();
    }

    /// Takes the next INCREMENTAL, demands its base (`None` for a FULL in its place) and the warning, and restores it.
    #[track_caller]
    fn next_begins_anew(&self, base: Option<u64>, warning: &str) {
        let answer = self.run(&["incremental"]);
        assert!(answer.code == 0 || answer.code == 3, "{answer:?}");
        let record = answer.json()["backup"].clone();
        let kind = if base.is_some() { "INCREMENTAL" } else { "FULL" };
        assert_eq!((record["kind"].as_str(), record["base_id"].as_u64()), (Some(kind), base), "{}", describe(&record));
        assert!(warning_keys(&record).contains(&warning), "{warning} expected: {}", describe(&record));
        assert_eq!(answer.code, 3, "a warning that the exit code does not tell: {answer:?}");
        let digest = self.scene.digests.last().expect("five backups");
        self.gives_back(record["id"].as_u64().expect("an id"), digest);
    }
}

const PASSED_OVER: &str = "warning-base-passed-over";
const FULL_INSTEAD: &str = "warning-full-instead";
const DAMAGE: i32 = 5;

/// A fault, and what must come of it.
struct Fault {
    name: &'static str,
    make: fn(&Broken<'_>),
    check: fn(&Broken<'_>),
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "a middle link's record is gone",
        make: |copy| copy.remove_record(3),
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-base-missing"]);
            copy.refuses(4, DAMAGE, &["chain-base-missing"]);
            copy.would_restore(2);
            copy.next_begins_anew(Some(2), PASSED_OVER);
        },
    },
    Fault {
        name: "a middle link's archive is gone",
        make: |copy| copy.remove_archive(4),
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-archive-missing"]);
            copy.refuses(4, DAMAGE, &["repository-archive-missing"]);
            copy.would_restore(3);
            copy.next_begins_anew(Some(3), PASSED_OVER);
        },
    },
    Fault {
        name: "a middle link is gone",
        make: |copy| {
            copy.remove_record(2);
            copy.remove_archive(2);
        },
        check: |copy| {
            (3..=5).for_each(|id| copy.refuses(id, DAMAGE, &["chain-base-missing"]));
            copy.would_restore(1);
            copy.next_begins_anew(Some(1), PASSED_OVER);
        },
    },
    Fault {
        name: "the FULL's record is gone",
        make: |copy| copy.remove_record(1),
        check: |copy| {
            (2..=5).for_each(|id| copy.refuses(id, DAMAGE, &["chain-base-missing"]));
            copy.next_begins_anew(None, FULL_INSTEAD);
        },
    },
    Fault {
        name: "the FULL's archive is gone",
        make: |copy| copy.remove_archive(1),
        check: |copy| {
            (2..=5).for_each(|id| copy.refuses(id, DAMAGE, &["chain-archive-missing"]));
            copy.refuses(1, DAMAGE, &["repository-archive-missing"]);
            copy.next_begins_anew(None, FULL_INSTEAD);
        },
    },
    Fault {
        name: "the base's archive is cut short",
        make: |copy| {
            let bytes = read(&copy.archive(5));
            write(&copy.archive(5), &bytes[..bytes.len() - 1]);
        },
        check: |copy| {
            copy.refuses(5, DAMAGE, &["repository-archive-size"]);
            copy.would_restore(4);
            copy.next_begins_anew(Some(4), PASSED_OVER);
        },
    },
    Fault {
        name: "wrong order: a link names the base of its base",
        make: |copy| copy.edit(5, |record| record["base_id"] = json!(3)),
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-base-swapped"]);
            copy.would_restore(4);
            copy.next_begins_anew(Some(4), PASSED_OVER);
        },
    },
    Fault {
        name: "wrong order, and the description of the base is made to fit",
        make: |copy| {
            let (base, third) = (copy.record(4)["base"].clone(), json!(3));
            copy.edit(5, |record| (record["base_id"], record["base"]) = (third, base));
        },
        // Only the archive itself knows better.
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-label"]);
            copy.would_restore(4);
        },
    },
    Fault {
        name: "wrong order: a link names a later one",
        make: |copy| copy.edit(3, |record| record["base_id"] = json!(4)),
        check: |copy| {
            copy.refuses(4, DAMAGE, &["chain-base-unreadable"]);
            copy.would_restore(2);
            copy.next_begins_anew(Some(2), PASSED_OVER);
        },
    },
    Fault {
        name: "a link of another cluster",
        make: |copy| copy.edit(3, |record| record["system_identifier"] = json!("7431234567890123456")),
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-base-unreadable"]);
            copy.would_restore(2);
            copy.next_begins_anew(Some(2), PASSED_OVER);
        },
    },
    Fault {
        name: "a link of another form of cluster",
        make: |copy| {
            copy.edit(4, |record| {
                record["data_checksums"] = json!(!record["data_checksums"].as_bool().unwrap_or(false))
            })
        },
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-mismatch"]);
            copy.next_begins_anew(Some(3), PASSED_OVER);
        },
    },
    Fault {
        name: "two records have changed places",
        make: |copy| copy.exchange(&copy.record_file(3), &copy.record_file(4)),
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-base-unreadable"]);
            copy.would_restore(2);
            copy.next_begins_anew(Some(2), PASSED_OVER);
        },
    },
    Fault {
        name: "two archives have changed places",
        make: |copy| copy.exchange(&copy.archive(3), &copy.archive(4)),
        check: |copy| {
            // As a rule they differ in size, which is seen at once; else the label within, or the digest, tells.
            (3..=5).for_each(|id| copy.refuses(id, DAMAGE, &SWAPPED));
            copy.would_restore(2);
        },
    },
    Fault {
        name: "two archives have changed places, and the records are made to fit",
        make: |copy| {
            copy.exchange(&copy.archive(4), &copy.archive(5));
            let (fourth, fifth) = (copy.record(4), copy.record(5));
            for (id, other) in [(4, fifth), (5, fourth)] {
                copy.edit(id, |record| {
                    for field in ["sha256", "archive_bytes", "plain_bytes", "files"] {
                        record[field] = other[field].clone();
                    }
                });
            }
        },
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-base-swapped"]);
            copy.refuses(4, DAMAGE, &["chain-label"]);
            copy.would_restore(3);
        },
    },
    Fault {
        name: "an incremental is taken for a full",
        make: |copy| {
            let mut record = copy.record(5);
            let name = record["archive_name"].as_str().expect("a name").replace("inc_", "full_");
            (record["kind"], record["archive_name"]) = (json!("FULL"), json!(name));
            (record["base_id"], record["base"], record["changes_found_by"]) = (Value::Null, Value::Null, Value::Null);
            let archive = read(&copy.archive(5));
            copy.remove_archive(5);
            copy.remove_record(5);
            let place = copy.repository.join("full").join(name);
            write(&place, &archive);
            write(&place.with_extension("json"), record.to_string().as_bytes());
        },
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-label", "chain-file-missing"]);
            copy.would_restore(4);
        },
    },
    Fault {
        name: "an incremental calls itself a full where it lies",
        make: |copy| copy.edit(5, |record| (record["kind"], record["base_id"]) = (json!("FULL"), Value::Null)),
        check: |copy| {
            copy.refuses(5, UNREADABLE, &["repository-unreadable"]);
            copy.would_restore(4);
        },
    },
    Fault {
        name: "a bit of a middle link is flipped",
        make: |copy| {
            let mut bytes = read(&copy.archive(3));
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            write(&copy.archive(3), &bytes);
        },
        check: |copy| {
            (3..=5).for_each(|id| copy.refuses(id, DAMAGE, &["archive-damaged", "repository-archive-digest"]));
            let validated = copy.run(&["validate", "3"]);
            assert_eq!((validated.code, validated.json()["valid"].as_bool()), (DAMAGE, Some(false)), "{validated:?}");
            copy.gives_back(2, &copy.scene.digests[1]);
            // The next INCREMENTAL does not read what it stands on, so a FULL is what helps.
            let full = copy.run(&["full"]);
            assert_eq!(full.code, 0, "{full:?}");
            copy.gives_back(full.json()["backup"]["id"].as_u64().expect("an id"), &copy.scene.digests[4]);
        },
    },
    Fault {
        name: "a middle link was made by a newer version",
        make: |copy| copy.edit(3, |record| record["record_version"] = json!(99)),
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-base-unreadable"]);
            copy.refuses(3, UNREADABLE, &["repository-unreadable"]);
            copy.would_restore(2);
            copy.next_begins_anew(Some(2), PASSED_OVER);
        },
    },
    Fault {
        name: "the newest link was made by a newer version",
        make: |copy| copy.edit(5, |record| record["record_version"] = json!(99)),
        check: |copy| {
            copy.refuses(5, UNREADABLE, &["repository-unreadable"]);
            copy.would_restore(4);
            copy.next_begins_anew(Some(4), PASSED_OVER);
        },
    },
    Fault {
        name: "a record is there twice",
        make: |copy| {
            let copied = copy.record_file(3).with_file_name("inc_20200101_000000.json");
            let mut record = copy.record(3);
            record["archive_name"] = json!("inc_20200101_000000.backup");
            write(&copied, record.to_string().as_bytes());
        },
        check: |copy| {
            copy.refuses(5, DAMAGE, &["chain-base-unreadable", "chain-base-missing"]);
            copy.would_restore(2);
            copy.next_begins_anew(Some(2), PASSED_OVER);
        },
    },
];

/// The error of a backup whose own record can't be read.
const UNREADABLE: i32 = 1;
/// What is said of an archive that is not the recorded one.
const SWAPPED: [&str; 4] =
    ["chain-archive-missing", "chain-label", "repository-archive-size", "repository-archive-digest"];

/// Records and archives are the same on all versions; the two are those that differ most in what a server is asked for.
fn each_fault(version: MajorVersion) {
    if !testkit::is_available(version) {
        return;
    }
    let scene = Scene::new(version);
    for Fault { name, make, check } in FAULTS {
        eprintln!("{name}");
        check(&scene.broken(make));
    }
    // The faults were those of the copies.
    for (record, digest) in scene.records.iter().zip(&scene.digests) {
        scene.broken(&|_| ()).gives_back(record["id"].as_u64().expect("an id"), digest);
    }
}

testkit::on_each_version!(a_broken_chain_is_refused_with_the_reason_and_begun_anew, each_fault);

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn copy_tree(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "{} was not copied", from.display());
}
