//! How do an archive's members become files? Surveyed, cut into runs of frames, decoded and written in parallel, made durable.

mod direct;
mod durable;
mod layout;
mod split;
mod survey;
mod tree;
mod write;

pub(super) use durable::{sync_file, sync_path, sync_roots};
pub(crate) use layout::Layout;
pub(super) use layout::is_in_place;
pub(crate) use survey::survey;
pub(super) use survey::{Survey, add_layered};
pub(super) use tree::{Tree, TreeWriter};
pub(super) use write::write_members;
