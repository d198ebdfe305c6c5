use crate::cluster::ClusterError;
use serde::Serialize;

/// Says what went wrong with a cluster's file. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ReadError {
    #[error("{path} in the data directory can't be read: {cause}")]
    ReadFile { path: String, cause: String },
    #[error("the data directory {directory} can't be read here: {reason}")]
    ReadNotLocal { directory: String, reason: String },
    /// A loop of links, most likely.
    #[error("{path} in the data directory lies too deep")]
    ReadTooDeep { path: String },
    /// SQL can't name such a file.
    #[error("{path} in the data directory has a name that is not UTF-8, which SQL can't read")]
    ReadNotUtf8 { path: String },
    #[error(transparent)]
    #[serde(untagged)]
    Cluster(#[from] ClusterError),
}

impl ReadError {
    /// Wraps an I/O error on a path that is relative to the data directory.
    pub(crate) fn file(path: &[u8], cause: &std::io::Error) -> Self {
        ReadError::ReadFile { path: display_path(path), cause: cause.to_string() }
    }
}

/// Shows a path's bytes to people; what is not UTF-8 becomes U+FFFD.
pub(crate) fn display_path(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
