//! A repository on disk, of a cluster that never was.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pgformat::{Lsn, MajorVersion, SystemIdentifier};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use vault::archive::SealedArchive;
use vault::repository::*;
use vault::storage::LocalFolder;

pub const SEGMENT: u64 = 1 << 20;

pub fn create(folder: &Path) -> Repository {
    let description = RepositoryDescription {
        format_version: FORMAT_VERSION,
        system_identifier: SystemIdentifier(7),
        postgresql_version: MajorVersion::V17,
        encryption_recipients: Vec::new(),
        created_by: "test".to_owned(),
    };
    Repository::create(Arc::new(LocalFolder::new(folder)), &description).unwrap()
}

/// Enters a backup whose WAL lies in one segment; its archive is as the record says, but for what is inside.
pub fn back_up(
    repository: &Repository,
    kind: BackupKind,
    base: Option<u64>,
    timeline: u32,
    segment: u64,
    at: Timestamp,
) {
    let mut slot = repository.begin_backup(kind, &at.to_zoned(TimeZone::UTC)).unwrap();
    let id = slot.id();
    let content = format!("archive {id}").repeat(1000);
    let sha256 = hex::encode(Sha256::digest(content.as_bytes()));
    let base = base.map(|base| repository.record(BackupId(base)).unwrap());
    let lsn = |offset: u64| Some(Lsn(segment * SEGMENT + offset));
    let text = json!({
        "record_version": 1, "id": id, "kind": kind, "base_id": base.as_ref().map(|base| base.id), "base": Value::Null,
        "archive_name": slot.name().archive_file_name(), "state": "COMPLETADO", "started_at": at,
        "finished_at": at + jiff::SignedDuration::from_mins(5), "label": "x", "system_identifier": "7",
        "postgresql_version": 17, "server_version": "17.10", "from_standby": false, "start_lsn": lsn(0x28),
        "stop_lsn": lsn(0x100), "timeline": timeline, "block_size_bytes": 8192, "wal_segment_size": SEGMENT,
        "data_checksums": true, "plain_bytes": 30, "archive_bytes": content.len(), "sha256": sha256, "files": 1,
        "compression_level": 1, "reader": "local", "changes_found_by": Value::Null, "tablespaces": [], "tool_version": "x",
        "error": Value::Null,
    });
    let mut record: BackupRecord = serde_json::from_value(text).unwrap();
    record.base = base.map(|base| RecordBase {
        start_lsn: base.start_lsn.unwrap(),
        timeline: base.timeline.unwrap(),
        sha256: base.sha256.unwrap(),
    });
    let mut stream = slot.archive_stream().unwrap();
    stream.write_all(content.as_bytes()).unwrap();
    let sealed = SealedArchive {
        size_bytes: content.len() as u64,
        plain_bytes: 30,
        sha256,
        frames: 1,
        members: 1,
        encryption: None,
    };
    slot.commit(stream, &sealed, &record).unwrap();
}
