use serde::Serialize;

/// Says what went wrong with the server. Serializes to `{"key": …, arguments}`. Never holds a password.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ClusterError {
    /// No connection could be made. `target` is `user@host:port/dbname`.
    #[error("can't connect to PostgreSQL at {target}: {detail}")]
    ClusterConnect {
        /// Whom we tried to reach.
        target: String,
        /// What libpq or the server said.
        detail: String,
    },
    /// A connection setting is wrong: an unknown keyword, or a connection string that can't be understood.
    #[error("the connection settings are wrong: {detail}")]
    ClusterSettings {
        /// What is wrong; parts that might hold a password are left out.
        detail: String,
    },
    /// The connection broke while in use.
    #[error("the connection to PostgreSQL was lost: {detail}")]
    ClusterConnectionLost {
        /// What libpq or the server said.
        detail: String,
    },
    /// The server refused a statement.
    #[error("PostgreSQL refused {action}: {detail} (SQLSTATE {sqlstate})")]
    ClusterSql {
        /// What we were about.
        action: String,
        /// The five characters that say what it was, in every language.
        sqlstate: String,
        /// The server's words, in its own language.
        detail: String,
    },
    /// The server answered, but not what we asked for.
    #[error("PostgreSQL's answer to {action} can't be understood: {detail}")]
    ClusterAnswer {
        /// What we were about.
        action: String,
        /// What is odd.
        detail: String,
    },
    /// Not one of the versions that we know.
    #[error("PostgreSQL {found} is not supported (14 to 18 are)")]
    ClusterVersion {
        /// The version found.
        found: String,
    },
    /// The role lacks a privilege.
    #[error("role {role} may not {action}; mend it with: {grant}")]
    ClusterPrivilege {
        /// The role that we are.
        role: String,
        /// What it may not do.
        action: String,
        /// The statement that mends it.
        grant: String,
    },
    /// A later connection reached another cluster than the first.
    #[error("another cluster answers now: system identifier {found} instead of {expected}")]
    ClusterChanged {
        /// The system identifier that the probe saw.
        expected: String,
        /// The system identifier that answers now.
        found: String,
    },
    /// A file's name can't be passed through SQL; the local reader can read it.
    #[error("the name of file {name} in {directory} can't be passed through SQL; use the local reader")]
    ClusterFileName {
        /// Its folder, from the data directory.
        directory: String,
        /// Its name, with the odd bytes escaped; empty when the server did not say.
        name: String,
    },
    /// The standby became a primary while it was backed up; the backup is void.
    #[error("the standby was promoted while it was backed up")]
    ClusterPromoted {},
    /// The server logs too little for a backup.
    #[error("wal_level is minimal; a backup needs replica or logical")]
    ClusterWalLevel {},
    /// The caller's cancel check said so.
    #[error("cancelled")]
    #[serde(rename = "cancelled")]
    ClusterCancelled {},
    /// A program of PostgreSQL is not on this host.
    #[error("PostgreSQL's program {program} of version {major} was not found; looked in: {looked_in}")]
    ClusterBinaryMissing {
        /// Its name.
        program: String,
        /// The major version wanted.
        major: String,
        /// The folders searched.
        looked_in: String,
    },
    /// A program of PostgreSQL ended with an error.
    #[error("PostgreSQL's program {program} failed: {detail}")]
    ClusterProgram {
        /// Its name.
        program: String,
        /// What it printed.
        detail: String,
    },
    /// A server that we started did not come up.
    #[error("the server in {directory} did not start: {detail}")]
    ClusterStart {
        /// Its data directory.
        directory: String,
        /// The end of its log.
        detail: String,
    },
    /// There is no such operating-system user.
    #[error("the operating system's user {user} does not exist")]
    ClusterNoUser {
        /// The name asked for.
        user: String,
    },
    /// Nobody but root may become another user.
    #[error("only root may run a server as {user}; we are {current}")]
    ClusterOtherUser {
        /// Who was to run it.
        user: String,
        /// Who we are.
        current: String,
    },
    /// PostgreSQL's programs do not run as root.
    #[error("PostgreSQL refuses to run as root: name another user")]
    ClusterRoot {},
}

impl ClusterError {
    /// Returns the SQLSTATE, when the server refused a statement.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            ClusterError::ClusterSql { sqlstate, .. } => Some(sqlstate),
            _ => None,
        }
    }
}

/// The SQLSTATEs that we branch on (upstream `errcodes.txt`).
pub(crate) mod sqlstate {
    /// Text with a zero byte, or bytes that are not valid in the encoding.
    pub const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";
    /// A character that the other encoding does not have.
    pub const UNTRANSLATABLE_CHARACTER: &str = "22P05";
    /// May not.
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    /// A name is taken.
    pub const DUPLICATE_OBJECT: &str = "42710";
    /// Not now: promoted, in recovery, wal_level, …
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: &str = "55000";
    /// No such slot, role, ….
    pub const UNDEFINED_OBJECT: &str = "42704";
    /// A slot that somebody streams from.
    pub const OBJECT_IN_USE: &str = "55006";
    /// A file that is not there: of WAL, that it was removed.
    pub const UNDEFINED_FILE: &str = "58P01";
    /// No role that may do this, or none of that name.
    pub const INVALID_AUTHORIZATION: &str = "28000";
    /// max_wal_senders or max_replication_slots is reached.
    pub const CONFIGURATION_LIMIT_EXCEEDED: &str = "53400";
    /// Such as a slot's name with a letter that is not allowed.
    pub const INVALID_NAME: &str = "42602";
    /// Also what a damaged read of pg_control gives.
    pub const INTERNAL_ERROR: &str = "XX000";

    /// Tells whether the server ended the session with it, whatever libpq has noticed yet.
    pub fn ends_the_session(state: &str) -> bool {
        // 57P01 admin_shutdown, 57P02 crash_shutdown, 57P04 database_dropped, 57P05 idle_session_timeout,
        // 25P03 idle_in_transaction_session_timeout, 25P04 transaction_timeout; class 08: connection exception.
        matches!(state, "57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "25P04") || state.starts_with("08")
    }
}
