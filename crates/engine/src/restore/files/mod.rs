//! How do an archive's members become files? Surveyed, cut into runs of frames, decoded and written in parallel, made durable.

mod direct;
mod durable;
mod layout;
mod rewrite;
mod split;
mod survey;
mod tree;
mod write;

pub(super) use durable::{sync_file, sync_path, sync_roots};
pub(crate) use layout::Layout;
pub(super) use layout::is_in_place;
pub(super) use rewrite::RewriteCounts;
pub(crate) use survey::survey;
pub(super) use survey::{SIGNAL_FILES, Survey, add_layered, leave_out};
pub(super) use tree::{Tree, TreeWriter};
pub(super) use write::{MANIFEST_PATH, write_members};
