//! What tells people and monitoring systems how the backups are: the channels, the pages, and the words for them.

use super::start::ConfigRules;
use crate::app::Session;
use crate::failure::Failure;
use crate::locale::Locale;
use crate::render::{described, units};
use cadena::health::JobDue;
use cadena::metrics::{
    CatalogFacts, JobFacts, JournalFollower, MetricsServer, MetricsSettings, RepositorySource, Snapshot, SnapshotCache,
};
use cadena::notify::{
    Fact, Matter, Notifier, NotifyError, NotifyEvent, NotifyLog, NotifySettings, NotifyWords, Phase, Wording,
};
use cadena::repository::Repository;
use cadena::scheduler::{JobView, Memory, RuleFile, Schedule, stored_rules, view};
use cadena::watch::{Watch, WatchSettings, look_once};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A snapshot serves for so long.
const SNAPSHOT_SECONDS: u64 = 5;
/// How long asking the server for its slot may take.
const CONNECT_SECONDS: &str = "5";

/// What the last synchronization of the catalog came to; `None` as long as there was none.
pub type CatalogMemo = Arc<Mutex<Option<CatalogFacts>>>;

/// Notes how a synchronization of the catalog ended.
pub fn note_catalog(memo: &CatalogMemo, result: Result<bool, &Failure>) {
    let mut memo = memo.lock().unwrap_or_else(PoisonError::into_inner);
    let last = memo.as_ref().and_then(|facts| facts.last_success_at);
    *memo = match result {
        Ok(true) => Some(CatalogFacts { up: true, last_success_at: Some(Timestamp::now()), error: None }),
        // There is no catalog, and none is demanded.
        Ok(false) => None,
        Err(failure) => Some(CatalogFacts { up: false, last_success_at: last, error: Some(failure.value()) }),
    };
}

/// The channels and the pages of a daemon. Stops when it is dropped.
pub struct Monitoring {
    // In this order they are dropped: who looks, who answers, who tells.
    watch: Option<Watch>,
    server: Option<MetricsServer>,
    notifier: Option<Arc<Notifier>>,
}

impl Monitoring {
    /// Starts what the configuration asks for. What the channels say of themselves goes to `told`.
    ///
    /// # Errors
    /// Channels that make no sense, secrets that can't be read, an address that can't be listened on.
    pub fn start(
        session: &Session,
        repository: &Repository,
        catalog: &CatalogMemo,
        told: Sender<NotifyEvent>,
    ) -> Result<Self, Failure> {
        let settings = &session.settings.monitoring;
        let notifier = start_notifier(session, repository, Arc::new(SentOn(told)))?;
        let cache = Arc::new(snapshots(session, repository, notifier.clone(), Some(Arc::clone(catalog))));
        let server = match settings.metrics.listen {
            Some(listen) => {
                let settings = MetricsSettings { listen, allow_remote: settings.metrics.allow_remote };
                Some(MetricsServer::start(settings, Arc::clone(&cache))?)
            }
            None => None,
        };
        let watch = match &notifier {
            Some(notifier) => {
                let (repository, notifier) = (repository.clone(), Arc::clone(notifier));
                let watch = Watch::start(WatchSettings { repository, cache, notifier, since: Timestamp::now() });
                Some(watch.map_err(|error| NotifyError::NotifySettings {
                    channel: "*".to_owned(),
                    detail: error.to_string(),
                })?)
            }
            None => None,
        };
        Ok(Monitoring { watch, server, notifier })
    }

    /// Looks once, tells what there is to tell, and waits for that. `since` is when the command began whose work it is.
    ///
    /// # Errors
    /// As [`Monitoring::start`], and what the channels say, the first of it.
    pub fn tell_once(
        session: &Session,
        repository: &Repository,
        since: Timestamp,
        patience: Duration,
    ) -> Result<(), Failure> {
        let (told, events) = std::sync::mpsc::channel();
        let Some(notifier) = start_notifier(session, repository, Arc::new(SentOn(told)))? else { return Ok(()) };
        let cache = Arc::new(snapshots(session, repository, None, None));
        let settings = WatchSettings { repository: repository.clone(), cache, notifier: Arc::clone(&notifier), since };
        look_once(settings, patience);
        drop(notifier);
        let failed = events.into_iter().find_map(|event| match event {
            NotifyEvent::NotifyFailing { error, .. } => Some(error),
            _ => None,
        });
        failed.map_or(Ok(()), |error| {
            let english = error.to_string();
            Err(Failure::from_value(error, english))
        })
    }

    /// Ends everything, in order.
    pub fn stop(self) {
        if let Some(watch) = self.watch {
            watch.stop();
        }
        if let Some(server) = self.server {
            server.stop();
        }
        // Its threads end with the last one who holds it.
        drop(self.notifier);
    }
}

fn start_notifier(
    session: &Session,
    repository: &Repository,
    log: Arc<dyn NotifyLog>,
) -> Result<Option<Arc<Notifier>>, Failure> {
    let channels = session.settings.monitoring.resolve_channels()?;
    if channels.is_empty() {
        return Ok(None);
    }
    let words = MessageWords::of(session);
    let settings = NotifySettings {
        channels,
        cluster: words.cluster().to_owned(),
        host: cadena::storage::host_name(),
        storage: Some(Arc::clone(repository.storage())),
    };
    Ok(Some(Arc::new(Notifier::start(settings, Arc::new(words), log)?)))
}

/// Passes on what the channels say of themselves.
struct SentOn(Sender<NotifyEvent>);

impl NotifyLog for SentOn {
    fn record(&self, event: &NotifyEvent) {
        // Whoever listened has ended, with the daemon.
        let _ = self.0.send(event.clone());
    }
}

fn snapshots(
    session: &Session,
    repository: &Repository,
    notifier: Option<Arc<Notifier>>,
    catalog: Option<CatalogMemo>,
) -> SnapshotCache {
    let settings = &session.settings;
    let mut connection = settings.connection.clone();
    if connection.keywords.iter().all(|(name, _)| name != "connect_timeout") {
        connection.keywords.push(("connect_timeout".to_owned(), CONNECT_SECONDS.to_owned()));
    }
    let jobs = {
        let (repository, rules) = (repository.clone(), ConfigRules::of(session));
        Arc::new(move |now| job_views(&repository, &rules, now))
    };
    let their_jobs = Arc::clone(&jobs);
    let source = RepositorySource {
        repository: repository.clone(),
        connection: Some(connection),
        slot: settings.slot.clone(),
        max_slot_retained_bytes: settings.max_slot_retained_bytes,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cancel: session.cancel.clone(),
        due: Box::new(move |now| jobs(now).map_or_else(Vec::new, |jobs| JobDue::of(&jobs))),
        others: Box::new(move |snapshot: &mut Snapshot| {
            snapshot.jobs = their_jobs(Timestamp::now()).map(|jobs| jobs.iter().map(job_facts).collect());
            snapshot.channels = notifier.as_ref().map(|notifier| notifier.channels());
            let memo = catalog.as_ref().map(|catalog| catalog.lock().unwrap_or_else(PoisonError::into_inner).clone());
            snapshot.catalog = memo.flatten();
        }),
        journal: Mutex::new(JournalFollower::default()),
    };
    SnapshotCache::new(Arc::new(source), Duration::from_secs(SNAPSHOT_SECONDS))
}

/// Returns how the jobs stand; `None` when no daemon has ever run the schedule, or it can't be read just now.
fn job_views(repository: &Repository, rules: &dyn RuleFile, now: Timestamp) -> Option<Vec<JobView>> {
    let memory = Memory::read(repository).ok()??;
    let rules = rules.read().ok()?;
    let schedule = Schedule::of(&rules.rules, &stored_rules(repository).ok()?, rules.zone).ok()?;
    Some(view(&schedule, Some(&memory), now, 1))
}

fn job_facts(job: &JobView) -> JobFacts {
    JobFacts {
        job: job.job.word().to_owned(),
        next_due_at: job.next.first().copied(),
        running: job.running_since.is_some(),
    }
}

/// Puts messages into the words of the configured language.
pub struct MessageWords {
    locale: Locale,
    zone: TimeZone,
    cluster: String,
}

impl MessageWords {
    /// Takes language, time zone and the cluster's name of the settings.
    pub fn of(session: &Session) -> Self {
        let name = session.settings.monitoring.cluster_name.clone();
        let keyword = |wanted: &str| {
            let mut keywords = session.settings.connection.keywords.iter();
            keywords.find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        // A socket's folder names no host.
        let host = keyword("host").filter(|host| !host.starts_with(['/', '@']));
        let cluster = name.or(host).unwrap_or_else(cadena::storage::host_name);
        MessageWords { locale: Locale::new(session.locale.language()), zone: session.zone().clone(), cluster }
    }

    /// Returns what messages call the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    fn sentence(&self, matter: &Matter) -> String {
        let mut value = Value::Object(matter.arguments.clone());
        value["key"] = matter.key.as_str().into();
        described(&value, &self.locale, &self.zone)
    }

    /// Finds what mends it: its own remedy, or that of the error or the finding within.
    fn remedy(&self, matter: &Matter) -> Option<String> {
        let own = self.locale.try_described(&format!("{}-remedy", matter.key), &matter.arguments, &self.zone);
        own.or_else(|| {
            let inner =
                ["error", "finding", "reason"].iter().find_map(|name| matter.arguments.get(*name)?.as_object())?;
            let key = inner.get("key")?.as_str()?;
            let remedies = [format!("{key}-remedy"), format!("error-{key}-remedy")];
            remedies.iter().find_map(|key| self.locale.try_described(key, inner, &self.zone))
        })
    }
}

impl NotifyWords for MessageWords {
    fn wording(&self, matter: &Matter, phase: Phase, at: Timestamp, since: Timestamp) -> Wording {
        let locale = &self.locale;
        let sentence = match phase {
            Phase::Test => {
                let channel = matter.arguments.get("channel").and_then(Value::as_str).unwrap_or_default();
                locale.say_with("notify-test", &[("channel", channel.into())])
            }
            _ => self.sentence(matter),
        };
        let values = [("cluster", self.cluster.as_str().into()), ("sentence", sentence.into())];
        let lasted = units::duration(at.duration_since(since).as_secs_f64().max(0.0), locale.language());
        let lasted = [("duration", lasted.into())];
        let (title, text) = match phase {
            Phase::Problem => (locale.say_with("notify-title", &values), self.remedy(matter)),
            Phase::Reminder => {
                let lasts = locale.say_with("notify-lasts", &lasted);
                let remedy = self.remedy(matter).map(|remedy| format!("{lasts} {remedy}"));
                (locale.say_with("notify-title-lasts", &values), Some(remedy.unwrap_or(lasts)))
            }
            Phase::Resolved => {
                (locale.say_with("notify-title-over", &values), Some(locale.say_with("notify-lasted", &lasted)))
            }
            Phase::News | Phase::Test => (locale.say_with("notify-title", &values), None),
        };
        let fact = |key: &str, value: String| Fact { name: locale.text(key, &[]), value };
        let mut facts = vec![
            fact("notify-fact-host", cadena::storage::host_name()),
            fact("notify-fact-time", units::local_time(at, &self.zone)),
        ];
        if since < at {
            facts.push(fact("notify-fact-since", units::local_time(since, &self.zone)));
        }
        Wording { title: one_line(&title), text: text.unwrap_or_default(), facts }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
