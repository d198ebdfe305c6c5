//! How does a cluster come back? Plan, show, apply; then start.

mod apply;
mod error;
mod plan;
mod start;

pub use apply::{RestoreOutcome, apply};
pub use error::RestoreError;
pub use plan::{RestorePlan, RestoreRequest, RestoreSelector, TablespaceTarget, plan};
pub use start::{StartRequest, StartedServer, start};
