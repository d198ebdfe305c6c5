//! A repository that nobody reads without an identity: the daemon encrypts with recipients alone, and elsewhere everything comes back.

#![cfg(unix)]

mod common;
mod stream_support;

use common::{Answer, Cadena};
use pgformat::{Lsn, MajorVersion};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use stream_support::{Clock, Daemon, archived, daemon_log, make_clock, ok, streamed_options, wait_for};
use testkit::{TestCluster, TestFolder, available_versions};

/// What stands in no file of the repository.
const SECRET: &str = "ZAPATO-VERDE-4711";

fn cadena_of(cluster: &TestCluster) -> Cadena {
    Cadena::new()
        .variable("DATABASE_URL", &cluster.conninfo("postgres"))
        .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
}

/// Makes an identity in a file; returns the file and the recipient.
fn identity(cadena: &Cadena, name: &str) -> (PathBuf, String) {
    let made = ok(cadena, &["encryption", "identity", name, "--json"]).json();
    let path = cadena.path(name);
    assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    // Bit by bit what age-keygen makes: it reads it.
    let keygen = Command::new("age-keygen").arg("-y").arg(&path).output().expect("age-keygen");
    assert_eq!(String::from_utf8_lossy(&keygen.stdout).trim(), made["recipient"].as_str().expect("a recipient"));
    (path, made["recipient"].as_str().expect("a recipient").to_owned())
}

/// Runs the command with more in its environment.
fn run_with(cadena: &Cadena, variables: &[(&str, &str)], arguments: &[&str]) -> Answer {
    let output = cadena.command(arguments).envs(variables.iter().copied()).output().expect("cadena");
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn ok_with(cadena: &Cadena, variables: &[(&str, &str)], arguments: &[&str]) -> Answer {
    let answer = run_with(cadena, variables, arguments);
    assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
    answer
}

fn repository(cadena: &Cadena) -> PathBuf {
    cadena.path("backups_incrementales")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Runs a chain of public tools on a file.
fn piped(script: &str, file: &Path, identity: &Path) -> Vec<u8> {
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-ec", script, "bash"])
        .args([file, identity])
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn last_lsn(answer: &Answer) -> Option<Lsn> {
    let windows = answer.json();
    windows["windows"].as_array()?.iter().filter_map(|window| window["last_lsn"].as_str()?.parse().ok()).max()
}

/// Restores into a new cluster and starts it.
fn restored(
    cadena: &Cadena,
    version: MajorVersion,
    variables: &[(&str, &str)],
    how: &[&str],
) -> (TestCluster, TestFolder) {
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let cluster = TestCluster::adopt(version, &target);
    let (port, socket) = (cluster.port().to_string(), cluster.socket_folder().display().to_string());
    let to = target.display().to_string();
    let fixed = ["--to", &to, "--start", "--port", &port, "--socket-dir", &socket, "--owner", &cluster.owner().name];
    ok_with(cadena, variables, &[&["restore", "--json"], how, &fixed].concat());
    (cluster, folder)
}

testkit::on_each_version!(
    a_daemon_with_recipients_alone_encrypts_and_the_identity_brings_back_every_second_elsewhere,
    recipients_alone
);

fn recipients_alone(version: MajorVersion) {
    let cluster = Arc::new(TestCluster::new(version, &streamed_options()));
    make_clock(&cluster, 200);
    cluster.sql(&format!("CREATE TABLE secrets AS SELECT n, '{SECRET}' || n AS word FROM generate_series(1, 20000) n"));
    let cadena = cadena_of(&cluster);
    // The identity is made, and taken away from here.
    let (file, recipient) = identity(&cadena, "identity.txt");
    let vault = TestFolder::new();
    let key = vault.path().join("identity.txt");
    std::fs::copy(&file, &key).expect("copied");
    std::fs::remove_file(&file).expect("gone");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("private");
    let key_text = key.display().to_string();
    let with_key = [("CADENA_IDENTITY_FILE", key_text.as_str())];

    cadena.write("cadena.toml", &format!("[encryption]\nrecipients = '{recipient}'\n"));
    ok(&cadena, &["init"]);
    let mut daemon = Daemon::start(&cadena);
    wait_for("the stream", || daemon_log(&cadena).contains("Streaming timeline"));
    let clock = Clock::start(cluster.clone(), Duration::from_millis(20));
    clock.wait_for_rows(5);
    let full = ok(&cadena, &["full", "--json"]).json();
    assert_eq!(full["backup"]["encryption"]["recipients"][0], Value::from(recipient.clone()));
    clock.wait_for_rows(5);
    cluster.sql("CREATE TABLE more AS SELECT * FROM secrets; SELECT pg_switch_wal()");
    clock.wait_for_rows(5);
    // Killed in the middle of a segment, and begun anew without being able to read what it wrote.
    daemon.kill();
    clock.wait_for_rows(5);
    let daemon = Daemon::start(&cadena);
    wait_for("the stream once more", || daemon_log(&cadena).matches("Streaming timeline").count() == 2);
    let inc = ok(&cadena, &["incremental", "--json"]).json();
    assert_eq!(inc["backup"]["kind"], "INCREMENTAL", "{inc}");
    clock.wait_for_rows(5);
    cluster.sql("UPDATE secrets SET n = -n WHERE n < 500; CREATE DATABASE other; SELECT pg_switch_wal()");
    let dif = ok(&cadena, &["diferencial", "--json"]).json();
    assert_eq!((&dif["backup"]["kind"], &dif["backup"]["base_id"]), (&"DIFERENCIAL".into(), &1.into()), "{dif}");
    assert_eq!(dif["backup"]["changes_found_by"], "wal", "{dif}");
    clock.wait_for_rows(10);
    clock.stop();
    // More than stand in plain before a segment.
    cluster.sql("SELECT pg_create_restore_point('point ' || n) FROM generate_series(1, 20) n");
    cluster.sql("SELECT pg_create_restore_point('here')");
    let end = cluster.current_lsn();
    // Who has no identity sees how far it goes all the same, also in the segment that grows.
    let mut touched = 0;
    wait_for("the last second in the repository", || {
        touched += 1;
        cluster.sql(&format!("SELECT txid_current(), {touched}"));
        let answer = cadena.run(&["windows", "--json"]);
        assert!(touched < 300, "{end}: {answer:?}");
        answer.code == 0 && last_lsn(&answer).is_some_and(|lsn| lsn >= end)
    });
    let rows = cluster.sql("SELECT n FROM clock ORDER BY n");
    let secrets = cluster.sql("SELECT sum(n), md5(string_agg(word, '' ORDER BY n)) FROM secrets");
    ok(&cadena, &["status", "--json"]);
    assert_eq!(ok(&cadena, &["validate", "--json"]).json()["valid"], true, "checksums need no identity");
    assert_eq!(daemon.stop(), Some(0), "{}", daemon_log(&cadena));

    nothing_stands_there_in_plain(&cadena, &key);
    refused_without_the_identity(&cadena);

    // With the identity, as if elsewhere: whole, to a named point, and checked deep.
    let deep = ok_with(&cadena, &with_key, &["validate", "--level", "deep", "--json"]).json();
    assert_eq!(deep["valid"], true, "{deep}");
    let (whole, _folder) = restored(&cadena, version, &with_key, &["--name", "here"]);
    assert_eq!(whole.sql("SELECT n FROM clock ORDER BY n"), rows);
    assert_eq!(whole.sql("SELECT sum(n), md5(string_agg(word, '' ORDER BY n)) FROM secrets"), secrets);
    whole.stop();
    let (early, _folder) = restored(&cadena, version, &with_key, &["--backup", "1"]);
    assert_eq!(early.sql("SELECT count(*) FROM secrets WHERE n > 0"), "20000");
    early.stop();

    // What is put together needs it, too, and is encrypted again.
    assert_eq!(cadena.run(&["merge"]).code, 6);
    let merged = ok_with(&cadena, &with_key, &["merge", "--json"]).json();
    assert_eq!(merged["backup"]["encryption"]["recipients"][0], Value::from(recipient), "{merged}");
    let id = merged["backup"]["id"].to_string();
    assert_eq!(ok_with(&cadena, &with_key, &["validate", &id, "--level", "deep", "--json"]).json()["valid"], true);
    // And the next one without it stands on that.
    let inc = ok(&cadena, &["incremental", "--json"]).json();
    assert_eq!(inc["backup"]["kind"], "INCREMENTAL", "{inc}");
}

/// The public tools open what lies there with the identity; and without one nothing does.
fn nothing_stands_there_in_plain(cadena: &Cadena, key: &Path) {
    let folder = repository(cadena);
    for file in files_below(&folder) {
        let content = std::fs::read(&file).expect("a file");
        let name = file.display().to_string();
        let found = content.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{name} holds {SECRET}");
        if name.ends_with(".backup") || name.contains("/wal/0") && !name.ends_with(".history") {
            let is_sealed = content.starts_with(b"age-encryption.org/v1\n") || content.starts_with(b"CADENA-P1 ");
            assert!(is_sealed, "{name} is not encrypted");
        }
    }
    let record = ok(cadena, &["list", "--json"]).json()["backups"][0].clone();
    let archive = folder.join("full").join(record["archive_name"].as_str().expect("a name"));
    let listed = piped("age -d -i \"$2\" \"$1\" | zstd -dc | tar -t", &archive, key);
    assert!(String::from_utf8_lossy(&listed).lines().any(|line| line == "backup_label"));
    let sum = piped("sha256sum < \"$1\"", &archive, key);
    assert_eq!(String::from_utf8_lossy(&sum).split_whitespace().next(), record["sha256"].as_str());
    let sealed = archived(&folder, 1, ".zst.age");
    assert!(
        !sealed.is_empty() && archived(&folder, 1, ".zst").is_empty() && archived(&folder, 1, ".partial").is_empty()
    );
    let size = piped("age -d -i \"$2\" \"$1\" | zstd -dc | wc -c", &sealed[0].1, key);
    assert_eq!(String::from_utf8_lossy(&size).trim(), (16 << 20).to_string());
}

fn refused_without_the_identity(cadena: &Cadena) {
    let target = cadena.path("nowhere").display().to_string();
    for arguments in [
        &["restore", "--latest", "--to", &target, "--json"][..],
        &["restore", "--name", "here", "--to", &target, "--json"],
        &["validate", "--level", "deep", "--json"],
    ] {
        let answer = cadena.run(arguments);
        let error = answer.json();
        assert!(answer.stdout.contains("encryption-identity-missing"), "{arguments:?}: {answer:?}");
        assert_ne!(answer.code, 0, "{error}");
    }
    assert!(!Path::new(&target).exists());
    let said = cadena.run(&["restore", "--latest", "--to", &target, "--lang", "es"]).stderr;
    assert!(said.contains("no se dio ninguna identidad") && said.contains("CADENA_IDENTITY_FILE"), "{said}");

    let stranger = Cadena::new();
    let (other, _) = identity(&stranger, "other.txt");
    let other = other.display().to_string();
    let answer =
        run_with(cadena, &[("CADENA_IDENTITY_FILE", &other)], &["restore", "--latest", "--to", &target, "--json"]);
    assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (6, Some("encryption-identity-wrong")));
}

#[test]
fn a_passphrase_is_enough_from_a_copy_alone_and_can_be_changed() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    cluster.sql(&format!("CREATE TABLE secrets AS SELECT n, '{SECRET}' || n AS word FROM generate_series(1, 1000) n"));
    let cadena = cadena_of(&cluster);
    cadena.write("cadena.toml", "[[replica]]\nname = 'usb'\npath = 'usb'\n");
    let passphrase = [("CADENA_PASSPHRASE", "caballo correcto")];
    let refused = cadena.run(&["init", "--passphrase", "--json"]);
    assert_eq!(refused.json()["error"]["key"], "usage-no-passphrase", "{refused:?}");
    let short = run_with(&cadena, &[("CADENA_PASSPHRASE", "corta")], &["init", "--passphrase", "--json"]);
    assert_eq!((short.code, short.json()["error"]["key"].as_str()), (6, Some("encryption-passphrase-short")));
    assert!(!repository(&cadena).exists(), "nothing is made that does not encrypt");
    ok_with(&cadena, &passphrase, &["init", "--slot", "--passphrase"]);
    let shown = ok_with(&cadena, &passphrase, &["encryption", "show", "--json"]).json();
    assert_eq!((&shown["passphrase"], &shown["recipients"][0]["opened"]), (&true.into(), &true.into()), "{shown}");

    // Backups need no passphrase.
    ok(&cadena, &["full"]);
    cluster.sql("INSERT INTO secrets SELECT 5000, 'nuevo'; SELECT pg_switch_wal()");
    assert_eq!(ok(&cadena, &["incremental", "--json"]).json()["backup"]["kind"], "INCREMENTAL");
    std::fs::rename(repository(&cadena), cadena.path("lost")).expect("moved");
    let (from_copy, _folder) = restored(&cadena, version, &passphrase, &["--latest", "--from-replica", "usb"]);
    assert_eq!(from_copy.sql("SELECT count(*) FROM secrets"), "1001");
    from_copy.stop();
    let lists =
        files_below(&cadena.path("usb")).into_iter().filter(|path| path.extension() == Some("members".as_ref()));
    assert_eq!(lists.count(), 2, "who goes on with the copy needs no identity either");
    std::fs::rename(cadena.path("lost"), repository(&cadena)).expect("moved back");

    let wrong =
        run_with(&cadena, &[("CADENA_PASSPHRASE", "caballo falso")], &["validate", "--level", "deep", "--json"]);
    assert!(wrong.stdout.contains("encryption-passphrase-wrong"), "{wrong:?}");
    assert!(!wrong.stdout.contains("falso") && !wrong.stderr.contains("falso"));
    let both = [passphrase[0], ("CADENA_NEW_PASSPHRASE", "otro caballo")];
    ok_with(&cadena, &both, &["encryption", "passphrase", "--json"]);
    let old = run_with(&cadena, &passphrase, &["validate", "--level", "deep", "--json"]);
    assert_ne!(old.code, 0, "{old:?}");
    let new = [("CADENA_PASSPHRASE", "otro caballo")];
    assert_eq!(ok_with(&cadena, &new, &["validate", "--level", "deep", "--json"]).json()["valid"], true);
    ok(&cadena, &["replica", "push"]);
    let there = ["validate", "--level", "deep", "--from-replica", "usb", "--json"];
    assert_eq!(ok_with(&cadena, &new, &there).json()["valid"], true, "the new passphrase holds there, too");
    assert!(ok_with(&cadena, &new, &["encryption", "show", "--from-replica", "usb"]).stdout.contains("was given"));

    // Without an identity nobody can tell which of two copies is good, and nothing is mended; with it both is done.
    assert_eq!(ok(&cadena, &["replica", "verify", "--json"]).json()["findings"], Value::Array(Vec::new()));
    let segment = archived(&cadena.path("usb"), 1, ".zst.age").pop().expect("a segment").1;
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() - 100;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let blind = cadena.run(&["replica", "verify", "--repair", "--json"]).json();
    assert_eq!(
        (&blind["findings"][0]["fault"]["key"], &blind["findings"][0]["repaired"]),
        (&"copy-differs".into(), &false.into()),
        "{blind}"
    );
    let seeing = run_with(&cadena, &new, &["replica", "verify", "--repair", "--json"]).json();
    assert_eq!(seeing["findings"][0]["repaired"], true, "{seeing}");
    assert_eq!(ok(&cadena, &["replica", "verify", "--json"]).json()["findings"], Value::Array(Vec::new()));
}

#[test]
fn encryption_is_switched_on_in_the_middle_of_a_chain_and_the_configuration_keeps_strangers_out() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    cluster.sql("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n");
    let cadena = cadena_of(&cluster);
    ok(&cadena, &["init"]);
    ok(&cadena, &["full"]);
    assert!(ok(&cadena, &["encryption", "show"]).stdout.contains("does not encrypt"));
    assert_eq!(cadena.run(&["encryption", "set"]).code, 2);

    let (one, first) = identity(&cadena, "one.txt");
    let (other, second) = identity(&cadena, "other.txt");
    ok(&cadena, &["encryption", "set", &first]);
    cluster.sql("INSERT INTO t SELECT 0");
    ok(&cadena, &["incremental"]);
    ok(&cadena, &["encryption", "add", &second]);
    cluster.sql("INSERT INTO t SELECT -1");
    let last = ok(&cadena, &["incremental", "--json"]).json();
    assert_eq!(last["backup"]["encryption"]["recipients"].as_array().map(Vec::len), Some(2), "{last}");
    let show = ok(&cadena, &["encryption", "show", "--json"]).json();
    assert_eq!((&show["encrypted_backups"], &show["plain_backups"]), (&2.into(), &1.into()), "{show}");

    // Each opens what was encrypted for it: the newcomer not what was before.
    let (one, other) = (one.display().to_string(), other.display().to_string());
    let (whole, _folder) = restored(&cadena, version, &[("CADENA_IDENTITY_FILE", &one)], &["--latest"]);
    assert_eq!(whole.sql("SELECT count(*) FROM t"), "1002");
    whole.stop();
    let target = cadena.path("nowhere").display().to_string();
    let refused = run_with(
        &cadena,
        &[("CADENA_IDENTITY_FILE", &other)],
        &["restore", "--backup", "2", "--to", &target, "--json"],
    );
    assert_eq!(refused.json()["error"]["key"], "encryption-identity-wrong", "{refused:?}");

    // A list that the configuration does not know is not written for.
    cadena.write("cadena.toml", &format!("[encryption]\nrecipients = ['{first}']\nidentity_file = 'one.txt'\n"));
    for arguments in [&["full", "--json"][..], &["start", "--once", "--json"], &["wal-push", "x", "--json"]] {
        let refused = cadena.run(arguments);
        let key = refused.json()["error"]["key"].clone();
        assert_eq!((refused.code, key.as_str()), (6, Some("encryption-recipients-differ")), "{refused:?}");
    }
    assert_ne!(cadena.run(&["check"]).code, 0);
    ok(&cadena, &["list"]);
    ok(&cadena, &["encryption", "remove", &second]);
    ok(&cadena, &["full"]);
    assert_eq!(cadena.run(&["encryption", "remove", &second, "--json"]).json()["error"]["key"], "encryption-recipient");
    let refused = cadena.run(&["encryption", "remove", &first, "--json"]);
    assert_eq!(refused.json()["error"]["key"], "encryption-last-recipient", "{refused:?}");

    // The identity is its owner's only, and a lost list is no reason to write in plain.
    std::fs::set_permissions(cadena.path("one.txt"), std::fs::Permissions::from_mode(0o644)).expect("readable");
    let refused = cadena.run(&["list", "--json"]);
    assert_eq!(refused.json()["error"]["key"], "config-store-secret-file", "{refused:?}");
    ok(&cadena, &["incremental"]);
    std::fs::write(repository(&cadena).join("encryption.json"), "{").expect("broken");
    let refused = cadena.run(&["incremental", "--json"]);
    assert_eq!(refused.json()["error"]["key"], "encryption-unreadable", "{refused:?}");
    // Without the list it goes on with those for whom it was switched on.
    std::fs::remove_file(repository(&cadena).join("encryption.json")).expect("removed");
    let recipients = ok(&cadena, &["incremental", "--json"]).json()["backup"]["encryption"]["recipients"].clone();
    assert_eq!(recipients, Value::from(vec![first]));
}
