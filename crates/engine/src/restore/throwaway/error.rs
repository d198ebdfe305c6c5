use serde::Serialize;
use std::path::Path;

/// Says why a throw-away cluster could not be made or removed. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each message says what its fields are")]
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ThrowAwayError {
    /// The work folder can't be used.
    #[error("a throw-away cluster can't be made in {directory}: {cause}")]
    ThrowAwayFolder { directory: String, cause: String },
    /// Something of it could not be removed; the next command tries again.
    #[error("the throw-away cluster in {directory} could not be removed: {cause}")]
    ThrowAwayRemains { directory: String, cause: String },
    /// What was left out belongs, or may belong, to the database that is wanted; the whole cluster is restored then.
    #[error("files of other databases were left out, and {database} may need them: {detail}")]
    ThrowAwayHollow { database: String, detail: String },
    /// Nobody whose name we know is a superuser there.
    #[error("no superuser of the throw-away cluster could be found; tried: {tried}")]
    ThrowAwayNoSuperuser { tried: String },
}

/// Turns an operating system's refusal into an error about the work folder.
pub(in crate::restore) fn folder_error(directory: &Path, error: impl Into<std::io::Error>) -> ThrowAwayError {
    ThrowAwayError::ThrowAwayFolder { directory: directory.display().to_string(), cause: error.into().to_string() }
}

/// Turns a refusal to remove something into an error.
pub(super) fn remains_error(directory: &Path, cause: impl ToString) -> ThrowAwayError {
    ThrowAwayError::ThrowAwayRemains { directory: directory.display().to_string(), cause: cause.to_string() }
}
