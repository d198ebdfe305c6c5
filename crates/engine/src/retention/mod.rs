//! What is kept, and what may go? A policy, a plan that says of everything why, and its execution.
//!
//! [`look`] lists the repository, [`plan`] decides without touching anything, [`apply`] plans once more under the repository's lock and
//! removes. docs/reference/retention.md tells the rules to people.

mod apply;
mod backups;
mod choose;
mod error;
mod last_known;
mod plan;
mod policy;
mod trim;
mod view;
mod wal;

pub(crate) use apply::apply_and_tell;
pub use apply::{CleanupOutcome, apply};
pub use choose::{CatalogAnswer, PolicyChoice, PolicyRow, PolicySource, choose_policy};
pub use error::RetentionError;
pub use last_known::{LastKnownPolicy, RETENTION_KEY, forget_policy, load_policy, save_policy, settle_policy};
pub use plan::{BackupVerdict, RetentionFinding, RetentionPlan, RetentionReason, plan};
pub use policy::{Policy, STANDARD_NAME, WalRetention};
pub use trim::RefusedWal;
pub(crate) use trim::is_ours as is_gap_of_retention;
pub use view::{RetentionView, WalListing, look};
pub use wal::{WalPlan, WalStretch};
