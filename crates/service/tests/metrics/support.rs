use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use serde_json::json;
use service::metrics::{JournalFollower, RepositorySource, Snapshot, SnapshotCache};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vault::archive::SealedArchive;
use vault::journal::{EventLevel, Journal, NewEvent};
use vault::repository::{
    BackupKind, BackupRecord, BackupState, FORMAT_VERSION, RECORD_VERSION, Repository, RepositoryDescription,
};
use vault::storage::LocalFolder;

const SYSTEM_IDENTIFIER: SystemIdentifier = SystemIdentifier(7_431_234_567_890_123_456);
const CONTENT: &[u8] = b"no archive, but as good as one for whoever only counts";

/// A repository in a folder of its own.
pub struct Scene {
    pub folder: tempfile::TempDir,
    pub repository: Repository,
}

impl Scene {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let description = RepositoryDescription {
            format_version: FORMAT_VERSION,
            system_identifier: SYSTEM_IDENTIFIER,
            postgresql_version: MajorVersion::V17,
            encryption_recipients: Vec::new(),
            created_by: "cadena 0.1.0".to_owned(),
        };
        let repository = Repository::create(Arc::new(LocalFolder::new(folder.path())), &description).unwrap();
        Scene { folder, repository }
    }

    /// Puts a FULL there that only looks like one.
    pub fn full(&self) -> BackupRecord {
        let mut slot = self.repository.begin_backup(BackupKind::Full, &jiff::Zoned::now()).unwrap();
        let mut stream = slot.archive_stream().unwrap();
        stream.write_all(CONTENT).unwrap();
        let sealed = SealedArchive {
            size_bytes: CONTENT.len() as u64,
            plain_bytes: 1000,
            sha256: "a".repeat(64),
            frames: 1,
            members: 1,
            encryption: None,
        };
        let record = BackupRecord {
            record_version: RECORD_VERSION,
            id: slot.id(),
            kind: BackupKind::Full,
            base_id: None,
            base: None,
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
            start_lsn: Some(Lsn(0x200_0028)),
            stop_lsn: Some(Lsn(0x200_0100)),
            timeline: Some(TimelineId(1)),
            block_size_bytes: 8192,
            wal_segment_size: Some(WalSegmentSize::new(16 << 20).unwrap()),
            data_checksums: true,
            plain_bytes: sealed.plain_bytes,
            archive_bytes: sealed.size_bytes,
            sha256: Some(sealed.sha256.clone()),
            files: 1,
            encryption: None,
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
        };
        slot.commit(stream, &sealed, &record).unwrap();
        record
    }

    /// Enters an event.
    pub fn event(&self, level: EventLevel, name: &str, details: serde_json::Value) {
        let event = NewEvent::new(level, name, None, details);
        Journal::of(&self.repository).append(jiff::Timestamp::now(), event).unwrap();
    }

    pub fn backup_failed(&self, kind: &str) {
        let error = json!({"key": "cluster-connect", "detail": "no"});
        self.event(EventLevel::Error, "backup-failed", json!({"kind": kind, "name": "-", "error": error}));
    }

    pub fn backup_completed(&self, kind: &str) {
        let details = json!({"kind": kind, "name": "x.backup", "seconds": 1.5, "archive_bytes": 7, "plain_bytes": 9});
        self.event(EventLevel::Info, "backup-completed", details);
    }

    pub fn cache(&self, others: impl Fn(&mut Snapshot) + Send + Sync + 'static) -> Arc<SnapshotCache> {
        let source = RepositorySource {
            repository: self.repository.clone(),
            connection: None,
            slot: "cadena".to_owned(),
            max_slot_retained_bytes: None,
            version: "0.1.0".to_owned(),
            cancel: engine::Cancel::new(),
            due: Box::new(|_| Vec::new()),
            others: Box::new(others),
            journal: Mutex::new(JournalFollower::default()),
        };
        Arc::new(SnapshotCache::new(Arc::new(source), Duration::ZERO))
    }
}
