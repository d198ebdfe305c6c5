use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of a record that says nothing that a program of the first version must not pass over.
pub const RECORD_VERSION: u32 = 1;
/// The version of a record whose archive a program of the first version can't read, or must not take for a base: of encrypted and of
/// logical backups; the newest that this program reads.
pub const RECORD_VERSION_LIMIT: u32 = 2;

/// Numbers a backup in its repository, from 1; never used again, even when the backup is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackupId(pub u64);

/// Says what a backup holds. Serializes as the seed's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupKind {
    /// Every file of the cluster.
    #[serde(rename = "FULL")]
    Full,
    /// The blocks changed since the newest FULL.
    #[serde(rename = "DIFERENCIAL")]
    Differential,
    /// The blocks changed since the newest backup of any kind.
    #[serde(rename = "INCREMENTAL")]
    Incremental,
}

/// Says what a backup is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupMethod {
    /// The cluster's files and their WAL: restores to a cluster, is a base for increments, begins a recovery.
    #[default]
    Physical,
    /// Dumps of databases: each restores into a running server. Always a FULL; nothing stands on it, and no WAL can be replayed on it.
    Logical,
}

/// Says how far a backup came. Serializes as the seed's word. PENDIENTE and VALIDANDO live in the catalog only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BackupState {
    /// Being made: never in a record file.
    #[serde(rename = "EN_PROGRESO")]
    InProgress,
    /// Whole, durable, restorable.
    #[serde(rename = "COMPLETADO")]
    Completed,
    /// Given up or broken off; it has no archive.
    #[serde(rename = "FALLIDO")]
    Failed,
}

/// The content of `NAME.json`: everything that is known of a backup without opening its archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// [`BackupRecord::version`].
    pub record_version: u32,
    /// Its number, from 1.
    pub id: BackupId,
    /// What it holds.
    pub kind: BackupKind,
    /// What it is made of; absent in records of programs that knew physical backups only.
    #[serde(default)]
    pub method: BackupMethod,
    /// The backup whose blocks this one changes; `None` for a FULL.
    pub base_id: Option<BackupId>,
    /// What that backup was when this one was taken, so that another one in its place is found out; `None` for a FULL.
    #[serde(default)]
    pub base: Option<RecordBase>,
    /// File name without folder, such as `full_20261124_000000.backup`.
    pub archive_name: String,
    /// COMPLETADO or FALLIDO.
    pub state: BackupState,
    /// When the backup began.
    pub started_at: jiff::Timestamp,
    /// When it ended; `None` when nobody saw it end.
    pub finished_at: Option<jiff::Timestamp>,
    /// The due time that the scheduler took it for; `None` when somebody asked for it.
    #[serde(default)]
    pub scheduled_for: Option<jiff::Timestamp>,
    /// The label that the server got (upstream `pg_backup_start`).
    pub label: String,
    /// The cluster's, equal to the repository's.
    pub system_identifier: SystemIdentifier,
    /// Major version of the server.
    pub postgresql_version: MajorVersion,
    /// Full version text of the server, such as `17.10`.
    pub server_version: String,
    /// Whether a standby was read.
    pub from_standby: bool,
    /// `None` in a backup that failed before it began, and in a logical one, as are the next two.
    pub start_lsn: Option<Lsn>,
    /// Where the WAL that the backup needs ends.
    pub stop_lsn: Option<Lsn>,
    /// The timeline of both LSNs.
    pub timeline: Option<TimelineId>,
    /// Size of a page.
    pub block_size_bytes: u32,
    /// Size of a WAL segment in bytes.
    pub wal_segment_size: Option<WalSegmentSize>,
    /// Whether pages carry checksums.
    pub data_checksums: bool,
    /// Bytes of the cluster's files before compression, WAL included.
    pub plain_bytes: u64,
    /// Size of the archive; 0 without one.
    pub archive_bytes: u64,
    /// Digest of the archive, 64 lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// Members of the archive.
    pub files: u64,
    /// For whom the archive is encrypted; `None` when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<RecordEncryption>,
    /// zstd level.
    pub compression_level: i32,
    /// `local` or `sql`: how the files were read; `merge`; `pg_dump` of a logical backup.
    pub reader: String,
    /// How changed blocks were found; `None` for a FULL.
    pub changes_found_by: Option<String>,
    /// Why the ways of finding changed blocks that come before that one could not tell: `{"key": …, arguments}` each.
    #[serde(default)]
    pub changes_passed_over: Vec<serde_json::Value>,
    /// The chain whose blocks were put together to make this FULL without the server, base first; else empty.
    #[serde(default)]
    pub merged_from: Vec<BackupId>,
    /// What a completed logical backup holds; `None` in every other.
    #[serde(default)]
    pub logical: Option<LogicalContents>,
    /// Every tablespace but `pg_default` and `pg_global`.
    pub tablespaces: Vec<RecordTablespace>,
    /// Pages whose checksum stayed wrong when they were read again; the first 1,000.
    #[serde(default)]
    pub corrupt_pages: Vec<CorruptPage>,
    /// How many such pages there are.
    #[serde(default)]
    pub corrupt_pages_total: u64,
    /// `{"key": …, arguments}` of everything that was not as it should be and did no harm.
    #[serde(default)]
    pub warnings: Vec<serde_json::Value>,
    /// What made the backup, such as `cadena 0.1.0`.
    pub tool_version: String,
    /// `{"key": …, arguments}` of the error that ended a failed backup, plus `message` in English.
    pub error: Option<serde_json::Value>,
}

/// Says how an archive is encrypted: it is an age file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordEncryption {
    /// The age recipients whose identities open it.
    pub recipients: Vec<String>,
}

impl BackupRecord {
    /// Returns the version that a record like this must have.
    pub fn version(&self) -> u32 {
        if self.encryption.is_some() || !self.is_physical() { RECORD_VERSION_LIMIT } else { RECORD_VERSION }
    }
}

/// Tells a base from every other backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordBase {
    /// Where its WAL starts: all changes from there on are in the backup that names it.
    pub start_lsn: Lsn,
    /// Its timeline.
    pub timeline: TimelineId,
    /// Digest of its archive.
    pub sha256: String,
}

/// What a logical backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalContents {
    /// The version of pg_dump: a pg_restore of that version or a later one reads the dumps.
    pub dump_version: MajorVersion,
    /// Whether the roles' password hashes are in it.
    pub role_passwords: bool,
    /// The databases, in the order in which they were dumped. At least one.
    pub databases: Vec<LogicalDatabase>,
}

/// One database's dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalDatabase {
    /// The database's OID.
    pub oid: u32,
    /// The database's name.
    pub name: String,
    /// The folder in the archive, below `databases/`.
    pub folder: String,
    /// The instant as of which it was dumped.
    pub snapshot_at: jiff::Timestamp,
    /// Length of the dump: of all its parts.
    pub dump_bytes: u64,
    /// How many parts it lies in.
    pub parts: u64,
}

/// Says where a tablespace was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTablespace {
    /// The tablespace's OID.
    pub oid: u32,
    /// The tablespace's name.
    pub name: String,
    /// The directory that it was in.
    pub location: String,
}

/// Names a page that is damaged in the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorruptPage {
    /// Path of the relation's first segment below the data directory.
    pub file: String,
    /// Counted in the relation, across its segments.
    pub block: u32,
    /// The checksum on the page.
    pub found: Option<u16>,
    /// The checksum that its content has.
    pub expected: Option<u16>,
}

impl BackupState {
    /// Returns the seed's word: `COMPLETADO`, `FALLIDO`, `EN_PROGRESO`.
    pub fn word(self) -> &'static str {
        match self {
            BackupState::InProgress => "EN_PROGRESO",
            BackupState::Completed => "COMPLETADO",
            BackupState::Failed => "FALLIDO",
        }
    }
}

impl BackupMethod {
    pub(super) fn is_physical(&self) -> bool {
        *self == BackupMethod::Physical
    }

    /// Returns the word of records and of the command line: `physical`, `logical`.
    pub fn word(self) -> &'static str {
        match self {
            BackupMethod::Physical => "physical",
            BackupMethod::Logical => "logical",
        }
    }
}

impl BackupRecord {
    /// Tells whether it is of the cluster's files: only such a backup is a base, begins a chain, or restores to a cluster.
    pub fn is_physical(&self) -> bool {
        self.method == BackupMethod::Physical
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
