use pgformat::{MajorVersion, SystemIdentifier};
use serde::{Deserialize, Serialize};

/// The version of the layout of a repository that is not encrypted.
pub const FORMAT_VERSION: u32 = 1;
/// That of one that is, so that a program which knows nothing of encryption writes nothing in plain there; the newest that is read.
pub const ENCRYPTED_FORMAT_VERSION: u32 = 2;

/// The content of `cadena.json`: what the repository says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryDescription {
    /// [`FORMAT_VERSION`] or [`ENCRYPTED_FORMAT_VERSION`]; what is written always carries the one that fits.
    pub format_version: u32,
    /// The only cluster whose backups lie here.
    pub system_identifier: SystemIdentifier,
    /// The cluster's major version when the repository was made.
    pub postgresql_version: MajorVersion,
    /// The age recipients when it began to be encrypted; `encryption.json`, where there is one, counts instead. Empty: not encrypted.
    #[serde(default)]
    pub encryption_recipients: Vec<String>,
    /// What made it, such as `cadena 0.1.0`.
    pub created_by: String,
}
