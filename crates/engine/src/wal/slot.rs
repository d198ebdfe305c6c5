use crate::cluster::{ClusterError, Connection};
use pgformat::Lsn;
use serde::Serialize;

/// The state of the slot on the server.
#[derive(Debug, Clone, Serialize)]
pub struct SlotHealth {
    /// Its name.
    pub slot: String,
    /// How it is.
    pub state: SlotState,
    /// The process of the server that serves it, when somebody streams from it.
    pub active_pid: Option<i32>,
    /// The oldest WAL that it holds back.
    pub restart_lsn: Option<Lsn>,
    /// The server's present position (flush, or replay on a standby).
    pub server_lsn: Lsn,
    /// How much WAL it holds back.
    pub retained_bytes: u64,
    /// How much more may be written before the server lets the slot go; `None`: no limit is set there.
    pub safe_wal_bytes: Option<u64>,
    /// Free bytes of the file system where we can tell. Reserved.
    pub max_slot_wal_keep_bytes: Option<u64>,
    /// What needs a look, the worst first.
    pub findings: Vec<SlotFinding>,
}

/// How a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
    /// There is none.
    Absent,
    /// It holds its WAL.
    Reserved,
    /// It holds more than the server wants to keep, and may lose it.
    AtRisk,
    /// The server has removed WAL that it needed.
    Lost,
    /// A logical slot has the name.
    Unusable,
}

/// Something about the slot that somebody should look at. Serializes to `{"key": …, arguments}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum SlotFinding {
    /// There is no slot: WAL that nobody receives may be removed.
    SlotAbsent { slot: String },
    /// It has lost WAL.
    SlotLost { slot: String, reason: String },
    /// It is about to lose WAL.
    SlotAtRisk { slot: String, safe_wal_bytes: u64 },
    /// It holds more than `max_slot_retained`.
    SlotRetainsTooMuch { slot: String, retained_bytes: u64, limit_bytes: u64 },
    /// Another client streams from it.
    SlotUsedByOther { slot: String, pid: i32, application: String },
    /// A logical slot has the name.
    SlotUnusable { slot: String, detail: String },
    /// The server sets no bound of its own (`max_slot_wal_keep_size = -1`): with nobody streaming, its disk may fill.
    SlotUnbounded { slot: String },
}

/// Looks at the slot.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterSql`, `ClusterConnectionLost`.
pub fn slot_health(
    _connection: &mut Connection,
    _slot: &str,
    _max_retained_bytes: Option<u64>,
) -> Result<SlotHealth, ClusterError> {
    todo!()
}

/// Makes the slot, reserving WAL at once; `false` when it is there already.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterSql`.
pub fn create_slot(_connection: &mut Connection, _slot: &str) -> Result<bool, ClusterError> {
    todo!()
}

/// Drops the slot; whoever streams from it is ended first. `false` when there is none.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterSql`.
pub fn drop_slot(_connection: &mut Connection, _slot: &str) -> Result<bool, ClusterError> {
    todo!()
}
