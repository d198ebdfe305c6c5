use crate::cluster::slots::{self, SlotRow};
use crate::cluster::{ClusterError, Connection};
use pgformat::Lsn;
use serde::Serialize;

/// The application that our receivers are.
const OUR_APPLICATION: &str = "cadena";
/// With less than one part in so many of `max_slot_wal_keep_size` left, a slot is at risk.
const LITTLE_OF_KEPT: u64 = 5;

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
    connection: &mut Connection,
    slot: &str,
    max_retained_bytes: Option<u64>,
) -> Result<SlotHealth, ClusterError> {
    slot_health_cancellable(connection, slot, max_retained_bytes, &|| false)
}

/// The same, looking at `cancelled` while the server thinks.
pub(super) fn slot_health_cancellable(
    connection: &mut Connection,
    slot: &str,
    max_retained_bytes: Option<u64>,
    cancelled: &dyn Fn() -> bool,
) -> Result<SlotHealth, ClusterError> {
    Ok(judge(slots::look(connection, slot, cancelled)?, slot, max_retained_bytes))
}

/// Makes the slot, reserving WAL at once; `false` when it is there already.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterSql`.
pub fn create_slot(connection: &mut Connection, slot: &str) -> Result<bool, ClusterError> {
    slots::create(connection, slot)
}

/// Drops the slot; whoever streams from it is ended first. `false` when there is none.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterSql`.
pub fn drop_slot(connection: &mut Connection, slot: &str) -> Result<bool, ClusterError> {
    slots::drop(connection, slot)
}

fn judge(row: SlotRow, slot: &str, max_retained_bytes: Option<u64>) -> SlotHealth {
    let name = || slot.to_owned();
    let mut health = SlotHealth {
        slot: name(),
        state: SlotState::Absent,
        active_pid: None,
        restart_lsn: None,
        server_lsn: row.server_lsn,
        retained_bytes: 0,
        safe_wal_bytes: None,
        max_slot_wal_keep_bytes: row.keep_bytes,
        findings: Vec::new(),
    };
    let Some(columns) = row.slot else {
        health.findings.push(SlotFinding::SlotAbsent { slot: name() });
        return health;
    };
    health.active_pid = columns.active_pid;
    if !columns.physical {
        health.state = SlotState::Unusable;
        health.findings.push(SlotFinding::SlotUnusable { slot: name(), detail: "it is a logical slot".to_owned() });
        return health;
    }
    health.restart_lsn = columns.restart_lsn;
    // After a server was set back, a slot may be ahead of it.
    health.retained_bytes = columns.restart_lsn.map_or(0, |restart| row.server_lsn.0.saturating_sub(restart.0));
    // Below zero it holds more than the server wants to keep already.
    health.safe_wal_bytes = columns.safe_wal_bytes.map(|bytes| u64::try_from(bytes).unwrap_or(0));
    let status = columns.wal_status.as_deref();
    if status == Some("lost") || columns.invalidation_reason.is_some() {
        let reason = columns.invalidation_reason.unwrap_or_else(|| "wal_removed".to_owned());
        health.state = SlotState::Lost;
        health.findings.push(SlotFinding::SlotLost { slot: name(), reason });
        return health;
    }
    let safe = health.safe_wal_bytes.unwrap_or(u64::MAX);
    let little = row.keep_bytes.is_some_and(|keep| safe < keep / LITTLE_OF_KEPT);
    health.state = SlotState::Reserved;
    if status == Some("unreserved") || little {
        let safe_wal_bytes = health.safe_wal_bytes.unwrap_or(0);
        health.state = SlotState::AtRisk;
        health.findings.push(SlotFinding::SlotAtRisk { slot: name(), safe_wal_bytes });
    }
    if let Some(limit_bytes) = max_retained_bytes.filter(|limit| health.retained_bytes > *limit) {
        let retained_bytes = health.retained_bytes;
        health.findings.push(SlotFinding::SlotRetainsTooMuch { slot: name(), retained_bytes, limit_bytes });
    }
    if let Some(pid) = columns.active_pid {
        let application = columns.application.unwrap_or_default();
        if application != OUR_APPLICATION {
            health.findings.push(SlotFinding::SlotUsedByOther { slot: name(), pid, application });
        }
    }
    if row.keep_bytes.is_none() {
        health.findings.push(SlotFinding::SlotUnbounded { slot: name() });
    }
    health
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::slots::SlotColumns;

    fn row(change: impl FnOnce(&mut SlotColumns)) -> SlotRow {
        let mut columns = SlotColumns {
            physical: true,
            active_pid: None,
            application: None,
            restart_lsn: Some(Lsn(0x100_0000)),
            wal_status: Some("reserved".to_owned()),
            safe_wal_bytes: Some(900 << 20),
            invalidation_reason: None,
        };
        change(&mut columns);
        SlotRow { slot: Some(columns), server_lsn: Lsn(0x300_0000), keep_bytes: Some(1 << 30) }
    }

    #[test]
    fn a_sound_slot_has_no_findings() {
        let health = judge(row(|_| ()), "s", Some(64 << 20));
        assert_eq!((health.state, health.retained_bytes), (SlotState::Reserved, 32 << 20));
        assert_eq!(health.findings, []);
    }

    #[test]
    fn a_slot_that_was_invalidated_is_lost_whatever_its_status_says() {
        let health = judge(row(|slot| slot.invalidation_reason = Some("idle_timeout".to_owned())), "s", None);
        assert_eq!(health.state, SlotState::Lost);
        let reason = "idle_timeout".to_owned();
        assert_eq!(health.findings, [SlotFinding::SlotLost { slot: "s".to_owned(), reason }]);
    }

    #[test]
    fn a_slot_with_little_room_left_is_at_risk_before_the_server_says_so() {
        assert_eq!(judge(row(|slot| slot.safe_wal_bytes = Some(100 << 20)), "s", None).state, SlotState::AtRisk);
        assert_eq!(judge(row(|slot| slot.safe_wal_bytes = Some(-5)), "s", None).safe_wal_bytes, Some(0));
    }

    #[test]
    fn another_application_and_too_much_wal_are_found() {
        let health = judge(
            row(|slot| (slot.active_pid, slot.application) = (Some(7), Some("pg_receivewal".to_owned()))),
            "s",
            Some(1 << 20),
        );
        assert!(matches!(health.findings[0], SlotFinding::SlotRetainsTooMuch { limit_bytes: 1_048_576, .. }));
        assert!(matches!(&health.findings[1], SlotFinding::SlotUsedByOther { pid: 7, application, .. }
            if application == "pg_receivewal"));
        let ours =
            judge(row(|slot| (slot.active_pid, slot.application) = (Some(7), Some("cadena".to_owned()))), "s", None);
        assert_eq!(ours.findings, []);
    }
}
