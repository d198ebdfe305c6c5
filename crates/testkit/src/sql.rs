//! The one place where this crate talks SQL: through `psql`.

use crate::versions::{client_program, server_owner};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How to reach a test cluster.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub socket_folder: PathBuf,
    pub port: u16,
    pub user: String,
}

/// What the server or psql said against a statement.
#[derive(Debug, Clone)]
pub struct SqlFailure {
    /// psql's error output, with SQLSTATE.
    pub message: String,
}

impl fmt::Display for SqlFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Address {
    /// Returns a libpq keyword string.
    pub fn conninfo(&self, dbname: &str) -> String {
        let quoted = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
        let host = quoted(&self.socket_folder.display().to_string());
        format!("host={host} port={} user={} dbname={}", self.port, quoted(&self.user), quoted(dbname))
    }

    fn psql(&self, dbname: &str, application_name: &str) -> Command {
        let mut command = server_owner().command(client_program("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"]);
        command.args(["-d", &format!("{} application_name={application_name}", self.conninfo(dbname))]);
        command
    }

    /// Runs statements, each in its own transaction, and returns the rows: values divided by `|`, no trailing newline.
    pub fn run(&self, dbname: &str, sql: &str) -> Result<String, SqlFailure> {
        let mut session = PsqlSession::open_as(self, dbname, OWN_QUERIES)?;
        session.run(sql)
    }
}

/// The application name of [`Address::run`]: these are the tests' own questions, and no workload.
pub(crate) const OWN_QUERIES: &str = "testkit";

/// One connection that stays open: a `psql` that reads statements as they come.
pub struct PsqlSession {
    child: Child,
    /// `None` once psql is told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: File,
    batches: u64,
    /// Whether it waits for the next batch.
    idle: bool,
}

impl PsqlSession {
    pub(crate) fn open(address: &Address, dbname: &str) -> Result<Self, SqlFailure> {
        Self::open_as(address, dbname, "session")
    }

    fn open_as(address: &Address, dbname: &str, application_name: &str) -> Result<Self, SqlFailure> {
        let cannot = |error: std::io::Error| SqlFailure { message: format!("psql: {error}") };
        let errors = tempfile::tempfile().map_err(cannot)?;
        let mut child = address
            .psql(dbname, application_name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().map_err(cannot)?)
            .spawn()
            .map_err(cannot)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(SqlFailure { message: "psql has no pipes".to_owned() });
        };
        Ok(Self { child, input: Some(input), output: BufReader::new(output), errors, batches: 0, idle: true })
    }

    /// Runs statements and returns their rows. After a failure the session is over.
    ///
    /// # Errors
    /// What the server said against the first statement that failed, or that the connection broke.
    pub fn run(&mut self, sql: &str) -> Result<String, SqlFailure> {
        self.batches += 1;
        self.idle = false;
        let Some(input) = &mut self.input else { return Err(SqlFailure { message: "psql has ended".to_owned() }) };
        // psql answers in order, so this line comes after all rows of the batch.
        let end = format!("--end of batch {}--", self.batches);
        let batch = format!("{}\n;\n\\echo '{end}'\n", sql.trim_end().trim_end_matches(';'));
        // A failed write means that psql has ended; why stands in its error output.
        let written = input.write_all(batch.as_bytes()).and_then(|()| input.flush());
        let mut rows = Vec::new();
        while written.is_ok() {
            let mut line = String::new();
            match self.output.read_line(&mut line) {
                Ok(0) => break,
                Ok(_) if line.trim_end() == end => {
                    self.idle = true;
                    return Ok(rows.join("\n"));
                }
                Ok(_) => rows.push(line.trim_end_matches('\n').to_owned()),
                Err(error) => return Err(SqlFailure { message: format!("psql: {error}") }),
            }
        }
        Err(self.failure())
    }

    fn failure(&mut self) -> SqlFailure {
        let status = self.child.wait();
        let mut message = String::new();
        if self.errors.rewind().and_then(|()| self.errors.read_to_string(&mut message)).is_err() || message.is_empty() {
            message = format!("psql ended without a word ({status:?})");
        }
        SqlFailure { message: message.trim_end().to_owned() }
    }
}

impl Drop for PsqlSession {
    fn drop(&mut self) {
        self.input = None;
        // An idle psql ends at the end of its input and says goodbye to the server; one that waits for a lock has to be
        // ended, which makes the server roll back.
        if self.idle || self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}
