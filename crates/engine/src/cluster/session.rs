use super::error::sqlstate;
use super::privileges::{backup_functions, explain_denial};
use super::probe::{control_data, timeline_of_standby, wal_level};
use super::{ClusterError, ClusterInfo, Connection, ConnectionSettings, SqlParameter};
use pgformat::backup_label::BackupLabel;
use pgformat::control_file::WalLevel;
use pgformat::{Lsn, MajorVersion, TimelineId};
use std::sync::atomic::{AtomicU32, Ordering};

/// A base backup in progress on the server: the session between `pg_backup_start` and `pg_backup_stop`.
/// Dropping it ends the connection, which makes the server abort the backup and drop the slot.
pub struct BackupSession {
    connection: Connection,
    version: MajorVersion,
    started_in_recovery: bool,
}

/// What the start returned.
#[derive(Debug, Clone)]
pub struct BackupStart {
    /// Where replay of this backup begins (the redo pointer of its checkpoint).
    pub start_lsn: Lsn,
    /// The temporary slot that keeps the WAL; `None` with the reason in `slot_refusal` when none could be had.
    pub slot: Option<String>,
    /// The refusal as JSON: `{"key": …, arguments}`, as a [`ClusterError`] serializes.
    pub slot_refusal: Option<String>,
}

/// What the stop returned.
#[derive(Debug, Clone)]
pub struct BackupStop {
    /// Where the backup is consistent; exclusive.
    pub stop_lsn: Lsn,
    /// The bytes for `backup_label`.
    pub label_text: String,
    /// The same, read.
    pub label: BackupLabel,
    /// The bytes for `tablespace_map`; empty when there is none to write.
    pub tablespace_map: String,
    /// The timeline of the WAL from the start on (the label's START TIMELINE).
    pub timeline: TimelineId,
    /// The timeline of the WAL at the stop. Another one than `timeline` only on a standby whose upstream was promoted meanwhile:
    /// then the WAL changes its timeline at the point that the history file of this one tells.
    pub stop_timeline: TimelineId,
}

/// Makes slot names unique within this process; the server's process id makes them unique among sessions.
static SLOT_NUMBER: AtomicU32 = AtomicU32::new(1);

/// The longest label in bytes (upstream `MAXPGPATH`).
const LABEL_LIMIT_BYTES: usize = 1024;

/// The slot reserves WAL at once, from the last checkpoint's redo pointer, which is at or before where the backup will start.
const CREATE_SLOT: &str = "SELECT slot_name FROM pg_create_physical_replication_slot($1::text::name, true, true)";

const SERVER_STATE: &str = "SELECT s.system_identifier::text, pg_is_in_recovery(), current_setting('wal_level') \
    FROM pg_control_system() AS s";

impl BackupSession {
    /// Connects, makes the temporary slot (before the start, so that nothing can slip), and starts the backup: the server makes
    /// a checkpoint first, spread over minutes unless `fast_checkpoint`. `cancelled` is looked at about ten times a second.
    ///
    /// # Errors
    /// `ClusterWalLevel`, `ClusterPrivilege`, `ClusterChanged` when the settings now lead to another cluster than `info`'s,
    /// `ClusterCancelled`, `ClusterConnect`, `ClusterSql` (on a standby also when its primary's full_page_writes was off).
    pub fn start(
        settings: &ConnectionSettings,
        info: &ClusterInfo,
        label: &str,
        fast_checkpoint: bool,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(Self, BackupStart), ClusterError> {
        let mut connection = Connection::connect_cancellable(settings, cancelled)?;
        let started_in_recovery = check_state(&mut connection, info)?;
        let (slot, slot_refusal) = match create_slot(&mut connection) {
            Ok(name) => (Some(name), None),
            Err(error @ ClusterError::ClusterSql { .. }) => (None, Some(refusal(&error))),
            Err(error) => return Err(error),
        };
        let sql = match info.version {
            MajorVersion::V14 => "SELECT pg_start_backup($1::text, $2::boolean, false)::text",
            _ => "SELECT pg_backup_start($1::text, $2::boolean)::text",
        };
        let label = sanitized_label(label, connection.server_encoding() == "UTF8");
        let fast = SqlParameter::Text(if fast_checkpoint { "true" } else { "false" });
        let parameters = [SqlParameter::Text(&label), fast];
        let answer = match connection.query_cancellable("start the backup", sql, &parameters, cancelled) {
            Ok(answer) => answer,
            Err(error) => return Err(explain_denial(&mut connection, error, &[backup_functions(info.version).0])),
        };
        let start_lsn = answer.parse(0, 0)?;
        tracing::debug!(%start_lsn, slot, slot_refusal, "backup started");
        let session = BackupSession { connection, version: info.version, started_in_recovery };
        Ok((session, BackupStart { start_lsn, slot, slot_refusal }))
    }

    /// Checks that the session still lives; call it now and then during a long copy.
    ///
    /// # Errors
    /// `ClusterConnectionLost`.
    pub fn check(&mut self) -> Result<(), ClusterError> {
        self.connection.check()
    }

    /// Stops the backup without waiting for the server's own archiving. The slot lives until the session is dropped.
    ///
    /// # Errors
    /// `ClusterPromoted` when a standby was promoted meanwhile; `ClusterCancelled`; `ClusterConnectionLost`; `ClusterPrivilege`;
    /// `ClusterSql`.
    pub fn stop(&mut self, cancelled: &dyn Fn() -> bool) -> Result<BackupStop, ClusterError> {
        let sql = match self.version {
            MajorVersion::V14 => "SELECT lsn::text, labelfile, spcmapfile FROM pg_stop_backup(false, false)",
            _ => "SELECT lsn::text, labelfile, spcmapfile FROM pg_backup_stop(false)",
        };
        let answer = match self.connection.query_cancellable("stop the backup", sql, &[], cancelled) {
            Ok(answer) => answer,
            Err(error) => return Err(self.explain_stop(error)),
        };
        let label_text = answer.text(0, 1)?.to_owned();
        let label = BackupLabel::parse(&label_text).map_err(|error| ClusterError::ClusterAnswer {
            action: "stop the backup".to_owned(),
            detail: error.to_string(),
        })?;
        let timeline = label.start_timeline;
        Ok(BackupStop {
            stop_lsn: answer.parse(0, 0)?,
            tablespace_map: answer.bytes(0, 2).map(|_| answer.text(0, 2)).transpose()?.unwrap_or_default().to_owned(),
            stop_timeline: self.stop_timeline(timeline)?,
            label_text,
            label,
            timeline,
        })
    }

    /// A primary that wrote on could not change its timeline without ending our session. A standby takes its stop point from the
    /// control file's minimum recovery point (upstream `do_pg_backup_stop`), whose timeline moves when its upstream is promoted.
    fn stop_timeline(&mut self, start: TimelineId) -> Result<TimelineId, ClusterError> {
        if !self.started_in_recovery {
            return Ok(start);
        }
        timeline_of_standby(&mut self.connection).map(|now| now.max(start))
    }

    /// The server refuses to stop a standby's backup after its promotion; several other states share that SQLSTATE.
    fn explain_stop(&mut self, error: ClusterError) -> ClusterError {
        if error.sqlstate() == Some(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE) && self.started_in_recovery {
            let state = self.connection.query("look for a promotion", "SELECT pg_is_in_recovery()", &[]);
            if state.and_then(|answer| answer.boolean(0, 0)).is_ok_and(|in_recovery| !in_recovery) {
                return ClusterError::ClusterPromoted {};
            }
        }
        explain_denial(&mut self.connection, error, &[backup_functions(self.version).1])
    }
}

/// Makes sure that this connection leads to the cluster that was probed and that its WAL suffices; returns whether it is a
/// standby now.
fn check_state(connection: &mut Connection, info: &ClusterInfo) -> Result<bool, ClusterError> {
    let state = control_data(connection, SERVER_STATE)?;
    let found = state.parse::<i64>(0, 0)?.cast_unsigned();
    if found != info.system_identifier.0 {
        let expected = info.system_identifier.to_string();
        return Err(ClusterError::ClusterChanged { expected, found: found.to_string() });
    }
    let in_recovery = state.boolean(0, 1)?;
    // A standby replays what its primary logged, whatever its own setting says.
    if !in_recovery && wal_level(state.text(0, 2)?)? == WalLevel::Minimal {
        return Err(ClusterError::ClusterWalLevel {});
    }
    Ok(in_recovery)
}

fn create_slot(connection: &mut Connection) -> Result<String, ClusterError> {
    loop {
        let number = SLOT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cadena_backup_{}_{number}", connection.backend_pid());
        match connection.query("make a temporary replication slot", CREATE_SLOT, &[SqlParameter::Text(&name)]) {
            Ok(_) => return Ok(name),
            Err(error) if error.sqlstate() == Some(sqlstate::DUPLICATE_OBJECT) => {}
            Err(error) => return Err(error),
        }
    }
}

fn refusal(error: &ClusterError) -> String {
    serde_json::to_string(error).unwrap_or_else(|_| error.to_string())
}

/// Makes a label that the server accepts and that leaves `backup_label` one line per fact.
fn sanitized_label(label: &str, keep_unicode: bool) -> String {
    let mut clean = String::new();
    for character in label.trim().chars() {
        let character = match character {
            control if control.is_control() => ' ',
            // Another encoding may not have the character, and the server would refuse the whole label.
            other if !keep_unicode && !other.is_ascii() => '?',
            other => other,
        };
        if clean.len() + character.len_utf8() > LABEL_LIMIT_BYTES {
            break;
        }
        clean.push(character);
    }
    let clean = clean.trim_end();
    if clean.is_empty() { "cadena".to_owned() } else { clean.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_line_of_bounded_length() {
        assert_eq!(sanitized_label("copia\nSTART TIMELINE: 9\r\n", true), "copia START TIMELINE: 9");
        assert_eq!(sanitized_label(" \n\t\0", true), "cadena");
        assert_eq!(sanitized_label("año €", true), "año €");
        assert_eq!(sanitized_label("año €", false), "a?o ?");
        let long = sanitized_label(&"ñ".repeat(2000), true);
        assert_eq!(long.len(), 1024);
        assert_eq!(sanitized_label(&"€".repeat(2000), true).len(), 1023);
    }
}
