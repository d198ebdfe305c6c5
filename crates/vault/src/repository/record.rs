use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Numbers a backup in its repository, from 1; never used again, even when the backup is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackupId(pub u64);

/// Says what a backup holds. Serializes as the seed's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupKind {
    #[serde(rename = "FULL")]
    Full,
    #[serde(rename = "DIFERENCIAL")]
    Differential,
    #[serde(rename = "INCREMENTAL")]
    Incremental,
}

/// Says how far a backup came. Serializes as the seed's word. PENDIENTE and VALIDANDO live in the catalog only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BackupState {
    #[serde(rename = "EN_PROGRESO")]
    InProgress,
    #[serde(rename = "COMPLETADO")]
    Completed,
    #[serde(rename = "FALLIDO")]
    Failed,
}

/// The content of `NAME.json`: everything that is known of a backup without opening its archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupRecord {
    pub record_version: u32,
    pub id: BackupId,
    pub kind: BackupKind,
    pub base_id: Option<BackupId>,
    /// File name without folder, such as `full_20261124_000000.backup`.
    pub archive_name: String,
    pub state: BackupState,
    pub started_at: jiff::Timestamp,
    pub finished_at: Option<jiff::Timestamp>,
    pub label: String,
    pub system_identifier: SystemIdentifier,
    pub postgresql_version: MajorVersion,
    /// Full version text of the server, such as `17.10`.
    pub server_version: String,
    pub from_standby: bool,
    /// `None` in a backup that failed before it began.
    pub start_lsn: Option<Lsn>,
    pub stop_lsn: Option<Lsn>,
    pub timeline: Option<TimelineId>,
    pub block_size_bytes: u32,
    pub wal_segment_size: Option<WalSegmentSize>,
    pub data_checksums: bool,
    /// Bytes of the cluster's files before compression, WAL included.
    pub plain_bytes: u64,
    pub archive_bytes: u64,
    pub sha256: Option<String>,
    pub files: u64,
    pub compression_level: i32,
    /// `local` or `sql`: how the files were read.
    pub reader: String,
    /// How changed blocks were found; `None` for a FULL.
    pub changes_found_by: Option<String>,
    pub tablespaces: Vec<RecordTablespace>,
    /// Pages whose checksum stayed wrong when they were read again; the first 1,000.
    #[serde(default)]
    pub corrupt_pages: Vec<CorruptPage>,
    #[serde(default)]
    pub corrupt_pages_total: u64,
    #[serde(default)]
    pub warnings: Vec<serde_json::Value>,
    pub tool_version: String,
    /// `{"key": …, arguments}` of the error that ended a failed backup, plus `message` in English.
    pub error: Option<serde_json::Value>,
}

/// Says where a tablespace was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTablespace {
    pub oid: u32,
    pub name: String,
    pub location: String,
}

/// Names a page that is damaged in the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorruptPage {
    pub file: String,
    /// Counted in the relation, across its segments.
    pub block: u32,
    pub found: Option<u16>,
    pub expected: Option<u16>,
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
