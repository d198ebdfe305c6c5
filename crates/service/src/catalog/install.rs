use super::transaction::in_transaction;
use super::{CATALOG_VERSION, CatalogError, CatalogState, state};
use engine::cluster::Connection;

/// The same text that users run with psql.
const MIGRATION: &str = include_str!("../../../../migrations/002_add_incremental_backup_system.sql");

/// Makes the catalog; again: brings its views, functions and comments back, and touches no row.
///
/// # Errors
/// `CatalogForeign`, `CatalogNewer`, `CatalogPrivilege`, `CatalogReadOnly`, `CatalogBusy`; those of the server. After any of them
/// nothing was changed.
pub fn install(connection: &mut Connection) -> Result<(), CatalogError> {
    let target = connection.target();
    match state(connection)? {
        CatalogState::Foreign { objects } => {
            return Err(CatalogError::CatalogForeign { target, objects: objects.join(", ") });
        }
        CatalogState::Newer { version: found } => {
            return Err(CatalogError::CatalogNewer { target, found, supported: CATALOG_VERSION });
        }
        _ => {}
    }
    in_transaction(connection, |connection| Ok(connection.run_script("make the catalog", MIGRATION)?))
}
