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
    #[error(transparent)]
    #[serde(untagged)]
    Cluster(#[from] ClusterError),
}
