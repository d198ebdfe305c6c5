//! Copies elsewhere, as their users meet them: the daemon keeps them up to date within seconds, the catalog says where they are, and when
//! the machine is lost everything comes back from one of them.

#![cfg(unix)]

mod common;
mod daemon_support;
mod stream_support;

use common::Cadena;
use daemon_support::{cadena_for, completed, journal};
use pgformat::Lsn;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stream_support::{Clock, Daemon, archived, daemon_log, make_clock, ok, streamed_options, wait_for};
use testkit::stores::S3Server;
use testkit::{TestCluster, TestFolder, available_versions};

const REPLICAS: &str = "[[replica]]\nname = \"usb\"\nprovider = \"LOCAL\"\nsync_dir = \"usb\"\npartial_seconds = 1\n\
    [[replica]]\nname = \"far\"\npath = \"far\"\npartial_seconds = 1\nretention = \"everything\"\n";

fn replicas(cadena: &Cadena) -> Vec<Value> {
    ok(cadena, &["replica", "list", "--json"]).json()["replicas"].as_array().cloned().unwrap_or_default()
}

/// How far the log goes that can be restored from a replica.
fn restorable_until(cadena: &Cadena, replica: &str) -> Option<Lsn> {
    let answer = cadena.run(&["windows", "--json", "--from-replica", replica]);
    let windows = (answer.code == 0 || answer.code == 3).then(|| answer.json())?;
    windows["windows"].as_array()?.iter().filter_map(|window| window["last_lsn"].as_str()?.parse().ok()).max()
}

fn flip(file: &Path) {
    let mut bytes = std::fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).expect("written");
}

fn archive(folder: &Path, record: &Value) -> PathBuf {
    let kind = if record["kind"] == "FULL" { "full" } else { "incremental" };
    folder.join(kind).join(record["archive_name"].as_str().expect("a name"))
}

#[test]
fn the_machine_is_lost_and_everything_comes_back_from_a_copy() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = Arc::new(TestCluster::new(version, &streamed_options()));
    make_clock(&cluster, 100);
    let cadena = cadena_for(&cluster);
    let cadena = cadena.variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
    cadena.write("cadena.toml", REPLICAS);
    ok(&cadena, &["init"]);
    let daemon = Daemon::start(&cadena);
    wait_for("the stream", || daemon_log(&cadena).contains("INFO"));
    let clock = Clock::start(cluster.clone(), Duration::from_millis(20));
    clock.wait_for_rows(3);
    ok(&cadena, &["full"]);
    clock.wait_for_rows(3);
    cluster.sql("SELECT pg_switch_wal()");
    ok(&cadena, &["incremental"]);
    clock.wait_for_rows(10);
    clock.stop();
    let end = cluster.current_lsn();
    for name in ["usb", "far"] {
        wait_for("the last second in a replica", || restorable_until(&cadena, name).is_some_and(|lsn| lsn >= end));
        wait_for("its backups", || {
            replicas(&cadena)
                .iter()
                .any(|one| one["name"] == name && one["backups"].as_object().is_some_and(|backups| backups.len() == 2))
        });
    }
    // The catalog says where they are, by the daemon itself.
    let missing = "SELECT count(*) FROM seguridad.backup_manifest WHERE nube_subido = FALSE AND estado = 'COMPLETADO'";
    wait_for("the catalog", || cluster.sql(missing).trim() == "0");
    let row = cluster.sql("SELECT nube_proveedor, nube_url FROM seguridad.backup_manifest ORDER BY id LIMIT 1");
    assert!(row.starts_with("LOCAL|") && row.trim().ends_with(".backup"), "{row}");
    let status = ok(&cadena, &["status"]).stdout;
    assert!(status.contains("also in far, usb"), "{status}");
    let rows = cluster.sql("SELECT n FROM clock ORDER BY n");
    assert_eq!(daemon.stop(), Some(0), "{}", daemon_log(&cadena));
    assert!(journal(&cadena).iter().filter(|event| *event == "replica-backup-copied").count() >= 4);

    // Repository and server are gone.
    let before = completed(&cadena);
    std::fs::rename(cadena.path("backups_incrementales"), cadena.path("lost")).expect("moved");
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let restored = TestCluster::adopt(version, &target);
    let (port, socket) = (restored.port().to_string(), restored.socket_folder().display().to_string());
    let to = target.display().to_string();
    let arguments =
        ["restore", "--latest", "--from-replica", "usb", "--to", &to, "--start", "--port", &port, "--socket-dir"];
    let arguments = [&arguments[..], &[&socket, "--owner", &restored.owner().name, "--json"]].concat();
    let answer = cadena.run(&arguments);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(restored.sql("SELECT n FROM clock ORDER BY n"), rows);
    restored.stop();

    let pulled = ok(&cadena, &["replica", "pull", "far", "--json"]).json();
    assert_eq!(pulled["copied"].as_array().map(Vec::len), Some(2), "{pulled}");
    assert_eq!(completed(&cadena), before);
    assert_eq!(ok(&cadena, &["validate", "--level", "deep", "--json"]).json()["valid"], true);
    ok(&cadena, &["catalog", "rebuild"]);
    let ids =
        cluster.sql("SELECT array_agg(id ORDER BY id) FROM seguridad.backup_manifest WHERE estado = 'COMPLETADO'");
    assert_eq!(ids.trim(), "{1,2}");
    ok(&cadena, &["incremental"]);
    let ids: Vec<u64> = completed(&cadena).iter().filter_map(|record| record["id"].as_u64()).collect();
    assert_eq!(ids, [1, 2, 3], "no id is used again");
}

#[test]
fn a_command_without_a_daemon_sends_its_backup_and_bad_copies_are_found_and_mended() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    let cadena = cadena_for(&cluster);
    cadena.write("cadena.toml", REPLICAS);
    ok(&cadena, &["init", "--slot"]);
    cluster.sql("CREATE TABLE item AS SELECT id, md5(id::text) FROM generate_series(1, 5000) id");
    cluster.sql("SELECT pg_switch_wal()");
    ok(&cadena, &["full"]);
    let record = completed(&cadena).remove(0);
    let here = cadena.path("backups_incrementales");
    for name in ["usb", "far"] {
        let copy = archive(&cadena.path(name), &record);
        assert_eq!(std::fs::read(&copy).expect("a copy"), std::fs::read(archive(&here, &record)).expect("an archive"));
        assert_eq!(archived(&cadena.path(name), 1, ".zst").len(), archived(&here, 1, ".zst").len());
    }
    let subido = "SELECT nube_subido, nube_proveedor FROM seguridad.backup_manifest WHERE id = 1";
    assert_eq!(cluster.sql(subido).trim(), "t|LOCAL");
    let clean = ok(&cadena, &["replica", "verify", "--json"]).json();
    assert_eq!((&clean["findings"], &clean["good_backups"]), (&Value::Array(Vec::new()), &3.into()), "{clean}");
    assert!(clean["good_segments"].as_u64().is_some_and(|count| count >= 3), "{clean}");

    // One bad copy on each side, in the log, too, and one that is missing.
    flip(&archive(&here, &record));
    let segments = archived(&here, 1, ".zst");
    flip(&cadena.path("usb").join("wal/00000001").join(format!("{}.zst", segments[0].0)));
    std::fs::remove_file(archive(&cadena.path("far"), &record)).expect("removed");
    assert_eq!(cadena.run(&["validate", "1"]).code, 5);
    let found = cadena.run(&["replica", "verify", "--lang", "es"]);
    assert_eq!(found.code, 5);
    assert!(found.stdout.contains("repositorio: full/") && found.stdout.contains("falta."), "{found:?}");
    let attention = ok(&cadena, &["status", "--json"]).json()["attention"].to_string();
    assert!(attention.contains("attention-replica-bad"), "{attention}");
    let mended = cadena.run(&["replica", "verify", "--repair", "--json"]);
    assert_eq!((mended.code, mended.json()["findings"].as_array().map(Vec::len)), (3, Some(3)), "{mended:?}");
    assert_eq!(cadena.run(&["replica", "verify"]).code, 0);
    assert_eq!(cadena.run(&["validate", "1", "--level", "deep"]).code, 0);

    // A place that is away is told, fails no backup, and is made up for.
    std::fs::rename(cadena.path("usb"), cadena.path("unplugged")).expect("moved");
    std::fs::write(cadena.path("usb"), "no folder").expect("written");
    let answer = cadena.run(&["incremental"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("usb"), "{answer:?}");
    assert_eq!(cadena.run(&["replica", "list"]).code, 3);
    assert_eq!(cluster.sql("SELECT nube_subido FROM seguridad.backup_manifest WHERE id = 2").trim(), "t", "far has it");
    std::fs::remove_file(cadena.path("usb")).expect("removed");
    std::fs::rename(cadena.path("unplugged"), cadena.path("usb")).expect("moved");
    ok(&cadena, &["replica", "push", "usb"]);
    assert_eq!(cadena.run(&["replica", "list"]).code, 0);
    let events = journal(&cadena);
    for key in ["replica-failing", "replica-recovered", "replica-verified"] {
        assert!(events.iter().any(|event| event == key), "{key} of {events:?}");
    }
}

/// A folder here and a bucket elsewhere, by the description's own names; the bucket alone is enough, also to get one database back.
#[test]
fn a_bucket_follows_the_repository_and_one_database_comes_back_from_it() {
    let Some(version) = available_versions().pop() else { return };
    let Some(bucket) = S3Server::start() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    let cadena = cadena_for(&cluster).variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
    let config = format!(
        "[[replica]]\nname = \"nube\"\nprovider = \"S3\"\nurl = \"s3://{}/produccion\"\nendpoint = \"{}\"\ns3_region = \"us-east-1\"\n\
         s3_access_key = \"{}\"\ns3_secret_key_env = \"NUBE_SECRETO\"\npartial_seconds = 1\n",
        S3Server::BUCKET,
        bucket.endpoint(),
        S3Server::ACCESS_KEY
    );
    let file = cadena.write("cadena.toml", &config);
    let open = cadena.run(&["replica", "list", "--json"]);
    assert_eq!((open.code, open.json()["error"]["key"].as_str()), (2, Some("config-password-readable")), "{open:?}");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let cadena = cadena.variable("NUBE_SECRETO", S3Server::SECRET_KEY);
    ok(&cadena, &["init", "--slot"]);
    cluster.sql("CREATE DATABASE tienda");
    cluster.sql_in(
        "tienda",
        "CREATE TABLE pedido AS SELECT n AS id, md5(n::text) AS que FROM generate_series(1, 50000) n",
    );
    let daemon = Daemon::start(&cadena);
    wait_for("the stream", || daemon_log(&cadena).contains("INFO"));
    ok(&cadena, &["full"]);
    cluster.sql_in("tienda", "UPDATE pedido SET que = 'x' WHERE id % 10 = 0");
    ok(&cadena, &["incremental"]);
    let wanted = cluster.sql_in("tienda", "SELECT md5(string_agg(que, ',' ORDER BY id)) FROM pedido");
    let end = cluster.current_lsn();
    cluster.sql("SELECT pg_switch_wal(); CREATE TABLE later()");
    wait_for("the bucket", || restorable_until(&cadena, "nube").is_some_and(|lsn| lsn >= end));
    let row = "SELECT nube_subido, nube_proveedor, nube_url FROM seguridad.backup_manifest ORDER BY id DESC LIMIT 1";
    wait_for("the catalog", || cluster.sql(row).starts_with("t|S3|s3://"));
    assert_eq!(daemon.stop(), Some(0), "{}", daemon_log(&cadena));
    cluster.sql_in("tienda", "DROP TABLE pedido");

    // What this machine had is gone; the bucket and its credentials are not.
    std::fs::remove_dir_all(cadena.path("backups_incrementales")).expect("removed");
    let work = TestFolder::new();
    let (owner, place) = (cluster.owner().name.clone(), work.path().display().to_string());
    let point = end.to_string();
    let arguments =
        ["restore", "--from-replica", "nube", "--lsn", &point, "--database", "tienda", "--as", "tienda_nueva"];
    let answer = cadena.run(&[&arguments[..], &["--owner", &owner, "--work-dir", &place, "--json"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    let found = cluster.sql_in("tienda_nueva", "SELECT md5(string_agg(que, ',' ORDER BY id)) FROM pedido");
    assert_eq!(found, wanted);
    assert_eq!(ok(&cadena, &["validate", "--from-replica", "nube", "--level", "deep", "--json"]).json()["valid"], true);
    ok(&cadena, &["replica", "pull", "nube"]);
    let verified = ok(&cadena, &["replica", "verify", "--json"]).json();
    assert_eq!(
        (&verified["findings"], &verified["good_backups"]),
        (&Value::Array(Vec::new()), &4.into()),
        "{verified}"
    );
    for text in
        [daemon_log(&cadena), ok(&cadena, &["replica", "list"]).stdout, ok(&cadena, &["status", "--json"]).stdout]
    {
        assert!(!text.contains(S3Server::SECRET_KEY) && !text.contains(S3Server::ACCESS_KEY), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_remedy() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    let cadena = cadena_for(&cluster);
    let refused = |arguments: &[&str], code: i32, key: &str| {
        let answer = cadena.run(&[arguments, &["--json"]].concat());
        assert_eq!(
            (answer.code, answer.json()["error"]["key"].as_str()),
            (code, Some(key)),
            "{arguments:?} {answer:?}"
        );
    };
    refused(&["replica", "push"], 2, "usage-no-replica");
    cadena.write("cadena.toml", "[[replica]]\nname = \"same\"\npath = \"backups_incrementales\"\n");
    refused(&["replica", "push", "other"], 2, "usage-replica-unknown");
    refused(&["replica", "push"], 6, "replica-is-repository");
    refused(&["full", "--from-replica", "same"], 2, "usage-from-replica");
    refused(&["replica", "forget", "same"], 2, "usage-replica-configured");
    cadena.write("cadena.toml", "[[replica]]\nname = \"empty\"\npath = \"empty\"\n");
    refused(&["replica", "pull", "empty"], 6, "repository-absent");
    refused(&["list", "--from-replica", "empty"], 6, "repository-absent");
    ok(&cadena, &["replica", "push"]);
    let foreign = cadena.path("empty/cadena.json");
    let mut description: Value = serde_json::from_slice(&std::fs::read(&foreign).expect("a file")).expect("JSON");
    description["system_identifier"] = "42".into();
    std::fs::write(&foreign, description.to_string()).expect("written");
    refused(&["replica", "push"], 6, "replica-foreign");
    refused(&["replica", "pull", "empty"], 6, "replica-foreign");
}
