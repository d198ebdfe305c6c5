//! Google Drive from the command line: a person allows it, backups go there, and bring the cluster back.

#![cfg(unix)]

mod common;
mod daemon_support;
mod stream_support;

use daemon_support::cadena_for;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use stream_support::{ok, streamed_options};
use testkit::stores::DriveServer;
use testkit::{TestCluster, TestFolder, available_versions};

/// Runs `cadena drive login`, as a person with a browser would.
fn log_in(folder: &Path, output: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cadena"));
    command.args(["--lang", "en", "drive", "login", "--wait", "60", "--client"]).arg(folder.join("client.json"));
    command.arg("--output").arg(output).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("cadena runs");
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().expect("its words")).read_line(&mut said).expect("a line");
    if let Some(url) = said.split_whitespace().find(|word| word.starts_with("http://")) {
        let answer = visit(url);
        let back = answer.lines().find_map(|line| line.strip_prefix("Location: ")).expect("Drive sends it back");
        assert!(visit(back.trim()).starts_with("HTTP/1.1 200"));
    }
    let mut output = child.wait_with_output().expect("it ends");
    output.stderr.splice(0..0, said.into_bytes());
    output
}

fn visit(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    let mut stream = TcpStream::connect(host).expect("somebody listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn a_login_writes_a_private_file_and_never_over_another() {
    let Some(server) = DriveServer::start() else { return };
    let folder = TestFolder::new();
    std::fs::write(folder.path().join("client.json"), server.credentials("client")).expect("written");
    let file = folder.path().join("drive.json");
    let output = log_in(folder.path(), &file);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let content = std::fs::read_to_string(&file).expect("read");
    assert!(content.contains("authorized_user") && content.contains("refresh-1"), "{content}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("refresh-1") && !said.contains("client-secret"), "{said}");
    let refused = log_in(folder.path(), &file);
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("read"), content);
}

#[test]
fn a_copy_in_google_drive_brings_the_cluster_back() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = DriveServer::start() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    let cadena = cadena_for(&cluster).variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
    let config = format!(
        "[[replica]]\nname = \"drive\"\nprovider = \"GOOGLE_DRIVE\"\ngdrive_folder_id = \"{}\"\n\
         gdrive_credentials = \"drive.json\"\nendpoint = \"{}\"\n",
        DriveServer::SHARED_ROOT,
        server.endpoint()
    );
    for (name, content) in [("drive.json", server.credentials("service")), ("cadena.toml", config)] {
        let path = cadena.write(name, &content);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    }
    ok(&cadena, &["init", "--slot"]);
    cluster.sql("CREATE TABLE item AS SELECT g id, md5(g::text) body FROM generate_series(1, 100000) g");
    ok(&cadena, &["full"]);
    cluster.sql("UPDATE item SET body = 'changed' WHERE id % 1000 = 0; SELECT pg_switch_wal()");
    ok(&cadena, &["incremental"]);
    let digest = "SELECT count(*) || md5(string_agg(id || body, ',' ORDER BY id)) FROM item";
    let wanted = cluster.sql(digest);
    ok(&cadena, &["replica", "push", "drive"]);
    ok(&cadena, &["replica", "verify", "drive"]);
    let told = cluster.sql("SELECT nube_subido, nube_proveedor, nube_url FROM seguridad.backup_manifest ORDER BY id");
    let is_told = |line: &str| line.starts_with("t|GOOGLE_DRIVE|https://drive.google.com/file/d/");
    assert!(told.lines().count() == 2 && told.lines().all(is_told), "{told}");

    std::fs::rename(cadena.path("backups_incrementales"), cadena.path("lost")).expect("moved");
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let restored = TestCluster::adopt(version, &target);
    let (to, owner) = (target.display().to_string(), restored.owner().name.clone());
    ok(&cadena, &["restore", "--latest", "--from-replica", "drive", "--to", &to, "--owner", &owner]);
    restored.start_with(&[]);
    assert_eq!(restored.sql(digest), wanted);
    restored.stop();
}
