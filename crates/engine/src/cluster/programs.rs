//! Runs client programs such as pg_dump and pg_restore: to their ends, or until somebody cancels.

use super::{ClientConnection, ClusterError};
use crate::{Cancel, Error};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long a silent program is waited for before somebody's cancelling is looked for.
const PIPE_WAIT: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How long one that was told to end may take; then it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of what it said goes into an error.
const TAIL_BYTES: u64 = 4096;
/// What it may see of the environment when it talks to a server of ours.
const CHILD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A run of one program.
pub(crate) struct Program {
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

    /// Lists what a dump contains, and what depends on what.
    ///
    /// # Errors
    /// `ClusterProgram`; `cancelled`.
    pub fn detailed_listing(mut self, dump: &Path, cancel: &Cancel) -> Result<String, Error> {
        self.arguments(["--verbose"]);
        self.listing(dump, cancel)
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

impl Program {
    /// Runs it with its output in a file, and returns how it ended and what it said besides.
    ///
    /// # Errors
    /// `ClusterProgram` when it can't be run; `cancelled`.
    pub fn run_into(mut self, file: &File, cancel: &Cancel) -> Result<Said, Error> {
        let output = file.try_clone().map_err(|error| self.failed(error.to_string()))?;
        self.command.stdout(output);
        self.run(cancel)
    }

    /// Starts it, to be read from while it runs. The thread that starts it must live as long: the kernel ends the program with it.
    ///
    /// # Errors
    /// `ClusterProgram` when it can't be run.
    pub fn start_reading(mut self) -> Result<RunningProgram, Error> {
        self.command.stdout(Stdio::piped());
        self.start()
    }

    /// Starts it, to be written to while it runs; its output goes nowhere.
    ///
    /// # Errors
    /// `ClusterProgram` when it can't be run.
    pub fn start_writing(mut self) -> Result<RunningProgram, Error> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::null());
        self.start()
    }

    fn start(mut self) -> Result<RunningProgram, Error> {
        let spawned = tempfile::tempfile().and_then(|errors| {
            let child = self.command.stderr(errors.try_clone()?).spawn()?;
            Ok((errors, child))
        });
        let (errors, mut child) = spawned
            .map_err(|error| self.failed(format!("{}: {error}", self.command.get_program().to_string_lossy())))?;
        let (output, input) = (child.stdout.take(), child.stdin.take());
        Ok(RunningProgram { child: Some(child), output, input, errors, name: self.name })
    }
}

/// A program that runs beside us. Dropped, it is ended.
pub(crate) struct RunningProgram {
    /// `None` once it has ended.
    child: Option<Child>,
    output: Option<ChildStdout>,
    input: Option<ChildStdin>,
    errors: File,
    name: String,
}

impl RunningProgram {
    /// Reads what it writes next; 0 once it writes no more.
    ///
    /// # Errors
    /// `ClusterProgram`.
    ///
    /// # Cancellation
    /// Ends with `cancelled`, also while the program is silent.
    pub fn read(&mut self, buffer: &mut [u8], cancel: &Cancel) -> Result<usize, Error> {
        let Some(output) = &mut self.output else { return Ok(0) };
        let failed = |detail: String| ClusterError::ClusterProgram { program: self.name.clone(), detail };
        loop {
            cancel.check()?;
            let mut waiting = [rustix::event::PollFd::new(&*output, rustix::event::PollFlags::IN)];
            let ready = match rustix::event::poll(&mut waiting, Some(&PIPE_WAIT)) {
                Err(rustix::io::Errno::INTR) => continue,
                ready => ready.map_err(|error| failed(io::Error::from(error).to_string()))?,
            };
            if ready == 0 {
                continue;
            }
            match output.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error.to_string()).into()),
                Ok(read) => return Ok(read),
            }
        }
    }

    /// Gives it more to read. Tells whether it still reads: what ends early says by its end whether that is well.
    ///
    /// # Errors
    /// `ClusterProgram`; `cancelled`.
    pub fn write(&mut self, bytes: &[u8], cancel: &Cancel) -> Result<bool, Error> {
        cancel.check()?;
        let Some(input) = &mut self.input else { return Ok(false) };
        match input.write_all(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.input = None;
                Ok(false)
            }
            Err(error) => {
                Err(ClusterError::ClusterProgram { program: self.name.clone(), detail: error.to_string() }.into())
            }
        }
    }

    /// Gives and takes no more, waits for its end, and returns how that was.
    ///
    /// # Errors
    /// `ClusterProgram`; `cancelled`.
    pub fn finish(mut self, cancel: &Cancel) -> Result<Said, Error> {
        (self.input, self.output) = (None, None);
        let failed =
            |error: io::Error| ClusterError::ClusterProgram { program: self.name.clone(), detail: error.to_string() };
        let output = self.errors.try_clone().map_err(failed)?;
        while let Some(child) = &mut self.child {
            if let Some(status) = child.try_wait().map_err(failed)? {
                self.child = None;
                return Ok(Said { status, output, name: self.name.clone() });
            }
            // Dropped, it is ended.
            cancel.check()?;
            std::thread::sleep(POLL_INTERVAL);
        }
        Err(failed(io::Error::other("it has ended before")).into())
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        // First the pipes: who waits for us to read or write must not wait on.
        (self.input, self.output) = (None, None);
        if let Some(child) = &mut self.child
            && let Err(error) = end(child)
        {
            tracing::warn!(program = self.name, %error, "a program could not be ended");
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
pub(crate) struct Said {
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

    /// Returns all that it said when it succeeded: warnings.
    ///
    /// # Errors
    /// `ClusterProgram` with the end of what it said, when it failed, or when that can't be read.
    pub fn warnings(mut self) -> Result<String, Error> {
        if !self.status.success() {
            return Err(self.failure());
        }
        let said = self.text();
        said.map(|text| text.trim().to_owned())
            .map_err(|error| ClusterError::ClusterProgram { program: self.name, detail: error.to_string() }.into())
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
