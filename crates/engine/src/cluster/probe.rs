use super::error::sqlstate;
use super::privileges::missing_privileges;
use super::{ClusterError, Connection, PrivilegeFinding, QueryResult};
use pgformat::control_file::WalLevel;
use pgformat::{MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use serde::Serialize;

/// What a probe learns of a cluster.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterInfo {
    /// The major version.
    pub version: MajorVersion,
    /// Such as `17.10`.
    pub server_version: String,
    /// The number that `initdb` drew.
    pub system_identifier: SystemIdentifier,
    /// The timeline that a primary writes or a standby follows.
    pub timeline: TimelineId,
    /// On the server's host; empty when the role may not see it.
    pub data_directory: String,
    /// The size of a page of a relation.
    pub block_size_bytes: u32,
    /// The blocks in one segment file of a relation.
    pub relation_segment_blocks: u32,
    /// The size of a WAL segment file.
    pub wal_segment_size: WalSegmentSize,
    /// The size of a page of WAL.
    pub wal_block_size_bytes: u32,
    /// How much this server logs (on a standby: would log as a primary).
    pub wal_level: WalLevel,
    /// Whether pages carry checksums.
    pub data_checksums: bool,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The tablespaces other than pg_default and pg_global.
    pub tablespaces: Vec<Tablespace>,
    /// The number of databases, templates included.
    pub databases: u64,
    /// Sum of pg_database_size where it may be seen.
    pub size_bytes: Option<u64>,
    /// The setting.
    pub max_replication_slots: u32,
    /// How many more slots there is room for.
    pub free_replication_slots: u32,
    /// Configuration files that a copy of the data directory would miss.
    pub external_config_files: Vec<ExternalConfigFile>,
    /// Who we are.
    pub role: String,
    /// May do anything.
    pub role_is_superuser: bool,
    /// May make slots.
    pub role_has_replication: bool,
    /// Only what is missing.
    pub missing_privileges: Vec<PrivilegeFinding>,
    /// Same host as we are on, as far as the connection tells (socket or loopback).
    pub is_local: bool,
}

/// A tablespace other than pg_default and pg_global.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tablespace {
    /// Names its entry in pg_tblspc.
    pub oid: u32,
    /// Its name in SQL.
    pub name: String,
    /// Where its files lie on the server's host; relative to the data directory (`pg_tblspc/OID`) when it is in place.
    pub location: String,
}

impl Tablespace {
    /// Tells whether it is a plain folder in pg_tblspc instead of a link (upstream `allow_in_place_tablespaces`).
    pub fn is_in_place(&self) -> bool {
        self.location.starts_with("pg_tblspc/")
    }
}

/// A configuration file that lies outside the data directory (Debian's way).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExternalConfigFile {
    /// `config_file`, `hba_file` or `ident_file`.
    pub setting: String,
    /// Where it lies on the server's host.
    pub path: String,
}

/// Everything that any role may see. A setting that the role may not see has no row in pg_settings.
const OVERVIEW: &str = "SELECT pg_is_in_recovery(), current_setting('wal_level'), current_user::text, \
    r.rolsuper, r.rolsuper OR r.rolreplication, \
    coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), ''), \
    current_setting('max_replication_slots')::bigint, (SELECT count(*) FROM pg_replication_slots), \
    (SELECT count(*) FROM pg_database), current_setting('wal_block_size')::bigint \
    FROM pg_roles AS r WHERE r.rolname = current_user";

const CONTROL_DATA: &str = "SELECT s.system_identifier::text, i.database_block_size, i.blocks_per_segment, \
    i.bytes_per_wal_segment, i.data_page_checksum_version <> 0 \
    FROM pg_control_system() AS s, pg_control_init() AS i";

/// A checkpoint's timeline lags behind right after a promotion, so a primary is asked where it writes. A standby may follow a
/// newer timeline than its last restartpoint's; which one it receives is hidden from roles without pg_read_all_stats.
const TIMELINE_OF_PRIMARY: &str = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
const TIMELINE_OF_STANDBY: &str = "SELECT lpad(to_hex(greatest(c.timeline_id, r.min_recovery_end_timeline, \
    (SELECT max(received_tli) FROM pg_stat_wal_receiver))::bigint), 8, '0') \
    FROM pg_control_checkpoint() AS c, pg_control_recovery() AS r";

const TABLESPACES: &str = "SELECT oid::bigint, spcname::text, pg_tablespace_location(oid) FROM pg_tablespace \
    WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY oid";

/// NULL as soon as one database's size is not ours to see; a database that is dropped meanwhile has none.
const SIZE: &str = "SELECT CASE WHEN bool_and(visible) THEN sum(CASE WHEN visible THEN pg_database_size(oid) END) END::bigint \
    FROM (SELECT oid, has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') AS visible \
    FROM pg_database) AS d";

const CONFIG_FILES: &str = "SELECT name, setting FROM pg_settings \
    WHERE name IN ('config_file', 'hba_file', 'ident_file') AND setting <> '' ORDER BY name";

/// How often a read of pg_control that raced with the server's write of it is tried again.
const CONTROL_READS: usize = 5;

/// Asks the server all that a backup must know.
///
/// # Errors
/// `ClusterVersion`, `ClusterPrivilege` when the role may not see the control data, `ClusterSql`, `ClusterConnectionLost`.
pub fn probe(connection: &mut Connection) -> Result<ClusterInfo, ClusterError> {
    let (version, server_version) = supported_version(connection)?;
    let overview = connection.query("look at the server", OVERVIEW, &[])?;
    let in_recovery = overview.boolean(0, 0)?;
    let role = overview.text(0, 2)?.to_owned();
    let role_has_replication = overview.boolean(0, 4)?;
    let data_directory = overview.text(0, 5)?.to_owned();
    let max_replication_slots: u32 = overview.parse(0, 6)?;
    let used_slots: u32 = overview.parse(0, 7)?;

    let missing_privileges = missing_privileges(connection, version, &role, role_has_replication)?;
    if let Some(finding) = missing_privileges.iter().find(|f| f.grant.contains("pg_control_")) {
        let (action, grant) = ("read the control data".to_owned(), finding.grant.clone());
        return Err(ClusterError::ClusterPrivilege { role, action, grant });
    }
    let control = control_data(connection, CONTROL_DATA)?;
    let wal_segment_size = WalSegmentSize::new(control.parse(0, 3)?).map_err(|error| answer("control data", &error))?;

    Ok(ClusterInfo {
        version,
        server_version,
        system_identifier: control.parse::<i64>(0, 0).map(|number| SystemIdentifier(number.cast_unsigned()))?,
        timeline: timeline(connection, in_recovery)?,
        block_size_bytes: control.parse(0, 1)?,
        relation_segment_blocks: control.parse(0, 2)?,
        wal_segment_size,
        wal_block_size_bytes: overview.parse(0, 9)?,
        wal_level: wal_level(overview.text(0, 1)?)?,
        data_checksums: control.boolean(0, 4)?,
        in_recovery,
        tablespaces: tablespaces(connection)?,
        databases: overview.parse(0, 8)?,
        size_bytes: size(connection)?,
        max_replication_slots,
        free_replication_slots: max_replication_slots.saturating_sub(used_slots),
        external_config_files: external_config_files(connection, &data_directory)?,
        data_directory,
        role_is_superuser: overview.boolean(0, 3)?,
        role,
        role_has_replication,
        missing_privileges,
        is_local: connection.is_local(),
    })
}

fn answer(action: &str, error: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::ClusterAnswer { action: action.to_owned(), detail: error.to_string() }
}

fn supported_version(connection: &mut Connection) -> Result<(MajorVersion, String), ClusterError> {
    let answer = connection.query("ask for the version", "SELECT current_setting('server_version')", &[])?;
    // Packagers add words: `15.14 (Debian 15.14-0+deb12u1)`.
    let found = answer.text(0, 0)?.split_whitespace().next().unwrap_or_default().to_owned();
    match MajorVersion::from_server_version_num(connection.server_version_num()) {
        Ok(version) => Ok((version, found)),
        Err(_) => Err(ClusterError::ClusterVersion { found }),
    }
}

pub(super) fn wal_level(text: &str) -> Result<WalLevel, ClusterError> {
    match text {
        "minimal" => Ok(WalLevel::Minimal),
        "replica" => Ok(WalLevel::Replica),
        "logical" => Ok(WalLevel::Logical),
        other => Err(answer("ask for wal_level", &format!("{other:?} is unknown"))),
    }
}

/// Runs a statement that reads pg_control. Servers before 17 read it without the lock that its writer holds, so that the read
/// may be torn and its CRC wrong (upstream `get_controlfile`); the next read is sound.
pub(super) fn control_data(connection: &mut Connection, sql: &str) -> Result<QueryResult, ClusterError> {
    let mut reads = 1;
    loop {
        match connection.query("read the control data", sql, &[]) {
            Err(error) if error.sqlstate() == Some(sqlstate::INTERNAL_ERROR) && reads < CONTROL_READS => reads += 1,
            outcome => return outcome,
        }
    }
}

fn timeline(connection: &mut Connection, in_recovery: bool) -> Result<TimelineId, ClusterError> {
    if in_recovery {
        return timeline_of_standby(connection);
    }
    let name = connection.query("ask for the timeline", TIMELINE_OF_PRIMARY, &[])?;
    timeline_from_digits(name.text(0, 0)?)
}

/// Returns the newest timeline that a standby is known to follow.
pub(super) fn timeline_of_standby(connection: &mut Connection) -> Result<TimelineId, ClusterError> {
    let digits = control_data(connection, TIMELINE_OF_STANDBY)?;
    timeline_from_digits(digits.text(0, 0)?)
}

fn timeline_from_digits(digits: &str) -> Result<TimelineId, ClusterError> {
    match u32::from_str_radix(digits, 16) {
        Ok(number) if number > 0 => Ok(TimelineId(number)),
        _ => Err(answer("ask for the timeline", &format!("{digits:?} is no timeline"))),
    }
}

fn tablespaces(connection: &mut Connection) -> Result<Vec<Tablespace>, ClusterError> {
    let rows = connection.query("list the tablespaces", TABLESPACES, &[])?;
    let tablespace = |row| {
        let (oid, name) = (rows.parse(row, 0)?, rows.text(row, 1)?.to_owned());
        Ok(Tablespace { oid, name, location: rows.text(row, 2)?.to_owned() })
    };
    (0..rows.rows()).map(tablespace).collect()
}

fn size(connection: &mut Connection) -> Result<Option<u64>, ClusterError> {
    let sum = connection.query("measure the databases", SIZE, &[])?;
    if sum.bytes(0, 0).is_none() { Ok(None) } else { sum.parse(0, 0).map(Some) }
}

fn external_config_files(
    connection: &mut Connection,
    data_directory: &str,
) -> Result<Vec<ExternalConfigFile>, ClusterError> {
    let rows = connection.query("list the configuration files", CONFIG_FILES, &[])?;
    let mut files = Vec::new();
    for row in 0..rows.rows() {
        let (setting, path) = (rows.text(row, 0)?.to_owned(), rows.text(row, 1)?.to_owned());
        let inside = path.strip_prefix(data_directory.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
        // Who may see these settings may see data_directory too; if not, nothing can be said.
        if !data_directory.is_empty() && !inside {
            files.push(ExternalConfigFile { setting, path });
        }
    }
    Ok(files)
}
