//! What lies in the archive of a logical backup? Parts of dumps, which are read one after the other, and a description of each database.

use super::RestoreError;
use crate::backup::{DATABASE_FILE, DATABASES_FOLDER, DatabaseDescription, PART_PREFIX};
use crate::{Cancel, Error};
use vault::archive::{ArchiveMember, ArchiveReader};
use vault::repository::{BackupRecord, LogicalDatabase};

/// No part is longer; ours are of 8 MiB.
const PART_LIMIT_BYTES: u64 = 1 << 30;
/// No description is longer: enough for a hundred thousand roles with rights.
const DESCRIPTION_LIMIT_BYTES: u64 = 64 << 20;

/// The archive of a logical backup.
pub(crate) struct Dumps {
    reader: ArchiveReader,
    record: BackupRecord,
}

impl Dumps {
    /// Takes an open archive.
    ///
    /// # Errors
    /// `RestoreMismatch` when the record is not of a completed logical backup.
    pub fn new(reader: ArchiveReader, record: &BackupRecord) -> Result<Self, RestoreError> {
        let dumps = Dumps { reader, record: record.clone() };
        match &record.logical {
            Some(_) => Ok(dumps),
            None => Err(dumps.mismatch("method", record.method.word().to_owned(), "logical".to_owned())),
        }
    }

    /// Returns the databases that the record names.
    pub fn databases(&self) -> &[LogicalDatabase] {
        self.record.logical.as_ref().map_or(&[], |logical| &logical.databases)
    }

    /// Finds a database by its name.
    pub fn find(&self, name: &str) -> Option<&LogicalDatabase> {
        self.databases().iter().find(|database| database.name == name)
    }

    /// Reads what the database is besides its dump, and makes sure that it is the one that the record means.
    ///
    /// # Errors
    /// `RestoreIncomplete`, `RestoreMismatch`; those of the archive.
    pub fn description(&self, database: &LogicalDatabase) -> Result<DatabaseDescription, Error> {
        let path = format!("{DATABASES_FOLDER}/{}/{DATABASE_FILE}", database.folder);
        let members = self.members(database)?;
        let found = members.iter().find(|member| member.path == path.as_bytes());
        let member = found.ok_or_else(|| self.incomplete(path))?;
        let content = self.reader.read_member(member, DESCRIPTION_LIMIT_BYTES)?;
        let unreadable = |error: serde_json::Error| self.mismatch("description", error.to_string(), "JSON".to_owned());
        let description: DatabaseDescription = serde_json::from_slice(&content).map_err(unreadable)?;
        let facts = &description.facts;
        if (facts.oid, &facts.name) != (database.oid, &database.name) {
            let (found, recorded) =
                (format!("{} ({})", facts.name, facts.oid), format!("{} ({})", database.name, database.oid));
            return Err(self.mismatch("database", found, recorded).into());
        }
        Ok(description)
    }

    /// Gives a dump to `take`, in order, until that wants no more (`false`). Every byte has been checked by then: its frame's CRC-32C, and its part's.
    ///
    /// # Errors
    /// `RestoreIncomplete` when a part is missing, `RestoreMismatch` when the dump is shorter or longer than the record says; those of the
    /// archive; `take`'s.
    pub fn read(
        &self,
        database: &LogicalDatabase,
        cancel: &Cancel,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let members = self.members(database)?;
        let path = |number: u64| format!("{DATABASES_FOLDER}/{}/{PART_PREFIX}{number:08}", database.folder);
        let parts = members.iter().filter(|member| !member.path.ends_with(DATABASE_FILE.as_bytes()));
        let mut parts = parts.zip(1..);
        let (mut count, mut dump_bytes) = (0, 0);
        for (part, number) in &mut parts {
            cancel.check()?;
            if part.path != path(number).as_bytes() {
                return Err(self.incomplete(path(number)).into());
            }
            (count, dump_bytes) = (number, dump_bytes + part.size_bytes);
            if !take(&self.reader.read_member(part, PART_LIMIT_BYTES)?)? {
                return Ok(());
            }
        }
        if (count, dump_bytes) != (database.parts, database.dump_bytes) {
            let found = format!("{dump_bytes} bytes in {count} parts");
            let recorded = format!("{} bytes in {} parts", database.dump_bytes, database.parts);
            return Err(self.mismatch("dump", found, recorded).into());
        }
        Ok(())
    }

    /// Returns the files in a database's folder, in their order.
    fn members(&self, database: &LogicalDatabase) -> Result<Vec<ArchiveMember>, Error> {
        let folder = format!("{DATABASES_FOLDER}/{}/", database.folder);
        let mut found = Vec::new();
        for member in self.reader.members()? {
            let member = member?;
            if member.path.starts_with(folder.as_bytes()) {
                found.push(member);
            }
        }
        Ok(found)
    }

    fn incomplete(&self, path: String) -> RestoreError {
        RestoreError::RestoreIncomplete { id: self.record.id.to_string(), path }
    }

    fn mismatch(&self, what: &'static str, found: String, recorded: String) -> RestoreError {
        RestoreError::RestoreMismatch { id: self.record.id.to_string(), what, found, recorded }
    }
}
