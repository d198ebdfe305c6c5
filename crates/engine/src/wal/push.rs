use crate::Error;
use std::path::Path;
use vault::repository::Repository;
use vault::wal::SealOutcome;

/// What became of a file that the server wanted to archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// A segment, a partial segment or a history file.
    Wal(SealOutcome),
    /// A backup's history file (`….backup`), which no restore needs.
    NotNeeded,
}

/// Archives one file of pg_wal (`archive_command`'s `%p`): whole segments, `.partial` ones, `.history` and `.backup` files.
/// Durable once it returns; repeating it changes nothing. The geometry comes from the segment's own first page.
///
/// # Errors
/// `WalFileName`, `WalFile`, and those of the archive: `WalForeign`, `WalInvalid`, `WalConflict`, …
pub fn push(
    _repository: &Repository,
    _file: &Path,
    _level: i32,
    _jobs: usize,
    _tool_version: &str,
) -> Result<PushOutcome, Error> {
    todo!()
}
