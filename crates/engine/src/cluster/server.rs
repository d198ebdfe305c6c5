//! Servers on this host: initdb, start, stop.

mod owner;
pub(super) mod program;

use super::{ClusterError, ConnectionSettings, PostgresBinaries};
pub use owner::ServerOwner;
use program::{explain_denied, failed, run, run_into, tail};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a fast shutdown may take: it writes a checkpoint, which on a busy server with slow disks takes minutes.
const STOP_WAIT: Duration = Duration::from_secs(600);

/// The longest path of a socket (`sun_path` of `sockaddr_un`: 108 bytes on Linux, 104 on the BSDs and macOS, with the
/// final NUL). PostgreSQL adds `/.s.PGSQL.PORT`.
const SOCKET_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// How to start a server.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// Names the socket, and is listened on where the configuration listens on addresses.
    pub port: u16,
    /// Where its socket goes; made if it does not exist. `None` leaves the configuration's.
    pub socket_folder: Option<PathBuf>,
    /// Settings given on the command line (`-c name=value`).
    pub settings: Vec<(String, String)>,
    /// Takes the server's log; appended to, made if it does not exist.
    pub log_file: PathBuf,
    /// How long to wait until it accepts connections.
    pub wait: Duration,
}

/// A server that we started on this host. Dropping it leaves the server running.
#[derive(Debug, Clone)]
pub struct LocalServer {
    /// The programs that run it.
    pub binaries: PostgresBinaries,
    /// Its data directory, as an absolute path.
    pub data_directory: PathBuf,
    /// Who runs it and owns its files.
    pub owner: ServerOwner,
    /// Its port, also part of the socket's name.
    pub port: u16,
    /// Where its socket is; `None` leaves that to the configuration.
    pub socket_folder: Option<PathBuf>,
}

impl LocalServer {
    /// Runs initdb (as `owner` when we are root) with `--no-sync`-free defaults, UTF8, trust for the local socket only, checksums on.
    /// The locale is C and the superuser is named as `owner`; `extra_arguments` come last and so override all of this.
    /// `data_directory` may exist if it is empty; its parents must let `owner` pass.
    ///
    /// # Errors
    /// `ClusterBinaryMissing`; `ClusterProgram` with what initdb said.
    pub fn init(
        binaries: &PostgresBinaries,
        data_directory: &Path,
        owner: &ServerOwner,
        extra_arguments: &[&str],
    ) -> Result<(), ClusterError> {
        let initdb = binaries.program("initdb")?;
        // As root we make the folder and hand it over, since the owner may usually not write to its parent.
        let made = make_folder_for(data_directory, owner).and_then(|()| take_over_if_empty(data_directory, owner));
        made.map_err(|error| failed(&initdb, format!("{}: {error}", data_directory.display())))?;
        let mut arguments: Vec<OsString> = vec!["-D".into(), absolute(data_directory).into()];
        arguments
            .extend(["-E", "UTF8", "--locale=C", "--auth-local=trust", "--auth-host=reject", "-k"].map(OsString::from));
        arguments.push(format!("--username={}", owner.name).into());
        arguments.extend(extra_arguments.iter().map(OsString::from));
        let finished = run(owner, &initdb, arguments)?;
        if finished.status.success() {
            return Ok(());
        }
        Err(failed(&initdb, explain_denied(finished.said, owner, &[data_directory])))
    }

    /// Starts the server with pg_ctl and waits until it accepts connections (pg_ctl reads postmaster.pid's status line and
    /// notices when the server ends; on failure the end of the log goes into the error).
    ///
    /// During recovery these are read-only connections, once the data are consistent; with `hot_standby = off` recovery counts
    /// as started as soon as it begins, although nobody may connect before its end (upstream postmaster.c, `PM_STATUS_STANDBY`).
    ///
    /// The server gets a clean environment and does not inherit ours: what its `restore_command` needs must stand in that command.
    ///
    /// # Errors
    /// `ClusterBinaryMissing`, `ClusterProgram`; `ClusterStart` with the end of the log when it ended, or is still
    /// recovering after `options.wait`: then it goes on, and the detail says so.
    pub fn start(
        binaries: &PostgresBinaries,
        data_directory: &Path,
        owner: &ServerOwner,
        options: &StartOptions,
    ) -> Result<Self, ClusterError> {
        let not_started =
            |detail: String| ClusterError::ClusterStart { directory: data_directory.display().to_string(), detail };
        let server = Self {
            binaries: binaries.clone(),
            data_directory: absolute(data_directory),
            owner: owner.clone(),
            port: options.port,
            socket_folder: options.socket_folder.as_deref().map(absolute),
        };
        let pg_ctl = binaries.program("pg_ctl")?;
        if let Some(folder) = &server.socket_folder {
            let length = folder.as_os_str().len() + format!("/.s.PGSQL.{}", options.port).len();
            if length > SOCKET_PATH_BYTES {
                let detail = format!(
                    "the socket's path in {} is {length} bytes long; the system allows {SOCKET_PATH_BYTES}",
                    folder.display()
                );
                return Err(not_started(detail));
            }
            make_folder_for(folder, owner).map_err(|error| not_started(format!("{}: {error}", folder.display())))?;
        }
        let in_log = |error: io::Error| not_started(format!("{}: {error}", options.log_file.display()));
        let mut log = open_log(&options.log_file, owner).map_err(in_log)?;
        let log_start_bytes = log.metadata().map_err(in_log)?.len();

        let mut command = owner.command(&pg_ctl);
        command.args(["start", "-w", "-s", "-t", &options.wait.as_secs().max(1).to_string()]);
        command.arg("-p").arg(binaries.program("postgres")?).arg("-o").arg(server.command_line(options));
        // Not with -D and -l: pg_ctl puts those between double quotes into a shell's command, where a folder's `$` or `"` would work
        // (upstream pg_ctl.c, `start_postmaster`). The server inherits the log as its output instead.
        command.env("PGDATA", &server.data_directory);
        if run_into(owner, command, &log)?.success() {
            return Ok(server);
        }
        let mut detail = tail(&mut log, log_start_bytes).map_err(in_log)?;
        if let Some(text) = server.collected_log() {
            detail = format!("{detail}\n{text}");
        }
        // What pg_ctl says when the server has neither ended nor become ready; our LC_ALL keeps it in English.
        if detail.contains("server did not start in time") {
            detail = format!("it goes on starting after {} s; {detail}", options.wait.as_secs());
        }
        Err(not_started(explain_denied(detail, owner, &[&server.data_directory])))
    }

    /// Stops it: `immediate` is a crash; otherwise fast, with a checkpoint. Waits until it has ended.
    ///
    /// # Errors
    /// `ClusterProgram` when it does not run, or still does after ten minutes.
    pub fn stop(&self, immediate: bool) -> Result<(), ClusterError> {
        let mode = if immediate { "immediate" } else { "fast" };
        let wait = STOP_WAIT.as_secs().to_string();
        self.pg_ctl(["stop", "-m", mode, "-w", "-s", "-t", &wait])
    }

    /// Makes a standby a primary and waits until it is.
    ///
    /// # Errors
    /// `ClusterProgram` when it is no running standby, or does not finish in time.
    pub fn promote(&self) -> Result<(), ClusterError> {
        self.pg_ctl(["promote", "-w", "-s", "-t", "120"])
    }

    /// Tells whether a server runs in the data directory.
    ///
    /// # Errors
    /// `ClusterProgram` when that can't be told, such as for want of the directory.
    pub fn is_running(&self) -> Result<bool, ClusterError> {
        let pg_ctl = self.binaries.program("pg_ctl")?;
        let finished =
            run(&self.owner, &pg_ctl, [OsString::from("status"), "-D".into(), self.data_directory.clone().into()])?;
        // Upstream pg_ctl.c: 3 = not running, 4 = no accessible data directory.
        match finished.status.code() {
            Some(0) => Ok(true),
            Some(3) => Ok(false),
            _ => Err(failed(&pg_ctl, explain_denied(finished.said, &self.owner, &[&self.data_directory]))),
        }
    }

    /// Returns settings that connect to it over its socket, as the superuser that [`LocalServer::init`] made (a restored
    /// cluster may have another).
    pub fn connection_settings(&self, dbname: &str) -> ConnectionSettings {
        let mut keywords = vec![
            ("port".to_owned(), self.port.to_string()),
            ("dbname".to_owned(), dbname.to_owned()),
            ("user".to_owned(), self.owner.name.clone()),
        ];
        if let Some(folder) = &self.socket_folder {
            keywords.push(("host".to_owned(), folder.display().to_string()));
        }
        ConnectionSettings { conninfo: None, keywords }
    }

    fn pg_ctl<const N: usize>(&self, arguments: [&str; N]) -> Result<(), ClusterError> {
        let pg_ctl = self.binaries.program("pg_ctl")?;
        let mut arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
        arguments.extend(["-D".into(), self.data_directory.clone().into()]);
        let finished = run(&self.owner, &pg_ctl, arguments)?;
        if finished.status.success() {
            return Ok(());
        }
        Err(failed(&pg_ctl, explain_denied(finished.said, &self.owner, &[&self.data_directory])))
    }

    /// Returns the server's own arguments as pg_ctl wants them: one text, which it hands to a shell.
    fn command_line(&self, options: &StartOptions) -> String {
        let mut words = vec!["-p".to_owned(), options.port.to_string()];
        let mut set =
            |name: &str, value: &str| words.extend(["-c".to_owned(), shell_quoted(&format!("{name}={value}"))]);
        if let Some(folder) = &self.socket_folder {
            set("unix_socket_directories", &list_element(&folder.display().to_string()));
        }
        for (name, value) in &options.settings {
            set(name, value);
        }
        words.join(" ")
    }

    /// Reads the end of the log that the server's own collector writes, if it has one: then the file that pg_ctl was given
    /// holds only its first lines (upstream syslogger.c, `current_logfiles`).
    fn collected_log(&self) -> Option<String> {
        let names = fs::read_to_string(self.data_directory.join("current_logfiles")).ok()?;
        let path = names.lines().find_map(|line| line.strip_prefix("stderr "))?;
        tail(&mut File::open(self.data_directory.join(path)).ok()?, 0).ok()
    }
}

/// Makes `folder` for `owner` alone if it does not exist. As somebody else than root the parents get the usual mode too.
fn make_folder_for(folder: &Path, owner: &ServerOwner) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    owner.take_over(folder)
}

/// Hands over a folder that was there already. One that holds something keeps its owner: initdb is to refuse it.
fn take_over_if_empty(folder: &Path, owner: &ServerOwner) -> io::Result<()> {
    if fs::read_dir(folder)?.next().is_none() { owner.take_over(folder) } else { Ok(()) }
}

/// Opens the log for appending and reading; a new one belongs to the owner.
fn open_log(path: &Path, owner: &ServerOwner) -> io::Result<File> {
    let new = !path.exists();
    let mut options = File::options();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let log = options.open(path)?;
    if new {
        owner.take_over(path)?;
    }
    Ok(log)
}

/// Makes a path independent of the current folder: programs run in `/`.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Quotes a word for the shell through which pg_ctl starts the server (`/bin/sh`, on Windows `CMD`).
fn shell_quoted(word: &str) -> String {
    if cfg!(windows) {
        format!("\"{}\"", word.replace('"', "\\\""))
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Quotes one element of a setting that is a list of folders (upstream varlena.c, `SplitDirectoriesString`).
fn list_element(folder: &str) -> String {
    if folder.contains([',', '"']) { format!("\"{}\"", folder.replace('"', "\"\"")) } else { folder.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::MajorVersion;

    fn server(socket_folder: Option<&str>) -> LocalServer {
        LocalServer {
            binaries: PostgresBinaries { folder: "/no/bin".into(), version: MajorVersion::V16 },
            data_directory: "/no/data".into(),
            owner: ServerOwner { uid: 1, gid: 1, name: "anna".to_owned() },
            port: 6543,
            socket_folder: socket_folder.map(PathBuf::from),
        }
    }

    #[test]
    fn connects_over_the_socket_as_the_owner() {
        let settings = server(Some("/tmp/s")).connection_settings("postgres");
        let value = |name: &str| settings.keywords.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((value("host"), value("port")), (Some("/tmp/s"), Some("6543")));
        assert_eq!((value("user"), value("dbname")), (Some("anna"), Some("postgres")));
        assert!(settings.conninfo.is_none());
    }

    #[test]
    #[cfg(unix)]
    fn quotes_settings_so_that_a_shell_gives_them_back_unchanged() {
        let options = StartOptions {
            port: 6543,
            socket_folder: None,
            settings: vec![("archive_command".into(), "cp '%p' \"$HOME/%f\"; echo `x` \\".into())],
            log_file: "/no/log".into(),
            wait: Duration::from_secs(1),
        };
        let script = format!("printf '%s\\n' {}", server(Some("/tmp/a,b\"c d")).command_line(&options));
        let output = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        let expected = "-p\n6543\n-c\nunix_socket_directories=\"/tmp/a,b\"\"c d\"\n\
                        -c\narchive_command=cp '%p' \"$HOME/%f\"; echo `x` \\\n";
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }

    #[test]
    fn says_which_program_is_missing() {
        let error = server(None).stop(false).unwrap_err();
        assert!(matches!(error, ClusterError::ClusterBinaryMissing { program, .. } if program == "pg_ctl"));
    }
}
