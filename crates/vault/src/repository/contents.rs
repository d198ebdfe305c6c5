//! What lies in a repository: one listing of each folder, taken while backups may come and go.

use super::layout::{BackupName, LOCK_KEY, archive_key, record_key};
use super::running::HolderNote;
use super::{BackupId, BackupKind, BackupRecord, BackupState, Repository, RepositoryError};
use super::{RunningBackup, RunningWork, record_file};
use crate::storage::{Exclusion, LockHolder, StoredObject};
use std::collections::{BTreeMap, HashMap};

/// All that a listing finds. Nothing unreadable is hidden.
#[derive(Debug, Clone, Default)]
pub struct RepositoryContents {
    /// Ordered by id.
    pub records: Vec<BackupRecord>,
    /// Records that can't be trusted: damaged, of a newer program, misplaced, of another cluster, or with an id that
    /// another record has too. Ordered by key.
    pub unreadable: Vec<UnreadableRecord>,
    /// Archives that belong to no completed backup and that no running backup is writing: keys. Never removed on their own.
    pub orphan_archives: Vec<String>,
    /// Completed records whose archive is missing or has another size: ids.
    pub without_archive: Vec<BackupId>,
    /// The backup that runs now, if one does and has its id.
    pub running: Option<RunningBackup>,
    /// A backup whose process died; the next run sweeps it up.
    pub interrupted: Option<RunningBackup>,
    /// The cleanup that runs now, if one does.
    pub cleaning: Option<RunningBackup>,
}

/// A record that can't be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRecord {
    /// Where it lies.
    pub key: String,
    /// The id that it claims, if that much can be read.
    pub id: Option<BackupId>,
    /// What is wrong with it.
    pub detail: String,
}

impl UnreadableRecord {
    /// Tells whether it is that of a backup, and not another object that could not be read.
    pub fn is_of_backup(&self) -> bool {
        BackupKind::ALL
            .into_iter()
            .any(|kind| self.key.strip_prefix(kind.folder()).is_some_and(|rest| rest.starts_with('/')))
    }

    /// Tells whether it may be of a backup that stands on the one with this id: of one that came later and is no FULL.
    pub fn may_stand_on(&self, id: BackupId) -> bool {
        let is_full =
            self.key.starts_with(&format!("{}/{}_", BackupKind::Full.folder(), BackupKind::Full.name_prefix()));
        self.is_of_backup() && !is_full && self.id.is_none_or(|doubtful| doubtful > id)
    }
}

/// What lies where a record would.
pub(super) enum FoundRecord {
    Absent,
    Readable(Box<BackupRecord>),
    Unreadable(UnreadableRecord),
}

/// The files of one backup.
#[derive(Default)]
struct Files {
    archive_bytes: Option<u64>,
    record_bytes: Option<u64>,
}

impl Repository {
    /// Reads every record. Never blocks on a running backup, and never takes what it does meanwhile for a fault.
    ///
    /// # Errors
    /// Those of the storage. What is wrong with a single record is reported in the result.
    pub fn contents(&self) -> Result<RepositoryContents, RepositoryError> {
        let mut contents = RepositoryContents::default();
        let files = self.list_files(&mut contents)?;
        // After the listing: an archive seen in it was either written by whom this names, or has its record by now.
        let note = self.read_holder(&mut contents)?;

        for (name, files) in &files {
            self.sort_in(name, files, note.as_ref(), &mut contents)?;
        }
        report_shared_ids(&mut contents);
        contents.records.sort_by_key(|record| record.id);
        contents.without_archive.retain(|id| contents.records.iter().any(|record| record.id == *id));
        contents.without_archive.sort_unstable();
        contents.unreadable.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(contents)
    }

    /// Lists the three folders; what is not named as ours is not looked at.
    fn list_files(&self, contents: &mut RepositoryContents) -> Result<BTreeMap<BackupName, Files>, RepositoryError> {
        let mut files: BTreeMap<BackupName, Files> = BTreeMap::new();
        for kind in BackupKind::ALL {
            let folder = format!("{}/", kind.folder());
            for StoredObject { key, size_bytes, .. } in self.storage().list(&folder)? {
                let Some(file_name) = key.strip_prefix(&folder).filter(|name| !name.contains('/')) else { continue };
                let Some(name) = BackupName::parse_file_name(file_name) else { continue };
                let is_archive = BackupName::of_archive(file_name).is_some();
                if name.kind != kind {
                    if is_archive {
                        contents.orphan_archives.push(key);
                    } else {
                        let detail = format!("it lies in the folder of another kind, {}", kind.folder());
                        contents.unreadable.push(UnreadableRecord { key, id: None, detail });
                    }
                } else if is_archive {
                    files.entry(name).or_default().archive_bytes = Some(size_bytes);
                } else {
                    files.entry(name).or_default().record_bytes = Some(size_bytes);
                }
            }
        }
        Ok(files)
    }

    fn read_holder(&self, contents: &mut RepositoryContents) -> Result<Option<HolderNote>, RepositoryError> {
        let holder = self.storage().lock_holder(LOCK_KEY)?;
        let (LockHolder::Alive(text) | LockHolder::Dead(text)) = &holder else { return Ok(None) };
        let Some(note) = HolderNote::read(text) else {
            // A live holder may not have said who it is (Windows keeps its text from readers).
            if !text.is_empty() {
                let detail = "it does not say who holds the lock".to_owned();
                contents.unreadable.push(UnreadableRecord { key: LOCK_KEY.to_owned(), id: None, detail });
            }
            return Ok(None);
        };
        let mut unswept = note.unswept.clone();
        let holder_alone = note.running.name().is_some().then(|| note.running.clone());
        match holder {
            LockHolder::Alive(_) if note.running.work != RunningWork::Backup => {
                contents.cleaning = Some(note.running.clone());
            }
            LockHolder::Alive(_) => contents.running = holder_alone,
            _ => unswept.extend(holder_alone),
        }
        for dead in unswept {
            // Killed between its record and the release of the lock: it is complete, and nothing is to be swept up.
            let Some(name) = dead.name() else { continue };
            if self.storage().size_bytes(&record_key(&name))?.is_none() {
                contents.interrupted = Some(dead);
            }
        }
        Ok(Some(note))
    }

    /// Puts one backup's files where they belong in `contents`.
    fn sort_in(
        &self,
        name: &BackupName,
        files: &Files,
        note: Option<&HolderNote>,
        contents: &mut RepositoryContents,
    ) -> Result<(), RepositoryError> {
        let named = note.is_some_and(|note| note.named().any(|named| named.name().as_ref() == Some(name)));
        let record = match self.read_record(name, files.record_bytes)? {
            FoundRecord::Readable(record) => *record,
            FoundRecord::Unreadable(unreadable) => {
                contents.unreadable.push(unreadable);
                return Ok(());
            }
            FoundRecord::Absent => {
                // A cleanup may have removed the record just now. It says so before it does, and unsays it when the archive is
                // gone, too: so it is asked after the record, and before the archive is looked for once more.
                if files.archive_bytes.is_some()
                    && !named
                    && !self.is_being_removed(name)?
                    && self.storage().size_bytes(&archive_key(name))?.is_some()
                {
                    contents.orphan_archives.push(archive_key(name));
                }
                return Ok(());
            }
        };
        match record.state {
            BackupState::Completed if files.archive_bytes != Some(record.archive_bytes) => {
                // The listing may have passed the archive before it was there, or the backup was deleted after it: look again.
                if self.storage().size_bytes(&archive_key(name))? != Some(record.archive_bytes) {
                    if self.storage().size_bytes(&record_key(name))?.is_none() {
                        return Ok(());
                    }
                    contents.without_archive.push(record.id);
                }
            }
            BackupState::Completed => {}
            BackupState::Failed | BackupState::InProgress => {
                // Where locks are leases the record is written first, and the archive goes after it.
                let is_being_swept = named && self.storage().exclusion() == Exclusion::Lease;
                if files.archive_bytes.is_some()
                    && !is_being_swept
                    && self.storage().size_bytes(&archive_key(name))?.is_some()
                {
                    contents.orphan_archives.push(archive_key(name));
                }
            }
        }
        contents.records.push(record);
        Ok(())
    }

    /// Reads one record. Looks for one even if the listing saw none: it may have come since.
    pub(super) fn read_record(
        &self,
        name: &BackupName,
        listed_bytes: Option<u64>,
    ) -> Result<FoundRecord, RepositoryError> {
        let key = record_key(name);
        let limit_bytes = record_file::RECORD_LIMIT_BYTES;
        if listed_bytes.is_some_and(|bytes| bytes > limit_bytes) {
            let detail = format!("it is larger than {limit_bytes} bytes");
            return Ok(FoundRecord::Unreadable(UnreadableRecord { key, id: None, detail }));
        }
        Ok(match self.storage().get(&key) {
            Ok(None) => FoundRecord::Absent,
            Ok(Some(content)) => match record_file::read(&key, &content, self.description()) {
                Ok(record) => FoundRecord::Readable(Box::new(record)),
                Err(unreadable) => FoundRecord::Unreadable(unreadable),
            },
            // One file that can't be read (permissions, a bad sector) must not hide all the others.
            Err(error) if listed_bytes.is_some() => {
                FoundRecord::Unreadable(UnreadableRecord { key, id: None, detail: error.to_string() })
            }
            Err(error) => return Err(error.into()),
        })
    }
}

/// Moves records that share an id to the unreadable ones: nobody can tell which of them a chain means.
fn report_shared_ids(contents: &mut RepositoryContents) {
    let mut keys: HashMap<BackupId, Vec<String>> = HashMap::new();
    for record in &contents.records {
        keys.entry(record.id)
            .or_default()
            .extend(BackupName::of_archive(&record.archive_name).map(|name| record_key(&name)));
    }
    for (id, keys) in keys.into_iter().filter(|(_, keys)| keys.len() > 1) {
        contents.records.retain(|record| record.id != id);
        for key in &keys {
            let others: Vec<_> = keys.iter().filter(|other| *other != key).map(String::as_str).collect();
            let detail = format!("its id {id} is also that of {}", others.join(", "));
            contents.unreadable.push(UnreadableRecord { key: key.clone(), id: Some(id), detail });
        }
    }
}
