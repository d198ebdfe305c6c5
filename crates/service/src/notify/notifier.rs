use super::line::{Attempt, Line, Work};
use super::memory::Memory;
use super::sender::{Answer, Sender, sender_for};
use super::{ChannelSettings, Matter, Notification, NotifyError, NotifyWords, Occasion, Phase};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vault::journal::EventLevel;
use vault::storage::Storage;

/// The longest sleep of a channel's thread: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What the notifier tells of itself. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum NotifyEvent {
    /// A message did not get through. Told once, until one gets through again.
    NotifyFailing { channel: String, error: Value },
    /// Messages get through again.
    NotifyRecovered { channel: String },
    /// Messages were given up.
    NotifyDropped { channel: String, count: u64 },
}

impl NotifyEvent {
    /// Returns how grave it is.
    pub fn level(&self) -> EventLevel {
        match self {
            NotifyEvent::NotifyFailing { .. } => EventLevel::Error,
            NotifyEvent::NotifyDropped { .. } => EventLevel::Warning,
            NotifyEvent::NotifyRecovered { .. } => EventLevel::Info,
        }
    }
}

/// Takes what the notifier tells of itself; called from the channels' threads.
pub trait NotifyLog: Send + Sync {
    /// Takes one event.
    fn record(&self, event: &NotifyEvent);
}

/// What a notifier works with.
pub struct NotifySettings {
    /// Whom to tell. Names differ.
    pub channels: Vec<ChannelSettings>,
    /// Which cluster messages are about.
    pub cluster: String,
    /// Which host says so.
    pub host: String,
    /// Where it is kept what was told; `None`: only as long as the process lives.
    pub storage: Option<Arc<dyn Storage>>,
}

/// Tells people through channels. Nothing here waits for a server: each channel has a thread of its own.
pub struct Notifier {
    channels: Vec<Arc<Channel>>,
    memory: Arc<Memory>,
    threads: Vec<JoinHandle<()>>,
}

/// What a channel's thread shares with everybody else.
struct Channel {
    name: String,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    line: Line,
    /// No new work is begun any more.
    is_closing: bool,
    /// Something is being sent.
    is_busy: bool,
}

/// What a channel's thread needs besides.
struct Outgoing {
    channel: Arc<Channel>,
    sender: Box<dyn Sender>,
    cluster: String,
    host: String,
    words: Arc<dyn NotifyWords>,
    log: Arc<dyn NotifyLog>,
    memory: Arc<Memory>,
}

impl Notifier {
    /// Starts a thread for each channel.
    ///
    /// # Errors
    /// `NotifySettings`, `NotifyTemplate`: of the first channel that can't work.
    pub fn start(
        settings: NotifySettings,
        words: Arc<dyn NotifyWords>,
        log: Arc<dyn NotifyLog>,
    ) -> Result<Self, NotifyError> {
        let memory = Arc::new(Memory::read(settings.storage));
        let names: Vec<&str> = settings.channels.iter().map(|channel| channel.name.as_str()).collect();
        memory.keep_only(&names);
        let mut outgoing = Vec::new();
        for channel in &settings.channels {
            let line = Line::new(channel.clone(), memory.told(&channel.name));
            let state = Mutex::new(State { line, is_closing: false, is_busy: false });
            outgoing.push(Outgoing {
                channel: Arc::new(Channel { name: channel.name.clone(), state, changed: Condvar::new() }),
                sender: sender_for(channel)?,
                cluster: settings.cluster.clone(),
                host: settings.host.clone(),
                words: Arc::clone(&words),
                log: Arc::clone(&log),
                memory: Arc::clone(&memory),
            });
        }
        let channels = outgoing.iter().map(|outgoing| Arc::clone(&outgoing.channel)).collect();
        let mut notifier = Notifier { channels, memory, threads: Vec::new() };
        for outgoing in outgoing {
            let name = outgoing.channel.name.clone();
            let thread = std::thread::Builder::new().name("notify".to_owned()).spawn(move || outgoing.run());
            // Those that were started end with `notifier`.
            let wrong =
                |error: std::io::Error| NotifyError::NotifySettings { channel: name, detail: error.to_string() };
            notifier.threads.push(thread.map_err(wrong)?);
        }
        Ok(notifier)
    }

    /// Takes all problems that there are now: new ones are told, lasting ones again after a while, and the end of those that are
    /// missing. Returns at once.
    pub fn problems(&self, all: &[Matter]) {
        let now = Timestamp::now();
        self.each(|line| line.problems(all, now));
    }

    /// Takes something that happened. Returns at once.
    pub fn news(&self, matter: &Matter) {
        let now = Timestamp::now();
        self.each(|line| line.news(matter, now));
    }

    /// Returns how far the journal was looked at, in this life or the last.
    pub fn journal_id(&self) -> Option<u64> {
        self.memory.journal_id()
    }

    /// Keeps how far the journal was looked at.
    pub fn keep_journal_id(&self, id: u64) {
        self.memory.keep_journal_id(id);
    }

    /// Returns each channel's name, and whether the last message through it got through, as far as any was tried.
    pub fn channels(&self) -> Vec<(String, bool)> {
        let of = |channel: &Arc<Channel>| (channel.name.clone(), !channel.lock().line.is_failing());
        self.channels.iter().map(of).collect()
    }

    /// Waits until everything that can be sent now was sent, at most so long. Returns whether it was.
    pub fn settle(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        self.channels.iter().all(|channel| {
            let mut state = channel.lock();
            loop {
                if !state.is_busy && state.line.next(Timestamp::now()).is_none() {
                    return !state.line.is_failing();
                }
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                state = channel.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        })
    }

    /// Ends. What is being sent is waited for, no longer than a channel's timeout; what waits is not sent.
    pub fn stop(mut self) {
        self.end();
    }

    fn each(&self, change: impl Fn(&mut Line)) {
        for channel in &self.channels {
            change(&mut channel.lock().line);
            channel.changed.notify_all();
        }
    }

    fn end(&mut self) {
        for channel in &self.channels {
            channel.lock().is_closing = true;
            channel.changed.notify_all();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a channel's thread panicked");
            }
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.end();
    }
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing {
    /// Sends what there is to send until the notifier ends.
    fn run(self) {
        while let Some(work) = self.wait_for_work() {
            let result = self.sender.send(&self.message(&work));
            self.done(&work, &result);
        }
    }

    fn wait_for_work(&self) -> Option<Work> {
        let mut state = self.channel.lock();
        loop {
            if state.is_closing {
                return None;
            }
            let now = Timestamp::now();
            if let Some(work) = state.line.next(now) {
                state.is_busy = true;
                return Some(work);
            }
            let until = state.line.wake_at(now).map(|at| at.duration_since(now));
            let sleep = until.and_then(|sleep| Duration::try_from(sleep).ok()).unwrap_or(LONGEST_SLEEP);
            let sleep = sleep.clamp(Duration::from_millis(1), LONGEST_SLEEP);
            state = self.channel.changed.wait_timeout(state, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn done(&self, work: &Work, result: &Result<Answer, NotifyError>) {
        let attempt = match result {
            Ok(_) => Attempt::Taken,
            Err(error) if error.may_pass() => Attempt::Failed,
            Err(_) => Attempt::Refused,
        };
        let mut state = self.channel.lock();
        let was_failing = state.line.is_failing();
        state.line.done(work, attempt, Timestamp::now());
        let (told, dropped) = (state.line.told(), state.line.take_dropped());
        state.is_busy = false;
        drop(state);
        self.memory.keep(&self.channel.name, told);
        let channel = || self.channel.name.clone();
        match result {
            // A refusal is told each time: it comes no more often than the reminders, and each may have a reason of its own.
            Err(error) if attempt == Attempt::Refused || !was_failing => {
                let error = serde_json::to_value(error).unwrap_or_default();
                self.log.record(&NotifyEvent::NotifyFailing { channel: channel(), error });
            }
            Ok(_) if was_failing => self.log.record(&NotifyEvent::NotifyRecovered { channel: channel() }),
            _ => {}
        }
        if dropped > 0 {
            self.log.record(&NotifyEvent::NotifyDropped { channel: channel(), count: dropped });
        }
        self.channel.changed.notify_all();
    }

    fn message(&self, work: &Work) -> Notification {
        compose(work.matter.clone(), work.phase, work.at, work.since, &self.cluster, &self.host, self.words.as_ref())
    }
}

/// Sends a test message through one channel, and waits for the answer.
///
/// # Errors
/// Every [`NotifyError`].
pub fn send_test(
    channel: &ChannelSettings,
    cluster: &str,
    host: &str,
    words: &dyn NotifyWords,
) -> Result<Answer, NotifyError> {
    let mut arguments = serde_json::Map::new();
    arguments.insert("channel".to_owned(), channel.name.clone().into());
    let matter = Matter {
        key: "notify-test".to_owned(),
        subject: String::new(),
        // A ping understands it as a sign of life; the most that it could do is hide one missed backup, which `/fail` would cry out.
        occasion: Occasion::Success,
        level: EventLevel::Info,
        arguments,
    };
    let now = Timestamp::now();
    let message = compose(matter, Phase::Test, now, now, cluster, host, words);
    sender_for(channel)?.send(&message)
}

fn compose(
    matter: Matter,
    phase: Phase,
    at: Timestamp,
    since: Timestamp,
    cluster: &str,
    host: &str,
    words: &dyn NotifyWords,
) -> Notification {
    let wording = words.wording(&matter, phase, at, since);
    Notification {
        identity: format!("cadena/{cluster}/{}", matter.identity()),
        key: matter.key,
        subject: matter.subject,
        occasion: matter.occasion,
        phase,
        level: matter.level,
        title: wording.title,
        text: wording.text,
        facts: wording.facts,
        at,
        since,
        cluster: cluster.to_owned(),
        host: host.to_owned(),
        arguments: matter.arguments,
    }
}
