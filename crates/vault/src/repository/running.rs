use super::{BackupId, BackupKind};
use serde::{Deserialize, Serialize};

/// What the holder of the lock writes about itself, so that others can say who works, and the next one can sweep up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningBackup {
    pub id: BackupId,
    pub kind: BackupKind,
    pub archive_name: String,
    pub started_at: jiff::Timestamp,
    pub host: String,
    pub pid: u32,
    pub tool_version: String,
}
