use pgformat::{MajorVersion, SystemIdentifier};
use serde::{Deserialize, Serialize};

/// The content of `cadena.json`: what the repository says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryDescription {
    pub format_version: u32,
    pub system_identifier: SystemIdentifier,
    pub postgresql_version: MajorVersion,
    /// age recipients; empty: not encrypted.
    #[serde(default)]
    pub encryption_recipients: Vec<String>,
    pub created_by: String,
}
