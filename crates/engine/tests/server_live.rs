//! initdb, start and stop with the real programs of every version.

use engine::cluster::{BinarySearch, ClusterError, LocalServer, ServerOwner, StartOptions};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{TestFolder, client_program, server_owner};

fn options(folder: &TestFolder) -> StartOptions {
    StartOptions {
        port: 7654,
        socket_folder: Some(folder.path().join("s")),
        settings: vec![("listen_addresses".to_owned(), String::new())],
        log_file: folder.path().join("log"),
        wait: Duration::from_secs(60),
    }
}

/// Asks a server for one value, as the user that our settings name.
fn ask(server: &LocalServer, sql: &str) -> String {
    let settings = server.connection_settings("postgres");
    let conninfo: Vec<String> = settings.keywords.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    let output = Command::new(client_program("psql")).args(["-XAtc", sql, "-d", &conninfo.join(" ")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

testkit::on_each_version!(makes_starts_stops_and_crashes_a_server, |version| {
    let (binaries, owner, folder) = (testkit::binaries(version).unwrap(), server_owner(), TestFolder::new());
    // A folder whose name wants quoting, for every program and shell on the way.
    let data = folder.path().join("the 'data' of \"$HOME\"");
    LocalServer::init(&binaries, &data, &owner, &["--no-sync"]).unwrap();
    let mut options = options(&folder);
    options.settings.push(("cluster_name".to_owned(), "it's $HOME".to_owned()));
    let server = LocalServer::start(&binaries, &data, &owner, &options).unwrap();
    assert!(server.is_running().unwrap());
    assert_eq!(ask(&server, "SHOW cluster_name"), "it's $HOME");
    assert_eq!(ask(&server, "SHOW data_checksums"), "on");
    assert_eq!(ask(&server, "SHOW server_encoding"), "UTF8");
    assert_eq!(ask(&server, "SHOW data_directory"), data.display().to_string());
    let major: u32 = ask(&server, "SHOW server_version_num").parse().unwrap();
    assert_eq!(major / 10_000, version.number());
    ask(&server, "CREATE TABLE t AS SELECT 42 AS answer");

    server.stop(true).unwrap();
    assert!(!server.is_running().unwrap());
    assert!(matches!(server.stop(false), Err(ClusterError::ClusterProgram { program, .. }) if program == "pg_ctl"));
    let server = LocalServer::start(&binaries, &data, &owner, &options).unwrap();
    assert_eq!(ask(&server, "SELECT answer FROM t"), "42");
    assert!(fs::read_to_string(&options.log_file).unwrap().contains("was not properly shut down"), "it was no crash");
    server.stop(false).unwrap();
    assert!(!server.is_running().unwrap());
});

testkit::on_each_version!(says_why_a_server_did_not_start, |version| {
    let (binaries, owner, folder) = (testkit::binaries(version).unwrap(), server_owner(), TestFolder::new());
    let data = folder.path().join("data");
    LocalServer::init(&binaries, &data, &owner, &["--no-sync"]).unwrap();
    let mut options = options(&folder);
    options.settings.push(("shared_buffers".to_owned(), "a lot".to_owned()));
    let started = Instant::now();
    let ClusterError::ClusterStart { directory, detail } =
        LocalServer::start(&binaries, &data, &owner, &options).unwrap_err()
    else {
        panic!("another error")
    };
    assert_eq!(directory, data.display().to_string());
    assert!(detail.contains("shared_buffers"), "{detail}");
    assert!(started.elapsed() < options.wait, "its end was not noticed");
    // The reason of this start, not of the one before.
    options.settings.pop();
    options.settings.push(("max_connections".to_owned(), "none".to_owned()));
    let again = LocalServer::start(&binaries, &data, &owner, &options).unwrap_err().to_string();
    assert!(again.contains("max_connections") && !again.contains("shared_buffers"), "{again}");
});

testkit::on_each_version!(shows_the_log_of_the_collector_when_a_start_fails, |version| {
    let (binaries, owner, folder) = (testkit::binaries(version).unwrap(), server_owner(), TestFolder::new());
    let data = folder.path().join("data");
    LocalServer::init(&binaries, &data, &owner, &["--no-sync"]).unwrap();
    let mut options = options(&folder);
    options.settings.push(("logging_collector".to_owned(), "on".to_owned()));
    fs::remove_file(data.join("global/pg_filenode.map")).unwrap();
    let error = LocalServer::start(&binaries, &data, &owner, &options).unwrap_err();
    assert!(error.to_string().contains("pg_filenode.map"), "{error}");
});

#[test]
fn refuses_a_socket_path_that_the_system_would_cut() {
    let Some(version) = testkit::available_versions().pop() else { return };
    let (binaries, folder) = (testkit::binaries(version).unwrap(), TestFolder::new());
    let mut options = options(&folder);
    options.socket_folder = Some(folder.path().join("s".repeat(100)));
    let error = LocalServer::start(&binaries, &folder.path().join("data"), &server_owner(), &options).unwrap_err();
    assert!(error.to_string().contains("bytes long"), "{error}");
    assert!(!folder.path().join("s".repeat(100)).exists());
}

#[test]
fn refuses_to_make_a_cluster_in_a_folder_that_is_not_empty() {
    let Some(version) = testkit::available_versions().pop() else { return };
    let (binaries, folder) = (testkit::binaries(version).unwrap(), TestFolder::new());
    let data = folder.make("data");
    fs::write(data.join("precious"), "data").unwrap();
    let error = LocalServer::init(&binaries, &data, &server_owner(), &[]).unwrap_err();
    assert!(matches!(&error, ClusterError::ClusterProgram { program, .. } if program == "initdb"), "{error}");
    assert!(error.to_string().contains("not empty"), "{error}");
    assert_eq!(fs::read_to_string(data.join("precious")).unwrap(), "data");
}

#[test]
fn names_the_folder_that_shuts_the_owner_out() {
    // Only root runs servers as somebody else.
    if ServerOwner::current().is_some() {
        return;
    }
    let Some(version) = testkit::available_versions().pop() else { return };
    let (binaries, folder) = (testkit::binaries(version).unwrap(), TestFolder::new());
    let shut = folder.path().join("shut");
    fs::create_dir(&shut).unwrap();
    run("chmod", &["0700"], &shut);
    let error = LocalServer::init(&binaries, &shut.join("data"), &server_owner(), &[]).unwrap_err();
    assert!(error.to_string().contains(&format!("may not enter {}", shut.display())), "{error}");
}

#[test]
fn refuses_a_second_server_in_the_same_directory() {
    let Some(version) = testkit::available_versions().pop() else { return };
    let cluster = testkit::TestCluster::new(version, &testkit::ClusterOptions::default());
    let options = options(cluster.folder());
    let second = LocalServer::start(cluster.binaries(), cluster.data_directory(), cluster.owner(), &options);
    assert!(
        matches!(&second, Err(ClusterError::ClusterStart { detail, .. }) if detail.contains("postmaster.pid")),
        "{second:?}"
    );
    assert_eq!(cluster.sql("SELECT 1"), "1");
}

#[test]
fn finds_every_test_server_by_its_folder() {
    for version in testkit::available_versions() {
        let folder = testkit::binaries(version).unwrap().folder;
        let search = BinarySearch { configured: Some(folder.clone()), path_folders: vec![] };
        let found = search.find(version).unwrap();
        assert_eq!((found.version, &found.folder), (version, &folder));
        assert!(search.find_all().contains(&found));
        assert!(found.program("pg_ctl").unwrap().is_file());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    assert!(Command::new(program).args(arguments).arg(path).status().unwrap().success());
}
