use serde::Serialize;

/// Ends a pipeline for a reason of its own. Serializes to `{"key": …}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum PipelineError {
    #[error("cancelled")]
    Cancelled {},
    /// A worker panicked: a defect of this program.
    #[error("a worker ended unexpectedly: {detail}")]
    WorkerPanicked { detail: String },
}
