//! Dumps that are damaged, interrupted, killed, or taken with too few rights or programs: what is whole is told from what is not.

#![cfg(unix)]

mod common;
mod logical_support;

use common::Answer;
use logical_support::*;
use pgformat::MajorVersion;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::{TestFolder, oracle};

#[test]
fn validation_finds_what_is_wrong_with_a_dump() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    make_bulk(&site.cluster, "shop");
    let record = site.logical(&["--database", "shop"]);
    let id = record["id"].to_string();
    for level in ["checksum", "deep"] {
        let report = site.ok(&["validate", &id, "--level", level, "--json"]).json();
        assert_eq!(report["valid"], true, "{report}");
    }
    let archive = site.archive(&record);
    let whole = std::fs::read(&archive).unwrap_or_else(|error| panic!("{error}"));
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&archive, &damaged).unwrap_or_else(|error| panic!("{error}"));
    for level in ["checksum", "deep"] {
        let answer = site.cadena.run(&["validate", &id, "--level", level, "--json"]);
        assert_eq!((answer.code, &answer.json()["valid"]), (5, &false.into()), "{answer:?}");
    }
    // Nothing of it reaches the server.
    let answer = site.restore(&record["id"], &["--database", "shop", "--as", "back"]);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert_eq!(site.cluster.sql("SELECT count(*) FROM pg_database WHERE datname = 'back'"), "0");
    let file = site.work.path().join("x.dump").display().to_string();
    let answer = site.cadena.run(&["export", "--backup", &id, "--database", "shop", "-o", &file, "--json"]);
    assert_eq!((answer.code, Path::new(&file).exists()), (5, false), "{answer:?}");
    std::fs::write(&archive, &whole).unwrap_or_else(|error| panic!("{error}"));
    site.assert_nothing_left();
}

#[test]
fn a_replica_has_it_verifies_it_and_gives_it_back() {
    let replica = TestFolder::new();
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    let config =
        format!("[[replica]]\nname = \"copy\"\nprovider = \"LOCAL\"\npath = \"{}\"\n", replica.path().display());
    site.cadena.write("cadena.toml", &config);
    let record = site.logical(&["--database", "shop"]);
    let copy = replica.path().join("full").join(record["archive_name"].as_str().unwrap_or_default());
    assert_eq!(oracle::sha256sum(&copy), record["sha256"].as_str().unwrap_or_default());
    let verified = site.ok(&["replica", "verify", "--json"]).json();
    assert_eq!(verified["findings"], serde_json::json!([]), "{verified}");
    assert_eq!(site.cluster.sql("SELECT nube_subido FROM seguridad.backup_manifest WHERE id = 1"), "t");
    std::fs::remove_dir_all(site.cadena.path("backups_incrementales/full")).unwrap_or_else(|error| panic!("{error}"));
    let answer = site.cadena.run(&[
        "restore",
        "--json",
        "--from-replica",
        "copy",
        "--backup",
        "1",
        "--database",
        "shop",
        "--as",
        "back",
    ]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(site.cluster.sql_in("back", "SELECT count(*) FROM t"), "10");
}

#[test]
fn a_role_that_may_only_read_takes_one_and_is_told_what_is_missing() {
    for version in [MajorVersion::V15, MajorVersion::V18].into_iter().filter(|version| testkit::is_available(*version))
    {
        let site = Site::new(version);
        site.cluster
            .sql("CREATE ROLE lector LOGIN PASSWORD 's3creto'; CREATE ROLE otra; CREATE DATABASE shop OWNER otra");
        site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n; GRANT SELECT ON t TO lector; CREATE TABLE secret (n int)");
        let conninfo =
            site.cluster.conninfo("postgres").replace(&format!("user='{}'", site.cluster.user()), "user='lector'");
        assert!(conninfo.contains("lector"), "{conninfo}");
        let run = |arguments: &[&str]| {
            let mut command = site.cadena.command(arguments);
            let output = command.env("DATABASE_URL", format!("{conninfo} password=s3creto")).output();
            let output = output.unwrap_or_else(|error| panic!("{error}"));
            let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            Answer {
                code: output.status.code().unwrap_or(-1),
                stdout: stdout.into_owned(),
                stderr: stderr.into_owned(),
            }
        };
        // pg_dump's own words say why, and no secret is among them.
        let answer = run(&["full", "--method", "logical", "--database", "shop", "--json"]);
        assert_eq!(answer.code, 1, "{answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(error["key"], "cluster-program", "{error}");
        assert!(
            error["detail"].as_str().is_some_and(|detail| detail.contains("permission denied for table secret")),
            "{error}"
        );
        assert!(!format!("{answer:?}").contains("s3creto"), "{answer:?}");
        let failed = site.ok(&["list", "--json"]).json()["backups"][0].clone();
        assert_eq!(
            (&failed["state"], &failed["method"], &failed["logical"]),
            (&"FALLIDO".into(), &"logical".into(), &Value::Null)
        );
        assert!(!failed.to_string().contains("s3creto"));
        let files =
            std::fs::read_dir(site.cadena.path("backups_incrementales/full")).unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<_> = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(names.len(), 1, "the record alone: {names:?}");

        site.cluster.sql_in("shop", "GRANT SELECT ON secret TO lector");
        let answer = run(&["full", "--method", "logical", "--database", "shop", "--json"]);
        assert_eq!(answer.code, 3, "{answer:?}");
        let record = answer.json()["backup"].clone();
        assert_eq!(record["logical"]["role_passwords"], false);
        assert_eq!(record["warnings"][0]["key"], "warning-logical-no-passwords", "{record}");
        let file = site.archive(&record);
        let globals = String::from_utf8(shell(&format!("zstd -qdc '{}' | tar -xO globals.sql", file.display())))
            .unwrap_or_default();
        assert!(globals.contains("CREATE ROLE otra") && !globals.contains("SCRAM"), "{globals}");
        let answer = site.restore(&record["id"], &["--database", "shop", "--as", "back"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'back'";
        assert_eq!(
            (site.cluster.sql(owner).as_str(), site.cluster.sql_in("back", "SELECT count(*) FROM t").as_str()),
            ("otra", "10")
        );
    }
}

/// A command that waits on a lock of a table: pg_dump is silent.
fn start_and_wait_for_pg_dump(site: &Site) -> std::process::Child {
    let mut command = site.cadena.command(&["full", "--method", "logical", "--database", "shop", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{error}"));
    site.cluster.wait_until(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ 'LOCK TABLE' AND wait_event_type = 'Lock')",
    );
    child
}

#[test]
fn a_dump_that_is_interrupted_or_killed_leaves_nothing_that_looks_whole() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    make_bulk(&site.cluster, "shop");
    let mut holder = site.cluster.session("shop");
    holder.run("BEGIN; LOCK TABLE bulk").unwrap_or_else(|failure| panic!("{failure}"));
    let no_dump_left = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND wait_event_type = 'Lock'";
        while site.cluster.sql(count) != "0" {
            assert!(Instant::now() < deadline, "a dump goes on without us");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let archives = || {
        let files =
            std::fs::read_dir(site.cadena.path("backups_incrementales/full")).unwrap_or_else(|error| panic!("{error}"));
        let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".backup")).collect::<Vec<_>>()
    };

    // ^C while pg_dump waits.
    let mut child = start_and_wait_for_pg_dump(&site);
    shell(&format!("kill -INT {}", child.id()));
    let status = child.wait().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.code(), Some(130));
    no_dump_left();
    assert_eq!(archives(), Vec::<String>::new());
    let list = site.ok(&["list", "--json"]).json();
    assert_eq!(
        (&list["backups"][0]["state"], &list["backups"][0]["error"]["key"]),
        (&"FALLIDO".into(), &"cancelled".into())
    );

    // kill -9: pg_dump goes with us, and the next backup sweeps up.
    let mut child = start_and_wait_for_pg_dump(&site);
    child.kill().unwrap_or_else(|error| panic!("{error}"));
    child.wait().unwrap_or_else(|error| panic!("{error}"));
    no_dump_left();
    assert_eq!(archives(), Vec::<String>::new());
    holder.run("ROLLBACK").unwrap_or_else(|failure| panic!("{failure}"));
    let record = site.logical(&["--database", "shop"]);
    let list = site.ok(&["list", "--json"]).json();
    let states: Vec<&str> =
        list["backups"].as_array().into_iter().flatten().filter_map(|backup| backup["state"].as_str()).collect();
    assert_eq!(states, ["FALLIDO", "FALLIDO", "COMPLETADO"]);
    let methods: Vec<&str> =
        list["backups"].as_array().into_iter().flatten().filter_map(|backup| backup["method"].as_str()).collect();
    assert_eq!(methods, ["logical"; 3], "also of the one that was killed");
    assert_eq!(list["orphan_archives"], serde_json::json!([]));
    assert_eq!(archives(), [record["archive_name"].as_str().unwrap_or_default()]);

    // pg_dump alone is killed: half a dump is no backup, however its output ended.
    holder.run("BEGIN; LOCK TABLE bulk").unwrap_or_else(|failure| panic!("{failure}"));
    let child = start_and_wait_for_pg_dump(&site);
    shell(&format!("pkill -9 -P {} pg_dump", child.id()));
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("cluster-program"), "{output:?}");
    assert_eq!(archives().len(), 1);
}

#[test]
fn programs_that_are_missing_or_older_than_the_server_are_named() {
    let version = MajorVersion::V18;
    if !testkit::is_available(version) {
        return testkit::skip("PostgreSQL 18 is not here");
    }
    if cadena::cluster::BinarySearch::default().find_clients(version, version).is_ok() {
        return testkit::skip("pg_dump 18 lies where it is always looked for");
    }
    let site = Site::new(version);
    let id = site.logical(&["--database", "postgres"])["id"].to_string();
    let bare = site.work.path().display().to_string();
    for arguments in [
        &["full", "--method", "logical", "--json"][..],
        &["validate", &id, "--level", "deep", "--json"],
        &["restore", "--backup", &id, "--database", "postgres", "--as", "x", "--json"],
    ] {
        let mut command = site.cadena.command(arguments);
        let output = command.env("PG_BIN_PATH", &bare).env("PATH", &bare).output();
        let output = output.unwrap_or_else(|error| panic!("{error}"));
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let text = answer.to_string();
        assert!(
            text.contains("cluster-binary-missing") && text.contains("pg_dump, pg_restore"),
            "{arguments:?}: {text}"
        );
        assert!(!output.status.success(), "{arguments:?}");
    }
    let list = site.ok(&["list", "--json"]).json();
    assert_eq!(list["backups"].as_array().map(Vec::len), Some(1), "nothing was begun: {list}");
}

#[test]
fn in_an_encrypted_repository_only_the_identity_opens_it() {
    let version = MajorVersion::V15;
    let site = Site::unmade(version);
    let made = site.ok(&["encryption", "identity", "identity.txt", "--json"]).json();
    let recipient = made["recipient"].as_str().unwrap_or_default();
    site.cadena.write("cadena.toml", &format!("[encryption]\nrecipients = '{recipient}'\n"));
    site.ok(&["init"]);
    site.cluster.sql("CREATE DATABASE shop");
    site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    let record = site.logical(&["--database", "shop"]);
    assert_eq!((&record["record_version"], &record["encryption"]["recipients"][0]), (&2.into(), &recipient.into()));
    let (archive, key) = (site.archive(&record), site.cadena.path("identity.txt"));
    let script = format!(
        "age -d -i '{}' '{}' | zstd -qdc | tar -xO databases/shop/dump.00000001 | '{}' --list",
        key.display(),
        archive.display(),
        testkit::client_program("pg_restore").display()
    );
    assert!(String::from_utf8(shell(&script)).unwrap_or_default().contains("TABLE DATA public t"));
    assert!(
        site.restore(&record["id"], &["--database", "shop", "--as", "back"])
            .stdout
            .contains("encryption-identity-missing")
    );
    let config = format!("[encryption]\nrecipients = '{recipient}'\nidentity_file = '{}'\n", key.display());
    site.cadena.write("cadena.toml", &config);
    let answer = site.restore(&record["id"], &["--database", "shop", "--as", "back"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(site.cluster.sql_in("back", "SELECT count(*) FROM t"), "10");
    let report = site.ok(&["validate", "1", "--level", "deep", "--json"]).json();
    assert_eq!(report["valid"], true, "{report}");
}

#[test]
fn a_restore_that_is_killed_leaves_nothing_that_the_next_command_does_not_remove() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    make_bulk(&site.cluster, "shop");
    // Building it takes a while.
    site.cluster.sql_in("shop", "CREATE INDEX ON bulk (md5(repeat(body, 100)))");
    let id = site.logical(&["--database", "shop"])["id"].clone();
    let arguments = ["restore", "--backup", &id.to_string(), "--database", "shop", "--as", "back", "--json"];
    let command = site.cadena.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = command.unwrap_or_else(|error| panic!("{error}"));
    site.cluster.wait_until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^CREATE INDEX')");
    child.kill().unwrap_or_else(|error| panic!("{error}"));
    child.wait().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(site.cluster.sql("SELECT count(*) FROM pg_database WHERE datname = 'back'"), "0");
    // pg_restore went with it; the folder goes with the next command, the unfinished database with the next restore.
    site.cluster.wait_until("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname ~ '^cadena_restoring')");
    let answer = site.restore(&id, &["--database", "shop", "--as", "back"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert_eq!(answer.json()["outcome"]["warnings"][0]["key"], "warning-database-swept", "{answer:?}");
    assert_eq!(site.cluster.sql_in("back", "SELECT count(*) FROM bulk"), "300000");
    site.assert_nothing_left();
}
