//! A physical replication connection: the walsender's few commands, and the stream of WAL (upstream `walsender.c`,
//! `pqformat` of "Streaming Replication Protocol").

use super::connection::{connect_for_replication, refusal, target_of};
use super::error::sqlstate;
use super::libpq::{CopyBuffer, CopyData, PgConn, PgResult};
use super::{ClusterError, ConnectionSettings};
use pgformat::{Lsn, SystemIdentifier, TimelineId, WalSegmentSize};
use pq_sys::ExecStatusType;
use std::ffi::CString;
use std::time::{Duration, Instant};

/// How often a waiting call looks at its cancel check.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// How long the server may take to answer a command. None of them does more than read a small file.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01 UTC (upstream `timestamp.h`).
const POSTGRES_EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
/// Before the bytes of a message of WAL: its letter, where it starts, where the server is, when it was sent.
const WAL_HEADER_BYTES: usize = 25;

/// A connection on which the server sends its WAL. It knows no SQL.
pub struct ReplicationConnection {
    pg: PgConn,
    target: String,
}

/// The answer to `IDENTIFY_SYSTEM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemIdentification {
    /// The cluster.
    pub system_identifier: SystemIdentifier,
    /// The timeline that it writes, or that a standby follows.
    pub timeline: TimelineId,
    /// How far its WAL is flushed: what it would send.
    pub flush_lsn: Lsn,
}

/// A message of the stream.
pub enum Copied {
    /// Some WAL.
    Wal(WalBytes),
    /// A sign of life.
    KeepAlive {
        /// How far the server has sent.
        server_lsn: Lsn,
        /// When, by its clock.
        sent_at: Option<jiff::Timestamp>,
        /// Whether it wants an answer at once.
        reply_requested: bool,
    },
    /// None has arrived whole.
    Nothing,
    /// The server has sent everything of this timeline: call [`ReplicationConnection::end_stream`].
    End,
}

/// Some WAL, in libpq's memory.
pub struct WalBytes {
    buffer: CopyBuffer,
}

impl WalBytes {
    /// Returns the address of the first byte.
    pub fn start_lsn(&self) -> Lsn {
        Lsn(number_at(self.buffer.bytes(), 1))
    }
    /// Returns how far the server's WAL went when it sent this.
    pub fn server_lsn(&self) -> Lsn {
        Lsn(number_at(self.buffer.bytes(), 9))
    }
    /// Returns when the server sent this, by its clock; `None` for a time that no calendar has.
    pub fn sent_at(&self) -> Option<jiff::Timestamp> {
        server_time(self.buffer.bytes(), 17)
    }
    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer.bytes()[WAL_HEADER_BYTES..]
    }
}

/// What we tell the server of ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandbyStatus {
    /// Everything before it is durable here. It is given as written, flushed and applied: whoever waits for `remote_apply` is
    /// served as well.
    pub durable_lsn: Lsn,
    /// Whether we want an answer at once.
    pub reply_requested: bool,
}

/// How a stream ended that the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    /// The timeline that follows.
    pub next_timeline: TimelineId,
    /// Where it begins.
    pub switch_lsn: Lsn,
}

impl ReplicationConnection {
    /// Connects, looking at `cancelled` about ten times a second. `application_name` is `cadena` unless the settings give another.
    ///
    /// # Errors
    /// `ClusterConnect`, also when the server does not let us stream; `ClusterSettings`; `ClusterCancelled`.
    pub fn connect(settings: &ConnectionSettings, cancelled: &dyn Fn() -> bool) -> Result<Self, ClusterError> {
        let pg = connect_for_replication(settings, cancelled)?;
        let target = target_of(&pg);
        tracing::debug!(target, "connected for replication");
        Ok(ReplicationConnection { pg, target })
    }

    /// Says whom we talk to (`user@host:port/dbname`), for messages.
    pub fn target(&self) -> &str {
        &self.target
    }
    /// Returns `server_version_num`.
    pub fn server_version_num(&self) -> u32 {
        self.pg.server_version()
    }
    /// Returns the process id of the server's process that serves us.
    pub fn backend_pid(&self) -> i32 {
        self.pg.backend_pid()
    }

    /// Asks who the server is and where it stands.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterAnswer`, `ClusterConnectionLost`, `ClusterCancelled`; so it is for the next ones.
    pub fn identify_system(&mut self, cancelled: &dyn Fn() -> bool) -> Result<SystemIdentification, ClusterError> {
        let action = "identify the system";
        let row = self.one_row(action, "IDENTIFY_SYSTEM", cancelled)?;
        Ok(SystemIdentification {
            system_identifier: parse(action, &row, 0)?,
            timeline: TimelineId(parse(action, &row, 1)?),
            flush_lsn: parse(action, &row, 2)?,
        })
    }

    /// Asks for the size of WAL segments.
    ///
    /// # Errors
    /// Those of [`ReplicationConnection::identify_system`].
    pub fn wal_segment_size(&mut self, cancelled: &dyn Fn() -> bool) -> Result<WalSegmentSize, ClusterError> {
        let action = "ask for the size of WAL segments";
        let row = self.one_row(action, "SHOW wal_segment_size", cancelled)?;
        let text = text(action, &row, 0)?;
        let bytes = size_with_unit(text).ok_or_else(|| odd(action, format!("{text:?} is no size")))?;
        WalSegmentSize::new(bytes).map_err(|error| odd(action, error.to_string()))
    }

    /// Asks for the size of WAL pages.
    ///
    /// # Errors
    /// Those of [`ReplicationConnection::identify_system`].
    pub fn wal_block_size_bytes(&mut self, cancelled: &dyn Fn() -> bool) -> Result<u32, ClusterError> {
        let action = "ask for the size of WAL pages";
        let row = self.one_row(action, "SHOW wal_block_size", cancelled)?;
        parse(action, &row, 0)
    }

    /// Asks for the size of relations' pages.
    ///
    /// # Errors
    /// Those of [`ReplicationConnection::identify_system`].
    pub fn relation_block_size_bytes(&mut self, cancelled: &dyn Fn() -> bool) -> Result<u32, ClusterError> {
        let action = "ask for the size of relations' pages";
        let row = self.one_row(action, "SHOW block_size", cancelled)?;
        parse(action, &row, 0)
    }

    /// Fetches the content of a timeline's history file; `None` when the server does not have it.
    ///
    /// # Errors
    /// Those of [`ReplicationConnection::identify_system`].
    pub fn timeline_history(
        &mut self,
        timeline: TimelineId,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<u8>>, ClusterError> {
        let action = "fetch a timeline's history";
        match self.one_row(action, &format!("TIMELINE_HISTORY {timeline}"), cancelled) {
            Ok(row) => row.bytes(0, 1).map(|content| Some(content.to_vec())).ok_or_else(|| odd(action, "no content")),
            Err(error) if error.sqlstate() == Some(sqlstate::UNDEFINED_FILE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins to stream. `None`: the stream goes on; take it with [`ReplicationConnection::receive`]. Else the timeline ends at
    /// `start_lsn`, and this is what follows.
    ///
    /// # Errors
    /// `ClusterSql`; those of [`ReplicationConnection::identify_system`]. That WAL was removed comes up while it streams.
    pub fn start(
        &mut self,
        slot: Option<&str>,
        start_lsn: Lsn,
        timeline: TimelineId,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<StreamEnd>, ClusterError> {
        let action = "stream the WAL";
        let slot = slot.map(|slot| format!("SLOT \"{}\" ", slot.replace('"', "\"\""))).unwrap_or_default();
        self.send(action, &format!("START_REPLICATION {slot}PHYSICAL {start_lsn} TIMELINE {timeline}"))?;
        let result = self.next_result(action, cancelled)?.ok_or_else(|| odd(action, "no answer"))?;
        match result.status() {
            ExecStatusType::PGRES_COPY_BOTH => Ok(None),
            ExecStatusType::PGRES_TUPLES_OK => {
                let end = stream_end(action, &result)?;
                self.finish(action, cancelled)?;
                Ok(Some(end))
            }
            _ => {
                let error = refusal(action, &result);
                self.finish(action, cancelled).ok();
                Err(self.if_lost(error))
            }
        }
    }

    /// Takes the next message, if one has arrived; never waits.
    ///
    /// # Errors
    /// `ClusterSql` when the server broke the stream off; `ClusterConnectionLost`; `ClusterAnswer`.
    pub fn receive(&mut self) -> Result<Copied, ClusterError> {
        let action = "stream the WAL";
        let buffer = match self.pg.copy_data() {
            CopyData::Message(buffer) => buffer,
            CopyData::Nothing => return Ok(Copied::Nothing),
            CopyData::Failed => return Err(lost(self.pg.error_message())),
            CopyData::End => return self.judge_end(action),
        };
        let bytes = buffer.bytes();
        match bytes.first() {
            Some(b'w') if bytes.len() >= WAL_HEADER_BYTES => Ok(Copied::Wal(WalBytes { buffer })),
            Some(b'k') if bytes.len() >= 18 => Ok(Copied::KeepAlive {
                server_lsn: Lsn(number_at(bytes, 1)),
                sent_at: server_time(bytes, 9),
                reply_requested: bytes[17] != 0,
            }),
            other => Err(odd(action, format!("a message of {} bytes begins with {other:?}", bytes.len()))),
        }
    }

    /// Tells how the server ended the copy: as it should, with an error, or because it stops.
    fn judge_end(&mut self, action: &str) -> Result<Copied, ClusterError> {
        let Some(result) = self.pg.result() else { return Err(lost("the stream ended without a word".to_owned())) };
        match result.status() {
            // Our side of the copy is still open.
            ExecStatusType::PGRES_COPY_IN => Ok(Copied::End),
            // A server that is shut down says so when everything was sent.
            ExecStatusType::PGRES_COMMAND_OK => Err(lost("the server is shutting down".to_owned())),
            _ => {
                let error = refusal(action, &result);
                Err(self.if_lost(error))
            }
        }
    }

    /// Waits until something can be read, at most for `limit`, and reads it. `false` when nothing came.
    ///
    /// # Errors
    /// `ClusterConnectionLost`.
    pub fn wait(&mut self, limit: Duration) -> Result<bool, ClusterError> {
        let readable = self.pg.wait(false, limit).map_err(|error| lost(error.to_string()))?;
        if readable && !self.pg.consume_input() {
            return Err(lost(self.pg.error_message()));
        }
        Ok(readable)
    }

    /// Tells the server what is durable here.
    ///
    /// # Errors
    /// `ClusterConnectionLost`.
    pub fn send_status(&mut self, status: StandbyStatus) -> Result<(), ClusterError> {
        let now = jiff::Timestamp::now().as_microsecond() - POSTGRES_EPOCH_MICROSECONDS;
        let lsn = status.durable_lsn.0.to_be_bytes();
        let mut message = Vec::with_capacity(34);
        message.push(b'r');
        // Written, flushed, applied.
        for _ in 0..3 {
            message.extend_from_slice(&lsn);
        }
        message.extend_from_slice(&now.to_be_bytes());
        message.push(u8::from(status.reply_requested));
        if self.pg.put_copy_data(&message) { Ok(()) } else { Err(lost(self.pg.error_message())) }
    }

    /// Ends a stream that the server has ended, and learns what follows.
    ///
    /// # Errors
    /// `ClusterAnswer`, `ClusterSql`, `ClusterConnectionLost`, `ClusterCancelled`.
    pub fn end_stream(&mut self, cancelled: &dyn Fn() -> bool) -> Result<StreamEnd, ClusterError> {
        let action = "end the stream of WAL";
        if !self.pg.put_copy_end() {
            return Err(lost(self.pg.error_message()));
        }
        let mut end = None;
        while let Some(result) = self.next_result(action, cancelled)? {
            match result.status() {
                ExecStatusType::PGRES_TUPLES_OK => end = Some(stream_end(action, &result)?),
                ExecStatusType::PGRES_COMMAND_OK => {}
                _ => {
                    let error = refusal(action, &result);
                    return Err(self.if_lost(error));
                }
            }
        }
        end.ok_or_else(|| odd(action, "it does not say which timeline follows"))
    }

    fn one_row(&mut self, action: &str, command: &str, cancelled: &dyn Fn() -> bool) -> Result<PgResult, ClusterError> {
        self.send(action, command)?;
        let result = self.next_result(action, cancelled)?.ok_or_else(|| odd(action, "no answer"))?;
        self.finish(action, cancelled)?;
        if result.status() != ExecStatusType::PGRES_TUPLES_OK {
            let error = refusal(action, &result);
            return Err(self.if_lost(error));
        }
        if result.rows() == 1 { Ok(result) } else { Err(odd(action, format!("{} rows", result.rows()))) }
    }

    fn send(&mut self, action: &str, command: &str) -> Result<(), ClusterError> {
        let command = CString::new(command).map_err(|_| odd(action, "a name holds a zero byte"))?;
        if self.pg.send_simple(&command) { Ok(()) } else { Err(lost(self.pg.error_message())) }
    }

    /// Takes what is left of a command's answer.
    fn finish(&mut self, action: &str, cancelled: &dyn Fn() -> bool) -> Result<(), ClusterError> {
        while self.next_result(action, cancelled)?.is_some() {}
        Ok(())
    }

    fn next_result(&mut self, action: &str, cancelled: &dyn Fn() -> bool) -> Result<Option<PgResult>, ClusterError> {
        let deadline = Instant::now() + ANSWER_LIMIT;
        while self.pg.is_busy() {
            if cancelled() {
                return Err(ClusterError::ClusterCancelled {});
            }
            if Instant::now() >= deadline {
                return Err(lost(format!("no answer to {action} within {} seconds", ANSWER_LIMIT.as_secs())));
            }
            self.wait(CANCEL_CHECK)?;
        }
        Ok(self.pg.result())
    }

    /// Turns a refusal that was in truth the end of the connection into that; see `connection.rs`.
    fn if_lost(&self, error: ClusterError) -> ClusterError {
        match error {
            ClusterError::ClusterSql { sqlstate: state, detail, .. }
                if state.is_empty() || self.pg.is_bad() || sqlstate::ends_the_session(&state) =>
            {
                lost(detail)
            }
            other => other,
        }
    }
}

fn stream_end(action: &str, result: &PgResult) -> Result<StreamEnd, ClusterError> {
    Ok(StreamEnd { next_timeline: TimelineId(parse(action, result, 0)?), switch_lsn: parse(action, result, 1)? })
}

fn lost(detail: String) -> ClusterError {
    ClusterError::ClusterConnectionLost { detail }
}

fn odd(action: &str, detail: impl Into<String>) -> ClusterError {
    ClusterError::ClusterAnswer { action: action.to_owned(), detail: detail.into() }
}

fn text<'a>(action: &str, result: &'a PgResult, column: usize) -> Result<&'a str, ClusterError> {
    let bytes = result.bytes(0, column).ok_or_else(|| odd(action, format!("no value in column {column}")))?;
    std::str::from_utf8(bytes).map_err(|_| odd(action, format!("column {column} is not UTF-8")))
}

fn parse<T: std::str::FromStr>(action: &str, result: &PgResult, column: usize) -> Result<T, ClusterError> {
    let text = text(action, result, column)?;
    text.parse().map_err(|_| odd(action, format!("{text:?} has an unexpected form")))
}

/// Reads a size as `SHOW` writes it (upstream `guc.c`, `convert_int_from_base_unit`).
fn size_with_unit(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].trim() {
        "B" | "" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Reads a server's time: microseconds since 2000 (upstream `timestamp.h`).
fn server_time(bytes: &[u8], offset: usize) -> Option<jiff::Timestamp> {
    let since_2000 = number_at(bytes, offset).cast_signed();
    jiff::Timestamp::from_microsecond(since_2000.checked_add(POSTGRES_EPOCH_MICROSECONDS)?).ok()
}

/// Reads a number in network order; the caller has made sure that the bytes are there.
fn number_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_with_their_units() {
        assert_eq!(size_with_unit("16MB"), Some(16 << 20));
        assert_eq!(size_with_unit("1GB"), Some(1 << 30));
        assert_eq!(size_with_unit("1048576"), Some(1 << 20));
        assert_eq!(size_with_unit("16TB"), None);
        assert_eq!(size_with_unit("MB"), None);
    }
}
