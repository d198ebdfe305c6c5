//! One step of a schedule, and how the log of a failed round shows it.

use std::fmt;

/// Which backup is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Full,
    Differential,
    Incremental,
}

impl Kind {
    /// Returns the word of records.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Full => "FULL",
            Kind::Differential => "DIFERENCIAL",
            Kind::Incremental => "INCREMENTAL",
        }
    }

    /// Returns the command that takes it.
    pub fn command(self) -> &'static str {
        match self {
            Kind::Full => "full",
            Kind::Differential => "diferencial",
            Kind::Incremental => "incremental",
        }
    }
}

/// How the changed blocks are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    Auto,
    Wal,
    Server,
    Scan,
}

impl Changes {
    /// Returns the word of the command line, which is also that of records.
    pub fn word(self) -> &'static str {
        match self {
            Changes::Auto => "auto",
            Changes::Wal => "wal",
            Changes::Server => "server",
            Changes::Scan => "scan",
        }
    }
}

/// A backup to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupStep {
    pub kind: Kind,
    pub changes: Changes,
    /// `local` or `sql`.
    pub reader: &'static str,
    /// Statements that are run over and over while it is taken; see [`super::Meanwhile`]. Empty for a quiet server.
    pub meanwhile: Vec<String>,
}

/// Something that is done to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Statements in one database, each in its own transaction unless they say otherwise.
    Sql { what: &'static str, database: String, sql: String },
    /// A new tablespace in a new folder.
    CreateTablespace { name: String },
    /// The server dies while these statements' transaction is open, and recovers.
    Crash { open: String },
    /// The server is stopped cleanly and started.
    Restart,
    /// The archive gets what the server has, by `start --once`; nothing when the daemon runs.
    CatchUp,
    /// From now on the daemon runs, or does not.
    Daemon { runs: bool },
    /// A backup, and a restore point right after it.
    Backup(BackupStep),
    /// The newest chain is made a FULL without the server.
    Merge,
}

impl Step {
    /// Returns what kind of step it is, in a word or two.
    pub fn what(&self) -> &'static str {
        match self {
            Step::Sql { what, .. } => what,
            Step::CreateTablespace { .. } => "create tablespace",
            Step::Crash { .. } => "crash",
            Step::Restart => "restart",
            Step::CatchUp => "catch up",
            Step::Daemon { .. } => "daemon",
            Step::Backup(_) => "backup",
            Step::Merge => "merge",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what())?;
        match self {
            Step::Sql { database, sql, .. } => write!(f, " in {database}: {sql}"),
            Step::CreateTablespace { name } => write!(f, " {name}"),
            Step::Crash { open } => write!(f, ", open: {open}"),
            Step::Daemon { runs } => write!(f, " {}", if *runs { "starts" } else { "stops" }),
            Step::Backup(BackupStep { kind, changes, reader, meanwhile }) => {
                write!(f, ": {} --changes {} --reader {reader}", kind.command(), changes.word())?;
                if meanwhile.is_empty() { Ok(()) } else { write!(f, ", meanwhile: {}", meanwhile.join("; ")) }
            }
            Step::Restart | Step::CatchUp | Step::Merge => Ok(()),
        }
    }
}
