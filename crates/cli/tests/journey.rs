//! The command against a real server: from `init` to a restored cluster that answers, and what is said when things go wrong.

#![cfg(unix)]

mod common;

use common::{Answer, Cadena};
use pgformat::MajorVersion;
use serde_json::Value;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions, client_program};

/// The newest server that this machine has: the versions' differences are the engine's tests' business. A machine without
/// any has been told so by `available_versions`.
fn newest() -> Option<MajorVersion> {
    available_versions().pop()
}

/// A cluster with a table, and the command with the environment that reaches it.
struct Journey {
    cluster: TestCluster,
    cadena: Cadena,
}

impl Journey {
    fn begin(version: MajorVersion) -> Self {
        let cluster = TestCluster::new(version, &ClusterOptions::default());
        cluster
            .sql("CREATE TABLE item AS SELECT id, repeat(md5(id::text), 20) AS body FROM generate_series(1, 20000) id");
        let cadena = Cadena::new()
            .variable("DB_HOST", &cluster.socket_folder().display().to_string())
            .variable("DB_PORT", &cluster.port().to_string())
            .variable("DB_USER", cluster.user())
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
        Journey { cluster, cadena }
    }

    /// The same with a repository.
    fn with_repository(version: MajorVersion) -> Self {
        let journey = Self::begin(version);
        journey.ok(&["init"]);
        journey
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.cadena.run(arguments)
    }

    fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.run(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer
    }

    /// Takes a backup and returns the path of its archive.
    fn full(&self) -> PathBuf {
        let value = self.ok(&["full", "--json"]).json();
        let name = value["backup"]["archive_name"].as_str().unwrap_or_default().to_owned();
        self.cadena.path("backups_incrementales").join("full").join(name)
    }

    fn begin_slow_full(&self) -> Child {
        let mut command = self.cadena.command(&["full", "--max-rate", "1MB"]);
        let child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{error}"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.ok_or_warned(&["status", "--json"]).json()["running"].is_null() {
            assert!(Instant::now() < deadline, "the backup does not begin");
            std::thread::sleep(Duration::from_millis(50));
        }
        child
    }

    fn ok_or_warned(&self, arguments: &[&str]) -> Answer {
        let answer = self.run(arguments);
        assert!(answer.code == 0 || answer.code == 3, "{arguments:?}: {answer:?}");
        answer
    }
}

/// Asks a restored server over its socket.
fn ask(socket_folder: &Path, port: u16, sql: &str) -> String {
    let mut psql = Command::new(client_program("psql"));
    psql.args(["-X", "-A", "-t", "-U", "postgres", "-d", "postgres", "-p", &port.to_string(), "-c", sql, "-h"]);
    let output = psql.arg(socket_folder).output().unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn flip_a_byte(path: &Path, offset: u64) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let position = usize::try_from(offset).unwrap_or(usize::MAX);
    let flipped =
        bytes.get(position).map(|byte| byte ^ 0x40).unwrap_or_else(|| panic!("{} is too short", path.display()));
    let open = std::fs::OpenOptions::new().write(true).open(path);
    let mut file = open.unwrap_or_else(|error| panic!("{error}"));
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.write_all(&[flipped]))
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn goes_from_init_to_a_restored_server_that_answers() {
    let Some(version) = newest() else { return };
    let journey = Journey::begin(version);
    let (init, again) = (journey.ok(&["init", "--json"]).json(), journey.ok(&["init", "--json"]).json());
    assert_eq!((init["created"].as_bool(), again["created"].as_bool()), (Some(true), Some(false)));
    assert_eq!(journey.ok(&["check", "--json"]).json()["state"], "ok");
    assert_eq!(journey.run(&["status"]).code, 3, "no backup yet needs attention");

    let archive = journey.full();
    let record: Value = journey.ok(&["list", "--json"]).json()["backups"][0].clone();
    assert_eq!(
        (record["id"].as_u64(), record["kind"].as_str(), record["state"].as_str()),
        (Some(1), Some("FULL"), Some("COMPLETADO"))
    );
    assert_eq!(record["archive_bytes"].as_u64(), std::fs::metadata(&archive).ok().map(|found| found.len()));
    assert_eq!(record["sha256"].as_str(), sha256sum(&archive).as_deref(), "what sha256sum prints");
    let status = journey.ok(&["status"]).stdout;
    assert!(status.contains("Nothing needs attention") && status.contains("1 FULL"), "{status}");
    let validation = journey.ok(&["validate", "--level", "deep", "--json"]).json();
    assert_eq!(
        (validation["valid"].as_bool(), validation["validations"][0]["valid"].as_bool()),
        (Some(true), Some(true))
    );
    let preview = journey.ok(&["preview", "--latest", "--lang", "es"]).stdout;
    assert!(preview.contains("La restauración aplica este backup") && preview.contains("COMPLETADO"), "{preview}");

    let folder = TestFolder::new();
    let (target, sockets) = (folder.path().join("restored"), folder.make("sockets"));
    let to = target.display().to_string();
    let dry = journey.ok(&["restore", "--latest", "--to", &to, "--dry-run"]).stdout;
    assert!(dry.contains(&to) && dry.contains("Nothing was written"), "{dry}");
    assert!(!target.exists(), "--dry-run wrote");
    let socket_folder = sockets.display().to_string();
    let arguments = ["restore", "--latest", "--to", &to, "--start", "--port", "54322", "--socket-dir", &socket_folder];
    let restored = journey.ok(&arguments).stdout;
    let digest = "SELECT count(*) || md5(string_agg(id || body, ',' ORDER BY id)) FROM item";
    let answers = std::panic::catch_unwind(|| ask(&sockets, 54322, digest));
    let stopped = TestCluster::adopt(version, &target).server().stop(false);
    assert_eq!(answers.ok(), Some(journey.cluster.sql(digest)), "{restored}");
    assert!(stopped.is_ok(), "{stopped:?}");

    let refused = journey.run(&["restore", "--latest", "--to", &to, "--json"]);
    assert_eq!((refused.code, refused.json()["error"]["key"].as_str()), (6, Some("restore-target-not-empty")));
}

#[test]
fn a_chain_is_restored_and_put_over_its_own_newer_state() {
    let Some(version) = newest() else { return };
    let journey = Journey::with_repository(version);
    journey.full();
    journey.cluster.sql("UPDATE item SET body = 'changed' WHERE id % 500 = 0");
    let increment = journey.ok(&["incremental", "--changes", "scan", "--json"]).json()["backup"].clone();
    assert_eq!((increment["kind"].as_str(), increment["base_id"].as_u64()), (Some("INCREMENTAL"), Some(1)));
    let digest = "SELECT count(*) || md5(string_agg(id || body, ',' ORDER BY id)) FROM item";
    let wanted = journey.cluster.sql(digest);
    assert_eq!(journey.ok(&["validate", "--level", "deep", "--json"]).json()["valid"].as_bool(), Some(true));

    let folder = TestFolder::new();
    let target = folder.path().join("restored");
    let to = target.display().to_string();
    let preview = journey.ok(&["preview", "--latest"]).stdout;
    assert!(preview.contains("these 2 backups"), "{preview}");
    journey.ok(&["restore", "--latest", "--to", &to]);
    let copy = TestCluster::adopt(version, &target);
    copy.start_with(&[]);
    assert_eq!(copy.sql(digest), wanted);
    copy.sql("DELETE FROM item WHERE id < 10000");

    // While it runs, and without the word for it, nothing is touched.
    let delta = ["restore", "--latest", "--to", &to, "--delta", "--json"];
    let running = journey.run(&delta);
    assert_eq!((running.code, running.json()["error"]["key"].as_str()), (6, Some("restore-target-running")));
    copy.stop();
    assert_eq!(journey.run(&["restore", "--latest", "--to", &to]).code, 6);
    let report = journey.ok(&delta).json();
    assert_eq!(report["plan"]["over"].as_bool(), Some(true));
    let over = &report["outcome"]["over"];
    let bytes = |key: &str| over[key].as_u64().unwrap_or_default();
    assert!(bytes("compared_bytes") > 10_000_000 && bytes("written_bytes") < bytes("compared_bytes"), "{over}");
    let again = journey.ok(&["restore", "--latest", "--to", &to, "--delta", "--lang", "es"]).stdout;
    assert!(again.contains("Se compararon") && again.contains("Sobre el clúster"), "{again}");
    let copy = TestCluster::adopt(version, &target);
    copy.start_with(&[]);
    assert_eq!(copy.sql(digest), wanted);
    copy.stop();

    let home = folder.make("home");
    std::fs::write(home.join("letter"), b"x").unwrap_or_else(|error| panic!("{error}"));
    let refused = journey.run(&["restore", "--latest", "--to", &home.display().to_string(), "--delta"]);
    assert!(refused.code == 6 && refused.stderr.contains("no cluster"), "{refused:?}");
}

fn sha256sum(path: &Path) -> Option<String> {
    let output = Command::new("sha256sum").arg(path).output().ok()?;
    String::from_utf8(output.stdout).ok()?.split(' ').next().map(str::to_owned)
}

#[test]
fn reads_over_sql_when_told_to() {
    let Some(version) = newest() else { return };
    let journey = Journey::with_repository(version);
    let value =
        journey.ok(&["full", "--json", "--reader", "sql", "--jobs", "2", "--level", "3", "--label", "por SQL"]).json();
    let backup = &value["backup"];
    assert_eq!((backup["reader"].as_str(), backup["label"].as_str()), (Some("sql"), Some("por SQL")));
    assert_eq!(backup["compression_level"].as_i64(), Some(3));
    assert_eq!(journey.run(&["validate", "--level", "deep"]).code, 0);
}

#[test]
fn a_flipped_bit_is_found_and_not_restored() {
    let Some(version) = newest() else { return };
    let journey = Journey::with_repository(version);
    let archive = journey.full();
    let middle = std::fs::metadata(&archive).map_or(0, |found| found.len() / 2);
    flip_a_byte(&archive, middle);
    for level in ["checksum", "deep"] {
        let answer = journey.run(&["validate", "1", "--level", level, "--lang", "es"]);
        assert!(answer.code == 5 && answer.stdout.contains("DAÑADO"), "{level}: {answer:?}");
    }
    let folder = TestFolder::new();
    let target = folder.path().join("restored");
    let answer = journey.run(&["restore", "--backup", "1", "--to", &target.display().to_string()]);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(!target.join("PG_VERSION").exists(), "a damaged backup was written");
}

#[test]
fn a_missing_archive_needs_attention() {
    let Some(version) = newest() else { return };
    let journey = Journey::with_repository(version);
    let archive = journey.full();
    assert!(std::fs::remove_file(&archive).is_ok());
    let status = journey.run(&["status", "--json"]);
    assert_eq!((status.code, status.json()["attention"][0]["key"].as_str()), (3, Some("attention-archive")));
    let validated = journey.run(&["validate"]);
    assert_eq!(validated.code, 5, "{validated:?}");
    assert_eq!(journey.run(&["preview", "--latest"]).code, 5);
}

#[test]
fn a_second_backup_is_told_of_the_first_and_an_interrupt_leaves_nothing_behind() {
    let Some(version) = newest() else { return };
    let journey = Journey::with_repository(version);
    let first = journey.begin_slow_full();
    let second = journey.run(&["full", "--json"]);
    assert_eq!((second.code, second.json()["error"]["key"].as_str()), (4, Some("repository-busy")), "{second:?}");
    assert!(journey.run(&["list"]).code == 0, "a running backup blocks no reader");

    let interrupted = Command::new("kill").args(["-INT", &first.id().to_string()]).status();
    assert!(interrupted.is_ok_and(|status| status.success()));
    let first = first.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(first.status.code(), Some(130), "{}", String::from_utf8_lossy(&first.stderr));
    let contents = journey.ok(&["list", "--json"]).json();
    assert_eq!(contents["backups"][0]["state"], "FALLIDO");
    assert_eq!(contents["backups"][0]["error"]["key"], "cancelled");
    assert_eq!(contents["orphan_archives"].as_array().map(Vec::len), Some(0), "{contents}");
    let status = journey.run(&["status", "--lang", "es"]);
    assert!(status.code == 3 && status.stdout.contains("falló: Detenido a pedido"), "{status:?}");
    journey.full();
    assert_eq!(journey.run(&["status"]).code, 0);
}

#[test]
fn a_page_that_is_corrupt_in_the_cluster_ends_in_a_warning_that_names_it() {
    let Some(version) = newest() else { return };
    let journey = Journey::with_repository(version);
    let file = journey.cluster.sql("SELECT pg_relation_filepath('item')");
    journey.cluster.sql("CHECKPOINT");
    // Behind the server's back, in the fourth page.
    flip_a_byte(&journey.cluster.data_directory().join(&file), 3 * 8192 + 4000);
    let answer = journey.run(&["full"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains(&format!("{file}, block 3")), "{answer:?}");
    let status = journey.run(&["status", "--json"]);
    assert_eq!((status.code, status.json()["attention"][0]["key"].as_str()), (3, Some("attention-corrupt-pages")));
}

#[test]
fn the_repository_of_another_cluster_is_refused() {
    let Some(version) = newest() else { return };
    let (one, other) = (Journey::with_repository(version), Journey::begin(version));
    let repository = one.cadena.path("backups_incrementales").display().to_string();
    for command in ["init", "full", "check"] {
        let answer = other.run(&[command, "--repository", &repository]);
        assert_eq!(answer.code, 6, "{command}: {answer:?}");
    }
}

#[test]
fn the_printed_grants_let_a_plain_role_take_a_backup() {
    let Some(version) = newest() else { return };
    let journey = Journey::begin(version);
    journey.cluster.sql("CREATE ROLE respaldo LOGIN");
    let as_role = |arguments: &[&str]| journey.run(&[arguments, &["--user", "respaldo", "--json"]].concat());
    let before = as_role(&["check"]);
    assert_eq!((before.code, before.json()["state"].as_str()), (6, Some("fail")), "{before:?}");

    let grants = journey.ok(&["init", "--print-grants", "--role", "respaldo"]).stdout;
    journey.cluster.sql(&grants);
    assert_eq!(as_role(&["init"]).code, 0);
    let after = as_role(&["check"]);
    assert_eq!(after.code, 0, "{after:?}");
    let full = as_role(&["full"]);
    assert_eq!(full.code, 0, "{full:?}");
}

#[test]
fn the_demo_proves_what_it_says_and_clears_up() {
    if newest().is_none() {
        return;
    }
    let folder = TestFolder::new();
    let cadena = Cadena::new().variable("TMPDIR", &folder.path().display().to_string());
    let Some(binaries) = newest().and_then(testkit::binaries) else { return };
    let cadena = cadena.variable("PG_BIN_PATH", &binaries.folder.display().to_string());
    let answer = cadena.run(&["demo", "--json"]);
    let report = answer.json();
    assert_eq!((answer.code, report["same"].as_bool()), (0, Some(true)), "{answer:?}");
    let kinds: Vec<_> =
        report["backups"].as_array().into_iter().flatten().map(|backup| backup["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("FULL"), Some("DIFERENCIAL"), Some("INCREMENTAL")]);
    assert_eq!(report["backups"][2]["sha256"], report["validation"]["sha256_found"]);
    assert!(report["comparison"]["acknowledged"].as_u64() > Some(0), "{report}");
    assert!(
        report["transactions"].as_u64() > report["comparison"]["restored"].as_u64(),
        "the load ended too early: {report}"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    assert!(left.iter().all(|path| !path.to_string_lossy().contains("cadena-demo-")), "{left:?}");
}
