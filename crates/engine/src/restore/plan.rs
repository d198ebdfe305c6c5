use crate::Error;
use crate::cluster::ServerOwner;
use serde::Serialize;
use std::path::PathBuf;
use vault::repository::{BackupId, BackupRecord, Repository};

/// Says which backup is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreSelector {
    Latest,
    Backup(BackupId),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    pub selector: RestoreSelector,
    /// The new data directory; absolute. `None` for a preview.
    pub target: Option<PathBuf>,
    /// `OLD=NEW`: OLD is a tablespace's name, OID or old directory.
    pub tablespaces: Vec<(String, PathBuf)>,
    /// The user who is to own the files; see [`ServerOwner::choose`].
    pub owner: Option<String>,
    pub jobs: usize,
}

/// What a restore would do. Nothing has been written.
#[derive(Debug, Clone, Serialize)]
pub struct RestorePlan {
    /// Base first.
    pub backups: Vec<BackupRecord>,
    pub target: Option<PathBuf>,
    pub tablespaces: Vec<TablespaceTarget>,
    pub files: u64,
    /// What will be written.
    pub plain_bytes: u64,
    /// What will be read from the repository.
    pub archive_bytes: u64,
    #[serde(skip)]
    pub owner: Option<ServerOwner>,
    pub jobs: usize,
}

/// Where a tablespace goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TablespaceTarget {
    pub oid: u32,
    pub name: String,
    pub old_location: String,
    pub new_location: PathBuf,
}

/// Makes the plan and checks all that can be checked without reading whole archives: the backup is COMPLETADO, its archive is
/// there with the right size, its index is sound, the target and every tablespace target are empty or absent, no server runs
/// there, no target lies inside another, space suffices.
pub fn plan(repository: &Repository, request: &RestoreRequest) -> Result<RestorePlan, Error> {
    let _ = (repository, request);
    todo!()
}
