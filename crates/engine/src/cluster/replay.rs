use super::{ClusterError, Connection};
use pgformat::Lsn;

/// How far a server in recovery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayState {
    /// Whether it waits, at its target or because somebody told it to.
    pub paused: bool,
    /// The end of the last record that it replayed.
    pub replayed_lsn: Option<Lsn>,
}

/// Asks a server in recovery how far it is; `None` when it is not in recovery.
///
/// # Errors
/// `ClusterSql`, `ClusterConnectionLost`.
pub fn replay_state(connection: &mut Connection) -> Result<Option<ReplayState>, ClusterError> {
    // CASE: the second function is an error outside recovery. `paused` and not `pause requested`: replay stands still.
    let sql = "SELECT pg_catalog.pg_is_in_recovery(), \
               CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_get_wal_replay_pause_state() = 'paused' END, \
               COALESCE(pg_catalog.pg_last_wal_replay_lsn()::text, '')";
    let result = connection.query("ask how far recovery is", sql, &[])?;
    if !result.boolean(0, 0)? {
        return Ok(None);
    }
    Ok(Some(ReplayState { paused: result.boolean(0, 1)?, replayed_lsn: result.text(0, 2)?.parse().ok() }))
}
