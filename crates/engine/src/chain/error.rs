use serde::Serialize;

/// Says why the archives of a chain don't make one cluster. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each message says what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ChainError {
    /// A file's older part is nowhere.
    #[error("backup {newer} has changes of {path}, and backup {id}, which it stands on, has nothing of that file")]
    ChainFileMissing { id: String, newer: String, path: String },
    /// Whole and as changes, in one archive.
    #[error("the archive of backup {id} holds {path} twice: whole, and as changes of it")]
    ChainFileTwice { id: String, path: String },
    /// The head of a file of changes can't be.
    #[error("the archive of backup {id} holds changes of {path} that can't be understood: {detail}")]
    ChainFileDamaged { id: String, path: String, detail: String },
    /// The label names another base than the record.
    #[error("the backup_label of backup {id} says that it stands on {what} {found}; its record says {recorded}")]
    ChainLabel { id: String, what: &'static str, found: String, recorded: String },
    /// The label says that the backup began elsewhere.
    #[error("the backup_label of backup {id} says that it began at {found}; its record says {recorded}")]
    ChainStart { id: String, found: String, recorded: String },
    /// The caller left out a part: [`vault::repository::RepositoryContents::chain`] returns all of it.
    #[error("a chain that does not begin with a FULL")]
    ChainIncomplete {},
}
