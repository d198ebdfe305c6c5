//! What makes a backup smaller than the cluster? A base that can be trusted, the blocks that changed since, and for each file
//! the choice between the whole of it and those blocks.

mod base;
mod changed;
mod file;
mod find;
mod members;
mod scan;

pub(super) use base::choose_base;
pub(super) use changed::{ChangedBlocks, ChangesFoundBy, FileMethod};
pub(super) use file::{BlockPages, IncrementFile};
pub use find::ChangesChoice;
pub(super) use find::{FindContext, find_changes};
pub(super) use members::BaseMembers;
