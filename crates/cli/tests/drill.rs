//! The drill proves what comes back, and finds what does not: a page that was corrupt before the backup, a segment that is missing, an
//! assertion that does not hold, an index that disagrees with its table.

#![cfg(unix)]

mod common;
mod daemon_support;
mod stream_support;

use common::{Answer, Cadena};
use daemon_support::{cadena_for, schedule_file};
use pgformat::MajorVersion;
use serde_json::Value;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use stream_support::{Daemon, archived, ok, streamed_options, wait_for};
use testkit::{ClusterOptions, TestCluster, TestFolder};

const ASSERTION: &str =
    "[[drill.assertion]]\nname = \"items\"\ndatabase = \"postgres\"\nsql = \"SELECT count(*) FROM item\"\n";

struct Site {
    cluster: TestCluster,
    cadena: Cadena,
    work: TestFolder,
}

impl Site {
    fn new(version: MajorVersion, options: &ClusterOptions) -> Self {
        let cluster = TestCluster::new(version, options);
        cluster.sql("CREATE TABLE item AS SELECT id, md5(id::text) AS body FROM generate_series(1, 20000) id; CREATE INDEX item_id ON item (id)");
        let work = TestFolder::new();
        let cadena = cadena_for(&cluster)
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
            .variable("CADENA_WORK_DIR", &work.path().display().to_string());
        Site { cluster, cadena, work }
    }

    fn drill(&self, arguments: &[&str]) -> Answer {
        let owner = self.cluster.owner().name.clone();
        let answer =
            self.cadena.run(&[&["validate", "--level", "drill", "--json", "--owner", &owner], arguments].concat());
        let entries = std::fs::read_dir(self.work.path()).expect("a folder").flatten().map(|entry| entry.file_name());
        let left: Vec<_> = entries.filter(|name| name.to_string_lossy().starts_with("cadena")).collect();
        assert!(left.is_empty(), "{left:?}");
        answer
    }

    /// The findings' keys.
    fn findings(answer: &Answer) -> Vec<Value> {
        answer.json()["report"]["findings"].as_array().into_iter().flatten().map(|one| one["what"].clone()).collect()
    }

    fn file_of(&self, relation: &str) -> PathBuf {
        self.cluster.sql("CHECKPOINT");
        self.cluster
            .data_directory()
            .join(self.cluster.sql(&format!("SELECT pg_relation_filepath('{relation}')")).trim())
    }
}

/// The newest version here whose package has all programs; speaks up when there is none.
fn one_version() -> Option<MajorVersion> {
    let has_all = |version: &MajorVersion| testkit::own_program(*version, "pg_amcheck").is_some();
    let found = testkit::available_versions().into_iter().rev().find(has_all);
    if found.is_none() {
        testkit::skip("no PostgreSQL here has pg_amcheck: run scripts/setup-servers");
    }
    found
}

testkit::on_each_version!(a_chain_is_proved_and_the_evidence_is_kept, |version| {
    let site = Site::new(version, &streamed_options().checksums(true));
    let Site { cluster, cadena, .. } = &site;
    cadena.write("cadena.toml", &format!("{ASSERTION}expect = \"20500\"\n"));
    let daemon = Daemon::start(cadena);
    cluster.sql(
        "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''none of ours''; END'; \
         CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION stop()",
    );
    ok(cadena, &["full", "--json"]);
    cluster.sql("INSERT INTO item SELECT id, 'x' FROM generate_series(1, 500) id");
    ok(cadena, &["incremental", "--json"]);
    cluster.sql("SELECT pg_create_restore_point('here'); DELETE FROM item WHERE id < 100; SELECT pg_switch_wal(); CREATE TABLE later()");
    wait_for("the restore point", || cadena.run(&["preview", "--name", "here"]).code == 0);

    let answer = site.drill(&["--name", "here"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    let report = &json["report"];
    assert_eq!((&report["result"], &report["backups"]), (&"EXITOSO".into(), &serde_json::json!([1, 2])));
    assert!(report["pages"].as_u64() > Some(500) && report["times"]["rto_seconds"].as_f64() > Some(0.0), "{report}");
    assert_eq!(report["assertions"][0]["answer"], "20500");
    assert_eq!(report["recovered_lsn"], report["target_lsn"]);
    assert!(!report["amcheck"].to_string().contains("none of ours"), "the users' triggers ran: {}", report["amcheck"]);
    let kept = cadena.path("backups_incrementales").join(json["object"].as_str().expect("a key"));
    let kept: Value = serde_json::from_slice(&std::fs::read(kept).expect("a report")).expect("JSON");
    assert_eq!(&kept, report);
    let row = "SELECT tipo_validacion, resultado, backup_id, detalles->>'assertions' FROM seguridad.backup_validation";
    assert_eq!(cluster.sql(row).trim(), "SIMULACRO|EXITOSO|2|1");
    let status = ok(cadena, &["status", "--json"]).json();
    assert_eq!(status["drills"]["proved"]["backup_id"], 2);
    assert!(status["drills"]["proved"]["target_time"].is_string(), "{status}");

    // What is to be true is not: the newest state lacks rows.
    let answer = site.drill(&[]);
    let found = Site::findings(&answer);
    assert_eq!((answer.code, found.len()), (5, 1), "{answer:?}");
    assert_eq!((&found[0]["key"], &found[0]["wanted"]), (&"drill-assertion".into(), &"20500".into()));
    let status = ok(cadena, &["status", "--json"]).json();
    assert!(status["attention"].to_string().contains("attention-drill-failed"), "{status}");
    assert_eq!(status["drills"]["proved"]["backup_id"], 2, "what was proved stays so");
    assert_eq!(daemon.stop(), Some(0));
});

#[test]
fn a_page_that_was_corrupt_before_the_backup_and_a_missing_segment_are_named() {
    let Some(version) = one_version() else { return };
    let site = Site::new(version, &streamed_options().checksums(true));
    let Site { cluster, cadena, .. } = &site;
    ok(cadena, &["init", "--slot"]);
    let file = site.file_of("item");
    cluster.stop();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .expect("a file")
        .write_all_at(b"rotten", 3 * 8192 + 5000)
        .expect("written");
    cluster.start();
    cluster.sql("ALTER DATABASE postgres SET zero_damaged_pages = on");
    let full = cadena.run(&["full", "--json"]);
    assert_eq!(full.code, 3, "{full:?}");
    let answer = site.drill(&["1"]);
    assert_eq!(answer.code, 5, "{answer:?}");
    let found = Site::findings(&answer);
    let page = found.iter().find(|one| one["key"] == "drill-page").unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!((&page["block"], &page["known"]), (&3.into(), &true.into()));
    assert!(file.ends_with(page["path"].as_str().expect("a path")), "{page}");
    // pg_amcheck reads the table, too.
    assert!(found.iter().any(|one| one["key"] == "drill-amcheck"), "{found:?}");

    cluster.sql("DROP TABLE item");
    ok(cadena, &["full", "--json"]);
    for _ in 0..3 {
        cluster.sql("CREATE TABLE more AS SELECT 1; DROP TABLE more; SELECT pg_switch_wal()");
    }
    ok(cadena, &["start", "--once"]);
    assert_eq!(site.drill(&[]).code, 0);
    let segments = archived(&cadena.path("backups_incrementales"), 1, ".zst");
    let (name, path) = &segments[segments.len() - 2];
    std::fs::rename(path, cadena.path("taken")).expect("moved");
    // The newest state is before it; a drill that ends there without a word would be a lie.
    let answer = site.drill(&[]);
    let found = Site::findings(&answer);
    assert_eq!((answer.code, found.len(), found[0]["key"].as_str()), (5, 1, Some("drill-gap")), "{answer:?}");
    assert!(found[0]["gap"]["cause"].to_string().contains(name.as_str()), "{found:?}");
    assert!(answer.json()["report"]["pages"].as_u64() > Some(500), "all the same all of it is looked at: {answer:?}");
    let text = site.cadena.run(&["validate", "--level", "drill", "--owner", &cluster.owner().name]);
    assert!(text.code == 5 && text.stdout.contains("can't be reached"), "{text:?}");
    let end = cluster.sql("SELECT pg_current_wal_lsn()");
    let answer = site.drill(&["--lsn", end.trim()]);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(Site::findings(&answer)[0].to_string().contains(name.as_str()), "{answer:?}");
    std::fs::rename(cadena.path("taken"), path).expect("moved back");
    let bytes = std::fs::read(path).expect("a segment");
    std::fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
    let answer = site.drill(&["--lsn", end.trim()]);
    assert_eq!(answer.code, 5, "{answer:?}");
}

#[test]
fn an_index_that_disagrees_with_its_table_is_found_and_the_schedule_holds_drills() {
    let Some(version) = one_version() else { return };
    let site = Site::new(version, &streamed_options().checksums(false));
    let Site { cluster, cadena, .. } = &site;
    schedule_file(cadena, &[("drill", "*/5 * * * * *")], "");
    ok(cadena, &["full", "--json"]);
    let daemon = Daemon::start_with(cadena, &[]);
    wait_for("a drill by the schedule", || {
        let status = cadena.run(&["status", "--json"]);
        status.code != 1 && status.json()["drills"]["proved"]["backup_id"] == 1
    });
    assert_eq!(daemon.stop(), Some(0));
    schedule_file(cadena, &[], "");

    // Two entries of a leaf change places.
    let file = site.file_of("item_id");
    cluster.stop();
    let index = std::fs::File::options().read(true).write(true).open(file).expect("an index");
    let (mut one, mut other) = ([0; 4], [0; 4]);
    index.read_exact_at(&mut one, 8192 + 24 + 8).expect("read");
    index.read_exact_at(&mut other, 8192 + 24 + 40).expect("read");
    index.write_all_at(&other, 8192 + 24 + 8).expect("written");
    index.write_all_at(&one, 8192 + 24 + 40).expect("written");
    cluster.start();
    ok(cadena, &["full", "--json"]);
    let answer = site.drill(&["2"]);
    let found = Site::findings(&answer);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(
        found.iter().any(|one| one["detail"].as_str().is_some_and(|text| text.contains("item order invariant"))),
        "{found:?}"
    );
    assert!(answer.json()["report"]["pages"].is_null());

    // What says nothing of the backups is an error, and no finding.
    let refused = |arguments: &[&str], code: i32, key: &str| {
        let answer = cadena.run(&[&["validate", "--json"], arguments].concat());
        assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (code, Some(key)), "{answer:?}");
    };
    refused(&["--level", "drill", "7"], 6, "repository-no-backup");
    refused(&["--level", "deep", "--at", "2026-01-01"], 2, "usage-conflict");
    refused(&["--level", "drill", "--work-dir", "cadena.toml/x"], 6, "restore-target");
}
