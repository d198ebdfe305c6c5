//! What the tests of the repository share: a folder, a description, records, and the rules that must always hold.
#![allow(dead_code)] // each test file uses a part of it

use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use vault::archive::SealedArchive;
use vault::repository::*;
use vault::storage::{LocalFolder, PutStream, Storage};

pub const SYSTEM_IDENTIFIER: SystemIdentifier = SystemIdentifier(7_431_234_567_890_123_456);

pub fn description() -> RepositoryDescription {
    RepositoryDescription {
        format_version: FORMAT_VERSION,
        system_identifier: SYSTEM_IDENTIFIER,
        postgresql_version: MajorVersion::V17,
        encryption_recipients: Vec::new(),
        created_by: "cadena 0.1.0".to_owned(),
    }
}

/// A folder for tests with thousands of fsyncs: in memory where there is such a place. What they show does not hang on a disk.
pub fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub fn local(folder: &Path) -> Arc<dyn Storage> {
    Arc::new(LocalFolder::new(folder))
}

pub fn create(folder: &Path) -> Repository {
    Repository::create(local(folder), &description()).unwrap()
}

pub fn reopen(folder: &Path) -> Repository {
    Repository::open(local(folder)).unwrap()
}

/// A local time in a fixed zone, such as `2026-11-24T00:00:00`.
pub fn at(local: &str) -> jiff::Zoned {
    let time: jiff::civil::DateTime = local.parse().unwrap();
    time.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-6))).unwrap()
}

pub fn sealed(content: &[u8]) -> SealedArchive {
    SealedArchive {
        size_bytes: content.len() as u64,
        plain_bytes: content.len() as u64 * 3,
        sha256: hex::encode(Sha256::digest(content)),
        frames: 1,
        members: 1,
        encryption: None,
    }
}

/// A record that a slot would take, of an archive of `content`.
pub fn completed(slot: &BackupSlot, content: &[u8]) -> BackupRecord {
    let sealed = sealed(content);
    let kind = slot.name().kind;
    BackupRecord {
        record_version: RECORD_VERSION,
        id: slot.id(),
        kind,
        base_id: (kind != BackupKind::Full).then(|| BackupId(slot.id().0 - 1)),
        base: (kind != BackupKind::Full).then(|| RecordBase {
            start_lsn: Lsn(0x1000028),
            timeline: TimelineId(1),
            sha256: "0".repeat(64),
        }),
        archive_name: slot.name().archive_file_name(),
        state: BackupState::Completed,
        started_at: "2026-11-24T06:00:00Z".parse().unwrap(),
        finished_at: Some("2026-11-24T06:10:00Z".parse().unwrap()),
        scheduled_for: None,
        label: "cadena".to_owned(),
        system_identifier: SYSTEM_IDENTIFIER,
        postgresql_version: MajorVersion::V17,
        server_version: "17.10".to_owned(),
        from_standby: false,
        start_lsn: Some(Lsn(0x2000028)),
        stop_lsn: Some(Lsn(0x2000100)),
        timeline: Some(TimelineId(1)),
        block_size_bytes: 8192,
        wal_segment_size: Some(WalSegmentSize::new(16 << 20).unwrap()),
        data_checksums: true,
        plain_bytes: sealed.plain_bytes,
        archive_bytes: sealed.size_bytes,
        sha256: Some(sealed.sha256),
        encryption: None,
        files: 1,
        compression_level: 1,
        reader: "local".to_owned(),
        changes_found_by: None,
        changes_passed_over: Vec::new(),
        merged_from: Vec::new(),
        method: Default::default(),
        logical: None,
        tablespaces: Vec::new(),
        corrupt_pages: Vec::new(),
        corrupt_pages_total: 0,
        warnings: Vec::new(),
        tool_version: "cadena 0.1.0".to_owned(),
        error: None,
    }
}

/// The record of a backup that the engine gives up.
pub fn failed(slot: &BackupSlot) -> BackupRecord {
    BackupRecord {
        state: BackupState::Failed,
        finished_at: None,
        archive_bytes: 0,
        sha256: None,
        error: Some(serde_json::json!({"key": "cancelled", "message": "cancelled"})),
        ..completed(slot, b"")
    }
}

pub fn write_archive(slot: &mut BackupSlot, content: &[u8]) -> Result<Box<dyn PutStream>, RepositoryError> {
    let mut stream = slot.archive_stream()?;
    for piece in content.chunks(10_000) {
        let written = stream.write_all(piece);
        written.map_err(|error| vault::storage::StorageError::from_io("test", "archive", "write", &error))?;
    }
    Ok(stream)
}

/// The whole way of a backup; what fails on the way is what the engine would see.
pub fn back_up(
    repository: &Repository,
    kind: BackupKind,
    now: &jiff::Zoned,
    content: &[u8],
) -> Result<BackupId, RepositoryError> {
    let mut slot = repository.begin_backup(kind, now)?;
    let id = slot.id();
    let record = completed(&slot, content);
    match write_archive(&mut slot, content) {
        Ok(stream) => slot.commit(stream, &sealed(content), &record)?,
        Err(error) => {
            let mut record = failed(&slot);
            record.error = Some(serde_json::json!({"key": "archive", "message": error.to_string()}));
            slot.fail(&record)?;
            return Err(error);
        }
    }
    Ok(id)
}

/// Every file below a folder, hidden ones too, without those of the lock and of the journal, which has tests of its own.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.retain(|name| ![".lock.cadena-", ".events.cadena-", "events/"].iter().any(|other| name.starts_with(other)));
    found.sort();
    found
}

pub fn partials(folder: &Path) -> Vec<String> {
    files(folder).into_iter().filter(|name| name.ends_with(".cadena-partial")).collect()
}

/// What must hold at any time, whatever died: every record is sound, no two share an id, every COMPLETADO has its archive
/// with the right digest, no FALLIDO has one.
pub fn assert_consistent(folder: &Path, when: &str) -> RepositoryContents {
    let contents = reopen(folder).contents().unwrap();
    assert!(contents.unreadable.is_empty(), "{when}: {:?}", contents.unreadable);
    assert!(contents.without_archive.is_empty(), "{when}: {:?}", contents.without_archive);
    assert!(contents.orphan_archives.is_empty(), "{when}: {:?}", contents.orphan_archives);
    let mut ids = HashSet::new();
    for record in &contents.records {
        assert!(ids.insert(record.id), "{when}: id {} twice", record.id);
        let name = BackupName::of_archive(&record.archive_name).unwrap();
        let archive = std::fs::read(folder.join(archive_key(&name)));
        match record.state {
            BackupState::Completed => {
                assert_eq!(record.sha256.as_ref(), Some(&sealed(&archive.unwrap()).sha256), "{when}")
            }
            _ => assert!(archive.is_err(), "{when}: {} has an archive", record.archive_name),
        }
    }
    contents
}

/// What must hold once the next backup has begun: nothing of the dead is left.
pub fn assert_swept(folder: &Path, when: &str) {
    let contents = assert_consistent(folder, when);
    assert_eq!(contents.interrupted, None, "{when}");
    let known: HashSet<String> = contents
        .records
        .iter()
        .flat_map(|record| {
            let name = BackupName::of_archive(&record.archive_name).unwrap();
            [archive_key(&name), record_key(&name)]
        })
        .chain([DESCRIPTION_KEY.to_owned(), SEQUENCE_KEY.to_owned()])
        .collect();
    let unknown: Vec<_> = files(folder).into_iter().filter(|file| !known.contains(file)).collect();
    assert!(unknown.is_empty(), "{when}: left over: {unknown:?}");
}
