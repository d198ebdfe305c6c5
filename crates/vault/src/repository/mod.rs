//! Which backups exist, and how does one come and go? Layout, record, lock, commit, sweep, removal.
//!
//! docs/format/repository.md is the contract; this module keeps it.

mod begin;
mod chain;
mod contents;
mod description;
mod encryption;
mod error;
mod layout;
mod member_list;
mod open;
mod record;
mod record_file;
mod removal;
mod running;
mod slot;

pub use chain::ChainFault;
pub use contents::{RepositoryContents, UnreadableRecord};
pub use description::{ENCRYPTED_FORMAT_VERSION, FORMAT_VERSION, RepositoryDescription};
pub use error::RepositoryError;
pub use layout::{
    BackupName, DESCRIPTION_KEY, ENCRYPTION_KEY, IDENTITY_KEY, LOCK_KEY, REMOVALS_KEY, SEQUENCE_KEY, archive_key,
    record_key,
};
pub use open::Repository;
pub use record::{
    BackupId, BackupKind, BackupMethod, BackupRecord, BackupState, CorruptPage, LogicalContents, LogicalDatabase,
    RECORD_VERSION, RECORD_VERSION_LIMIT, RecordBase, RecordEncryption, RecordTablespace,
};
pub use removal::{CleanupSlot, RefusedRemoval, RemovedBackup};
pub use running::{RunningBackup, RunningWork};
pub use slot::BackupSlot;
