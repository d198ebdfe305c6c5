//! SFTP when something is wrong: the connection breaks, the key is not taken, the host is not known or not there.

#![cfg(unix)]

mod support;

use std::io::Write;
use std::time::Instant;
use stores::{StoreSettings, open};
use support::content;
use testkit::stores::SftpServer;
use vault::storage::{Storage, StorageError};

fn storage(server: &SftpServer, options: &[(&str, &str)]) -> std::sync::Arc<dyn Storage> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    open(&StoreSettings { url: server.url("broken"), options, ..StoreSettings::default() }).unwrap()
}

#[test]
fn a_stream_goes_on_where_its_connection_broke() {
    let Some(server) = SftpServer::start() else { return };
    let storage = storage(&server, &[]);
    let wanted = content(3 << 20);
    let mut stream = storage.put_stream("a/large").unwrap();
    for piece in wanted.chunks(700_000) {
        stream.write_all(piece).unwrap();
        server.cut();
    }
    stream.commit().unwrap();
    assert_eq!(std::fs::read(server.data().join("broken/a/large")).unwrap(), wanted);
    server.cut();
    assert_eq!(storage.get("a/large").unwrap().unwrap(), wanted);
    let names: Vec<String> = storage.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(names, ["a/large"]);
    assert_eq!(std::fs::read_dir(server.data().join("broken/a")).unwrap().count(), 1, "a hidden object stayed");
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let Some(server) = SftpServer::start() else { return };
    let storage = storage(&server, &[("timeout_seconds", "1"), ("give_up_seconds", "3")]);
    storage.put("a", b"x").unwrap();
    server.pause();
    let begin = Instant::now();
    let refused = storage.get("a").unwrap_err();
    server.resume();
    assert!(matches!(refused, StorageError::StorageUnreachable { .. }), "{refused:?}");
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    assert_eq!(storage.get("a").unwrap().unwrap(), b"x");
}

#[test]
fn what_keeps_ssh_from_connecting_is_told() {
    let Some(server) = SftpServer::start() else { return };
    // First: what accepts any host remembers it for the others.
    let refused = storage(&server, &[("known_hosts", "strict")]).get("a").unwrap_err();
    assert!(
        matches!(&refused, StorageError::StorageSetting { setting, .. } if setting == "known_hosts"),
        "{refused:?}"
    );

    // The server's own key is none of its users'.
    let host_key = server.key_file().with_file_name("host_key").display().to_string();
    let refused = storage(&server, &[("key_file", &host_key)]).get("a").unwrap_err();
    assert!(
        matches!(&refused, StorageError::StorageCredentials { detail, .. } if detail.contains("Permission denied")),
        "{refused:?}"
    );

    let nobody = StoreSettings { url: "sftp://127.0.0.1:1/x?give_up_seconds=1".to_owned(), ..StoreSettings::default() };
    let refused = open(&nobody).unwrap().get("a").unwrap_err();
    assert!(
        matches!(&refused, StorageError::StorageUnreachable { cause, .. } if cause.contains("Connection refused")),
        "{refused:?}"
    );
}
