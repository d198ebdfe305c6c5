//! `wal-push` and `wal-fetch` as a server calls them. The exit codes matter more than the words: PostgreSQL takes 1 to 125 from a
//! `restore_command` for the end of the WAL, and would open a database that lacks the rest.

#![cfg(unix)]

mod common;

use common::Cadena;
use std::path::PathBuf;
use testkit::{ClusterOptions, TestCluster, available_versions};

/// A repository, and a whole segment of its cluster.
fn scene() -> Option<(TestCluster, Cadena, String, PathBuf)> {
    let cluster =
        TestCluster::new(available_versions().pop()?, &ClusterOptions::default().set("wal_keep_size", "256MB"));
    let cadena = Cadena::new()
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user());
    assert_eq!(cadena.run(&["init"]).code, 0);
    let name = cluster.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    cluster.sql("CREATE TABLE item AS SELECT generate_series(1, 1000) id; SELECT pg_switch_wal()");
    let path = cluster.pg_wal().join(&name);
    Some((cluster, cadena, name, path))
}

#[test]
fn a_segment_is_pushed_once_however_often_and_other_bytes_are_refused() {
    let Some((_cluster, cadena, name, path)) = scene() else { return };
    let push = |path: &str| cadena.run(&["wal-push", path, "--json"]);
    let file = path.display().to_string();
    for outcome in ["archived", "already-there", "already-there"] {
        let answer = push(&file);
        assert_eq!((answer.code, answer.json()["outcome"].as_str()), (0, Some(outcome)), "{answer:?}");
    }
    // A commit more would be other WAL; here a byte of the unused rest, which no checksum of a record covers.
    let mut bytes = std::fs::read(&path).expect("the segment");
    *bytes.last_mut().expect("a byte") ^= 1;
    let other = cadena.write(&format!("other/{name}"), "");
    std::fs::write(&other, &bytes).expect("a copy");
    let answer = push(&other.display().to_string());
    assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (1, Some("wal-conflict")), "{answer:?}");
    let answer = push(&cadena.write("notes.txt", "x").display().to_string());
    assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (1, Some("wal-file-name")), "{answer:?}");
}

#[test]
fn only_a_file_that_is_not_there_ends_recovery() {
    let Some((_cluster, cadena, name, path)) = scene() else { return };
    assert_eq!(cadena.run(&["wal-push", &path.display().to_string()]).code, 0);
    let target = cadena.path("RECOVERYXLOG");
    let to = target.display().to_string();
    let code = |arguments: &[&str]| cadena.run(arguments).code;

    assert_eq!(code(&["wal-fetch", &name, &to]), 0);
    assert!(std::fs::read(&target).expect("served") == std::fs::read(&path).expect("the segment"));
    std::fs::remove_file(&target).expect("served");
    assert_eq!(code(&["wal-fetch", "0000000100000000000000FF", &to]), 1);
    assert_eq!(code(&["wal-fetch", "00000002.history", &to]), 1);
    assert!(!target.exists());

    // Everything else must stop the server: wrong options, no repository, a bad configuration, damage.
    assert_eq!(code(&["wal-fetch", &name, &to, "--no-such-option"]), 126);
    assert_eq!(code(&["wal-fetch"]), 126);
    assert_eq!(code(&["--repository", "nowhere", "wal-fetch", &name, &to]), 126);
    let config = cadena.write("bad.toml", "[nonsense]\n").display().to_string();
    assert_eq!(code(&["--config", &config, "wal-fetch", &name, &to]), 126);
    let stored = cadena.path(&format!("backups_incrementales/wal/00000001/{name}.zst"));
    let mut bytes = std::fs::read(&stored).expect("the archived segment");
    bytes[100] ^= 1;
    std::fs::write(&stored, &bytes).expect("damaged");
    assert_eq!(code(&["wal-fetch", &name, &to]), 126);
    assert!(!target.exists(), "nothing is served in its place");
}
