//! What has happened here? Every event and every validation, a line each, in `events/YYYY-MM.jsonl`.
//!
//! docs/format/repository.md is the contract. Several processes may write: a lock of its own, held for one line, gives each event its
//! id. No backup or restore depends on what stands here.

mod error;
mod event;
mod lines;
mod read;
mod write;

pub use error::JournalError;
pub use event::{EventLevel, JournalEvent, JournalReading, NewEvent};

use crate::repository::Repository;

/// All that the journal writes lies below this.
pub(crate) const EVENTS_PREFIX: &str = "events/";
/// The key of the lock that a writer holds for one line.
const LOCK_KEY: &str = "events";

/// The journal of one repository.
#[derive(Clone)]
pub struct Journal {
    repository: Repository,
}

impl Journal {
    /// Returns a repository's journal; nothing is read or made yet.
    pub fn of(repository: &Repository) -> Self {
        Journal { repository: repository.clone() }
    }

    /// Lists the journal's files, oldest first: key and size in bytes.
    fn files(&self) -> Result<Vec<(String, u64)>, JournalError> {
        let listed = self.repository.storage().list(EVENTS_PREFIX)?;
        let ours = listed.into_iter().filter(|object| lines::is_file_key(&object.key));
        Ok(ours.map(|object| (object.key, object.size_bytes)).collect())
    }
}
