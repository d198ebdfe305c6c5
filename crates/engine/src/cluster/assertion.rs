//! What users want to be true of a restored cluster, asked of it.

use super::{ClusterError, Connection};
use std::time::Duration;

/// What a question was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionAnswer {
    /// How many rows.
    pub rows: usize,
    /// The first column of the first row; `None` without one, or NULL.
    pub first: Option<String>,
}

/// Returns the names of the databases that may be connected to.
///
/// # Errors
/// `ClusterSql`, `ClusterConnectionLost`.
pub fn connectable_databases(connection: &mut Connection) -> Result<Vec<String>, ClusterError> {
    let sql = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname";
    let result = connection.query("list the databases", sql, &[])?;
    (0..result.rows()).map(|row| result.text(row, 0).map(str::to_owned)).collect()
}

/// Asks a question of the users' own. Nothing that it does stays: it runs in a transaction that is rolled back.
///
/// # Errors
/// `ClusterSql`, the server's own: a mistake in the question, or the end of `timeout`.
pub fn ask_assertion(
    connection: &mut Connection,
    sql: &str,
    timeout: Duration,
) -> Result<AssertionAnswer, ClusterError> {
    connection.query("begin", "BEGIN", &[])?;
    // Ours finds nothing but the catalogs; users mean the one that the database gives them.
    connection.query("use the database's search_path", "RESET search_path", &[])?;
    let limit = format!("SET LOCAL statement_timeout = {}", timeout.as_millis().min(i32::MAX as u128));
    connection.query("limit the time", &limit, &[])?;
    let asked = connection.query("ask the assertion", sql, &[]);
    // The connection is given up if this fails.
    connection.query("roll back", "ROLLBACK", &[])?;
    let result = asked?;
    let first = match result.rows() > 0 && result.bytes(0, 0).is_some() {
        true => Some(result.text(0, 0)?.to_owned()),
        false => None,
    };
    Ok(AssertionAnswer { rows: result.rows(), first })
}
