use crate::{Cancel, Error, Progress};
use serde::Serialize;
use vault::repository::{BackupRecord, Repository};

/// Says how much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationLevel {
    /// Existence, size, SHA-256 of the archive.
    Checksum,
    /// Also every frame decodes, tar headers equal the index, every member's CRC-32C, every page's checksum, the manifest lists
    /// exactly the members, WAL segments from start to stop are there.
    Deep,
}

/// Says how bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    /// The backup is sound, the cluster was not: a page that was corrupt before the backup, and such.
    Warning,
    /// The backup is damaged.
    Error,
}

/// One thing found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub severity: FindingSeverity,
    /// `{"key": …, arguments}`.
    pub what: serde_json::Value,
}

/// The outcome for one backup.
#[derive(Debug, Clone, Serialize)]
pub struct ValidationReport {
    pub backup_id: vault::repository::BackupId,
    pub archive_name: String,
    pub level: ValidationLevel,
    pub sha256_expected: Option<String>,
    pub sha256_found: Option<String>,
    pub files: u64,
    pub pages: u64,
    pub seconds: f64,
    pub findings: Vec<Finding>,
}

impl ValidationReport {
    /// Tells whether no finding is an error.
    pub fn is_valid(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != FindingSeverity::Error)
    }
}

/// Validates one completed backup with `jobs` workers.
pub fn validate(
    repository: &Repository,
    record: &BackupRecord,
    level: ValidationLevel,
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ValidationReport, Error> {
    let _ = (repository, record, level, jobs, progress, cancel);
    todo!()
}
