use serde::Serialize;

/// Says what went wrong with the server. Serializes to `{"key": …, arguments}`. Never holds a password.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ClusterError {
    #[error("can't connect to PostgreSQL at {target}: {detail}")]
    ClusterConnect { target: String, detail: String },
    /// The connection broke while in use.
    #[error("the connection to PostgreSQL was lost: {detail}")]
    ClusterConnectionLost { detail: String },
    #[error("PostgreSQL refused {action}: {detail} (SQLSTATE {sqlstate})")]
    ClusterSql { action: String, sqlstate: String, detail: String },
    #[error("PostgreSQL {found} is not supported (14 to 18 are)")]
    ClusterVersion { found: String },
    #[error("role {role} may not {action}; mend it with: {grant}")]
    ClusterPrivilege { role: String, action: String, grant: String },
    #[error("the standby was promoted while it was backed up")]
    ClusterPromoted {},
    #[error("wal_level is minimal; a backup needs replica or logical")]
    ClusterWalLevel {},
    #[error("PostgreSQL's program {program} of version {major} was not found; looked in: {looked_in}")]
    ClusterBinaryMissing { program: String, major: String, looked_in: String },
    #[error("PostgreSQL's program {program} failed: {detail}")]
    ClusterProgram { program: String, detail: String },
    #[error("the server in {directory} did not start: {detail}")]
    ClusterStart { directory: String, detail: String },
    #[error("the operating system's user {user} does not exist")]
    ClusterNoUser { user: String },
    #[error("only root may run a server as {user}; we are {current}")]
    ClusterOtherUser { user: String, current: String },
    #[error("PostgreSQL refuses to run as root: name another user")]
    ClusterRoot {},
}
