use super::{ClusterError, Connection, SqlParameter, text_array};
use pgformat::MajorVersion;
use serde::Serialize;

/// One thing that the role may not do, and the statement that mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrivilegeFinding {
    /// Key of the sentence that says what for: `privilege-backup-control`, `privilege-control-data`, `privilege-read-files`,
    /// `privilege-slot`, `privilege-settings`, `privilege-switch-wal` or `privilege-restore-point`.
    pub purpose: String,
    /// The statement, ready for psql. Rights on functions hold in the database where it is run: the one that is connected to.
    pub grant: String,
    /// Without it no backup works; otherwise only less safely or not over SQL.
    pub required: bool,
}

/// What a right is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    BackupControl,
    ControlData,
    ReadFiles,
    Slot,
    Settings,
    SwitchWal,
    RestorePoint,
}

impl Purpose {
    fn key(self) -> &'static str {
        match self {
            Purpose::BackupControl => "privilege-backup-control",
            Purpose::ControlData => "privilege-control-data",
            Purpose::ReadFiles => "privilege-read-files",
            Purpose::Slot => "privilege-slot",
            Purpose::Settings => "privilege-settings",
            Purpose::SwitchWal => "privilege-switch-wal",
            Purpose::RestorePoint => "privilege-restore-point",
        }
    }
    fn required(self) -> bool {
        matches!(self, Purpose::BackupControl | Purpose::ControlData)
    }
}

/// Every function that we call and that a server may deny (upstream `system_functions.sql` revokes some from PUBLIC; careful
/// administrators revoke more).
fn functions(version: MajorVersion) -> Vec<(Purpose, &'static str)> {
    let (start, stop) = backup_functions(version);
    vec![
        (Purpose::BackupControl, start),
        (Purpose::BackupControl, stop),
        (Purpose::ControlData, "pg_control_system()"),
        (Purpose::ControlData, "pg_control_init()"),
        (Purpose::ControlData, "pg_control_checkpoint()"),
        (Purpose::ControlData, "pg_control_recovery()"),
        (Purpose::ReadFiles, LS_DIR),
        (Purpose::ReadFiles, STAT_FILE),
        (Purpose::ReadFiles, READ_BINARY_FILE),
        (Purpose::Slot, "pg_create_physical_replication_slot(name, boolean, boolean)"),
        (Purpose::Slot, "pg_drop_replication_slot(name)"),
        (Purpose::SwitchWal, "pg_switch_wal()"),
        (Purpose::RestorePoint, "pg_create_restore_point(text)"),
    ]
}

pub(super) const LS_DIR: &str = "pg_ls_dir(text, boolean, boolean)";
pub(super) const STAT_FILE: &str = "pg_stat_file(text, boolean)";
pub(super) const READ_BINARY_FILE: &str = "pg_read_binary_file(text, bigint, bigint, boolean)";

/// Returns the names of the functions that start and stop a backup; PostgreSQL 15 renamed them.
pub(super) fn backup_functions(version: MajorVersion) -> (&'static str, &'static str) {
    match version {
        MajorVersion::V14 => ("pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"),
        _ => ("pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"),
    }
}

pub(super) fn grant_execute(function: &str, role: &str) -> String {
    format!("GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {};", quoted(role))
}

fn grant_settings(role: &str) -> String {
    format!("GRANT pg_read_all_settings TO {};", quoted(role))
}

pub(super) fn grant_replication(role: &str) -> String {
    format!("ALTER ROLE {} REPLICATION;", quoted(role))
}

/// Quotes an identifier (upstream `quote_identifier`), always.
fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Returns the statements that let `role` do everything that backups need, for `--print-grants`; ready for psql. They may be
/// run twice. Those about functions hold in the database where they are run: it must be the one that we connect to.
pub fn required_grants(version: MajorVersion, role: &str) -> Vec<String> {
    let mut grants = vec![grant_replication(role), grant_settings(role)];
    grants.extend(functions(version).into_iter().map(|(_, function)| grant_execute(function, role)));
    grants
}

/// Finds what the connected role lacks.
pub(super) fn missing_privileges(
    connection: &mut Connection,
    version: MajorVersion,
    role: &str,
    has_replication: bool,
) -> Result<Vec<PrivilegeFinding>, ClusterError> {
    let finding = |purpose: Purpose, grant: String| PrivilegeFinding {
        purpose: purpose.key().to_owned(),
        grant,
        required: purpose.required(),
    };
    let mut missing = Vec::new();
    let functions = functions(version);
    let denied = denied_functions(connection, functions.iter().map(|(_, function)| *function))?;
    for (purpose, function) in functions.into_iter().filter(|(_, function)| denied.iter().any(|name| name == function))
    {
        missing.push(finding(purpose, grant_execute(function, role)));
    }
    if !has_replication {
        missing.push(finding(Purpose::Slot, grant_replication(role)));
    }
    let settings = "SELECT pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')";
    if !connection.query("look up the role", settings, &[])?.boolean(0, 0)? {
        missing.push(finding(Purpose::Settings, grant_settings(role)));
    }
    Ok(missing)
}

/// Returns those of the functions that we may not execute.
fn denied_functions<'a>(
    connection: &mut Connection,
    functions: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, ClusterError> {
    let list = text_array(functions);
    let sql = "SELECT f FROM unnest($1::text[]) AS f WHERE NOT has_function_privilege('pg_catalog.' || f, 'EXECUTE')";
    let rows = connection.query("look up privileges", sql, &[SqlParameter::Text(&list)])?;
    (0..rows.rows()).map(|row| rows.text(row, 0).map(str::to_owned)).collect()
}

/// Says with which grant a refusal is mended, if lack of a right to one of `functions` was its cause. A file that the server's
/// own user may not read is refused with the same SQLSTATE, and no grant mends that.
pub(super) fn explain_denial(connection: &mut Connection, error: ClusterError, functions: &[&str]) -> ClusterError {
    if error.sqlstate() != Some(super::error::sqlstate::INSUFFICIENT_PRIVILEGE) {
        return error;
    }
    let role = |connection: &mut Connection| -> Result<String, ClusterError> {
        Ok(connection.query("look up the role", "SELECT current_user::text", &[])?.text(0, 0)?.to_owned())
    };
    let looked_up = denied_functions(connection, functions.iter().copied()).and_then(|d| Ok((d, role(connection)?)));
    match looked_up {
        Ok((denied, role)) => match denied.first() {
            Some(function) => {
                ClusterError::ClusterPrivilege { grant: grant_execute(function, &role), action: function.clone(), role }
            }
            None => error,
        },
        // The first error says more than a failed attempt to explain it.
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_quote_the_role() {
        let grants = required_grants(MajorVersion::V17, "co\"pia; DROP ROLE x");
        assert!(grants.iter().all(|grant| grant.contains("\"co\"\"pia; DROP ROLE x\"") && grant.ends_with(';')));
        assert!(grants.contains(&"ALTER ROLE \"co\"\"pia; DROP ROLE x\" REPLICATION;".to_owned()));
    }

    #[test]
    fn grants_use_the_names_of_the_version() {
        let has = |version, name: &str| required_grants(version, "r").iter().any(|grant| grant.contains(name));
        assert!(has(MajorVersion::V14, "pg_start_backup(text, boolean, boolean)"));
        assert!(!has(MajorVersion::V14, "pg_backup_start"));
        assert!(has(MajorVersion::V15, "pg_backup_start(text, boolean)"));
        assert!(!has(MajorVersion::V18, "pg_start_backup"));
    }
}
