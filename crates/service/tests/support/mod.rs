//! What the scheduler's tests share: records of backups without a server, a clock that jumps, ears.
#![allow(dead_code, reason = "each test binary uses its own part")]

use engine::Cancel;
use jiff::{SignedDuration, Timestamp};
use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use service::scheduler::{Clock, Job, Rules, Schedule, SchedulerEvent, SchedulerStatus, SchedulerWatch};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use vault::archive::SealedArchive;
use vault::repository::*;
use vault::storage::LocalFolder;

pub const SYSTEM_IDENTIFIER: SystemIdentifier = SystemIdentifier(7_431_234_567_890_123_456);

/// A folder for tests with thousands of fsyncs: in memory where there is such a place.
pub fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().expect("a folder"))
}

pub fn create(folder: &Path) -> Repository {
    let description = RepositoryDescription {
        format_version: FORMAT_VERSION,
        system_identifier: SYSTEM_IDENTIFIER,
        postgresql_version: MajorVersion::V17,
        encryption_recipients: Vec::new(),
        created_by: "test".to_owned(),
    };
    Repository::create(Arc::new(LocalFolder::new(folder)), &description).expect("a repository")
}

/// The record of a completed backup whose archive is a few bytes. Its WAL is as long as its number tells, so that chains make sense.
pub fn completed(
    id: BackupId,
    name: &BackupName,
    base: Option<&BackupRecord>,
    content: &[u8],
    started_at: Timestamp,
    scheduled_for: Option<Timestamp>,
) -> BackupRecord {
    BackupRecord {
        record_version: RECORD_VERSION,
        id,
        kind: name.kind,
        base_id: base.map(|base| base.id),
        base: base.map(|base| RecordBase {
            start_lsn: base.start_lsn.expect("an LSN"),
            timeline: base.timeline.expect("a timeline"),
            sha256: base.sha256.clone().expect("a digest"),
        }),
        archive_name: name.archive_file_name(),
        state: BackupState::Completed,
        started_at,
        finished_at: Some(later(started_at, 1)),
        label: "test".to_owned(),
        system_identifier: SYSTEM_IDENTIFIER,
        postgresql_version: MajorVersion::V17,
        server_version: "17.10".to_owned(),
        from_standby: false,
        start_lsn: Some(Lsn((id.0 << 25) + 0x28)),
        stop_lsn: Some(Lsn((id.0 << 25) + 0x100)),
        timeline: Some(TimelineId(1)),
        block_size_bytes: 8192,
        wal_segment_size: WalSegmentSize::new(16 << 20).ok(),
        data_checksums: true,
        plain_bytes: content.len() as u64,
        archive_bytes: content.len() as u64,
        sha256: Some(hex::encode(Sha256::digest(content))),
        files: 1,
        encryption: None,
        compression_level: 1,
        reader: "local".to_owned(),
        changes_found_by: base.map(|_| "wal".to_owned()),
        changes_passed_over: Vec::new(),
        merged_from: Vec::new(),
        method: Default::default(),
        logical: None,
        tablespaces: Vec::new(),
        corrupt_pages: Vec::new(),
        corrupt_pages_total: 0,
        warnings: Vec::new(),
        tool_version: "test".to_owned(),
        error: None,
        scheduled_for,
    }
}

pub fn sealed(content: &[u8]) -> SealedArchive {
    SealedArchive {
        size_bytes: content.len() as u64,
        plain_bytes: content.len() as u64,
        sha256: hex::encode(Sha256::digest(content)),
        frames: 1,
        members: 1,
        encryption: None,
    }
}

/// Takes a backup of a few bytes, on the base that the engine would choose.
pub fn take_backup(
    repository: &Repository,
    kind: BackupKind,
    now: &jiff::Zoned,
    due_at: Option<Timestamp>,
) -> Result<BackupRecord, RepositoryError> {
    let records = repository.contents()?.records;
    let mut done = records.iter().filter(|record| record.state == BackupState::Completed);
    let base = match kind {
        BackupKind::Full => None,
        BackupKind::Differential => done.rfind(|record| record.kind == BackupKind::Full),
        BackupKind::Incremental => done.next_back(),
    };
    let kind = if base.is_none() { BackupKind::Full } else { kind };
    let mut slot = repository.begin_backup(kind, now)?;
    let content = format!("backup {}", slot.id());
    let record = completed(slot.id(), slot.name(), base, content.as_bytes(), now.timestamp(), due_at);
    let mut stream = slot.archive_stream()?;
    let written = stream.write_all(content.as_bytes());
    written.map_err(|error| vault::storage::StorageError::from_io("test", "archive", "write", &error))?;
    slot.commit(stream, &sealed(content.as_bytes()), &record)?;
    Ok(record)
}

pub fn rules(pairs: &[(Job, &str)]) -> Rules {
    pairs.iter().map(|(job, text)| (*job, service::scheduler::Rule::parse(text).expect("a rule"))).collect()
}

pub fn schedule(pairs: &[(Job, &str)], zone: &str) -> Schedule {
    let zone = jiff::tz::TimeZone::get(zone).expect("a zone");
    Schedule::of(&rules(pairs), &Rules::new(), zone).expect("a schedule")
}

pub fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub fn later(instant: Timestamp, seconds: i64) -> Timestamp {
    instant.checked_add(SignedDuration::from_secs(seconds)).expect("a time")
}

/// A clock that jumps instead of waiting, and cancels at the end.
pub struct FakeClock {
    now: Mutex<Timestamp>,
    end: Timestamp,
    jump: Jump,
}

/// How far it jumps.
pub enum Jump {
    /// To the next due time.
    NextDue(Box<Schedule>),
    /// By so many seconds.
    Seconds(i64),
}

impl FakeClock {
    pub fn new(now: Timestamp, end: Timestamp, jump: Jump) -> FakeClock {
        FakeClock { now: Mutex::new(now), end, jump }
    }

    pub fn pass(&self, seconds: i64) {
        let mut now = self.now.lock().expect("no panic");
        *now = later(*now, seconds);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().expect("no panic")
    }

    fn wait_until(&self, _instant: Timestamp, cancel: &Cancel) {
        let mut now = self.now.lock().expect("no panic");
        let next = match &self.jump {
            Jump::NextDue(schedule) => Job::ALL.into_iter().filter_map(|job| schedule.next_after(job, *now)).min(),
            Jump::Seconds(seconds) => Some(later(*now, *seconds)),
        };
        *now = next.map_or(self.end, |next| next.min(self.end));
        if *now >= self.end {
            cancel.cancel();
        }
    }
}

/// Remembers everything that is told.
#[derive(Default)]
pub struct Ears {
    pub events: Mutex<Vec<SchedulerEvent>>,
    pub statuses: Mutex<Vec<SchedulerStatus>>,
}

impl Ears {
    pub fn heard(&self, key: &str) -> usize {
        let events = self.events.lock().expect("no panic");
        events.iter().filter(|event| serde_json::to_value(event).expect("JSON")["key"] == key).count()
    }
}

impl SchedulerWatch for Ears {
    fn event(&self, event: SchedulerEvent) {
        self.events.lock().expect("no panic").push(event);
    }

    fn status(&self, status: &SchedulerStatus) {
        self.statuses.lock().expect("no panic").push(status.clone());
    }
}
