//! Receivers that run beside a test, and what they left in the archive.

#![allow(dead_code, reason = "each test binary uses its own part")]

use engine::cluster::ConnectionSettings;
use engine::wal::{ReceiveEvent, ReceiveObserver, ReceiveOptions, ReceiveOutcome, StopWhen, receive};
use engine::{Cancel, Error};
use pgformat::{Lsn, TimelineId, WalSegment};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testkit::TestCluster;
use vault::repository::Repository;
use vault::wal::{SegmentForm, WalArchive};

pub use testkit::repository_for;

pub const SLOT: &str = "cadena_wal";
const PATIENCE: Duration = Duration::from_secs(120);

pub fn options(stop: StopWhen) -> ReceiveOptions {
    ReceiveOptions {
        slot: SLOT.to_owned(),
        max_slot_retained_bytes: None,
        compression_level: 1,
        jobs: 1,
        stop,
        tool_version: "test".to_owned(),
    }
}

/// Remembers what a receiver tells.
#[derive(Default)]
pub struct Recorder {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    events: Vec<ReceiveEvent>,
    position: Option<(TimelineId, Lsn)>,
    ended: bool,
}

impl ReceiveObserver for Recorder {
    fn event(&self, event: ReceiveEvent) {
        self.told.lock().unwrap().events.push(event);
        self.changed.notify_all();
    }
    fn position(&self, timeline: TimelineId, durable: Lsn, _server: Lsn, _behind: Option<jiff::Timestamp>) {
        self.told.lock().unwrap().position = Some((timeline, durable));
        self.changed.notify_all();
    }
}

impl Recorder {
    pub fn events(&self) -> Vec<ReceiveEvent> {
        self.told.lock().unwrap().events.clone()
    }
    pub fn keys(&self) -> Vec<String> {
        let key = |event: &ReceiveEvent| serde_json::to_value(event).unwrap()["key"].as_str().unwrap().to_owned();
        self.told.lock().unwrap().events.iter().map(key).collect()
    }
    pub fn count(&self, key: &str) -> usize {
        self.keys().iter().filter(|other| *other == key).count()
    }
    fn wait(&self, what: &str, condition: impl Fn(&Told) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut told = self.told.lock().unwrap();
        while !condition(&told) {
            assert!(!told.ended, "the receiver ended before {what}: {:?}", told.events);
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what}: {:?} {:?}", told.position, told.events);
            told = self.changed.wait_timeout(told, left).unwrap().0;
        }
    }
}

/// A receiver on a thread of its own.
pub struct Receiver {
    pub recorder: Arc<Recorder>,
    cancel: Cancel,
    thread: Option<JoinHandle<Result<ReceiveOutcome, Error>>>,
}

impl Receiver {
    pub fn start(settings: ConnectionSettings, repository: &Repository, options: ReceiveOptions) -> Self {
        let recorder = Arc::new(Recorder::default());
        let cancel = Cancel::new();
        let (repository, observer, flag) = (repository.clone(), Arc::clone(&recorder), cancel.clone());
        let thread = std::thread::spawn(move || {
            let outcome = receive(&settings, &repository, &options, observer.as_ref(), &flag);
            observer.told.lock().unwrap().ended = true;
            observer.changed.notify_all();
            outcome
        });
        Receiver { recorder, cancel, thread: Some(thread) }
    }

    pub fn of(cluster: &TestCluster, repository: &Repository, stop: StopWhen) -> Self {
        Self::start(cluster.connection_settings("postgres"), repository, options(stop))
    }

    /// Waits until everything before `lsn` is durable.
    pub fn wait_for(&self, lsn: Lsn) {
        self.recorder.wait(&format!("{lsn} durable"), |told| told.position.is_some_and(|(_, durable)| durable >= lsn));
    }

    pub fn wait_for_timeline(&self, timeline: u32) {
        self.recorder.wait(&format!("timeline {timeline}"), |told| {
            told.position.is_some_and(|(current, _)| current == TimelineId(timeline))
        });
    }

    pub fn wait_for_event(&self, key: &str) {
        self.recorder
            .wait(key, |told| told.events.iter().any(|event| serde_json::to_value(event).unwrap()["key"] == key));
    }

    pub fn stop(mut self) -> ReceiveOutcome {
        self.cancel.cancel();
        self.end().unwrap_or_else(|error| panic!("{} {error}", error.key()))
    }

    pub fn end(&mut self) -> Result<ReceiveOutcome, Error> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Receives what the server has now.
pub fn catch_up(cluster: &TestCluster, repository: &Repository) -> ReceiveOutcome {
    try_catch_up(cluster, repository).0.unwrap_or_else(|error| panic!("{} {error}", error.key()))
}

pub fn try_catch_up(cluster: &TestCluster, repository: &Repository) -> (Result<ReceiveOutcome, Error>, Arc<Recorder>) {
    let mut receiver = Receiver::of(cluster, repository, StopWhen::CaughtUp(None));
    (receiver.end(), Arc::clone(&receiver.recorder))
}

pub fn flush_lsn(cluster: &TestCluster) -> Lsn {
    cluster.sql_scalar("SELECT pg_current_wal_flush_lsn()")
}

/// Writes a few records into each of `segments` new segments.
pub fn fill_segments(cluster: &TestCluster, segments: usize) {
    let one = "SELECT pg_logical_emit_message(false, 'test', repeat('x', 2000)); SELECT pg_switch_wal();";
    cluster.sql(&one.repeat(segments));
}

pub fn archive(repository: &Repository) -> WalArchive {
    WalArchive::open(repository).unwrap().expect("there is an archive")
}

/// What lies in the archive: timeline, number, form.
pub fn listed(repository: &Repository) -> Vec<(WalSegment, SegmentForm)> {
    let contents = archive(repository).contents().unwrap();
    assert_eq!(contents.foreign, Vec::<String>::new());
    let segments = contents.timelines.values().flat_map(|timeline| timeline.segments.values());
    segments.map(|found| (found.segment, found.form)).collect()
}

/// Compares every archived segment that the server still has in pg_wal, byte by byte, and returns how many were sealed.
/// Of a partial one, what is valid.
pub fn assert_same_as_pg_wal(cluster: &TestCluster, repository: &Repository) -> usize {
    let archive = archive(repository);
    let size = archive.geometry().segment_size;
    let mut sealed = 0;
    let mut ours = Vec::new();
    for (segment, form) in listed(repository) {
        let name = segment.file_name(size);
        let Ok(theirs) = std::fs::read(cluster.pg_wal().join(&name)) else { continue };
        match form {
            SegmentForm::Sealed => {
                archive.read_sealed(segment, &mut ours).unwrap();
                assert!(ours == theirs, "{name} differs");
                sealed += 1;
            }
            SegmentForm::Partial => {
                let end = archive.read_partial(segment, &mut ours).unwrap();
                let length = (end.0 - segment.start_lsn(size).0) as usize;
                assert!(ours[..length] == theirs[..length], "{name} differs before {end}");
            }
        }
    }
    sealed
}

/// Asserts that the archive of a timeline has no hole from its first segment on.
pub fn assert_no_hole(repository: &Repository, timeline: u32) {
    let segments: Vec<u64> = listed(repository)
        .into_iter()
        .filter(|(segment, _)| segment.timeline == TimelineId(timeline))
        .map(|(segment, _)| segment.number)
        .collect();
    assert!(!segments.is_empty(), "nothing of timeline {timeline}");
    assert!(segments.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{segments:?}");
}
