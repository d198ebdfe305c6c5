use super::{ClusterError, Connection, PrivilegeFinding};
use pgformat::control_file::WalLevel;
use pgformat::{MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use serde::Serialize;

/// What a probe learns of a cluster.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterInfo {
    pub version: MajorVersion,
    /// Such as `17.10`.
    pub server_version: String,
    pub system_identifier: SystemIdentifier,
    pub timeline: TimelineId,
    /// On the server's host; empty when the role may not see it.
    pub data_directory: String,
    pub block_size_bytes: u32,
    pub relation_segment_blocks: u32,
    pub wal_segment_size: WalSegmentSize,
    pub wal_level: WalLevel,
    pub data_checksums: bool,
    pub in_recovery: bool,
    pub tablespaces: Vec<Tablespace>,
    pub databases: u64,
    /// Sum of pg_database_size where it may be seen.
    pub size_bytes: Option<u64>,
    pub max_replication_slots: u32,
    pub free_replication_slots: u32,
    pub external_config_files: Vec<ExternalConfigFile>,
    pub role: String,
    pub role_is_superuser: bool,
    pub role_has_replication: bool,
    /// Only what is missing.
    pub missing_privileges: Vec<PrivilegeFinding>,
    /// Same host as we are on, as far as the connection tells (socket or loopback).
    pub is_local: bool,
}

/// A tablespace other than pg_default and pg_global.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tablespace {
    pub oid: u32,
    pub name: String,
    pub location: String,
}

/// A configuration file that lies outside the data directory (Debian's way).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExternalConfigFile {
    /// `config_file`, `hba_file` or `ident_file`.
    pub setting: String,
    pub path: String,
}

/// Asks the server all that a backup must know.
///
/// # Errors
/// `ClusterVersion`, `ClusterSql`, `ClusterConnectionLost`.
pub fn probe(connection: &mut Connection) -> Result<ClusterInfo, ClusterError> {
    let _ = connection;
    todo!()
}
