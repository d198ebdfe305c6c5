//! A database held still: what it is, and a snapshot that a dump can share.

use super::{DatabaseFacts, DatabaseNeeds, DatabaseProperties};
use crate::cluster::{ClusterError, Connection, ConnectionSettings};
use jiff::Timestamp;

/// A transaction in a database, open as long as this lives.
pub struct Snapshot {
    /// For `pg_dump --snapshot`.
    pub id: String,
    /// The instant as of which it shows the database, by the server's clock.
    pub at: Timestamp,
    /// The database.
    pub facts: DatabaseFacts,
    /// What it needs of a server.
    pub needs: DatabaseNeeds,
    /// What a dump leaves out.
    pub properties: DatabaseProperties,
    /// Keeps the transaction open.
    _connection: Connection,
}

/// A dump may take hours, and this session says nothing meanwhile. Older servers know fewer of these.
const NO_TIMEOUTS: &str = "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN \
     ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout')";
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
const EXPORT: &str = "SELECT pg_catalog.pg_export_snapshot(), \
     (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint, pg_catalog.current_database()";

impl Snapshot {
    /// Takes a snapshot of the database that the settings name, and reads in it what the database is.
    ///
    /// # Errors
    /// Those of [`Connection::connect`]; `ClusterSql`, `ClusterAnswer`, `ClusterConnectionLost`.
    pub fn take(settings: &ConnectionSettings) -> Result<Self, ClusterError> {
        let mut within = Connection::connect(settings)?;
        within.query("switch timeouts off", NO_TIMEOUTS, &[])?;
        within.query("begin a transaction", BEGIN, &[])?;
        let row = within.query("export a snapshot", EXPORT, &[])?;
        let (id, name) = (row.text(0, 0)?.to_owned(), row.text(0, 2)?.to_owned());
        let answer = |detail: String| ClusterError::ClusterAnswer { action: "export a snapshot".to_owned(), detail };
        let at = Timestamp::from_microsecond(row.parse(0, 1)?).map_err(|error| answer(error.to_string()))?;
        let found = DatabaseFacts::read(&mut within, &name)?;
        // Not measured: a table's size can't be asked while somebody holds it, and nobody could break that off.
        let facts = found.ok_or_else(|| answer(format!("pg_database has no row of {name}")))?;
        let needs = DatabaseNeeds::read(&mut within, &facts, None)?;
        let properties = DatabaseProperties::read(&mut within, facts.oid)?;
        Ok(Snapshot { id, at, facts, needs, properties, _connection: within })
    }
}
