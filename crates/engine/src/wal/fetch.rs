use crate::Error;
use pgformat::Lsn;
use std::path::PathBuf;
use vault::repository::Repository;

/// What the server asks for (`restore_command`'s `%f` and `%p`).
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// The name of a segment or a history file.
    pub name: String,
    /// Where to put it.
    pub target: PathBuf,
    /// WAL from here on does not exist for this restore: the segment that holds it is served with zeros from there.
    pub until_lsn: Option<Lsn>,
    /// Where segments that will be asked for soon are kept, beside pg_wal; `None`: no prefetch.
    pub spool: Option<PathBuf>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchOutcome {
    /// The file is in place.
    Served {
        /// From the spool.
        prefetched: bool,
    },
    /// There is no such file: for a server in recovery, the end of WAL on that timeline.
    NotFound,
}

/// Serves one file to a server in recovery: written beside the target, checked, then renamed.
///
/// # Errors
/// `WalDamaged` and whatever keeps the archive from being read: never to be taken for "not found", which would end recovery early.
pub fn fetch(_repository: &Repository, _request: &FetchRequest) -> Result<FetchOutcome, Error> {
    todo!()
}

/// Fills the spool with up to `count` whole segments after `name`, unless another process does. Removes what is older.
///
/// # Errors
/// As [`fetch`]; what is damaged is left for `fetch` to find.
pub fn prefetch(_repository: &Repository, _request: &FetchRequest, _count: u32) -> Result<u32, Error> {
    todo!()
}
