//! How is a backup taken? Plan (probe, choose a reader), run (session, copy, WAL, manifest, seal), commit.

mod error;
mod run;

pub use error::BackupError;
pub use run::{BackupOptions, BackupOutcome, run_full};
