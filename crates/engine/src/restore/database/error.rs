use serde::Serialize;

/// Says why one database is not restored or exported. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each message says what its fields are")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum DatabaseError {
    /// At that instant there was none of the name.
    #[error("there was no database {database} then; there were: {known}")]
    DatabaseUnknown { database: String, known: String },
    /// `--table` or `--schema` names nothing.
    #[error("{database} had no {name} then; it had: {known}")]
    DatabaseUnknownObject { database: String, name: String, known: String },
    /// `--table` without a schema fits several.
    #[error("{name} fits several tables: {found}")]
    DatabaseAmbiguousTable { name: String, found: String },
    /// The new name is taken.
    #[error("{server} has a database {database} already")]
    DatabaseExists { database: String, server: String },
    /// PostgreSQL would cut the name, or not take it.
    #[error("{database} can't be the name of a database: {reason}")]
    DatabaseName { database: String, reason: &'static str },
    /// A dump can't be loaded into an older server.
    #[error("{server} is of version {version}, the backup of {needed}")]
    DatabaseServerOlder { server: String, version: String, needed: String },
    /// Roles that own something, were given something, or that a policy names.
    #[error("{server} lacks roles that {database} needs: {roles}")]
    DatabaseMissingRoles { database: String, server: String, roles: String },
    /// Extensions that its machine does not have.
    #[error("{server} lacks extensions that {database} needs: {extensions}")]
    DatabaseMissingExtensions { database: String, server: String, extensions: String },
    /// Tablespaces that tables lie in.
    #[error("{server} lacks tablespaces that {database} needs: {tablespaces}")]
    DatabaseMissingTablespaces { database: String, server: String, tablespaces: String },
    /// No room for the dump, or for the database itself.
    #[error("{directory} has {free_bytes} bytes free; {database} needs about {needed_bytes}")]
    DatabaseNoSpace { database: String, directory: String, free_bytes: u64, needed_bytes: u64 },
    /// Sessions came back as fast as they were ended.
    #[error("{database} could not be replaced: {sessions} sessions keep using it")]
    DatabaseInUse { database: String, sessions: u64 },
    /// The load failed for `reason`, and what was made could not be dropped.
    #[error("the restore failed ({reason}), and the unfinished database {database} could not be dropped: {cause}")]
    DatabaseUnfinished { database: String, reason: String, cause: String },
    /// `export` of part of a dump.
    #[error("backup {id} is logical: its dump of {database} is exported as it is, and not in part")]
    DatabaseDumpWhole { id: String, database: String },
    /// The export's file is there, or can't be written.
    #[error("{file} can't be written: {cause}")]
    DatabaseFile { file: String, cause: String },
}
