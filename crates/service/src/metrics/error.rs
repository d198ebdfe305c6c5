use serde::Serialize;

/// Says why metrics can't be served. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum MetricsError {
    /// Others than this host would reach the page, and nobody said that they may.
    #[error("{address} is no address of this host alone, and [metrics] allow_remote is not set")]
    MetricsRemote { address: String },
    /// The address can't be listened on.
    #[error("can't listen on {address}: {cause}")]
    MetricsListen { address: String, cause: String },
}
