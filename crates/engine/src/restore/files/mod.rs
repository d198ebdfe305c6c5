//! How do an archive's members become files? Surveyed, cut into runs of frames, decoded and written in parallel, made durable.

mod durable;
mod layout;
mod split;
mod survey;
mod tree;
mod write;

pub(super) use durable::{sync_path, sync_roots};
pub(super) use layout::{Layout, is_in_place};
pub(super) use survey::{Survey, survey};
pub(super) use tree::{Tree, TreeWriter};
pub(super) use write::write_members;
