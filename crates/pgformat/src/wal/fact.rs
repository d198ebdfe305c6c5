use super::page::{u32_at, u64_at};
use super::record::{Fault, Layout, damaged_record};
use super::{RECORD_HEADER_BYTES, ResourceManager};
use crate::{FormatError, Lsn, MajorVersion, TimelineId};
use jiff::Timestamp;

/// Seconds from the Unix epoch to PostgreSQL's, 2000-01-01 UTC (upstream `timestamp.h`).
const POSTGRES_EPOCH_SECONDS: i64 = 946_684_800;
/// Length of a restore point's name, with the zero that ends it (upstream `MAXFNAMELEN`).
const RESTORE_POINT_NAME_BYTES: usize = 64;

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

/// Which fact a record states, before its data are read.
#[derive(Clone, Copy)]
enum Kind {
    Commit,
    Abort,
    RestorePoint,
    SegmentSwitch,
    Checkpoint { shutdown: bool },
    EndOfRecovery,
    ParameterChange,
    BackupEnd,
}

impl Kind {
    /// Upstream `xact.h` and `pg_control.h`; the numbers are the same in 14 to 18.
    fn of(resource_manager: ResourceManager, info: u8) -> Option<Self> {
        match (resource_manager, info) {
            // Of a transaction's record the highest bit says whether more than the time is in it.
            (ResourceManager::TRANSACTION, _) => match info & 0x70 {
                0x00 | 0x30 => Some(Kind::Commit),
                0x20 | 0x40 => Some(Kind::Abort),
                _ => None,
            },
            (ResourceManager::XLOG, _) => match info & 0xF0 {
                0x00 => Some(Kind::Checkpoint { shutdown: true }),
                0x10 => Some(Kind::Checkpoint { shutdown: false }),
                0x40 => Some(Kind::SegmentSwitch),
                0x50 => Some(Kind::BackupEnd),
                0x60 => Some(Kind::ParameterChange),
                0x70 => Some(Kind::RestorePoint),
                0x90 => Some(Kind::EndOfRecovery),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many of the first bytes of its main data matter; all versions have them in the same places.
    fn data_bytes(self) -> usize {
        match self {
            Kind::SegmentSwitch => 0,
            Kind::Commit | Kind::Abort | Kind::BackupEnd => 8,
            Kind::EndOfRecovery => 16,
            Kind::ParameterChange => 24,
            Kind::Checkpoint { .. } => 72,
            Kind::RestorePoint => 8 + RESTORE_POINT_NAME_BYTES,
        }
    }

    /// Reads main data, of which there are [`Kind::data_bytes`].
    fn read(self, data: &[u8]) -> Result<WalFact, Fault> {
        Ok(match self {
            Kind::SegmentSwitch => WalFact::SegmentSwitch,
            // `xl_xact_commit`, `xl_xact_abort`: also of a prepared transaction.
            Kind::Commit => WalFact::Commit { time: time_at(data)? },
            Kind::Abort => WalFact::Abort { time: time_at(data)? },
            // The text is in whatever encoding its database had.
            Kind::RestorePoint => {
                let name = &data[8..8 + RESTORE_POINT_NAME_BYTES];
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                WalFact::RestorePoint { name: String::from_utf8_lossy(name).into_owned(), time: time_at(data)? }
            }
            // `CheckPoint` is the one in pg_control; 17's new field falls into what was padding.
            Kind::Checkpoint { shutdown } => WalFact::Checkpoint {
                shutdown,
                redo_lsn: Lsn(u64_at(data, 0)),
                timeline: TimelineId(u32_at(data, 8)),
                time: Timestamp::from_second(u64_at(data, 64) as i64).map_err(|_| impossible_time())?,
            },
            // `xl_end_of_recovery`; later versions have more behind.
            Kind::EndOfRecovery => WalFact::EndOfRecovery {
                timeline: TimelineId(u32_at(data, 8)),
                previous_timeline: TimelineId(u32_at(data, 12)),
                time: time_at(data)?,
            },
            // `xl_parameter_change`
            Kind::ParameterChange => WalFact::ParameterChange { wal_level: u32_at(data, 20) as i32 },
            Kind::BackupEnd => WalFact::BackupEnd { start_lsn: Lsn(u64_at(data, 0)) },
        })
    }
}

/// Reads a `TimestampTz`: microseconds since 2000, at the data's start.
fn time_at(data: &[u8]) -> Result<Timestamp, Fault> {
    (u64_at(data, 0) as i64)
        .checked_add(POSTGRES_EPOCH_SECONDS * 1_000_000)
        .and_then(|microseconds| Timestamp::from_microsecond(microseconds).ok())
        .ok_or_else(impossible_time)
}

fn impossible_time() -> Fault {
    Fault::Nonsense("its time is impossible".to_owned())
}

/// Tells the fact of a record or of its first bytes.
pub(super) fn fact_of(bytes: &[u8], version: MajorVersion) -> Result<Option<WalFact>, Fault> {
    if bytes.len() < RECORD_HEADER_BYTES {
        return Err(Fault::Short);
    }
    let Some(kind) = Kind::of(ResourceManager(bytes[17]), bytes[16]) else { return Ok(None) };
    if kind.data_bytes() == 0 {
        return kind.read(&[]).map(Some);
    }
    let layout = Layout::read(bytes, version, &mut |_| ())?;
    let data = bytes.get(layout.main_data_at..).ok_or(Fault::Short)?;
    if data.len() < kind.data_bytes() {
        return Err(Fault::Short);
    }
    kind.read(data).map(Some)
}

/// Tells the fact of a record of which only the first bytes are known (see [`super::RECORD_HEAD_BYTES`]); enough of them for
/// commits, aborts and restore points, else `None`. The checksum is not looked at.
///
/// # Errors
/// `FormatDamaged`.
pub fn fact_of_head(head: &[u8], version: MajorVersion) -> Result<Option<WalFact>, FormatError> {
    if head.len() < RECORD_HEADER_BYTES {
        return Ok(None);
    }
    // The head does not tell where it begins; the link to the record before is the nearest.
    let damaged = |fault: Fault| damaged_record(Lsn(u64_at(head, 8)), format!("the record after it: {fault}"));
    let total = u32_at(head, 0) as usize;
    if total < RECORD_HEADER_BYTES {
        return Err(damaged(Fault::Nonsense(format!("its length is {total}"))));
    }
    let truncated = head.len() < total;
    match fact_of(&head[..head.len().min(total)], version) {
        Err(Fault::Short) if truncated => Ok(None),
        answer => answer.map_err(damaged),
    }
}
