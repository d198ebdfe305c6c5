//! One transaction that waits for nobody for long, and what a refusal in it means.

use super::error::sqlstate;
use super::statements::{BEGIN, BOUNDS, COMMIT, ROLE, ROLLBACK};
use super::{CatalogError, grants};
use engine::cluster::{ClusterError, Connection, SqlParameter};

/// A locked table must not stall a backup.
const LOCK_SECONDS: u64 = 5;
/// Nor must a server that crawls.
const STATEMENT_SECONDS: u64 = 30;

/// Runs `work` in a transaction; after an error nothing of it was done.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, CatalogError>,
) -> Result<T, CatalogError> {
    let outcome = begin(connection).and_then(|()| work(connection)).and_then(|done| {
        run(connection, "commit the catalog", COMMIT)?;
        Ok(done)
    });
    outcome.map_err(|error| {
        if let Err(second) = connection.query("roll back the catalog", ROLLBACK, &[]) {
            // The connection is lost: then the server has rolled back.
            tracing::debug!(error = %second, "no rollback");
        }
        error.explained(connection)
    })
}

fn begin(connection: &mut Connection) -> Result<(), CatalogError> {
    run(connection, "begin with the catalog", BEGIN)?;
    let (lock, statement) = (LOCK_SECONDS.to_string(), STATEMENT_SECONDS.to_string());
    let parameters = [SqlParameter::Text(&lock), SqlParameter::Text(&statement)];
    connection.query("bound the catalog's waiting", BOUNDS, &parameters)?;
    Ok(())
}

fn run(connection: &mut Connection, action: &str, sql: &str) -> Result<(), CatalogError> {
    Ok(connection.query(action, sql, &[]).map(drop)?)
}

impl CatalogError {
    /// Says what a refusal of the server means. No transaction may be open.
    fn explained(self, connection: &mut Connection) -> Self {
        let CatalogError::Cluster(error) = self else { return self };
        let target = connection.target();
        match error.sqlstate() {
            Some(sqlstate::READ_ONLY) => CatalogError::CatalogReadOnly { target },
            Some(sqlstate::LOCK_NOT_AVAILABLE) => CatalogError::CatalogBusy { target, seconds: LOCK_SECONDS },
            Some(sqlstate::QUERY_CANCELED) => CatalogError::CatalogBusy { target, seconds: STATEMENT_SECONDS },
            Some(sqlstate::INSUFFICIENT_PRIVILEGE) => denied(connection, error),
            _ => error.into(),
        }
    }
}

/// Names the grants that mend a refusal.
fn denied(connection: &mut Connection, error: ClusterError) -> CatalogError {
    let mut named = || -> Result<CatalogError, CatalogError> {
        let role = connection.query("look up the role", ROLE, &[])?.text(0, 0)?.to_owned();
        let grants = grants(connection, &role)?.join(" ");
        Ok(CatalogError::CatalogPrivilege { role, grants })
    };
    // The refusal itself says more than a failed attempt to explain it.
    named().unwrap_or_else(|_| error.into())
}
