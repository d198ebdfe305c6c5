use super::RestorePlan;
use crate::{Cancel, Error, Progress};
use pgformat::Lsn;
use serde::Serialize;
use vault::repository::Repository;

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreOutcome {
    pub files: u64,
    pub written_bytes: u64,
    pub seconds: f64,
    pub stop_lsn: Option<Lsn>,
}

/// Applies a plan: checks every archive's SHA-256 before the first byte is written, writes the files in parallel, each output
/// byte once, pg_control last, everything fsynced; then recovery settings.
///
/// # Cancellation
/// Ends with `cancelled`; what was written is removed again, so that the target is as it was.
pub fn apply(
    repository: &Repository,
    plan: &RestorePlan,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<RestoreOutcome, Error> {
    let _ = (repository, plan, progress, cancel);
    todo!()
}
