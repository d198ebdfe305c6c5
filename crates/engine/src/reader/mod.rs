//! Where do the cluster's bytes come from? Two sources behind one trait, this host's files and SQL; which files belong to
//! a backup; and are their pages sound?

mod choose;
mod error;
mod local;
mod pages;
mod source;
mod sql;
mod walk;

pub use choose::{ReaderChoice, choose_source};
pub use error::ReadError;
pub use local::LocalSource;
pub(crate) use local::read_some_at;
pub use pages::{PageChecker, PageReport};
pub use source::{DirectoryEntry, EntryKind, FileContent, PathRange, Source, SourceFile, SourceReader};
pub use sql::SqlSource;
pub use walk::{Walk, WalkItem, WalkNotes};
