//! `backup_label` and `tablespace_map` (upstream `xlogbackup.c`, `xlogrecovery.c`).

use crate::{FormatError, Lsn, TimelineId};

/// Holds what a backup_label says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLabel {
    pub start_lsn: Lsn,
    pub start_wal_file: String,
    pub checkpoint_lsn: Lsn,
    pub backup_method: String,
    /// `primary` or `standby`.
    pub backup_from: String,
    pub start_time: String,
    pub label: String,
    pub start_timeline: TimelineId,
    /// Present in an incremental backup's label (17 and later).
    pub incremental_from_lsn: Option<Lsn>,
    pub incremental_from_timeline: Option<TimelineId>,
}

impl BackupLabel {
    /// Reads the text that `pg_backup_stop` returns.
    ///
    /// # Errors
    /// `FormatText` naming the missing or malformed line.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let _ = text;
        todo!()
    }
}

/// Reads a tablespace_map: pairs of tablespace OID and the directory it pointed to, escapes undone.
///
/// # Errors
/// `FormatText` naming the malformed line.
pub fn parse_tablespace_map(text: &str) -> Result<Vec<(u32, String)>, FormatError> {
    let _ = text;
    todo!()
}
