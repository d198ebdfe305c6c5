//! A repository's history, made up: a cluster that writes, is backed up, is set back in time, and whose clock is wrong.
#![allow(dead_code)] // each test file uses a part of it

use engine::retention::{RetentionView, WalListing};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pgformat::block_reference::SummaryFileName;
use pgformat::timeline_history::HistoryEntry;
use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegment, WalSegmentSize};
use std::collections::{BTreeMap, BTreeSet};
use vault::repository::*;
use vault::wal::{ArchivedSegment, SegmentForm, TimelineContents, WalContents};

pub const SEGMENT: u64 = 1 << 20;

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Step {
    Wait { minutes: u32 },
    Write { bytes: u64 },
    BackUp { kind: BackupKind, bytes: u64, minutes: u32 },
    Fail { kind: BackupKind, orphan: bool },
    Dump { minutes: u32 },
    Merge { which: usize },
    Rewind { which: usize, bytes: u64 },
    SetClock { days: i32 },
    Damage { which: usize, knows_id: bool },
    LoseArchive { which: usize },
    LoseHistory { which: usize },
    LoseSegment { which: usize },
    Receive { behind: u64 },
}

/// A timeline, and where it left its parent.
#[derive(Debug, Clone)]
pub struct Timeline {
    pub parent: Option<(u32, u64)>,
    /// How far its log goes.
    pub end: u64,
}

/// The cluster and its repository.
#[derive(Clone)]
pub struct World {
    pub timelines: BTreeMap<u32, Timeline>,
    pub current: u32,
    minutes: i64,
    clock_minutes: i64,
    pub records: Vec<BackupRecord>,
    pub unreadable: Vec<UnreadableRecord>,
    pub without_archive: BTreeSet<BackupId>,
    pub orphans: Vec<String>,
    pub segments: BTreeSet<(u32, u64)>,
    pub lost_histories: BTreeSet<u32>,
    pub receiver: Option<(u32, u64)>,
    next_id: u64,
}

impl World {
    pub fn new() -> Self {
        World {
            timelines: BTreeMap::from([(1, Timeline { parent: None, end: 3 * SEGMENT })]),
            current: 1,
            minutes: 0,
            clock_minutes: 0,
            records: Vec::new(),
            unreadable: Vec::new(),
            without_archive: BTreeSet::new(),
            orphans: Vec::new(),
            segments: BTreeSet::new(),
            lost_histories: BTreeSet::new(),
            receiver: None,
            next_id: 1,
        }
    }

    /// The time by the server's clock, whatever it is.
    pub fn clock(&self) -> Timestamp {
        let start: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        start + jiff::SignedDuration::from_mins(self.minutes + self.clock_minutes)
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Wait { minutes } => self.minutes += i64::from(*minutes),
            Step::Write { bytes } => self.write(*bytes),
            Step::BackUp { kind, bytes, minutes } => self.back_up(*kind, *bytes, *minutes),
            Step::Fail { kind, orphan } => self.fail(*kind, *orphan),
            Step::Dump { minutes } => self.dump(*minutes),
            Step::Merge { which } => self.merge(*which),
            Step::Rewind { which, bytes } => self.rewind(*which, *bytes),
            Step::SetClock { days } => self.clock_minutes += i64::from(*days) * 24 * 60,
            Step::Damage { which, knows_id } => self.damage(*which, *knows_id),
            Step::LoseArchive { which } => {
                let completed: Vec<BackupId> = self.completed().map(|record| record.id).collect();
                self.without_archive.extend(pick(&completed, *which));
            }
            Step::LoseHistory { which } => {
                let younger: Vec<u32> = self.timelines.keys().copied().filter(|timeline| *timeline > 1).collect();
                self.lost_histories.extend(pick(&younger, *which));
            }
            Step::LoseSegment { which } => {
                let all: Vec<(u32, u64)> = self.segments.iter().copied().collect();
                pick(&all, *which).map(|segment| self.segments.remove(&segment));
            }
            Step::Receive { behind } => {
                self.receiver = Some((self.current, self.end().saturating_sub(*behind)));
            }
        }
    }

    fn end(&self) -> u64 {
        self.timelines[&self.current].end
    }

    fn write(&mut self, bytes: u64) {
        let from = self.end();
        let to = from + bytes;
        for number in from / SEGMENT..=(to - 1).max(from) / SEGMENT {
            self.segments.insert((self.current, number));
        }
        self.timelines.get_mut(&self.current).unwrap().end = to;
    }

    fn completed(&self) -> impl Iterator<Item = &BackupRecord> {
        self.records.iter().filter(|record| record.state == BackupState::Completed)
    }

    /// A logical FULL.
    fn dump(&mut self, minutes: u32) {
        let mut record = self.record(BackupKind::Full, BackupState::Completed);
        self.minutes += i64::from(minutes);
        record.method = BackupMethod::Logical;
        record.record_version = record.version();
        record.finished_at = Some(self.clock());
        self.records.push(record);
    }

    /// The timelines that a recovery to the end of `timeline` goes through, the newest first: each with where it is entered and left.
    pub fn way(&self, timeline: u32, forgotten: bool) -> Vec<(u32, u64, u64)> {
        let mut way = vec![(timeline, 0, u64::MAX)];
        let mut at = timeline;
        while let Some((parent, left_at)) = self.timelines[&at].parent.filter(|_| !forgotten) {
            way.last_mut().unwrap().1 = left_at;
            way.push((parent, 0, left_at));
            at = parent;
        }
        way
    }

    /// Whether a backup can be restored: its archive, and those that it stands on.
    pub fn is_restorable(&self, record: &BackupRecord) -> bool {
        let is_whole = record.state == BackupState::Completed && !self.without_archive.contains(&record.id);
        let is_of_files = record.method == BackupMethod::Physical;
        is_whole
            && is_of_files
            && record.base_id.is_none_or(|base| {
                self.records.iter().find(|found| found.id == base).is_some_and(|base| self.is_restorable(base))
            })
    }

    /// Whether a backup lies on a way, by an address of it.
    pub fn lies_on(way: &[(u32, u64, u64)], record: &BackupRecord, lsn: Option<Lsn>) -> bool {
        let (Some(timeline), Some(lsn)) = (record.timeline, lsn) else { return false };
        let (timeline, lsn) = (timeline.0, lsn.0);
        way.iter().any(|(on, _, left_at)| *on == timeline && lsn <= *left_at)
    }

    fn base_for(&self, kind: BackupKind) -> Option<BackupRecord> {
        let way = self.way(self.current, false);
        let fits = |record: &&BackupRecord| {
            self.is_restorable(record)
                && (kind == BackupKind::Incremental || record.kind == BackupKind::Full)
                && Self::lies_on(&way, record, record.stop_lsn)
        };
        let found = self.records.iter().filter(fits);
        found.max_by_key(|record| (record.stop_lsn, record.id)).filter(|_| kind != BackupKind::Full).cloned()
    }

    fn back_up(&mut self, kind: BackupKind, bytes: u64, minutes: u32) {
        let base = self.base_for(kind);
        let kind = if base.is_some() { kind } else { BackupKind::Full };
        let mut record = self.record(kind, BackupState::Completed);
        record.start_lsn = Some(Lsn(self.end()));
        self.write(bytes);
        self.minutes += i64::from(minutes);
        record.stop_lsn = Some(Lsn(self.end()));
        record.timeline = Some(TimelineId(self.current));
        record.finished_at = Some(self.clock());
        record.base_id = base.as_ref().map(|base| base.id);
        record.base = base.map(|base| RecordBase {
            start_lsn: base.start_lsn.unwrap(),
            timeline: base.timeline.unwrap(),
            sha256: base.sha256.unwrap(),
        });
        self.records.push(record);
    }

    fn fail(&mut self, kind: BackupKind, orphan: bool) {
        let record = self.record(kind, BackupState::Failed);
        if orphan {
            self.orphans.push(format!("{}/{}", kind.folder(), record.archive_name));
        }
        self.records.push(record);
    }

    fn merge(&mut self, which: usize) {
        let candidates: Vec<BackupRecord> =
            self.completed().filter(|record| self.is_restorable(record)).cloned().collect();
        let Some(tip) = pick(&candidates, which) else { return };
        let fresh = self.record(BackupKind::Full, BackupState::Completed);
        self.records.push(BackupRecord {
            start_lsn: tip.start_lsn,
            stop_lsn: tip.stop_lsn,
            timeline: tip.timeline,
            finished_at: Some(self.clock()),
            merged_from: vec![tip.id],
            ..fresh
        });
    }

    /// A restore from a backup to an address after it, which begins a new timeline.
    fn rewind(&mut self, which: usize, bytes: u64) {
        let candidates: Vec<BackupRecord> =
            self.completed().filter(|record| self.is_restorable(record)).cloned().collect();
        let Some(from) = pick(&candidates, which) else { return };
        let parent = from.timeline.unwrap().0;
        let left_at = (from.stop_lsn.unwrap().0 + bytes).min(self.timelines[&parent].end);
        let timeline = self.timelines.keys().last().unwrap() + 1;
        self.timelines.insert(timeline, Timeline { parent: Some((parent, left_at)), end: left_at });
        self.current = timeline;
        self.write(100);
    }

    fn damage(&mut self, which: usize, knows_id: bool) {
        if self.records.is_empty() {
            return;
        }
        let record = self.records.remove(which % self.records.len());
        let key = record_key(&BackupName::of_archive(&record.archive_name).unwrap());
        let id = knows_id.then_some(record.id);
        self.unreadable.push(UnreadableRecord { key, id, detail: "it is no JSON".to_owned() });
    }

    fn record(&mut self, kind: BackupKind, state: BackupState) -> BackupRecord {
        let id = BackupId(self.next_id);
        self.next_id += 1;
        let local = self.clock().to_zoned(TimeZone::UTC).datetime();
        let is_completed = state == BackupState::Completed;
        BackupRecord {
            record_version: RECORD_VERSION,
            id,
            kind,
            base_id: None,
            base: None,
            // The number keeps names apart, whatever the clock says.
            archive_name: BackupName::new(kind, local, id.0 as u32 + 1).archive_file_name(),
            state,
            started_at: self.clock(),
            finished_at: None,
            scheduled_for: None,
            label: String::new(),
            system_identifier: SystemIdentifier(7),
            postgresql_version: MajorVersion::V17,
            server_version: "17.10".to_owned(),
            from_standby: false,
            start_lsn: None,
            stop_lsn: None,
            timeline: None,
            block_size_bytes: 8192,
            wal_segment_size: Some(WalSegmentSize::new(SEGMENT).unwrap()),
            data_checksums: true,
            plain_bytes: 300,
            archive_bytes: if is_completed { 100 } else { 0 },
            sha256: is_completed.then(|| format!("{:064x}", id.0)),
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
            error: (!is_completed).then(|| serde_json::json!({"key": "cancelled"})),
        }
    }

    /// What retention sees of it.
    pub fn view(&self) -> RetentionView {
        let mut timelines: BTreeMap<TimelineId, TimelineContents> = BTreeMap::new();
        for (timeline, number) in &self.segments {
            let segment = WalSegment { timeline: TimelineId(*timeline), number: *number };
            let is_whole = (number + 1) * SEGMENT <= self.timelines[timeline].end;
            let form = if is_whole { SegmentForm::Sealed } else { SegmentForm::Partial };
            let found = ArchivedSegment {
                segment,
                form,
                size_bytes: 10,
                is_whole: form == SegmentForm::Sealed,
                modified_seconds: 0,
            };
            timelines.entry(segment.timeline).or_default().segments.insert(*number, found);
        }
        let mut histories = BTreeMap::new();
        for timeline in
            self.timelines.keys().filter(|timeline| **timeline > 1 && !self.lost_histories.contains(timeline))
        {
            let mut way = self.way(*timeline, false);
            way.reverse();
            way.pop();
            let entry = |(ancestor, _, left_at): &(u32, u64, u64)| HistoryEntry {
                timeline: TimelineId(*ancestor),
                switch_lsn: Lsn(*left_at),
                reason: String::new(),
            };
            let history: Vec<HistoryEntry> = way.iter().map(entry).collect();
            timelines.entry(TimelineId(*timeline)).or_default().history = Some(history.clone());
            histories.insert(TimelineId(*timeline), history);
        }
        let mut records = self.records.clone();
        records.sort_by_key(|record| record.id);
        RetentionView {
            contents: RepositoryContents {
                records,
                unreadable: self.unreadable.clone(),
                orphan_archives: self.orphans.clone(),
                without_archive: self.without_archive.iter().copied().collect(),
                ..RepositoryContents::default()
            },
            wal: WalListing {
                segment_size: Some(WalSegmentSize::new(SEGMENT).unwrap()),
                contents: WalContents { timelines, ..WalContents::default() },
                histories,
                summaries: self.summaries(),
                receiver: self.receiver.map(|(timeline, lsn)| (TimelineId(timeline), Lsn(lsn))),
            },
        }
    }

    /// Of every third segment one of its own; the two after it share one.
    fn summaries(&self) -> Vec<SummaryFileName> {
        let name = |timeline: u32, first: u64, after: u64| SummaryFileName {
            timeline: TimelineId(timeline),
            start_lsn: Lsn(first * SEGMENT),
            end_lsn: Lsn(after * SEGMENT),
        };
        let of = |(timeline, number): &(u32, u64)| match number % 3 {
            0 => name(*timeline, *number, number + 1),
            1 => name(*timeline, *number, number + 2),
            _ => name(*timeline, number - 1, number + 1),
        };
        let names: BTreeSet<SummaryFileName> = self.segments.iter().map(of).collect();
        names.into_iter().collect()
    }
}

/// A line a backup: records are long.
impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "at {}, timelines {:?}, now on {}", self.clock(), self.timelines, self.current)?;
        for record in &self.records {
            let (id, kind, state, base) = (record.id, record.kind.word(), record.state.word(), record.base_id);
            let place = (record.timeline.map(|timeline| timeline.0), record.start_lsn, record.stop_lsn);
            let times = (record.started_at, record.finished_at);
            writeln!(f, "  {id} {kind} {state} on {base:?} {place:?} {times:?}")?;
        }
        writeln!(f, "  unreadable {:?}", self.unreadable)?;
        writeln!(f, "  without archive {:?}, orphans {:?}", self.without_archive, self.orphans)?;
        writeln!(
            f,
            "  segments {:?}, no history {:?}, receiver {:?}",
            self.segments, self.lost_histories, self.receiver
        )
    }
}

fn pick<T: Clone>(all: &[T], which: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[which % all.len()].clone())
}
