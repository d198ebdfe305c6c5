use engine::Error;
use serde::Serialize;
use vault::repository::{BackupState, Repository, RepositoryContents};

/// What takes room in the storage.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Space {
    /// Archives of completed backups.
    pub backup_bytes: u64,
    /// Archived WAL with its summaries.
    pub wal_bytes: u64,
    /// Archives that no record vouches for.
    pub orphan_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
    /// What may still be written there; `None` where there is no bound, or none that can be asked for.
    pub free_bytes: Option<u64>,
}

/// Adds up.
pub(super) fn space(repository: &Repository, contents: &RepositoryContents) -> Result<Space, Error> {
    let storage = repository.storage();
    let completed = contents.records.iter().filter(|record| record.state == BackupState::Completed);
    let backup_bytes = completed.map(|record| record.archive_bytes).sum();
    let wal_bytes = storage.list("wal/")?.iter().map(|object| object.size_bytes).sum();
    let mut orphan_bytes = 0;
    for key in &contents.orphan_archives {
        orphan_bytes += storage.size_bytes(key)?.unwrap_or(0);
    }
    let total_bytes = backup_bytes + wal_bytes + orphan_bytes;
    Ok(Space { backup_bytes, wal_bytes, orphan_bytes, total_bytes, free_bytes: storage.free_bytes()? })
}
