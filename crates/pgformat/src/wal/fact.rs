use crate::{FormatError, Lsn, MajorVersion, TimelineId};
use jiff::Timestamp;

/// What a record means to a point-in-time restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalFact {
    /// A transaction committed, or a prepared one did. `recovery_target_time` stops at these.
    Commit { time: Timestamp },
    /// A transaction was rolled back. `recovery_target_time` stops at these, too.
    Abort { time: Timestamp },
    /// `pg_create_restore_point`.
    RestorePoint { name: String, time: Timestamp },
    /// The rest of the segment is unused.
    SegmentSwitch,
    /// A checkpoint; `shutdown` says that the server stopped or was stopped before this.
    Checkpoint { shutdown: bool, redo_lsn: Lsn, timeline: TimelineId, time: Timestamp },
    /// Recovery ended here and this timeline begins.
    EndOfRecovery { timeline: TimelineId, previous_timeline: TimelineId, time: Timestamp },
    /// Settings changed; `wal_level` is 0 for minimal.
    ParameterChange { wal_level: i32 },
    /// A backup that started at `start_lsn` ended (`XLOG_BACKUP_END`).
    BackupEnd { start_lsn: Lsn },
}

/// Tells the fact of a record of which only the first bytes are known (see [`super::RECORD_HEAD_BYTES`]); enough of them for
/// commits, aborts and restore points, else `None`. The checksum is not looked at.
///
/// # Errors
/// `FormatDamaged`.
pub fn fact_of_head(_head: &[u8], _version: MajorVersion) -> Result<Option<WalFact>, FormatError> {
    todo!()
}
