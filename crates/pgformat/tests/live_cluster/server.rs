//! A throw-away server of one version, run as an ordinary user.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The user that servers run as when the tests run as root, which PostgreSQL refuses.
const SERVER_USER: &str = "postgres";

/// Where servers' binaries are: `CADENA_TEST_PG_BIN` (folders, with colons between, the oldest version first), or where
/// scripts/setup-servers puts them, or Debian's places. One of them must have the client programs that another lacks.
pub fn binary_folders() -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = match std::env::var_os("CADENA_TEST_PG_BIN") {
        Some(list) => std::env::split_paths(&list).collect(),
        None => (14..=18)
            .map(|major| {
                let set_up = PathBuf::from(format!("/var/cache/cadena/servers/{major}/bin"));
                if set_up.exists() { set_up } else { format!("/usr/lib/postgresql/{major}/bin").into() }
            })
            .collect(),
    };
    folders.into_iter().filter(|folder| folder.join("initdb").exists()).collect()
}

/// One running server. Dropping it stops it.
pub struct Server {
    pub major: u32,
    pub data_directory: PathBuf,
    pub folder: tempfile::TempDir,
    binaries: PathBuf,
    started: bool,
}

impl Server {
    /// Makes a cluster with checksums and starts it.
    pub fn start(binaries: &Path, settings: &[&str]) -> Self {
        Self::start_with(binaries, settings, &[])
    }

    /// Makes a cluster with further arguments for initdb and starts it.
    pub fn start_with(binaries: &Path, settings: &[&str], initdb_arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("pgformat-").tempdir().unwrap();
        let mut server = Server {
            major: 0,
            data_directory: folder.path().join("data"),
            folder,
            binaries: binaries.to_owned(),
            started: false,
        };
        if let Some((user, _)) = server_user() {
            std::os::unix::fs::chown(server.folder.path(), Some(user), None).unwrap();
        }
        let data = server.data_directory.to_str().unwrap().to_owned();
        let common = ["-U", "postgres", "-A", "trust", "-N", "-k", "-E", "UTF8", "--locale=C"];
        run(server.command("initdb").arg("-D").arg(&data).args(common).args(initdb_arguments));
        let version = std::fs::read_to_string(server.data_directory.join("PG_VERSION")).unwrap();
        server.major = version.trim().parse().unwrap();
        let mut lines = format!(
            "\nlisten_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\nautovacuum = off\nlogging_collector = off\n",
            server.folder.path().display()
        );
        lines.extend(settings.iter().map(|setting| format!("{setting}\n")));
        let mut configuration =
            std::fs::OpenOptions::new().append(true).open(server.data_directory.join("postgresql.conf")).unwrap();
        configuration.write_all(lines.as_bytes()).unwrap();
        server.start_again();
        server
    }

    /// Starts the server, which is not running.
    pub fn start_again(&mut self) {
        // The server would hold on to the pipes of this test's output: it logs to a file.
        let log = self.folder.path().join("log");
        let mut start = self.command("pg_ctl");
        start.args(["start", "-w", "-D"]).arg(&self.data_directory).arg("-l").arg(&log);
        start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = start.status().unwrap();
        assert!(status.success(), "{}", std::fs::read_to_string(&log).unwrap_or_default());
        self.started = true;
    }

    /// Stops the server: `fast`, with a checkpoint, or `immediate`, as a crash would.
    pub fn stop(&mut self, mode: &str) {
        let mut stop = self.command("pg_ctl");
        run(stop.args(["stop", "-w", "-m", mode, "-D"]).arg(&self.data_directory));
        self.started = false;
    }

    /// Where the server's own programs are.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Prepares one of PostgreSQL's programs: the server's own, or another version's where it has none.
    pub fn command(&self, program: &str) -> Command {
        // The next newer version comes first: pg_basebackup refuses newer servers, and 18's stumbles over 14's stream.
        let (older, newer): (Vec<PathBuf>, Vec<PathBuf>) = {
            let all: Vec<PathBuf> = binary_folders();
            let own = all.iter().position(|folder| *folder == self.binaries).unwrap_or_default();
            (all[..own].to_vec(), all[own..].to_vec())
        };
        let candidates = newer.into_iter().chain(older);
        let found = candidates.map(|folder| folder.join(program)).find(|path| path.exists());
        self.command_at(&found.unwrap_or_else(|| panic!("no {program} anywhere")))
    }

    /// Prepares the program at `path`.
    pub fn command_at(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        // Unpacked servers have their libraries beside the binaries.
        command.env("LD_LIBRARY_PATH", path.parent().unwrap().join("../lib"));
        command.env("PGHOST", self.folder.path()).env("PGUSER", "postgres").env("PGDATABASE", "postgres");
        command.env("LC_ALL", "C").env("TZ", "UTC").current_dir(self.folder.path());
        if let Some((user, group)) = server_user() {
            command.uid(user).gid(group);
        }
        command
    }

    /// Runs SQL and returns what it printed, unaligned.
    pub fn sql(&self, text: &str) -> String {
        let mut command = self.command("psql");
        run(command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text]))
    }

    /// Opens a session and runs SQL in it; the session lasts until it is dropped.
    pub fn session(&self, text: &str) -> Session {
        let mut command = self.command("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        writeln!(child.stdin.as_mut().unwrap(), "{text}\n\\echo ready").unwrap();
        let mut line = String::new();
        while line != "ready\n" {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the session ended early");
        }
        Session(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.started {
            let mut stop = self.command("pg_ctl");
            stop.args(["stop", "-w", "-m", "immediate", "-D"]).arg(&self.data_directory).stdout(Stdio::null());
            let stopped = stop.status().is_ok_and(|status| status.success());
            assert!(stopped || std::thread::panicking(), "the server did not stop");
        }
    }
}

/// A session that holds its temporary tables.
pub struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs a command to its end and returns its output; it must succeed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The server user's ids when we are root.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> u32 { run(Command::new("id").args(arguments)).trim().parse().unwrap() };
    (id(&["-u"]) == 0).then(|| (id(&["-u", SERVER_USER]), id(&["-g", SERVER_USER])))
}
