use serde::Serialize;

/// Says why the demonstration could not go on. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum DemoError {
    #[error("the demo's folder {folder} can't be used: {cause}")]
    DemoFolder { folder: String, cause: String },
    #[error("the demo's load stopped: {detail}")]
    DemoLoad { detail: String },
    #[error("the restored cluster lacks {what}")]
    DemoIncomplete { what: String },
}
