//! A command that works with an SFTP replica leaves no `ssh` process and no file of one behind, however it ends.

#![cfg(target_os = "linux")]

mod common;
mod daemon_support;
mod stream_support;

use common::Cadena;
use daemon_support::cadena_for;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use stream_support::{Daemon, ok, streamed_options, wait_for};
use testkit::stores::SftpServer;
use testkit::{TestCluster, available_versions};

/// A backup of a small cluster, a replica of it over SFTP, and a home of its own for ssh.
struct Scene {
    server: SftpServer,
    cadena: Cadena,
    cluster: TestCluster,
}

impl Scene {
    fn new() -> Option<Self> {
        let cluster = TestCluster::new(available_versions().pop()?, &streamed_options());
        let server = SftpServer::start()?;
        let cadena = cadena_for(&cluster);
        let home = cadena.path("home").display().to_string();
        let cadena = cadena.variable("HOME", &home);
        std::fs::create_dir(cadena.path("home")).expect("a home");
        ok(&cadena, &["full"]);
        cadena.write("cadena.toml", &format!("[[replica]]\nname = \"nas\"\nurl = \"{}\"\n", server.url("copies")));
        Some(Scene { server, cadena, cluster })
    }

    /// The ssh processes that use the key of this test's server.
    fn processes(&self) -> Vec<String> {
        let key = self.server.key_file().display().to_string();
        let folders = std::fs::read_dir("/proc").expect("/proc").flatten();
        let lines = folders.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        lines.filter(|line| line.starts_with("ssh ") && line.contains(&key)).collect()
    }

    /// Begins to send the backup.
    fn push(&self) -> Child {
        let mut command = self.cadena.command(&["replica", "push", "nas"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("cadena")
    }

    #[track_caller]
    fn wait_for_ssh(&self) {
        wait_for("ssh", || !self.processes().is_empty());
    }

    #[track_caller]
    fn wait_for_copies(&self) {
        let copies = self.server.data().join("copies");
        wait_for("copies", || copies.exists() && below(&copies).iter().any(|path| path.is_file()));
    }

    /// A process that has lost its parent reads the end of its input, and is gone within moments.
    #[track_caller]
    fn assert_nothing_is_left(&self) {
        let begin = std::time::Instant::now();
        while !self.processes().is_empty() {
            assert!(begin.elapsed().as_secs() < 10, "{:?}", self.processes());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // ssh itself makes a folder for the keys of hosts.
        let left: Vec<PathBuf> = below(&self.cadena.path("home"));
        let left: Vec<&PathBuf> = left.iter().filter(|path| !path.to_string_lossy().contains("/home/.ssh")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Everything below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], below(&path)].concat() } else { vec![path] })
        .collect()
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("a signal");
}

#[test]
fn a_command_that_succeeds_or_fails_leaves_no_ssh_behind() {
    let Some(scene) = Scene::new() else { return };
    ok(&scene.cadena, &["replica", "push", "nas"]);
    let copies = below(&scene.server.data().join("copies"));
    let archive = copies.iter().find(|path| path.extension().is_some_and(|extension| extension == "backup"));
    let archive = archive.expect("an archive in the copy");
    scene.assert_nothing_is_left();

    let content = std::fs::read(archive).expect("an archive");
    std::fs::write(archive, &content[..content.len() / 2]).expect("half an archive");
    let failed = scene.cadena.run(&["validate", "--from-replica", "nas"]);
    assert_eq!(failed.code, 5, "{failed:?}");
    scene.assert_nothing_is_left();
    scene.cluster.stop();
}

#[test]
fn a_command_that_is_interrupted_leaves_no_ssh_behind() {
    let Some(scene) = Scene::new() else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = scene.push();
        scene.wait_for_ssh();
        send(child.id(), signal);
        assert_eq!(child.wait().expect("its end").code(), Some(130), "{signal:?}");
        scene.assert_nothing_is_left();
    }
    scene.cluster.stop();
}

#[test]
fn a_command_that_ends_at_the_second_signal_while_the_server_is_silent_leaves_no_ssh_behind() {
    let Some(scene) = Scene::new() else { return };
    scene.server.pause();
    let mut child = scene.push();
    scene.wait_for_ssh();
    send(child.id(), Signal::INT);
    let said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut said = said.map(|line| line.expect("a line"));
    assert!(said.any(|line| line.contains("Stopping cleanly")), "the first signal was not noticed");
    send(child.id(), Signal::INT);
    assert_eq!(child.wait().expect("its end").code(), Some(130));
    scene.server.resume();
    scene.assert_nothing_is_left();
    scene.cluster.stop();
}

#[test]
fn a_daemon_that_ends_or_is_killed_leaves_no_ssh_behind() {
    let Some(scene) = Scene::new() else { return };
    let daemon = Daemon::start(&scene.cadena);
    scene.wait_for_copies();
    assert_eq!(daemon.stop(), Some(0));
    scene.assert_nothing_is_left();

    let mut daemon = Daemon::start(&scene.cadena);
    scene.wait_for_ssh();
    daemon.kill();
    scene.assert_nothing_is_left();

    // The other end says nothing any more; once it does, its word finds nobody.
    let mut daemon = Daemon::start(&scene.cadena);
    scene.wait_for_ssh();
    scene.server.pause();
    daemon.kill();
    scene.server.resume();
    scene.assert_nothing_is_left();
    scene.cluster.stop();
}
