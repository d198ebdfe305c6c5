//! How is a server ended of which only the folder is left? By its process, once it is sure that it is the one.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a server may take to end at once, until it is killed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Ends the server that runs in `data_directory`, at once and without a checkpoint: nothing there is worth one. Tells whether
/// there was one.
///
/// # Errors
/// What is in the way, when it can't be ended.
pub(super) fn end(data_directory: &Path, socket_folder: &Path, server_uid: u32) -> Result<bool, String> {
    let Some((pid, port)) = read_pid_file(data_directory) else { return Ok(false) };
    if !is_alive(pid) || !is_postmaster_of(pid, port, data_directory, socket_folder, server_uid) {
        return Ok(false);
    }
    let number = pid.as_raw_nonzero();
    // SIGQUIT is the immediate shutdown (upstream `postmaster.c`).
    kill_process(pid, Signal::QUIT).map_err(|error| format!("server process {number}: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    let mut killed = false;
    while is_alive(pid) && is_postmaster_of(pid, port, data_directory, socket_folder, server_uid) {
        if Instant::now() >= deadline {
            if killed {
                return Err(format!("server process {number} does not end"));
            }
            killed = true;
            kill_process(pid, Signal::KILL).map_err(|error| format!("server process {number}: {error}"))?;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(true)
}

/// Reads process and port from `postmaster.pid`: its first and fourth lines (upstream `pidfile.h`).
fn read_pid_file(data_directory: &Path) -> Option<(Pid, u16)> {
    let content = std::fs::read_to_string(data_directory.join("postmaster.pid")).ok()?;
    let mut lines = content.lines();
    let pid = Pid::from_raw(lines.next()?.trim().parse().ok().filter(|pid| *pid > 1)?)?;
    Some((pid, lines.nth(2).and_then(|port| port.trim().parse().ok()).unwrap_or(0)))
}

fn is_alive(pid: Pid) -> bool {
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// A process's number may be another's by now. A postmaster's present folder is its data directory (upstream `ChangeToDataDir`).
#[cfg(target_os = "linux")]
fn is_postmaster_of(pid: Pid, _port: u16, data_directory: &Path, _socket_folder: &Path, server_uid: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    let process = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    let is_the_users = std::fs::metadata(&process).is_ok_and(|status| status.uid() == server_uid);
    let (Ok(present), Ok(ours)) = (std::fs::read_link(process.join("cwd")), data_directory.canonicalize()) else {
        return false;
    };
    is_the_users && present == ours
}

/// A process's number may be another's by now. Nobody else can listen on a socket in our closed folder.
#[cfg(not(target_os = "linux"))]
fn is_postmaster_of(_pid: Pid, port: u16, _data_directory: &Path, socket_folder: &Path, _server_uid: u32) -> bool {
    std::os::unix::net::UnixStream::connect(socket_folder.join(format!(".s.PGSQL.{port}"))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_no_server_of_this_folder_is_let_be() {
        let folder = tempfile::tempdir().unwrap();
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let content = format!("{}\n{}\n1\n5432\n", other.id(), folder.path().display());
        std::fs::write(folder.path().join("postmaster.pid"), content).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(end(folder.path(), folder.path(), uid), Ok(false));
        assert!(other.try_wait().unwrap().is_none(), "it still runs");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_process_with_its_folder_there_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let mut server = std::process::Command::new("sleep").arg("60").current_dir(&path).spawn().unwrap();
        std::fs::write(path.join("postmaster.pid"), format!("{}\n", server.id())).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        // As a child of ours it stays a zombie until it is waited for, which another thread does.
        let waiter = std::thread::spawn(move || server.wait().unwrap());
        if cfg!(target_os = "linux") {
            assert_eq!(end(&path, &path, uid), Ok(true));
            assert!(!waiter.join().unwrap().success());
        }
    }
}
