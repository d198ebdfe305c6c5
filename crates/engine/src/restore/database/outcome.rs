use pgformat::Lsn;
use pgformat::wal::SummaryTime;
use serde::Serialize;
use serde_json::Value;
use vault::repository::BackupId;

/// What the restore of one database did.
#[derive(Debug, Clone, Serialize)]
pub struct DatabaseOutcome {
    /// The database, by the name that it had then.
    pub database: String,
    /// Its name now.
    pub name: String,
    /// The server that has it.
    pub server: String,
    /// Tables, partitioned ones and partitions included.
    pub tables: u64,
    /// What it takes there.
    pub database_bytes: u64,
    /// The backups that were applied, the FULL first.
    pub backups: Vec<BackupId>,
    /// Where recovery ended.
    pub end_lsn: Option<Lsn>,
    /// The last transaction that is there, when the log after the backup has one.
    pub last_commit: Option<SummaryTime>,
    /// What was written for the throw-away cluster.
    pub plain_bytes: u64,
    /// What was not: files of other databases.
    pub left_out_bytes: u64,
    /// The dump between the two servers.
    pub dump_bytes: u64,
    /// The database that was replaced, by its name now; `None` when there was none or it was dropped.
    pub kept: Option<String>,
    /// Sessions that were ended to replace it.
    pub ended_sessions: u64,
    /// Roles that were made.
    pub created_roles: Vec<String>,
    /// Wall time: all of it, and its parts.
    pub seconds: f64,
    /// Until the throw-away cluster had recovered.
    pub recover_seconds: f64,
    /// The dump.
    pub dump_seconds: f64,
    /// The load, naming included.
    pub load_seconds: f64,
    /// What its user should know.
    pub warnings: Vec<Value>,
}
