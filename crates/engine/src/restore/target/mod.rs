//! Where does a restore write? Is a directory fit, is there room, may its owner reach it, and who else writes there.

mod access;
mod claim;
mod existing;
mod inspect;
mod marker;
mod remove;
mod space;

pub(super) use access::Access;
pub(super) use claim::{Claim, Ownership, undo};
pub(super) use existing::{
    CONTROL_FILE_ASIDE, check_existing, inspect_over, inspect_tablespace_over, remove_aside, set_aside,
};
pub(super) use inspect::{TargetState, inspect, resolved, usage};
pub use marker::MARKER_FILE;
pub(super) use marker::Marker;
pub(super) use remove::remove_entries;
pub use space::FilesystemNeed;
pub(super) use space::{TargetNeed, Usage, check_space, filesystem_needs};
