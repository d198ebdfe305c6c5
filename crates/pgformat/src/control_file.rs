//! `global/pg_control` of PostgreSQL 14 to 18 (upstream `catalog/pg_control.h`).
//!
//! | server | `pg_control_version` | `catalog_version_no` | CRC at byte |
//! |---|---|---|---|
//! | 14 | 1300 | 202107181 | 288 |
//! | 15 | 1300 | 202209061 | 288 |
//! | 16 | 1300 | 202307071 | 288 |
//! | 17 | 1700 | 202406281 | 288 |
//! | 18 | 1800 | 202506291 | 292 |
//!
//! 1700 has the layout of 1300, but for the checkpoint's `wal_level`, which falls into what was padding. 1800 adds
//! `default_char_signedness` before the nonce, which moves the CRC by four bytes. The layout is that of builds where a
//! 64-bit number is aligned to eight bytes; a 32-bit x86 server's file fails its CRC here.

use crate::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use serde::Serialize;

/// Where the control file lies in a data directory.
pub const CONTROL_FILE_PATH: &str = "global/pg_control";
/// The size of the file in bytes (upstream `PG_CONTROL_FILE_SIZE`).
pub const CONTROL_FILE_SIZE: usize = 8192;

/// What errors call the file.
const WHAT: &str = "pg_control";
/// The number that shows how the server writes floating point (upstream `FLOATFORMAT_VALUE`).
const FLOAT_FORMAT: f64 = 1_234_567.0;

/// Holds what the control file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlFile {
    /// The server's major version, told by the two version numbers below together.
    pub version: MajorVersion,
    /// The number that `initdb` drew.
    pub system_identifier: SystemIdentifier,
    /// The version of the system catalogs, such as 202406281; part of a tablespace's directory name.
    pub catalog_version: u32,
    /// What the cluster was doing.
    pub state: ClusterState,
    /// Seconds since the Unix epoch of the last update.
    pub time_seconds: i64,
    /// Where the last checkpoint record is; replay from it begins at `redo_lsn`, which is not the same.
    pub checkpoint_lsn: Lsn,
    /// Where replay from the last checkpoint begins.
    pub redo_lsn: Lsn,
    /// The timeline of the last checkpoint.
    pub timeline: TimelineId,
    /// The timeline before it, if the checkpoint began a new one; else the same.
    pub previous_timeline: TimelineId,
    /// The setting at the last checkpoint.
    pub full_page_writes: bool,
    /// Seconds since the Unix epoch of the last checkpoint.
    pub checkpoint_time_seconds: i64,
    /// How far a recovery must go before the cluster is consistent; 0 when there is none.
    pub min_recovery_lsn: Lsn,
    /// 0 when there is none.
    pub min_recovery_timeline: u32,
    /// Where the backup that is being recovered from started; 0 when there is none.
    pub backup_start_lsn: Lsn,
    /// Where a backup that was taken from a standby ended; 0 when there is none.
    pub backup_end_lsn: Lsn,
    /// Whether recovery must see a backup's end record before it may finish.
    pub backup_end_required: bool,
    /// The setting when the server was last started.
    pub wal_level: WalLevel,
    /// Whether hint bits are WAL-logged although checksums are off.
    pub wal_log_hints: bool,
    /// A hot standby's setting must not be below this; so for the four that follow.
    pub max_connections: u32,
    /// See `max_connections`.
    pub max_worker_processes: u32,
    /// See `max_connections`.
    pub max_wal_senders: u32,
    /// See `max_connections`.
    pub max_prepared_transactions: u32,
    /// See `max_connections`.
    pub max_locks_per_transaction: u32,
    /// The setting when the server was last started.
    pub track_commit_timestamp: bool,
    /// The size of a page of data: 8192 unless the server was built otherwise.
    pub block_size_bytes: u32,
    /// How many blocks a relation segment holds: 131072 (1 GiB) unless the server was built otherwise.
    pub relation_segment_blocks: u32,
    /// The size of a page of WAL.
    pub wal_block_size_bytes: u32,
    /// The size of a WAL segment, which `initdb` fixed.
    pub wal_segment_size: WalSegmentSize,
    /// 0 when page checksums are off.
    pub data_checksum_version: u32,
}

/// Says what the cluster was doing (upstream `DBState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ClusterState {
    /// Starting for the first time.
    Startup,
    /// Shut down cleanly.
    ShutDowned,
    /// A standby that was shut down cleanly.
    ShutDownedInRecovery,
    /// Writing its last checkpoint.
    ShuttingDown,
    /// Replaying its own WAL after a crash.
    InCrashRecovery,
    /// Replaying WAL as a standby or from an archive.
    InArchiveRecovery,
    /// Running.
    InProduction,
}

/// Says how much the server logs (upstream `WalLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WalLevel {
    /// What crash recovery needs; no backup can be taken.
    Minimal,
    /// What backups and standbys need.
    Replica,
    /// What logical decoding needs besides.
    Logical,
}

impl ControlFile {
    /// Reads the file's bytes (at least the structure; usually all 8192) and checks the CRC-32C.
    ///
    /// # Errors
    /// `FormatDamaged` when it is too short, its CRC is wrong or a value is impossible (a torn read: read it again);
    /// `FormatUnsupported` for other versions than 14 to 18 and for the other byte order.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let crc_offset = crc_offset(bytes)?;
        let stored_bytes = bytes.get(crc_offset..crc_offset + 4).ok_or_else(|| too_short(bytes))?;
        let structure = Structure(&bytes[..crc_offset]);
        let stored = le_u32(stored_bytes, 0);
        let computed = crc32c::crc32c(structure.0);
        if stored != computed {
            return Err(damaged(format!("the CRC is {computed:08X} where the file says {stored:08X}")));
        }
        structure.read()
    }
}

/// Judges the format's version and returns where its CRC lies: right after the structure.
fn crc_offset(bytes: &[u8]) -> Result<usize, FormatError> {
    if bytes.len() < 16 {
        return Err(too_short(bytes));
    }
    let offset = |format: u32| match format {
        1300 | 1700 => Some(288),
        1800 => Some(292),
        _ => None,
    };
    let format = le_u32(bytes, 8);
    match offset(format) {
        Some(offset) => Ok(offset),
        None if format == 0 => Err(damaged("the format version is 0".to_owned())),
        None if format.is_multiple_of(65536) => Err(FormatError::FormatUnsupported {
            what: "byte order",
            found: format!("big-endian (pg_control version {})", format.swap_bytes()),
        }),
        None => Err(FormatError::FormatUnsupported { what: "pg_control version", found: format.to_string() }),
    }
}

/// The bytes before the CRC, which was right. Every offset below lies in the first 256 bytes, and a structure has at
/// least 288: reading a field can't fail.
struct Structure<'a>(&'a [u8]);

impl Structure<'_> {
    fn u32(&self, at: usize) -> u32 {
        le_u32(self.0, at)
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    fn lsn(&self, at: usize) -> Lsn {
        Lsn(self.u64(at))
    }

    fn flag(&self, at: usize, name: &str) -> Result<bool, FormatError> {
        match self.0[at] {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(impossible(name, other)),
        }
    }

    fn timeline(&self, at: usize, name: &str) -> Result<TimelineId, FormatError> {
        match self.u32(at) {
            0 => Err(impossible(name, 0)),
            timeline => Ok(TimelineId(timeline)),
        }
    }

    /// Reads a number that upstream declares as `int` and that is never negative.
    fn count(&self, at: usize, name: &str) -> Result<u32, FormatError> {
        Some(self.u32(at))
            .filter(|count| *count <= i32::MAX as u32)
            .ok_or_else(|| impossible(name, self.u32(at) as i32))
    }

    fn read(&self) -> Result<ControlFile, FormatError> {
        let version = server_version(self.u32(8), self.u32(12))?;
        if self.u64(0) == 0 {
            return Err(impossible("system_identifier", 0));
        }
        if f64::from_bits(self.u64(208)) != FLOAT_FORMAT {
            return Err(impossible("floatFormat", f64::from_bits(self.u64(208))));
        }
        Ok(ControlFile {
            version,
            system_identifier: SystemIdentifier(self.u64(0)),
            catalog_version: self.u32(12),
            state: cluster_state(self.u32(16))?,
            time_seconds: self.u64(24) as i64,
            checkpoint_lsn: self.lsn(32),
            redo_lsn: self.lsn(40),
            timeline: self.timeline(48, "ThisTimeLineID")?,
            previous_timeline: self.timeline(52, "PrevTimeLineID")?,
            full_page_writes: self.flag(56, "fullPageWrites")?,
            checkpoint_time_seconds: self.u64(104) as i64,
            min_recovery_lsn: self.lsn(136),
            min_recovery_timeline: self.u32(144),
            backup_start_lsn: self.lsn(152),
            backup_end_lsn: self.lsn(160),
            backup_end_required: self.flag(168, "backupEndRequired")?,
            wal_level: wal_level(self.u32(172))?,
            wal_log_hints: self.flag(176, "wal_log_hints")?,
            max_connections: self.count(180, "MaxConnections")?,
            max_worker_processes: self.count(184, "max_worker_processes")?,
            max_wal_senders: self.count(188, "max_wal_senders")?,
            max_prepared_transactions: self.count(192, "max_prepared_xacts")?,
            max_locks_per_transaction: self.count(196, "max_locks_per_xact")?,
            track_commit_timestamp: self.flag(200, "track_commit_timestamp")?,
            block_size_bytes: self.block_size(216, "blcksz", 32768)?,
            relation_segment_blocks: match self.u32(220) {
                0 => return Err(impossible("relseg_size", 0)),
                blocks => blocks,
            },
            wal_block_size_bytes: self.block_size(224, "xlog_blcksz", 65536)?,
            wal_segment_size: WalSegmentSize::new(u64::from(self.u32(228)))?,
            data_checksum_version: match self.u32(252) {
                known @ (0 | 1) => known,
                other => return Err(impossible("data_checksum_version", other)),
            },
        })
    }

    /// Reads a page size: a power of two from 1 KiB to `most`.
    fn block_size(&self, at: usize, name: &str, most: u32) -> Result<u32, FormatError> {
        let bytes = self.u32(at);
        if bytes.is_power_of_two() && (1024..=most).contains(&bytes) { Ok(bytes) } else { Err(impossible(name, bytes)) }
    }
}

/// Tells the server's version. 13 shares 14's format, and a development snapshot shares a release's: the catalog
/// version tells them apart, and only releases are supported.
fn server_version(format: u32, catalog: u32) -> Result<MajorVersion, FormatError> {
    match (format, catalog) {
        (1300, 202_107_181) => Ok(MajorVersion::V14),
        (1300, 202_209_061) => Ok(MajorVersion::V15),
        (1300, 202_307_071) => Ok(MajorVersion::V16),
        (1700, 202_406_281) => Ok(MajorVersion::V17),
        (1800, 202_506_291) => Ok(MajorVersion::V18),
        _ => Err(FormatError::FormatUnsupported {
            what: "catalog version",
            found: format!("{catalog} (pg_control version {format})"),
        }),
    }
}

fn cluster_state(number: u32) -> Result<ClusterState, FormatError> {
    Ok(match number {
        0 => ClusterState::Startup,
        1 => ClusterState::ShutDowned,
        2 => ClusterState::ShutDownedInRecovery,
        3 => ClusterState::ShuttingDown,
        4 => ClusterState::InCrashRecovery,
        5 => ClusterState::InArchiveRecovery,
        6 => ClusterState::InProduction,
        other => return Err(impossible("state", other)),
    })
}

fn wal_level(number: u32) -> Result<WalLevel, FormatError> {
    Ok(match number {
        0 => WalLevel::Minimal,
        1 => WalLevel::Replica,
        2 => WalLevel::Logical,
        other => return Err(impossible("wal_level", other)),
    })
}

/// Reads a little-endian number; the caller has made sure that the bytes are there.
fn le_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn damaged(detail: String) -> FormatError {
    FormatError::FormatDamaged { what: WHAT, detail }
}

fn too_short(bytes: &[u8]) -> FormatError {
    damaged(format!("only {} bytes", bytes.len()))
}

fn impossible(name: &str, value: impl std::fmt::Display) -> FormatError {
    damaged(format!("{name} is {value}"))
}
