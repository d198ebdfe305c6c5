use serde::Serialize;

/// Says why a validation could not be carried out (what it found is in its report). Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each message says what its fields are")]
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum VerifyError {
    /// Failed and running backups have no archive.
    #[error("backup {id} is {state}; only a completed one can be validated")]
    VerifyNotCompleted { id: String, state: String },
}
