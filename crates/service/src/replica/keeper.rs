use super::DailyWindow;
use crate::backoff::Backoff;
use crate::pause::wait;
use engine::replica::{Replica, ReplicaLink, ReplicaRetention};
use engine::retention::PolicyChoice;
use engine::{Cancel, Error};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use serde_json::Value;
use std::time::{Duration, Instant};
use vault::repository::Repository;

/// How often the repository is looked at for new segments, and for new backups.
const WAL_EVERY: Duration = Duration::from_secs(2);
const BACKUPS_EVERY: Duration = Duration::from_secs(10);
/// How often the replica is listed anew: what vanished there is sent again.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// How often what is known is written down, when only WAL goes.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// How often the replica's lock is tried for while another process works with it.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// A replica, and how it is kept.
#[derive(Clone)]
pub struct ReplicaSettings {
    /// Which.
    pub replica: Replica,
    /// Whether WAL goes there.
    pub wal: bool,
    /// How often the beginning of the present segment is sent; `None`: never.
    pub partial_every: Option<Duration>,
    /// When backups may go there; `None`: at any time. WAL goes always.
    pub backups_between: Option<DailyWindow>,
}

/// Says which retention policy the repository has now.
pub trait ReplicaPolicies: Send + Sync {
    /// Returns it.
    ///
    /// # Errors
    /// Whatever keeps it from being known: then nothing is removed, and everything is sent.
    fn repository_policy(&self) -> Result<PolicyChoice, Error>;

    /// Returns the zone in which a day begins.
    fn zone(&self) -> TimeZone;

    /// Is told that other copies exist than before: the catalog says which.
    fn copies_changed(&self) {}
}

/// Something about a replica for the log. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ReplicaEvent {
    /// An attempt failed; the next one follows.
    ReplicaAttemptFailed { replica: String, error: Value, seconds: u64 },
    /// Backups arrived.
    ReplicaBackupsSent { replica: String, count: u64, bytes: u64 },
    /// A cleanup removed backups and segments there.
    ReplicaCleaned { replica: String, backups: u64, segments: u64 },
}

/// Hears of them.
pub trait ReplicaLog: Send + Sync {
    /// Takes one event; it must not fail.
    fn replica_event(&self, event: ReplicaEvent);
}

/// Keeps one replica until cancelled. Whatever fails is told, and tried again after a growing pause.
pub fn keep_replica(
    repository: &Repository,
    settings: &ReplicaSettings,
    policies: &dyn ReplicaPolicies,
    log: &dyn ReplicaLog,
    cancel: &Cancel,
) {
    let mut told_busy = false;
    while !cancel.is_cancelled() {
        match ReplicaLink::begin(repository, &settings.replica) {
            Ok(link) => {
                let lanes = Lanes { link: &link, settings, policies, log, cancel };
                std::thread::scope(|scope| {
                    if settings.wal {
                        scope.spawn(|| lanes.wal());
                    }
                    lanes.backups();
                });
                link.finish();
                return;
            }
            Err(error) => {
                if !std::mem::replace(&mut told_busy, true) {
                    lanes_failed(settings, log, &error, BUSY_PAUSE);
                }
                wait(BUSY_PAUSE, cancel);
            }
        }
    }
}

fn lanes_failed(settings: &ReplicaSettings, log: &dyn ReplicaLog, error: &Error, pause: Duration) {
    let replica = settings.replica.name.clone();
    let mut value = serde_json::to_value(error).unwrap_or_default();
    value["message"] = error.to_string().into();
    log.replica_event(ReplicaEvent::ReplicaAttemptFailed { replica, error: value, seconds: pause.as_secs() });
}

struct Lanes<'a> {
    link: &'a ReplicaLink,
    settings: &'a ReplicaSettings,
    policies: &'a dyn ReplicaPolicies,
    log: &'a dyn ReplicaLog,
    cancel: &'a Cancel,
}

impl Lanes<'_> {
    /// Sends WAL as it comes.
    fn wal(&self) {
        let mut backoff = Backoff::default();
        let mut partial_at: Option<Instant> = None;
        let mut saved_at = Instant::now();
        while !self.cancel.is_cancelled() {
            let every = self.settings.partial_every;
            let with_partial = every.is_some_and(|every| partial_at.is_none_or(|at| at.elapsed() >= every));
            let result = self.link.push_wal(with_partial, self.cancel);
            if with_partial && result.is_ok() {
                partial_at = Some(Instant::now());
            }
            let has_news = result.as_ref().is_ok_and(|pushed| pushed.bytes > 0);
            match self.outcome("wal", result.as_ref().err(), &mut backoff) {
                Some(pause) => wait(pause, self.cancel),
                None => {
                    if has_news && saved_at.elapsed() >= SAVE_EVERY {
                        self.save();
                        saved_at = Instant::now();
                    }
                    wait(WAL_EVERY, self.cancel);
                }
            }
        }
    }

    /// Sends backups when there are new ones, and once a day removes what may go.
    fn backups(&self) {
        let mut backoff = Backoff::default();
        let mut looked_at = Instant::now();
        while !self.cancel.is_cancelled() {
            let result = self.round(&mut looked_at);
            let pause = self.outcome("backups", result.err().as_ref(), &mut backoff);
            wait(pause.unwrap_or(BACKUPS_EVERY), self.cancel);
        }
    }

    fn round(&self, looked_at: &mut Instant) -> Result<(), Error> {
        let now = Zoned::new(Timestamp::now(), self.policies.zone());
        if self.settings.backups_between.is_some_and(|window| !window.holds(now.time())) {
            return Ok(());
        }
        if looked_at.elapsed() >= LOOK_EVERY {
            self.link.look()?;
            *looked_at = Instant::now();
        }
        // While nobody knows the policy everything goes, and nothing is removed.
        let choice = self.choice();
        let policy = choice.as_ref().map(|choice| &choice.policy);
        let pushed = self.link.push_backups(policy, &now, None, &|_| {}, self.cancel)?;
        if !pushed.copied.is_empty() {
            let (replica, count) = (self.settings.replica.name.clone(), pushed.copied.len() as u64);
            self.log.replica_event(ReplicaEvent::ReplicaBackupsSent { replica, count, bytes: pushed.bytes });
            self.policies.copies_changed();
        }
        match choice {
            Some(choice) if self.is_cleaning_due(&now) => self.clean(&choice, &now),
            _ => Ok(()),
        }
    }

    fn choice(&self) -> Option<PolicyChoice> {
        let retention = &self.settings.replica.retention;
        if *retention == ReplicaRetention::Everything {
            return None;
        }
        match self.policies.repository_policy() {
            Ok(choice) => {
                let policy = retention.policy(&choice.policy)?.clone();
                Some(PolicyChoice { policy, source: choice.source })
            }
            Err(error) => {
                tracing::warn!(%error, "the retention policy is not known");
                None
            }
        }
    }

    fn is_cleaning_due(&self, now: &Zoned) -> bool {
        let last = self.link.state().cleaned_at;
        last.is_none_or(|last| last.to_zoned(now.time_zone().clone()).date() < now.date())
    }

    fn clean(&self, choice: &PolicyChoice, now: &Zoned) -> Result<(), Error> {
        let plan = self.link.clean(choice, now, self.cancel)?.plan;
        let (backups, segments) = (plan.going().len() as u64, plan.wal.segments);
        if backups + segments > 0 {
            let replica = self.settings.replica.name.clone();
            self.log.replica_event(ReplicaEvent::ReplicaCleaned { replica, backups, segments });
            self.policies.copies_changed();
        }
        Ok(())
    }

    /// Notes how a round ended; returns the pause after a failure.
    fn outcome(&self, lane: &'static str, error: Option<&Error>, backoff: &mut Backoff) -> Option<Duration> {
        if error.is_some_and(Error::is_cancelled) {
            return None;
        }
        self.link.note_outcome(lane, error);
        let Some(error) = error else {
            *backoff = Backoff::default();
            return None;
        };
        let pause = backoff.next(false);
        lanes_failed(self.settings, self.log, error, pause);
        Some(pause)
    }

    fn save(&self) {
        if let Err(error) = self.link.save() {
            tracing::warn!(%error, replica = self.settings.replica.name, "what is known of it could not be kept");
        }
    }
}
