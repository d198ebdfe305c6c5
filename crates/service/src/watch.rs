//! Who looks whether somebody is to be told? A thread that follows the journal and takes a snapshot now and then, and passes what it
//! sees to the notifier.

use crate::metrics::{JournalFollower, SnapshotCache};
use crate::notify::{self, Matter, Notifier};
use crate::pause::wait;
use engine::Cancel;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vault::journal::JournalEvent;
use vault::repository::Repository;

/// How often the journal is looked at: a listing, when nothing was written.
const JOURNAL_EVERY: Duration = Duration::from_secs(5);
/// How often the state is looked at when nothing happens.
const STATE_EVERY: Duration = Duration::from_secs(30);
/// A stream that breaks off is mostly back within this: nobody need hear of each restart of a server.
const STREAM_PATIENCE: Duration = Duration::from_secs(120);
/// Problems that must last that long.
const OF_THE_STREAM: [&str; 3] = ["attention-receiver-dead", "attention-receiver-waiting", "attention-lag"];

/// What a watch works with.
pub struct WatchSettings {
    /// The repository whose journal is followed.
    pub repository: Repository,
    /// What is known; shared with the metrics.
    pub cache: Arc<SnapshotCache>,
    /// Who is told.
    pub notifier: Arc<Notifier>,
    /// To those who were never told anything, what happened before is no news.
    pub since: Timestamp,
}

/// Watches until it is stopped or dropped.
pub struct Watch {
    cancel: Cancel,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(settings: WatchSettings) -> std::io::Result<Self> {
        let cancel = Cancel::new();
        let theirs = cancel.clone();
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let mut round = Round::new(settings);
            while !theirs.is_cancelled() {
                round.look(Instant::now());
                wait(JOURNAL_EVERY, &theirs);
            }
        })?;
        Ok(Watch { cancel, thread: Some(thread) })
    }

    /// Ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watch's thread panicked");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

/// Looks once at the journal and the state, and waits until what there is to tell was told: for a command that runs without a
/// daemon. Returns whether everything got through in time.
pub fn look_once(settings: WatchSettings, patience: Duration) -> bool {
    let notifier = Arc::clone(&settings.notifier);
    Round::new(settings).look(Instant::now());
    notifier.settle(patience)
}

/// What one look leaves for the next.
struct Round {
    settings: WatchSettings,
    journal: JournalFollower,
    last_state: Option<Instant>,
    steady: Steady,
}

impl Round {
    fn new(settings: WatchSettings) -> Self {
        Round { settings, journal: JournalFollower::default(), last_state: None, steady: Steady::default() }
    }

    fn look(&mut self, now: Instant) {
        let has_news = self.look_at_journal();
        let is_due = self.last_state.is_none_or(|last| now.duration_since(last) >= STATE_EVERY);
        if has_news || is_due {
            let snapshot = if has_news { self.settings.cache.refresh() } else { self.settings.cache.get() };
            let problems = self.steady.filter(&snapshot.problems, now);
            self.settings.notifier.problems(&problems);
            self.last_state = Some(now);
        }
    }

    /// Passes on what is new, and tells whether anything was.
    fn look_at_journal(&mut self) -> bool {
        let events = match self.journal.follow(&self.settings.repository) {
            Ok(events) => events,
            // The state tells of a repository that can't be read.
            Err(error) => {
                tracing::debug!(%error, "the journal could not be followed");
                return false;
            }
        };
        let told_up_to = self.settings.notifier.journal_id();
        let since = self.settings.since;
        let is_fresh = |event: &&JournalEvent| told_up_to.map_or(event.at >= since, |id| event.id > id);
        let fresh: Vec<_> = events.iter().filter(is_fresh).collect();
        for matter in fresh.iter().filter_map(|event| notify::news(event)) {
            self.settings.notifier.news(&matter);
        }
        if told_up_to.is_none_or(|id| self.journal.last_id() > id) {
            self.settings.notifier.keep_journal_id(self.journal.last_id());
        }
        !fresh.is_empty()
    }
}

/// Holds back problems of the stream until they have lasted.
#[derive(Default)]
struct Steady {
    seen: BTreeMap<String, Instant>,
}

impl Steady {
    fn filter(&mut self, problems: &[Matter], now: Instant) -> Vec<Matter> {
        let is_stream = |matter: &Matter| OF_THE_STREAM.contains(&matter.key.as_str());
        let present: Vec<String> = problems.iter().filter(|matter| is_stream(matter)).map(Matter::identity).collect();
        self.seen.retain(|identity, _| present.contains(identity));
        for identity in present {
            self.seen.entry(identity).or_insert(now);
        }
        let has_lasted = |matter: &&Matter| {
            let since = self.seen.get(&matter.identity());
            !is_stream(matter) || since.is_some_and(|since| now.duration_since(*since) >= STREAM_PATIENCE)
        };
        problems.iter().filter(has_lasted).cloned().collect()
    }
}
