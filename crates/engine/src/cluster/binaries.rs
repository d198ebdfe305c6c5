use super::ClusterError;
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};

/// Where to look for PostgreSQL's own programs.
#[derive(Debug, Clone, Default)]
pub struct BinarySearch {
    /// `PG_BIN_PATH`: looked at first.
    pub configured: Option<PathBuf>,
    /// The folders of PATH.
    pub path_folders: Vec<PathBuf>,
}

/// The folder of one major version's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    pub folder: PathBuf,
    pub version: MajorVersion,
}

impl BinarySearch {
    /// Finds a folder whose `postgres` is of `version`: the configured folder, PATH, then the usual places of Debian, Red Hat,
    /// macOS (Homebrew, Postgres.app) and Windows.
    ///
    /// # Errors
    /// `ClusterBinaryMissing`, saying where it looked.
    pub fn find(&self, version: MajorVersion) -> Result<PostgresBinaries, ClusterError> {
        let _ = version;
        todo!()
    }
    /// Returns every version found, newest first.
    pub fn find_all(&self) -> Vec<PostgresBinaries> {
        todo!()
    }
}

impl PostgresBinaries {
    /// Returns the path of one program.
    ///
    /// # Errors
    /// `ClusterBinaryMissing`.
    pub fn program(&self, name: &str) -> Result<PathBuf, ClusterError> {
        let _ = name;
        todo!()
    }
    /// Reads the major version that a folder's `postgres --version` reports.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        let _ = folder;
        todo!()
    }
}
