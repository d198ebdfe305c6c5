use super::PipelineError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a running operation to end early. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Makes one that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Tells whether it is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Turns a set state into an error.
    ///
    /// # Errors
    /// `Cancelled` when it is set.
    pub fn check(&self) -> Result<(), PipelineError> {
        if self.is_cancelled() { Err(PipelineError::Cancelled {}) } else { Ok(()) }
    }
}
