//! Who may do everything on a server whose roles are not known?

use super::server::program::failed;
use super::{ClusterError, Connection, PostgresBinaries, ServerOwner};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// Tells whether the session's role is a superuser.
///
/// # Errors
/// `ClusterSql`, `ClusterConnectionLost`.
pub fn is_superuser(connection: &mut Connection) -> Result<bool, ClusterError> {
    let sql = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
    connection.query("ask for the role's rights", sql, &[])?.boolean(0, 0)
}

/// Asks a stopped cluster in single-user mode for the name of the role that initdb made, which may log in; it is given that right
/// if it lacks it. `None` when the answer can't be read.
///
/// # Errors
/// `ClusterBinaryMissing`; `ClusterProgram` when the program can't be run or fails.
pub fn bootstrap_superuser(
    binaries: &PostgresBinaries,
    data_directory: &Path,
    owner: &ServerOwner,
    settings: &[(String, String)],
) -> Result<Option<String>, ClusterError> {
    let program = binaries.program("postgres")?;
    let cannot = |error: std::io::Error| failed(&program, error.to_string());
    let mut command = owner.command(&program);
    command.arg("--single").arg("-D").arg(data_directory);
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.arg("template1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot)?;
    if let Some(mut input) = child.stdin.take() {
        // OID 10 is pinned by initdb (upstream `pg_authid.dat`). One statement a line; encoded, so that no name can break the answer.
        let statements = "UPDATE pg_catalog.pg_authid SET rolcanlogin = true, rolconnlimit = -1, rolsuper = true WHERE oid = 10\n\
             SELECT encode(convert_to(rolname::text, 'SQL_ASCII'), 'hex') AS superuser FROM pg_catalog.pg_authid WHERE oid = 10\n";
        input.write_all(statements.as_bytes()).map_err(cannot)?;
    }
    let output = child.wait_with_output().map_err(cannot)?;
    if !output.status.success() {
        return Err(failed(&program, String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(name_in(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads the value from what single-user mode prints (upstream `printtup.c`, `printatt`): `1: superuser = "706f…"`.
fn name_in(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("superuser = \"")?;
    let (hex, _) = rest.split_once('"')?;
    let digits: Vec<char> = hex.chars().collect();
    let bytes: Option<Vec<u8>> =
        digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok()).collect();
    String::from_utf8(bytes?).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_name_from_single_user_modes_answer() {
        let output = "\nPostgreSQL stand-alone backend 18.6\nbackend> backend> \t 1: superuser\t(typeid = 25, len = -1, typmod = -1, byval = f)\n\
                      \t----\n\t 1: superuser = \"616e6120c3b1\"\t(typeid = 25, len = -1, typmod = -1, byval = f)\n\t----\n";
        assert_eq!(name_in(output).as_deref(), Some("ana ñ"));
        assert_eq!(name_in("backend> "), None);
        assert_eq!(name_in("superuser = \"6\" x"), Some("\u{6}".to_owned()));
    }
}
