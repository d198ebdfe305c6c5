//! A database out of a logical backup: found, described, and made a file that pg_restore can read with several sessions.

use super::DatabaseError;
use crate::backup::DatabaseDescription;
use crate::restore::{Dumps, RecoveryTarget, RestoreError, RestoreSelector, ThrowAwayRequest};
use crate::{Cancel, Error, Progress};
use pgformat::MajorVersion;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use vault::repository::{BackupRecord, BackupState, LogicalDatabase, Repository};

/// A dump in a backup.
pub(super) struct DumpSource {
    pub record: BackupRecord,
    pub database: LogicalDatabase,
    pub description: DatabaseDescription,
    /// What made it.
    pub dump_version: MajorVersion,
    dumps: Dumps,
}

impl DumpSource {
    /// Finds the dump of a database, if the backup that is asked for is a logical one.
    ///
    /// # Errors
    /// `RestoreLogicalTarget` when recovery is asked for; `DatabaseUnknown`; those of the repository and the archive.
    pub fn find(repository: &Repository, point: &ThrowAwayRequest, name: &str) -> Result<Option<Self>, Error> {
        let RestoreSelector::Backup(id) = point.selector else { return Ok(None) };
        let record = repository.record(id)?;
        // A failed one is refused as any other.
        let Some(logical) = record.logical.clone().filter(|_| record.state == BackupState::Completed) else {
            return Ok(None);
        };
        if point.recovery.target != RecoveryTarget::BackupEnd {
            return Err(RestoreError::RestoreLogicalTarget { id: id.to_string() }.into());
        }
        let dumps = Dumps::new(repository.open_archive(&record)?, &record)?;
        let Some(database) = dumps.find(name).cloned() else {
            let known = dumps.databases().iter().map(|database| database.name.as_str()).collect::<Vec<_>>();
            let (database, known) = (name.to_owned(), known.join(", "));
            return Err(DatabaseError::DatabaseUnknown { database, known }.into());
        };
        let description = dumps.description(&database)?;
        let dump_version = logical.dump_version;
        Ok(Some(DumpSource { record, database, description, dump_version, dumps }))
    }

    /// Writes the dump into a new file, its owner's only.
    ///
    /// # Errors
    /// `DatabaseFile`; those of the archive, whose every byte is checked; `cancelled`.
    pub fn write_new(&self, path: &Path, progress: &dyn Progress, cancel: &Cancel) -> Result<(), Error> {
        let failed = |error: &std::io::Error| super::export::file_error(path, error);
        let options = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
        self.write_to(&mut options.map_err(|error| failed(&error))?, path, progress, cancel)
    }

    /// Writes the dump into a file that is open; `path` names it in errors.
    ///
    /// # Errors
    /// As [`Self::write_new`].
    pub fn write_to(
        &self,
        file: &mut std::fs::File,
        path: &Path,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        self.dumps.read(&self.database, cancel, &mut |bytes| {
            file.write_all(bytes).map_err(|error| super::export::file_error(path, &error))?;
            progress.advance(bytes.len() as u64);
            Ok(true)
        })
    }
}
