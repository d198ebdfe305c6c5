use super::AssertionOutcome;
use crate::verify::{Finding, FindingSeverity, ValidationResult};
use jiff::Timestamp;
use pgformat::Lsn;
use pgformat::wal::SummaryTime;
use serde::Serialize;
use vault::repository::BackupId;

/// The form of a report.
pub(super) const REPORT_VERSION: u32 = 1;

/// What a drill found, and how long it took to come back.
#[derive(Debug, Clone, Serialize)]
pub struct DrillReport {
    /// 1.
    pub report_version: u32,
    /// How it ended.
    pub result: ValidationResult,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Who asked.
    pub by: String,
    /// The newest backup of the chain; `None` when no plan could be made and none was named.
    pub backup_id: Option<BackupId>,
    /// Its archive's name.
    pub archive_name: Option<String>,
    /// The chain, the FULL first.
    pub backups: Vec<BackupId>,
    /// The instant that was to be reached; of the last transaction where only an address was.
    pub target_time: Option<Timestamp>,
    /// The first byte that was not to be replayed.
    pub target_lsn: Option<Lsn>,
    /// Where recovery ended.
    pub recovered_lsn: Option<Lsn>,
    /// The last transaction that is there, when the log after the backup has one.
    pub last_commit: Option<SummaryTime>,
    /// How long each part took.
    pub times: DrillTimes,
    /// What was written.
    pub restored_bytes: u64,
    /// Pages whose checksums were right or wrong; `None`: the cluster has no checksums.
    pub pages: Option<u64>,
    /// What `pg_amcheck` looked at: databases; or why it did not: `{"key": …, arguments}`.
    pub amcheck: serde_json::Value,
    /// What the users want to be true.
    pub assertions: Vec<AssertionOutcome>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// How long each part took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct DrillTimes {
    /// From the beginning until the cluster took connections: what a real restore would have taken (RTO).
    pub rto_seconds: f64,
    /// Of that, starting and recovering.
    pub recovery_seconds: f64,
    /// Looking at it.
    pub check_seconds: f64,
    /// All of it.
    pub seconds: f64,
}

impl DrillReport {
    /// Tells whether nothing is wrong.
    pub fn is_proved(&self) -> bool {
        self.result == ValidationResult::Passed
    }

    pub(super) fn judge(findings: &[Finding]) -> ValidationResult {
        match findings.iter().map(|finding| finding.severity).max_by_key(|severity| *severity == FindingSeverity::Error)
        {
            Some(FindingSeverity::Error) => ValidationResult::Failed,
            Some(FindingSeverity::Warning) => ValidationResult::Warned,
            None => ValidationResult::Passed,
        }
    }
}
