//! Permanent physical replication slots over SQL (upstream `slotfuncs.c`).

use super::error::sqlstate;
use super::privileges::grant_replication;
use super::{ClusterError, Connection, SqlParameter};
use pgformat::{Lsn, TimelineId, WalSegment, WalSegmentSize};
use std::time::{Duration, Instant};

/// How long whoever streams from a slot that is to be dropped may take to end.
const DROP_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is tried again.
const DROP_INTERVAL: Duration = Duration::from_millis(50);

/// One row of pg_replication_slots, as far as it matters, and the server around it.
pub(crate) struct SlotRow {
    /// `None`: there is no such slot.
    pub slot: Option<SlotColumns>,
    /// How far the WAL is flushed; on a standby, received or replayed.
    pub server_lsn: Lsn,
    /// `max_slot_wal_keep_size`; `None` for no limit.
    pub keep_bytes: Option<u64>,
}

/// What pg_replication_slots says of the slot.
pub(crate) struct SlotColumns {
    pub physical: bool,
    pub active_pid: Option<i32>,
    /// The application that streams from it.
    pub application: Option<String>,
    pub restart_lsn: Option<Lsn>,
    pub wal_status: Option<String>,
    pub safe_wal_bytes: Option<i64>,
    pub invalidation_reason: Option<String>,
}

/// Columns that newer versions have come out of the row's JSON, so that older ones give NULL. A slot without WAL reserved has
/// no restart_lsn; what was lost has none either.
const LOOK: &str = "SELECT CASE WHEN pg_is_in_recovery() \
    THEN coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0') \
    ELSE pg_current_wal_flush_lsn() END, \
    (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), \
    s.slot_type, s.active_pid, a.application_name, s.restart_lsn, s.wal_status, s.safe_wal_size, \
    to_jsonb(s)->>'invalidation_reason' \
    FROM (SELECT 1) AS one LEFT JOIN pg_replication_slots AS s ON s.slot_name = $1::text::name \
    LEFT JOIN pg_stat_activity AS a ON a.pid = s.active_pid";

const CREATE: &str = "SELECT slot_name FROM pg_create_physical_replication_slot($1::text::name, true)";

const TERMINATE: &str = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
    WHERE slot_name = $1::text::name AND slot_type = 'physical' AND active_pid IS NOT NULL";

const DROP: &str = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
    WHERE slot_name = $1::text::name AND slot_type = 'physical'";

/// The oldest segment of a timeline from a name on. Recycled segments that wait to be written have later names than any that
/// holds WAL.
const FIRST_SEGMENT: &str = "SELECT min(name) FROM pg_ls_waldir() \
    WHERE name ~ '^[0-9A-F]{24}$' AND substr(name, 1, 8) = substr($1::text, 1, 8) AND name COLLATE \"C\" >= $1::text";

/// Looks a slot up.
pub(crate) fn look(
    connection: &mut Connection,
    slot: &str,
    cancelled: &dyn Fn() -> bool,
) -> Result<SlotRow, ClusterError> {
    let parameters = [SqlParameter::Text(slot)];
    let answer = connection.query_cancellable("look at the replication slot", LOOK, &parameters, cancelled)?;
    let optional = |column: usize| answer.bytes(0, column).map(|_| answer.text(0, column)).transpose();
    let parsed = |column: usize| -> Result<Option<i64>, ClusterError> {
        answer.bytes(0, column).map(|_| answer.parse(0, column)).transpose()
    };
    // Without the right to see the setting, there is no row: as if there were no limit.
    let keep_megabytes = parsed(1)?.and_then(|megabytes| u64::try_from(megabytes).ok());
    let columns = match optional(2)? {
        None => None,
        Some(kind) => Some(SlotColumns {
            physical: kind == "physical",
            active_pid: answer.bytes(0, 3).map(|_| answer.parse(0, 3)).transpose()?,
            application: optional(4)?.map(str::to_owned),
            restart_lsn: answer.bytes(0, 5).map(|_| answer.parse(0, 5)).transpose()?,
            wal_status: optional(6)?.map(str::to_owned),
            safe_wal_bytes: parsed(7)?,
            invalidation_reason: optional(8)?.map(str::to_owned),
        }),
    };
    Ok(SlotRow { slot: columns, server_lsn: answer.parse(0, 0)?, keep_bytes: keep_megabytes.map(|size| size << 20) })
}

/// Makes a slot that reserves WAL at once; `false` when its name is taken.
pub(crate) fn create(connection: &mut Connection, slot: &str) -> Result<bool, ClusterError> {
    match connection.query("make the replication slot", CREATE, &[SqlParameter::Text(slot)]) {
        Ok(_) => Ok(true),
        Err(error) if error.sqlstate() == Some(sqlstate::DUPLICATE_OBJECT) => Ok(false),
        Err(error) => Err(explain(connection, error)),
    }
}

/// Drops a physical slot, after ending whoever streams from it; `false` when there is none.
pub(crate) fn drop(connection: &mut Connection, slot: &str) -> Result<bool, ClusterError> {
    let deadline = Instant::now() + DROP_PATIENCE;
    loop {
        let parameters = [SqlParameter::Text(slot)];
        connection.query("end who streams from the replication slot", TERMINATE, &parameters)?;
        match connection.query("drop the replication slot", DROP, &parameters) {
            Ok(dropped) => return Ok(dropped.rows() > 0),
            Err(error) if error.sqlstate() == Some(sqlstate::UNDEFINED_OBJECT) => return Ok(false),
            // It takes a moment to end.
            Err(error) if error.sqlstate() == Some(sqlstate::OBJECT_IN_USE) && Instant::now() < deadline => {
                std::thread::sleep(DROP_INTERVAL);
            }
            Err(error) => return Err(explain(connection, error)),
        }
    }
}

/// Returns the start of the oldest segment, from the one with `lsn` on, that the server still has of the timeline; `None` when
/// there is none, or when we may not look.
pub(crate) fn first_segment(
    connection: &mut Connection,
    timeline: TimelineId,
    lsn: Lsn,
    size: WalSegmentSize,
) -> Result<Option<Lsn>, ClusterError> {
    let from = WalSegment::containing(timeline, lsn, size).file_name(size);
    match connection.query("list the WAL segments", FIRST_SEGMENT, &[SqlParameter::Text(&from)]) {
        Ok(answer) if answer.bytes(0, 0).is_none() => Ok(None),
        Ok(answer) => Ok(WalSegment::parse(answer.text(0, 0)?, size).ok().map(|segment| segment.start_lsn(size))),
        Err(error) if error.sqlstate() == Some(sqlstate::INSUFFICIENT_PRIVILEGE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells whether the server is a standby.
pub(crate) fn in_recovery(connection: &mut Connection) -> Result<bool, ClusterError> {
    connection.query("ask whether it is a standby", "SELECT pg_is_in_recovery()", &[])?.boolean(0, 0)
}

/// Names the statement that mends a lack of privilege.
fn explain(connection: &mut Connection, error: ClusterError) -> ClusterError {
    if error.sqlstate() != Some(sqlstate::INSUFFICIENT_PRIVILEGE) {
        return error;
    }
    let role = connection.query("look up the role", "SELECT current_user::text", &[]);
    match role.and_then(|answer| answer.text(0, 0).map(str::to_owned)) {
        Ok(role) => {
            let (action, grant) = ("make or drop replication slots".to_owned(), grant_replication(&role));
            ClusterError::ClusterPrivilege { role, action, grant }
        }
        // The first error says more than a failed attempt to explain it.
        Err(_) => error,
    }
}
