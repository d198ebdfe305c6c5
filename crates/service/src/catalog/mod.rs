//! What does the database know of its backups? The catalog: schema `seguridad`, kept equal to the repository.
//!
//! One way only: the repository is the truth, and no backup or restore depends on what stands in the catalog. Whatever is lost there,
//! [`sync`] brings back. Only the retention policies are people's: they are read, and never written.
//! docs/reference/catalog.md tells what each column holds.

mod chains;
mod error;
mod install;
mod policy;
mod rows;
mod state;
mod statements;
mod sync;
mod transaction;

pub use error::CatalogError;
pub use install::install;
pub use policy::{PolicyRow, policy, policy_answer};
pub use state::{CatalogState, grants, state};
pub use sync::{RowCounts, SyncReport, rebuild, sync};

use serde_json::Value;

/// The version of the schema that this program knows: the number in the mark of each table's comment.
pub const CATALOG_VERSION: u32 = 1;

/// Puts errors and events into sentences, in the catalog's language: `{"key": …, arguments}`. The same value must always give the
/// same sentence, so that a catalog that is made anew has the same rows.
pub trait Words {
    /// Returns the sentence.
    fn sentence(&self, what: &Value) -> String;
}
