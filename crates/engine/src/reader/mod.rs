//! Where do the cluster's bytes come from? Two sources behind one trait: this host's files, and SQL.

mod error;

pub use error::ReadError;
use serde::Serialize;

/// Says which source is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReaderChoice {
    /// Local when the data directory is readable here and is the same cluster, else SQL.
    Auto,
    Local,
    Sql,
}
