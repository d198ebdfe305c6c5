//! Which backups exist, and how does one come to exist? Layout, record, lock, commit, sweep.

mod description;
mod error;
mod layout;
mod open;
mod record;
mod running;

pub use description::RepositoryDescription;
pub use error::RepositoryError;
pub use layout::{BackupName, archive_key, record_key};
pub use open::{BackupSlot, Repository, RepositoryContents, UnreadableRecord};
pub use record::{BackupId, BackupKind, BackupRecord, BackupState, CorruptPage, RecordTablespace};
pub use running::RunningBackup;
