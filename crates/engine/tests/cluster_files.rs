//! The server's files over SQL, compared with what the file system says.
#![allow(clippy::print_stdout, reason = "a test says what it skips")]

mod cluster_support;

use cluster_support::{TestServer, assert_key, on_each_version};
use engine::cluster::{
    ClusterError, Connection, FileRange, FileStat, list_directory, read_file, read_ranges, stat_file,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn listing(connection: &mut Connection, path: &str) -> Result<BTreeMap<Vec<u8>, FileStat>, ClusterError> {
    let mut found = BTreeMap::new();
    list_directory(connection, path, &mut |name, stat| {
        assert!(found.insert(name.to_vec(), stat).is_none(), "twice: {}", name.escape_ascii());
        Ok::<(), ClusterError>(())
    })?;
    Ok(found)
}

fn range(path: &str, offset_bytes: u64, length_bytes: u64) -> FileRange<'_> {
    FileRange { path, offset_bytes, length_bytes }
}

#[test]
fn listings_say_what_the_file_system_says() {
    on_each_version(|server| {
        let mut connection = server.connect();
        for folder in ["", ".", "base/1", "global", "pg_wal", "pg_tblspc"] {
            let listed = listing(&mut connection, folder).unwrap();
            let mut expected = 0;
            for entry in fs::read_dir(server.data().join(folder)).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name();
                let stat = listed.get(name.as_bytes()).unwrap_or_else(|| panic!("{name:?} is missing in {folder:?}"));
                let metadata = fs::metadata(entry.path()).unwrap();
                assert_eq!(stat.is_dir, metadata.is_dir(), "{name:?}");
                if !metadata.is_dir() && folder != "pg_wal" {
                    assert_eq!(stat.size_bytes, metadata.len(), "{name:?}");
                    assert_eq!(stat.modified_seconds, metadata.mtime(), "{name:?}");
                }
                expected += 1;
            }
            assert_eq!(listed.len(), expected, "{folder:?}");
        }
        assert!(listing(&mut connection, "no/such/folder").unwrap().is_empty());
        assert_eq!(stat_file(&mut connection, "no/such/file").unwrap(), None);
        assert!(stat_file(&mut connection, "base").unwrap().unwrap().is_dir);
        assert_eq!(stat_file(&mut connection, "global/pg_control").unwrap().unwrap().size_bytes, 8192);
    });
}

#[test]
fn ranges_come_in_order_short_at_the_end_and_none_when_gone() {
    on_each_version(|server| {
        let content: Vec<u8> = (0..300_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let path = server.data().join("base/big");
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(server.data().join("base/empty"), []).unwrap();
        fs::set_permissions(server.data().join("base/empty"), fs::Permissions::from_mode(0o644)).unwrap();
        let mut connection = server.connect();
        let mut out = b"before".to_vec();
        let ranges = [
            range("base/big", 200_000, 50_000),
            range("base/gone", 0, 10),
            range("base/big", 0, 1),
            range("base/empty", 0, 10),
            range("base/big", 290_000, 20_000),
            range("base/big", 400_000, 10),
            range("base/big", 7, 13),
        ];
        let found = read_ranges(&mut connection, &ranges, &mut out).unwrap();
        assert_eq!(found, [Some(50_000), None, Some(1), Some(0), Some(10_000), Some(0), Some(13)]);
        let mut expected = b"before".to_vec();
        for part in [200_000..250_000, 0..1, 290_000..300_000, 7..20] {
            expected.extend_from_slice(&content[part]);
        }
        assert!(out == expected);
        assert!(read_ranges(&mut connection, &[], &mut out).unwrap().is_empty());

        // Many ranges of one statement: sixteen megabytes.
        let ranges: Vec<FileRange<'_>> = (0..64).map(|i| range("base/big", i, 262_144)).collect();
        let mut out = Vec::new();
        let found = read_ranges(&mut connection, &ranges, &mut out).unwrap();
        assert!(found.iter().all(|length| *length == Some(262_144)));
        for (i, part) in out.chunks(262_144).enumerate() {
            assert!(part == &content[i..i + 262_144], "range {i}");
        }

        assert_eq!(read_file(&mut connection, "base/big", 300_000).unwrap().unwrap(), content);
        assert_key(read_file(&mut connection, "base/big", 299_999), "cluster-answer");
        assert_eq!(read_file(&mut connection, "base/gone", 10).unwrap(), None);
        assert!(read_file(&mut connection, "base/empty", 0).unwrap().unwrap().is_empty());
    });
}

#[test]
fn a_failing_read_leaves_the_buffer_as_it_was() {
    let Some(server) = TestServer::start(15) else { return };
    let mut connection = server.connect();
    let mut out = b"before".to_vec();
    let ranges = [range("PG_VERSION", 0, 10), range("global/pg_control", 0, 100), range("base", 0, 10)];
    let error = assert_key(read_ranges(&mut connection, &ranges, &mut out), "cluster-sql");
    println!("{error}");
    assert_eq!(out, b"before");
    assert!(connection.is_alive());
    let outside = [range("../outside", 0, 10)];
    server.sql(&["CREATE ROLE copia LOGIN"]);
    let grants = engine::cluster::required_grants(pgformat::MajorVersion::V15, "copia");
    server.sql(&grants.iter().map(String::as_str).collect::<Vec<_>>());
    let mut connection = Connection::connect(&server.settings_as("copia")).unwrap();
    // No grant of ours would mend this one, so it is not reported as a lacking privilege.
    let error = assert_key(read_ranges(&mut connection, &outside, &mut out), "cluster-sql");
    assert_eq!(error.sqlstate(), Some("42501"));
}

#[test]
fn odd_names_are_handed_over_as_bytes_and_read_back() {
    let Some(server) = TestServer::start(15) else { return };
    server.sql(&[
        "CREATE DATABASE latina ENCODING 'LATIN1' TEMPLATE template0",
        "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0",
    ]);
    let folder = server.make_folder("data/base/odd");
    let names: [&str; 7] = ["it's", r"back\slash", "qu\"ote", "com,ma", "{brace}", "ñandú €", " spaces "];
    for name in names {
        fs::write(folder.join(name), name).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let invalid = b"caf\xe9";
    fs::write(folder.join(OsStr::from_bytes(invalid)), "latin").unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();

    for database in ["postgres", "latina", "ascii"] {
        let mut settings = server.settings();
        settings.keywords.push(("dbname".into(), database.into()));
        let mut connection = Connection::connect(&settings).unwrap();
        let listed = listing(&mut connection, "base/odd").unwrap();
        // A link to nowhere is as good as gone.
        assert_eq!(listed.len(), names.len() + 1, "{database}");
        assert_eq!(listed[invalid.as_slice()].size_bytes, 5);
        let paths: Vec<String> = names.iter().map(|name| format!("base/odd/{name}")).collect();
        let ranges: Vec<_> = paths.iter().map(|path| range(path, 0, 100)).collect();
        let mut out = Vec::new();
        let found = read_ranges(&mut connection, &ranges, &mut out).unwrap();
        assert!(found.iter().all(Option::is_some), "{database}: {found:?}");
        assert_eq!(String::from_utf8(out).unwrap(), names.concat(), "{database}");
    }
    let error = ClusterError::file_name("base/odd", invalid);
    assert!(error.to_string().contains(r"caf\xe9") && error.to_string().contains("local reader"), "{error}");
}

#[test]
fn a_folder_of_many_files_is_listed_while_files_vanish() {
    let Some(server) = TestServer::start(15) else { return };
    let folder = server.make_folder("data/base/many");
    for i in 0..20_000 {
        fs::write(folder.join(format!("{i:08}_kept")), []).unwrap();
    }
    let mut connection = server.connect();
    let (done, folder) = (&std::sync::atomic::AtomicBool::new(false), &folder);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..u32::MAX {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                let path = folder.join(format!("{}_vanishes", i % 1000));
                fs::write(&path, []).unwrap();
                fs::remove_file(&path).unwrap();
            }
        });
        for _ in 0..5 {
            let listed = listing(&mut connection, "base/many").unwrap();
            let kept = listed.keys().filter(|name| name.ends_with(b"_kept")).count();
            assert_eq!(kept, 20_000);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn the_callers_error_ends_a_listing() {
    let Some(server) = TestServer::start(15) else { return };
    let mut connection = server.connect();
    let mut seen = 0;
    let outcome = list_directory(&mut connection, "base/1", &mut |_, _| {
        seen += 1;
        Err(ClusterError::ClusterRoot {})
    });
    assert_key(outcome, "cluster-root");
    assert_eq!(seen, 1);
    assert!(connection.is_alive());
}

#[test]
fn a_folder_that_the_server_may_not_read_is_the_servers_refusal() {
    let Some(server) = TestServer::start(15) else { return };
    fs::create_dir(server.data().join("base/closed")).unwrap();
    fs::set_permissions(server.data().join("base/closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let error = assert_key(listing(&mut server.connect(), "base/closed"), "cluster-sql");
    assert_eq!(error.sqlstate(), Some("42501"), "a missing grant has the same SQLSTATE, and is not the cause: {error}");
}
