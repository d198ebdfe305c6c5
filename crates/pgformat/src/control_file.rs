//! `global/pg_control` of PostgreSQL 14 to 18 (upstream `catalog/pg_control.h`).

use crate::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use serde::Serialize;

/// Where the control file lies in a data directory.
pub const CONTROL_FILE_PATH: &str = "global/pg_control";
/// The size of the file in bytes (upstream `PG_CONTROL_FILE_SIZE`).
pub const CONTROL_FILE_SIZE: usize = 8192;

/// Holds what the control file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlFile {
    pub version: MajorVersion,
    pub system_identifier: SystemIdentifier,
    pub catalog_version: u32,
    pub state: ClusterState,
    /// Seconds since the Unix epoch of the last update.
    pub time_seconds: i64,
    /// Where the last checkpoint record is, and where replay from it begins: not the same.
    pub checkpoint_lsn: Lsn,
    pub redo_lsn: Lsn,
    pub timeline: TimelineId,
    pub previous_timeline: TimelineId,
    pub full_page_writes: bool,
    pub min_recovery_lsn: Lsn,
    /// 0 when there is none.
    pub min_recovery_timeline: u32,
    pub backup_start_lsn: Lsn,
    pub backup_end_lsn: Lsn,
    pub backup_end_required: bool,
    pub wal_level: WalLevel,
    pub block_size_bytes: u32,
    pub relation_segment_blocks: u32,
    pub wal_block_size_bytes: u32,
    pub wal_segment_size: WalSegmentSize,
    /// 0 when page checksums are off.
    pub data_checksum_version: u32,
}

/// Says what the cluster was doing (upstream `DBState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ClusterState {
    Startup,
    ShutDowned,
    ShutDownedInRecovery,
    ShuttingDown,
    InCrashRecovery,
    InArchiveRecovery,
    InProduction,
}

/// Says how much the server logs (upstream `WalLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WalLevel {
    Minimal,
    Replica,
    Logical,
}

impl ControlFile {
    /// Reads the file's bytes (at least the structure; usually all 8192) and checks the CRC-32C.
    ///
    /// # Errors
    /// `FormatDamaged` when it is too short, its CRC is wrong or a value is impossible (a torn read: read it again);
    /// `FormatUnsupported` for other versions than 14 to 18 and for the other byte order.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let _ = bytes;
        todo!()
    }
}
