//! Runs pg_dump and pg_restore: to their ends, or until somebody cancels.

use crate::cluster::{ClientConnection, ClusterError};
use crate::{Cancel, Error};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long one that was told to end may take; then it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of what it said goes into an error.
const TAIL_BYTES: u64 = 4096;
/// What it may see of the environment when it talks to a server of ours.
const CHILD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A run of one program.
pub(in crate::restore) struct Program {
    command: Command,
    name: String,
}

impl Program {
    /// Prepares it to talk to a server that somebody else set up: it sees our environment, where passwords, certificates and services
    /// may be named.
    pub fn new(path: &Path, connection: &ClientConnection) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut command = Command::new(path);
        // Its messages are read, and go into errors.
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
        connection.apply(&mut command);
        end_with_us(&mut command);
        Program { command, name }
    }

    /// Prepares it to talk to a server of ours: nothing of our environment changes what it does.
    pub fn alone(path: &Path, connection: &ClientConnection) -> Self {
        let mut program = Self::new(path, connection);
        program.command.env_clear().env("PATH", CHILD_PATH).env("LC_ALL", "C").env("HOME", "/");
        program
    }

    /// Prepares it to work on files only.
    pub fn offline(path: &Path) -> Self {
        let mut command = Command::new(path);
        command.env_clear().env("PATH", CHILD_PATH).env("LC_ALL", "C").env("HOME", "/").stdin(Stdio::null());
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Program { command, name }
    }

    /// Lists what a dump contains.
    ///
    /// # Errors
    /// `ClusterProgram`; `cancelled`.
    pub fn listing(mut self, dump: &Path, cancel: &Cancel) -> Result<String, Error> {
        let failed =
            |error: io::Error| ClusterError::ClusterProgram { program: self.name.clone(), detail: error.to_string() };
        let mut listing = tempfile::tempfile().map_err(failed)?;
        let output = listing.try_clone().map_err(failed)?;
        self.command.arg("--list").arg(dump).stdout(output);
        self.run(cancel)?.check()?;
        let mut text = String::new();
        let read = listing.seek(SeekFrom::Start(0)).and_then(|_| listing.read_to_string(&mut text));
        read.map_err(|error| self.failed(error.to_string()))?;
        Ok(text)
    }

    /// Runs it and returns whether it succeeded, its exit code, and all that it said, on both ways.
    ///
    /// # Errors
    /// `ClusterProgram` when it can't be run; `cancelled`.
    pub fn said(mut self, cancel: &Cancel) -> Result<(Option<i32>, String), Error> {
        let failed =
            |error: io::Error| ClusterError::ClusterProgram { program: self.name.clone(), detail: error.to_string() };
        let mut answers = tempfile::tempfile().map_err(failed)?;
        let output = answers.try_clone().map_err(failed)?;
        self.command.stdout(output);
        let mut said = self.run(cancel)?;
        let mut text = String::new();
        let read = answers.seek(SeekFrom::Start(0)).and_then(|_| answers.read_to_string(&mut text));
        read.map_err(|error| self.failed(error.to_string()))?;
        text.push_str(&said.text().map_err(|error| self.failed(error.to_string()))?);
        Ok((said.status.code(), text))
    }

    pub fn arguments<A: AsRef<std::ffi::OsStr>>(&mut self, arguments: impl IntoIterator<Item = A>) {
        self.command.args(arguments);
    }

    pub fn variable(&mut self, name: &str, value: &str) {
        self.command.env(name, value);
    }

    fn failed(&self, detail: String) -> ClusterError {
        ClusterError::ClusterProgram { program: self.name.clone(), detail }
    }

    /// Runs it and returns how it ended and the whole of what it said.
    ///
    /// # Errors
    /// `ClusterProgram` when it can't be run.
    ///
    /// # Cancellation
    /// Tells it to end, waits for that, and ends with `cancelled`.
    pub fn run(&mut self, cancel: &Cancel) -> Result<Said, Error> {
        cancel.check()?;
        let cannot = |error: io::Error| ClusterError::ClusterProgram {
            program: self.name.clone(),
            detail: format!("{}: {error}", self.command.get_program().to_string_lossy()),
        };
        let output = tempfile::tempfile().map_err(cannot)?;
        let errors = output.try_clone().map_err(cannot)?;
        let spawned = self.command.stderr(errors).spawn();
        let mut child = spawned.map_err(|error| self.failed(error.to_string()))?;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(Said { status, output, name: self.name.clone() }),
                Ok(None) => {}
                Err(error) => return Err(self.failed(error.to_string()).into()),
            }
            if cancel.is_cancelled() {
                end(&mut child).map_err(|error| self.failed(error.to_string()))?;
                cancel.check()?;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Has the kernel end the program should we be killed: a load that goes on alone would fill a database that nobody finishes.
#[cfg(target_os = "linux")]
fn end_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let follow = || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).map_err(io::Error::from)
    };
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(follow) };
}

#[cfg(not(target_os = "linux"))]
fn end_with_us(_command: &mut Command) {}

/// SIGTERM first: the programs pass it on to their workers and cancel what the servers run for them.
fn end(child: &mut Child) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            break;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// How a program ended, and what it said.
pub(in crate::restore) struct Said {
    status: ExitStatus,
    output: File,
    name: String,
}

impl Said {
    /// # Errors
    /// `ClusterProgram` with the end of what it said, when it failed.
    pub fn check(mut self) -> Result<(), Error> {
        if self.status.success() { Ok(()) } else { Err(self.failure()) }
    }

    /// The same, but errors about a setting that an older server does not know are no failure: newer programs begin every session with
    /// it, whatever the server (upstream `pg_backup_archiver.c`, `_doSetFixedOutputState`).
    ///
    /// # Errors
    /// `ClusterProgram`.
    pub fn check_but_for_timeout_setting(mut self) -> Result<(), Error> {
        if self.status.success() {
            return Ok(());
        }
        let text = self.text().unwrap_or_default();
        if only_timeout_setting(&text) { Ok(()) } else { Err(self.failure()) }
    }

    fn text(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.output.seek(SeekFrom::Start(0))?;
        self.output.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn failure(&mut self) -> Error {
        let tail = || -> io::Result<String> {
            let end = self.output.seek(SeekFrom::End(0))?;
            self.output.seek(SeekFrom::Start(end.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            (&self.output).take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        }();
        let said = tail.unwrap_or_else(|error| format!("(what it said can't be read: {error})"));
        let detail = if said.is_empty() { self.status.to_string() } else { said };
        ClusterError::ClusterProgram { program: self.name.clone(), detail }.into()
    }
}

/// Tells whether pg_restore came to its end and all that it complained of is `transaction_timeout`, which servers before 17 do not
/// know. Its own count can't be used: those of its workers' first statements are not in it.
fn only_timeout_setting(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let forgiven = |place: usize| {
        lines[place].contains("error: could not execute query: ")
            && lines[place].contains("\"transaction_timeout\"")
            && lines.get(place + 1) == Some(&"Command was: SET transaction_timeout = 0;")
    };
    let mut errors = (0..lines.len()).filter(|place| lines[*place].contains("pg_restore: error: "));
    let came_to_its_end = lines.last().is_some_and(|line| line.contains("warning: errors ignored on restore: "));
    came_to_its_end && errors.all(forgiven)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: &str = "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"\n\
                           Command was: SET transaction_timeout = 0;\n";

    #[test]
    fn only_the_unknown_setting_is_forgiven() {
        let all = |others: &str, count: u32| {
            format!(
                "pg_restore: while INITIALIZING:\n{TIMEOUT}{TIMEOUT}{others}pg_restore: warning: errors ignored on restore: {count}\n"
            )
        };
        assert!(only_timeout_setting(&all("", 1)));
        let other = "pg_restore: error: could not execute query: ERROR:  relation \"x\" does not exist\nCommand was: SELECT 1;\n";
        assert!(!only_timeout_setting(&all(other, 3)));
        assert!(!only_timeout_setting(TIMEOUT), "it broke off before it counted");
        assert!(!only_timeout_setting(""));
    }

    #[test]
    fn a_cancelled_program_ends_and_a_failed_one_says_why() {
        let connection = ClientConnection { conninfo: String::new(), password: None };
        let run = |script: &str, cancel: &Cancel| {
            let mut program = Program::new(Path::new("/bin/sh"), &connection);
            program.command = Command::new("/bin/sh");
            program.arguments(["-c", script]);
            program.run(cancel)
        };
        let cancel = Cancel::new();
        let error = run("echo why >&2; exit 3", &cancel).unwrap().check().unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
        let later = cancel.clone();
        let canceller = std::thread::spawn(move || later.cancel());
        let error = run("exec sleep 60", &cancel).err().unwrap();
        canceller.join().unwrap();
        assert!(error.is_cancelled());
    }
}
