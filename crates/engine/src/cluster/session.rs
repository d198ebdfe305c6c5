use super::{ClusterError, ClusterInfo, Connection, ConnectionSettings};
use pgformat::backup_label::BackupLabel;
use pgformat::{Lsn, TimelineId};

/// A base backup in progress on the server: the session between `pg_backup_start` and `pg_backup_stop`.
/// Dropping it ends the connection, which makes the server abort the backup and drop the slot.
pub struct BackupSession {
    _private: (),
}

/// What the start returned.
#[derive(Debug, Clone)]
pub struct BackupStart {
    pub start_lsn: Lsn,
    /// The temporary slot that keeps the WAL; `None` with the reason in `slot_refusal` when none could be had.
    pub slot: Option<String>,
    pub slot_refusal: Option<String>,
}

/// What the stop returned.
#[derive(Debug, Clone)]
pub struct BackupStop {
    pub stop_lsn: Lsn,
    pub label_text: String,
    pub label: BackupLabel,
    pub tablespace_map: String,
    /// The timeline of the WAL from start to stop.
    pub timeline: TimelineId,
}

impl BackupSession {
    /// Connects, makes the temporary slot (before the start, so that nothing can slip), and starts the backup.
    ///
    /// # Errors
    /// `ClusterWalLevel`, `ClusterPrivilege`, `ClusterSql`, …
    pub fn start(
        settings: &ConnectionSettings,
        info: &ClusterInfo,
        label: &str,
        fast_checkpoint: bool,
    ) -> Result<(Self, BackupStart), ClusterError> {
        let _ = (settings, info, label, fast_checkpoint);
        todo!()
    }
    /// Checks that the session still lives; call it now and then during a long copy.
    ///
    /// # Errors
    /// `ClusterConnectionLost`.
    pub fn check(&mut self) -> Result<(), ClusterError> {
        todo!()
    }
    /// Stops the backup without waiting for the server's own archiving. The slot lives until the session is dropped.
    ///
    /// # Errors
    /// `ClusterPromoted` when a standby was promoted meanwhile; `ClusterConnectionLost`; `ClusterSql`.
    pub fn stop(&mut self) -> Result<BackupStop, ClusterError> {
        todo!()
    }
}
