//! As whom do we connect to a restored cluster? Its superuser's name is in its catalogs only. Likely names are tried, and if none is
//! right, PostgreSQL is asked in single-user mode, which needs no name.

use super::ThrowAwayError;
use crate::Error;
use crate::cluster::{Connection, ConnectionSettings, LocalServer, bootstrap_superuser, is_superuser};

/// The usual name.
const USUAL: &str = "postgres";

/// Roles and databases may be set otherwise. What they load at the start of a session need not be on this machine, and a damaged page is to be told
/// of, not read as zeros.
pub(in crate::restore) const SESSION_OPTIONS: &str =
    "-c session_preload_libraries= -c statement_timeout=0 -c zero_damaged_pages=off -c ignore_checksum_failure=off";

/// Returns the settings that connect to `dbname` as `user`.
pub(super) fn connection_settings(server: &LocalServer, user: &str, dbname: &str) -> ConnectionSettings {
    let mut settings = server.connection_settings(dbname);
    settings.keywords.retain(|(name, _)| name != "user");
    settings.keywords.push(("user".to_owned(), user.to_owned()));
    settings.keywords.push(("options".to_owned(), SESSION_OPTIONS.to_owned()));
    settings.keywords.push(("sslmode".to_owned(), "disable".to_owned()));
    settings.keywords.push(("gssencmode".to_owned(), "disable".to_owned()));
    settings
}

/// Finds a superuser of a running server among `names`, the server's user, and `postgres`.
pub(super) fn find(server: &LocalServer, names: &[String]) -> Option<String> {
    candidates(server, names).into_iter().find(|name| {
        let connected = Connection::connect(&connection_settings(server, name, "template1"));
        connected.is_ok_and(|mut connection| is_superuser(&mut connection).unwrap_or(false))
    })
}

/// Asks the stopped server in single-user mode.
///
/// # Errors
/// `ThrowAwayNoSuperuser` when it does not answer; `ClusterBinaryMissing`.
pub(super) fn ask_stopped(
    server: &LocalServer,
    names: &[String],
    settings: &[(String, String)],
) -> Result<String, Error> {
    let found = bootstrap_superuser(&server.binaries, &server.data_directory, &server.owner, settings)?;
    let tried = || candidates(server, names).join(", ");
    Ok(found.ok_or_else(|| ThrowAwayError::ThrowAwayNoSuperuser { tried: tried() })?)
}

fn candidates(server: &LocalServer, names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names.iter().map(String::as_str).chain([server.owner.name.as_str(), USUAL]) {
        if !name.is_empty() && !all.iter().any(|known| known == name) {
            all.push(name.to_owned());
        }
    }
    all
}
