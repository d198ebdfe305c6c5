//! Temporary folders that the server's user can enter, and the clearing away of what killed test runs left behind.

use crate::versions::server_owner;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

const PREFIX: &str = "cadena-test-";
/// In each folder: the process that it belongs to (`PID START`), and the data directories of the servers started for it.
const PROCESS_FILE: &str = ".process";
const SERVERS_FILE: &str = ".servers";
/// A folder without a process file is one that is just being made, unless it is this old.
const SURELY_FORSAKEN: Duration = Duration::from_secs(3600);

/// A temporary folder that the servers' user owns. Dropping it stops the servers that run in it and removes it, also after a panic; if
/// the process is killed, the next test run does. `CADENA_TEST_KEEP=1` keeps it.
#[derive(Debug)]
pub struct TestFolder {
    path: PathBuf,
}

impl TestFolder {
    /// Makes an empty folder.
    ///
    /// # Panics
    /// When it can't be made.
    #[allow(clippy::new_without_default, reason = "it makes a folder on disk, which nobody expects of a default")]
    pub fn new() -> Self {
        static CLEARED: Once = Once::new();
        CLEARED.call_once(|| clear_leftovers(&std::env::temp_dir()));
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir()
            .unwrap_or_else(|error| panic!("can't make a folder in {}: {error}", std::env::temp_dir().display()));
        let process = std::process::id();
        let identity = format!("{process} {}\n", start_of(process).unwrap_or_default());
        write(&folder.path().join(PROCESS_FILE), &identity);
        let owner = server_owner();
        owner.take_over(folder.path()).unwrap_or_else(|error| panic!("can't give the folder away: {error}"));
        // keep(): from here on our own Drop removes it, which first sees to the servers.
        Self { path: folder.keep() }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it that the servers' user owns.
    ///
    /// # Panics
    /// When that fails.
    pub fn make(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        server_owner().take_over(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Notes that a server runs in `data_directory`, which may lie elsewhere, so that it is stopped if we are killed.
    pub(crate) fn note_server(&self, data_directory: &Path) {
        let file = self.path.join(SERVERS_FILE);
        let mut noted = fs::read_to_string(&file).unwrap_or_default();
        noted.push_str(&format!("{}\n", data_directory.display()));
        write(&file, &noted);
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        if std::env::var_os("CADENA_TEST_KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
            return;
        }
        for data_directory in running_in(&self.path) {
            stop_leftover(&data_directory);
        }
        remove(&self.path);
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Removes a tree. Another test process may clear the same left-overs at this moment, so what is gone is well.
fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => eprintln!("can't remove {}: {error}", path.display()),
        _ => (),
    }
}

/// Stops the servers of test processes that are gone and removes their folders.
fn clear_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_forsaken(&entry.path()) {
            let path = entry.path();
            let elsewhere = fs::read_to_string(path.join(SERVERS_FILE)).unwrap_or_default();
            for data_directory in running_in(&path).into_iter().chain(elsewhere.lines().map(PathBuf::from)) {
                stop_leftover(&data_directory);
            }
            eprintln!("cleared what a killed test run left: {}", path.display());
            remove(&path);
        }
    }
}

fn is_forsaken(folder: &Path) -> bool {
    match fs::read_to_string(folder.join(PROCESS_FILE)) {
        Ok(identity) => match identity.trim().split_once(' ') {
            // A number may have been given to another process since; its start tells them apart.
            Some((process, start)) => process.parse().ok().and_then(start_of).as_deref() != Some(start),
            None => false,
        },
        Err(_) => {
            let modified = fs::metadata(folder).and_then(|metadata| metadata.modified());
            modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > SURELY_FORSAKEN))
        }
    }
}

/// Returns when a process started, in the kernel's ticks since boot, or `None` when it does not exist (proc(5), field 22).
fn start_of(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in parentheses, which may itself hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

/// Finds the data directories in a folder, some levels deep, that hold a postmaster.pid.
fn running_in(folder: &Path) -> Vec<PathBuf> {
    fn search(folder: &Path, levels: usize, found: &mut Vec<PathBuf>) {
        if folder.join("PG_VERSION").exists() {
            if folder.join("postmaster.pid").exists() {
                found.push(folder.to_owned());
            }
        } else if levels > 0 {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    search(&entry.path(), levels - 1, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    search(folder, 4, &mut found);
    found
}

/// Kills the server that runs in `data_directory`, and only that one: a server's current folder is its data directory.
fn stop_leftover(data_directory: &Path) {
    let text = fs::read_to_string(data_directory.join("postmaster.pid")).unwrap_or_default();
    let Some(process) = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok()) else { return };
    let current = fs::read_link(format!("/proc/{process}/cwd"));
    let (Ok(current), Ok(wanted)) = (current, data_directory.canonicalize()) else { return };
    let Some(pid) = rustix::process::Pid::from_raw(process).filter(|_| current == wanted) else { return };
    // SIGQUIT is PostgreSQL's immediate shutdown: its children end with it.
    if rustix::process::kill_process(pid, rustix::process::Signal::QUIT).is_err() {
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline && Path::new(&format!("/proc/{process}")).exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_the_folder_of_a_process_that_is_gone_and_spares_one_that_lives() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str, identity: Option<String>| {
            let path = parent.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&path).unwrap();
            if let Some(identity) = identity {
                write(&path.join(PROCESS_FILE), &identity);
            }
            path
        };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let us = std::process::id();
        let gone = folder("gone", Some(format!("{dead} 17\n")));
        let reused = folder("reused", Some(format!("{us} 17\n")));
        let alive = folder("alive", Some(format!("{us} {}\n", start_of(us).unwrap())));
        let new = folder("new", None);
        clear_leftovers(parent.path());
        assert!(!gone.exists() && !reused.exists(), "left-overs stay");
        assert!(alive.exists() && new.exists(), "a living run's folder was removed");
    }

    #[test]
    fn kills_no_process_that_is_not_a_server_of_that_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        write(&folder.path().join("postmaster.pid"), &format!("{}\n", child.id()));
        stop_leftover(folder.path());
        assert!(child.try_wait().unwrap().is_none(), "an innocent process was ended");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn removes_its_folder_after_a_panic() {
        let path = std::sync::Mutex::new(PathBuf::new());
        let outcome = std::panic::catch_unwind(|| {
            let folder = TestFolder::new();
            fs::write(folder.make("inner").join("file"), "x").unwrap();
            *path.lock().unwrap() = folder.path().to_owned();
            panic!("on purpose");
        });
        assert!(outcome.is_err());
        assert!(!path.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).exists());
    }
}
