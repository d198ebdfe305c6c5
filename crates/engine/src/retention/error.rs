use serde::Serialize;

/// Says what is wrong with a retention policy. Serializes to `{"key": …, arguments}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs)] // of the fields: each is named by the sentence above it
pub enum RetentionError {
    /// A number out of range: nothing is removed by a policy that nobody can have meant.
    #[error("the retention policy {policy} has {name} = {value}; allowed: {allowed}")]
    RetentionValue { policy: String, name: &'static str, value: u32, allowed: &'static str },
    /// Nobody can say which policy counts.
    #[error("the retention policy is not known: {detail}")]
    RetentionUnknown { detail: String },
    /// The remembered policy can't be read.
    #[error("{object} in {storage} can't be read: {detail}")]
    RetentionUnreadable { object: String, storage: String, detail: String },
}
