use super::process::{ServerProcess, free_port, missing};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SSHD: &str = "/usr/sbin/sshd";

/// A real sshd on a port of its own, with keys of its own, for the user who runs the tests.
pub struct SftpServer {
    process: ServerProcess,
    port: u16,
    folder: tempfile::TempDir,
}

impl SftpServer {
    /// Starts one; `None`, and a word about it, when it is not installed here.
    ///
    /// # Panics
    /// When it does not start, or is missing and required.
    pub fn start() -> Option<Self> {
        if !Path::new(SSHD).exists() {
            return missing("sshd is missing: run scripts/setup-servers");
        }
        let folder = tempfile::Builder::new().prefix("cadena-sshd-").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no folder: {error}"));
        let path = |name: &str| folder.path().join(name);
        for name in ["host_key", "user_key"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(name)));
        }
        fs::copy(path("user_key.pub"), path("authorized_keys")).unwrap_or_else(|error| panic!("keys: {error}"));
        fs::create_dir(path("data")).unwrap_or_else(|error| panic!("data: {error}"));
        let port = free_port();
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n\
             Subsystem sftp internal-sftp\n",
            path("host_key").display(),
            path("authorized_keys").display(),
        );
        fs::write(path("sshd_config"), configuration).unwrap_or_else(|error| panic!("sshd_config: {error}"));
        // Without this folder sshd does not start; Debian makes it when the service starts, and here there is none.
        if !Path::new("/run/sshd").exists() {
            fs::create_dir_all("/run/sshd").unwrap_or_else(|error| panic!("/run/sshd: {error}"));
        }
        let mut command = Command::new(SSHD);
        command.arg("-D").arg("-e").arg("-f").arg(path("sshd_config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = ServerProcess::start(&mut command);
        process.wait_for(port);
        Some(SftpServer { process, port, folder })
    }

    /// Stops it and every session of it, so that nothing is answered until [`SftpServer::resume`].
    ///
    /// # Panics
    /// When a process can't be reached.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When a process can't be reached.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends every session, as a network that breaks does; new ones are taken.
    ///
    /// # Panics
    /// When a process can't be reached.
    pub fn cut(&self) {
        self.sessions().into_iter().for_each(|pid| send(pid, Signal::KILL));
    }

    fn signal(&self, signal: Signal) {
        send(self.process.id(), signal);
        self.sessions().into_iter().for_each(|pid| send(pid, signal));
    }

    /// The processes that serve sessions, at whatever depth.
    fn sessions(&self) -> Vec<u32> {
        let mut found = vec![self.process.id()];
        let mut next = 0;
        while let Some(pid) = found.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            next += 1;
        }
        found.split_off(1)
    }

    /// Returns where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the private key of the user that it takes.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("user_key")
    }

    /// Returns the folder in which a test's objects lie.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the address of a folder below [`SftpServer::data`].
    pub fn url(&self, path: &str) -> String {
        let user = crate::stores::sftp::user();
        let key = self.key_file();
        let data = self.data();
        let root = data.display().to_string();
        format!(
            "sftp://{user}@127.0.0.1:{}/{}/{path}?key_file={}&known_hosts=accept",
            self.port,
            root.trim_start_matches('/'),
            key.display()
        )
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap_or_else(|| panic!("{pid} is no process"));
    match kill_process(pid, signal) {
        // A session may end on its own at any time.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("{pid:?}: {error}"),
    }
}

fn user() -> String {
    let out = Command::new("id").arg("-un").output().unwrap_or_else(|error| panic!("id: {error}"));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

fn run(command: &mut Command) {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}
