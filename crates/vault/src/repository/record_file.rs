//! Records as files: strict where a mistake could mislead a restore, tolerant of fields that a later program adds.

use super::layout::{BackupName, record_key};
use super::record::{LogicalContents, LogicalDatabase, RECORD_VERSION, RECORD_VERSION_LIMIT};
use super::{BackupId, BackupKind, BackupMethod, BackupRecord, BackupState, RunningBackup};
use super::{RepositoryDescription, RepositoryError, UnreadableRecord};
use serde_json::Value;
use std::collections::HashSet;

/// The largest record that is read. The largest that is written has 1,000 corrupt pages and every tablespace: below 1 MiB.
pub(super) const RECORD_LIMIT_BYTES: u64 = 16 << 20;
/// The largest id: JSON programs and the catalog's bigint keep it exactly.
pub(super) const ID_LIMIT: u64 = (1 << 53) - 1;

/// Reads the record that lies under `key`.
pub(super) fn read(
    key: &str,
    content: &[u8],
    description: &RepositoryDescription,
) -> Result<BackupRecord, UnreadableRecord> {
    let value: Value = serde_json::from_slice(content).map_err(|error| UnreadableRecord {
        key: key.to_owned(),
        id: None,
        detail: format!("it is no JSON: {error}"),
    })?;
    // Even a record that can't be understood keeps its id taken.
    let id = value["id"].as_u64().filter(|id| (1..=ID_LIMIT).contains(id)).map(BackupId);
    let unreadable = |detail: String| UnreadableRecord { key: key.to_owned(), id, detail };
    match value["record_version"].as_u64() {
        None | Some(0) => return Err(unreadable("it has no record_version".to_owned())),
        Some(version) if version > u64::from(RECORD_VERSION_LIMIT) => {
            let detail = format!("it has record version {version}; this program reads up to {RECORD_VERSION_LIMIT}");
            return Err(unreadable(detail));
        }
        Some(_) => {}
    }
    // From the text again, not from the value: this way a field that comes twice is an error.
    let record: BackupRecord = serde_json::from_slice(content).map_err(|error| unreadable(error.to_string()))?;
    check(&record, description).map_err(&unreadable)?;
    let name = BackupName::of_archive(&record.archive_name);
    if name.map(|name| record_key(&name)).as_deref() != Some(key) {
        return Err(unreadable(format!("it is the record of another file, {:?}", record.archive_name)));
    }
    Ok(record)
}

/// Returns the record as it is stored.
pub(super) fn write(record: &BackupRecord) -> Result<Vec<u8>, RepositoryError> {
    let mut content = serde_json::to_vec_pretty(record).map_err(|error| invalid(record.id, error.to_string()))?;
    content.push(b'\n');
    Ok(content)
}

/// Makes the error for a record that must not be written.
pub(super) fn invalid(id: BackupId, detail: String) -> RepositoryError {
    RepositoryError::RepositoryRecordInvalid { id: id.to_string(), detail }
}

/// Checks that the fields of a record agree with one another and with the repository.
pub(super) fn check(record: &BackupRecord, description: &RepositoryDescription) -> Result<(), String> {
    let demand = |holds: bool, otherwise: &str| if holds { Ok(()) } else { Err(otherwise.to_owned()) };
    demand(record.record_version == record.version(), "record_version is not what such a record has")?;
    let recipients = record.encryption.as_ref().map(|encryption| encryption.recipients.len());
    demand(recipients != Some(0), "it is encrypted for nobody")?;
    demand((1..=ID_LIMIT).contains(&record.id.0), "id is out of range")?;
    let name = BackupName::of_archive(&record.archive_name).ok_or("archive_name is no name of an archive")?;
    demand(name.kind == record.kind, "archive_name is of another kind of backup")?;
    if record.system_identifier != description.system_identifier {
        return Err(format!("it is of another cluster, {}", record.system_identifier));
    }
    demand(record.base_id.is_none_or(|base| base < record.id), "base_id is not older than id")?;
    demand(record.kind != BackupKind::Full || record.base_id.is_none(), "a FULL has a base_id")?;
    demand(record.base_id.is_some() || record.base.is_none(), "it describes a base and has no base_id")?;
    demand(record.kind == BackupKind::Full || record.merged_from.is_empty(), "merged_from is not that of a FULL")?;
    if record.method == BackupMethod::Logical {
        demand(record.kind == BackupKind::Full, "a logical backup is no FULL")?;
        demand(record.merged_from.is_empty(), "a logical backup was merged")?;
        let no_lsn = record.start_lsn.is_none() && record.stop_lsn.is_none() && record.timeline.is_none();
        demand(no_lsn, "a logical backup has an LSN or a timeline")?;
    }
    let has_dumps = record.method == BackupMethod::Logical && record.state == BackupState::Completed;
    demand(record.logical.is_some() == has_dumps, "logical is not that of a completed logical backup")?;
    match record.state {
        BackupState::InProgress => Err("a record is written only when a backup has ended".to_owned()),
        BackupState::Failed => {
            demand(record.sha256.is_none() && record.archive_bytes == 0, "a failed backup has an archive")?;
            demand(record.error.is_some(), "a failed backup has no error")
        }
        BackupState::Completed => {
            demand(record.error.is_none(), "a completed backup has an error")?;
            demand(record.finished_at.is_some(), "finished_at is missing")?;
            demand(record.kind == BackupKind::Full || record.base_id.is_some(), "base_id is missing")?;
            demand(record.base_id.is_none() || record.base.is_some(), "base is missing")?;
            demand(record.archive_bytes > 0, "archive_bytes is 0")?;
            demand(record.sha256.as_deref().is_some_and(is_sha256), "sha256 is no SHA-256")?;
            if let Some(logical) = &record.logical {
                return check_logical(logical);
            }
            demand(record.timeline.is_some_and(|timeline| timeline.0 > 0), "timeline is missing")?;
            demand(record.wal_segment_size.is_some(), "wal_segment_size is missing")?;
            let block = record.block_size_bytes;
            demand(block.is_power_of_two() && (1024..=32_768).contains(&block), "block_size_bytes is no block size")?;
            match (record.start_lsn, record.stop_lsn) {
                (Some(start_lsn), Some(stop_lsn)) => demand(start_lsn <= stop_lsn, "stop_lsn is before start_lsn"),
                _ => Err("start_lsn or stop_lsn is missing".to_owned()),
            }
        }
    }
}

/// Checks that each dump can be found, and none is found twice.
fn check_logical(logical: &LogicalContents) -> Result<(), String> {
    if logical.databases.is_empty() {
        return Err("a logical backup has no database".to_owned());
    }
    let mut folders = HashSet::new();
    let mut names = HashSet::new();
    for database in &logical.databases {
        let LogicalDatabase { name, folder, dump_bytes, parts, .. } = database;
        if folder.is_empty() || folder.contains('/') || folder.starts_with('.') {
            return Err(format!("{folder:?} is no folder of a dump"));
        }
        if !folders.insert(folder) || !names.insert(name) {
            return Err(format!("database {name:?} comes twice"));
        }
        if *dump_bytes == 0 || *parts == 0 {
            return Err(format!("the dump of database {name:?} is empty"));
        }
    }
    Ok(())
}

/// Makes the FALLIDO record of a backup of which only the holder's text is known.
pub(super) fn interrupted(running: &RunningBackup, description: &RepositoryDescription, error: Value) -> BackupRecord {
    let record = BackupRecord {
        record_version: RECORD_VERSION,
        id: running.id,
        kind: running.kind,
        base_id: None,
        base: None,
        archive_name: running.archive_name.clone(),
        state: BackupState::Failed,
        started_at: running.started_at,
        finished_at: None,
        scheduled_for: None,
        label: String::new(),
        system_identifier: description.system_identifier,
        postgresql_version: description.postgresql_version,
        server_version: String::new(),
        from_standby: false,
        start_lsn: None,
        stop_lsn: None,
        timeline: None,
        block_size_bytes: 0,
        wal_segment_size: None,
        data_checksums: false,
        plain_bytes: 0,
        archive_bytes: 0,
        sha256: None,
        files: 0,
        encryption: None,
        compression_level: 0,
        reader: String::new(),
        changes_found_by: None,
        changes_passed_over: Vec::new(),
        merged_from: Vec::new(),
        method: running.method,
        logical: None,
        tablespaces: Vec::new(),
        corrupt_pages: Vec::new(),
        corrupt_pages_total: 0,
        warnings: Vec::new(),
        tool_version: running.tool_version.clone(),
        error: Some(error),
    };
    BackupRecord { record_version: record.version(), ..record }
}

/// Returns the error that tells of a process which died, or gave up without a word.
pub(super) fn interruption(running: &RunningBackup) -> Value {
    error_value(&running.interruption())
}

/// Returns an error as a record keeps it.
pub(super) fn error_value(error: &RepositoryError) -> Value {
    let mut value = serde_json::to_value(error).unwrap_or_else(|_| serde_json::json!({ "key": "unknown" }));
    value["message"] = Value::String(error.to_string());
    value
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
