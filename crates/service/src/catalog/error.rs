use engine::cluster::ClusterError;
use serde::Serialize;
use vault::journal::JournalError;
use vault::repository::RepositoryError;

/// Says why the catalog could not be read or brought up to date. Serializes to `{"key": …, arguments}`. No backup fails because of it:
/// the next sync brings what is missing.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each variant says what its fields are")]
pub enum CatalogError {
    /// There is no catalog in the database.
    #[error("there is no catalog in the database of {target}")]
    CatalogAbsent { target: String },
    /// Tables of the same names are there and are not ours.
    #[error("{objects} in the database of {target} belong to another system")]
    CatalogForeign { target: String, objects: String },
    /// Some of it is missing.
    #[error("the catalog in the database of {target} lacks {missing}")]
    CatalogIncomplete { target: String, missing: String },
    /// It was made by a newer version of this program.
    #[error("the catalog in the database of {target} has version {found}; this program knows up to {supported}")]
    CatalogNewer { target: String, found: u32, supported: u32 },
    /// The role may not do what is needed.
    #[error("role {role} may not use the catalog; mend it with: {grants}")]
    CatalogPrivilege { role: String, grants: String },
    /// A standby can't be written to.
    #[error("{target} is a standby, which can't be written to")]
    CatalogReadOnly { target: String },
    /// Somebody holds a lock that is needed, or the server is too slow.
    #[error("the catalog in the database of {target} did not answer within {seconds} s")]
    CatalogBusy { target: String, seconds: u64 },
    /// The retention policy that counts makes no sense.
    #[error("retention policy {id} ({name}): {detail}")]
    CatalogPolicy { id: String, name: String, detail: String },
    /// The server failed, or is away.
    #[error(transparent)]
    #[serde(untagged)]
    Cluster(#[from] ClusterError),
    /// The repository can't be read.
    #[error(transparent)]
    #[serde(untagged)]
    Repository(#[from] RepositoryError),
    /// The journal can't be read.
    #[error(transparent)]
    #[serde(untagged)]
    Journal(#[from] JournalError),
}

impl CatalogError {
    /// Tells whether no connection could be made, or it broke: the server is away.
    pub fn is_server_away(&self) -> bool {
        use ClusterError::{ClusterConnect, ClusterConnectionLost};
        matches!(self, CatalogError::Cluster(ClusterConnect { .. } | ClusterConnectionLost { .. }))
    }
}

/// SQLSTATEs that we branch on (upstream `errcodes.txt`).
pub(super) mod sqlstate {
    /// lock_timeout passed.
    pub const LOCK_NOT_AVAILABLE: &str = "55P03";
    /// statement_timeout passed.
    pub const QUERY_CANCELED: &str = "57014";
    /// A standby.
    pub const READ_ONLY: &str = "25006";
    /// May not.
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    /// A character that the database's encoding does not have.
    pub const UNTRANSLATABLE_CHARACTER: &str = "22P05";
}
