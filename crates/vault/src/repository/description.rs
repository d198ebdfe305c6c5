use pgformat::{MajorVersion, SystemIdentifier};
use serde::{Deserialize, Serialize};

/// The version of the repository's layout that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The content of `cadena.json`: what the repository says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryDescription {
    /// [`FORMAT_VERSION`]; what is written always carries this program's.
    pub format_version: u32,
    /// The only cluster whose backups lie here.
    pub system_identifier: SystemIdentifier,
    /// The cluster's major version when the repository was made.
    pub postgresql_version: MajorVersion,
    /// age recipients; empty: not encrypted.
    #[serde(default)]
    pub encryption_recipients: Vec<String>,
    /// What made it, such as `cadena 0.1.0`.
    pub created_by: String,
}
