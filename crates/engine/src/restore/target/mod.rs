//! Where does a restore write? Is a directory fit, is there room, may its owner reach it, and who else writes there.

mod access;
mod claim;
mod inspect;
mod remove;
mod space;

pub(super) use access::Access;
pub use claim::MARKER_FILE;
pub(super) use claim::{Claim, Marker, Ownership, undo};
pub(super) use inspect::{TargetState, inspect, resolved, usage};
pub use space::FilesystemNeed;
pub(super) use space::{TargetNeed, Usage, check_space, filesystem_needs};
