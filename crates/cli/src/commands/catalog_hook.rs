//! Keeps the catalog in the database up to date beside a command's own work, which never fails because of it.

use crate::app::Session;
use crate::config::CatalogUse;
use crate::failure::Failure;
use crate::locale::Locale;
use crate::render::problem_of;
use cadena::catalog::{CatalogState, SyncReport, Words, policy_answer, state, sync};
use cadena::cluster::{Connection, ConnectionSettings};
use cadena::repository::Repository;
use cadena::retention::{CatalogAnswer, settle_policy};
use cadena::{Phase, Progress};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long a connection for the catalog may take: whoever validates a lone copy of a repository has no server to reach.
const CONNECT_SECONDS: &str = "5";

/// Speaks the catalog's language, whatever that of the command is.
pub struct CatalogWords {
    locale: Locale,
    zone: TimeZone,
}

impl CatalogWords {
    /// Takes language and time zone of the settings.
    pub fn of(session: &Session) -> Self {
        CatalogWords { locale: Locale::new(session.settings.catalog.language), zone: session.zone().clone() }
    }
}

impl Words for CatalogWords {
    fn sentence(&self, what: &Value) -> String {
        let key = what["key"].as_str().unwrap_or_default();
        let arguments = what.as_object().cloned().unwrap_or_default();
        let known = [key.to_owned(), format!("error-{key}")]
            .iter()
            .find_map(|key| self.locale.try_described(key, &arguments, &self.zone));
        // A newer program's error brings its English text; a newer program's event is shown as it is.
        known.or_else(|| what["message"].as_str().map(str::to_owned)).unwrap_or_else(|| what.to_string())
    }
}

/// Brings the catalog up to date when something has changed in the repository.
pub struct CatalogHook<'a> {
    session: &'a Session,
    repository: &'a Repository,
    /// Whether a catalog was seen: only then is a server that is away worth a word, unless the settings demand a catalog.
    is_there: AtomicBool,
}

impl<'a> CatalogHook<'a> {
    /// Makes one for a command; nothing is connected yet.
    pub fn new(session: &'a Session, repository: &'a Repository) -> Self {
        CatalogHook { session, repository, is_there: AtomicBool::new(false) }
    }

    /// Makes one that takes a server that is away for a failure, though nobody knows whether it has a catalog.
    pub fn expecting(session: &'a Session, repository: &'a Repository) -> Self {
        CatalogHook { session, repository, is_there: AtomicBool::new(true) }
    }

    /// Brings the catalog up to date. `None`: there is none, and none is demanded.
    ///
    /// # Errors
    /// Whatever keeps it from being brought up to date.
    pub fn sync(&self) -> Result<Option<SyncReport>, Failure> {
        let enabled = self.session.settings.catalog.enabled;
        // A replica is a copy of some moment: the catalog tells of the repository.
        if enabled == CatalogUse::Off || self.session.settings.from_replica.is_some() {
            return Ok(None);
        }
        let mut connection = match connect(self.session) {
            Err(failure) if enabled == CatalogUse::Auto && !self.is_there.load(Ordering::Relaxed) => {
                tracing::debug!(error = failure.english(), "no server to keep a catalog in");
                return Ok(None);
            }
            connected => connected?,
        };
        let found = state(&mut connection)?;
        if matches!(found, CatalogState::Absent | CatalogState::Foreign { .. }) {
            if enabled == CatalogUse::Auto {
                return Ok(None);
            }
        } else {
            self.is_there.store(true, Ordering::Relaxed);
        }
        let report = sync(&mut connection, self.repository, &CatalogWords::of(self.session))?;
        self.remember_policy(&mut connection);
        Ok(Some(report))
    }

    /// Keeps what the catalog says of retention, for when the database is away. A policy that makes no sense is told by `cleanup`,
    /// which then removes nothing.
    fn remember_policy(&self, connection: &mut Connection) {
        let file = self.session.settings.retention.as_ref();
        let settled = policy_answer(connection)
            .map_err(Failure::from)
            .and_then(|answer| Ok(settle_policy(self.repository, &answer, file, Some(jiff::Timestamp::now()))?));
        if let Err(failure) = settled {
            tracing::debug!(error = failure.english(), "the retention policy is not remembered");
        }
    }

    /// The same; what keeps it from being brought up to date is told on standard error, and the next time brings what is missing.
    pub fn sync_or_tell(&self) {
        match self.sync() {
            Ok(report) => tracing::debug!(?report, "catalog"),
            Err(failure) => tell(self.session, &failure),
        }
    }

    /// Returns a progress that also brings the catalog up to date when a backup has its id: others see that it is under way.
    pub fn watch(&'a self, inner: Box<dyn Progress>) -> Box<dyn Progress + 'a> {
        Box::new(Watched { inner, hook: self })
    }
}

/// Asks the catalog for the retention policy. A server that is away is no error: what the catalog last said counts then.
///
/// # Errors
/// `CatalogPolicy` for a row that makes no sense, and whatever else a catalog that is there answers: a policy that can't be read must
/// not remove backups.
pub fn ask_for_policy(session: &Session) -> Result<CatalogAnswer, Failure> {
    if session.settings.catalog.enabled == CatalogUse::Off {
        return Ok(CatalogAnswer::NoRow);
    }
    match connect(session) {
        Ok(mut connection) => Ok(policy_answer(&mut connection)?),
        Err(failure) => {
            tracing::warn!(error = failure.english(), "the catalog could not be asked for the retention policy");
            Ok(CatalogAnswer::Away)
        }
    }
}

/// Connects for the catalog.
///
/// # Errors
/// Those of the connection.
pub fn connect(session: &Session) -> Result<Connection, Failure> {
    let ConnectionSettings { conninfo, mut keywords } = session.settings.connection.clone();
    if keywords.iter().all(|(name, _)| name != "connect_timeout") {
        keywords.push(("connect_timeout".to_owned(), CONNECT_SECONDS.to_owned()));
    }
    Ok(Connection::connect(&ConnectionSettings { conninfo, keywords })?)
}

/// Tells why the catalog is not up to date, and what mends it.
pub fn tell(session: &Session, failure: &Failure) {
    if session.screen.json {
        tracing::warn!(error = failure.english(), "the catalog is not up to date");
        return;
    }
    let (locale, screen) = (&session.locale, session.screen);
    let problem = problem_of(failure, locale, session.zone());
    let message = locale.say_with("catalog-not-updated", &[("message", problem.message.into())]);
    screen.remark(&locale.say_with("warning-line", &[("message", message.into())]));
    if let Some(remedy) = problem.remedy {
        screen.remark(&locale.say_with("problem-remedy", &[("remedy", remedy.into())]));
    }
}

struct Watched<'a> {
    inner: Box<dyn Progress>,
    hook: &'a CatalogHook<'a>,
}

impl Progress for Watched<'_> {
    fn phase(&self, phase: Phase, total_bytes: Option<u64>) {
        self.inner.phase(phase, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.inner.advance(bytes);
    }

    fn reserved(&self, id: u64, name: &str) {
        self.inner.reserved(id, name);
        // What keeps it from being entered now is told when the backup has ended, if it is still so.
        if let Err(failure) = self.hook.sync() {
            tracing::debug!(error = failure.english(), "the running backup is not in the catalog");
        }
    }
}
