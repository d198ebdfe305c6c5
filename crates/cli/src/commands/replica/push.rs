use super::{Steps, chosen, policy_of, repository_policy, with_link};
use crate::app::Session;
use crate::args::ReplicaPushOptions;
use crate::commands::catalog_hook::CatalogHook;
use crate::commands::{Outcome, open_repository};
use crate::config::ReplicaConfig;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{problem_of, units};
use cadena::daemon::daemon_holder;
use cadena::replica::{PushedBackups, PushedWal};
use cadena::repository::{BackupId, Repository};
use cadena::retention::PolicyChoice;
use jiff::{Timestamp, Zoned};
use serde::Serialize;

/// What one replica was sent.
#[derive(Serialize)]
struct Pushed {
    replica: String,
    #[serde(flatten)]
    backups: PushedBackups,
    wal: PushedWal,
    seconds: f64,
}

/// Sends what is missing, WAL first: it is the newest.
pub fn run(session: &Session, options: &ReplicaPushOptions) -> Outcome {
    let repository = open_repository(session)?;
    let replicas = chosen(session, &options.names)?;
    let policy = repository_policy(session, &repository)?;
    let only = options.backup.map(BackupId);
    let mut all = Vec::new();
    for config in replicas {
        let pushed = push(session, &repository, config, &policy, only);
        let is_last_word = pushed.is_err();
        CatalogHook::new(session, &repository).sync_or_tell();
        if is_last_word && !all.is_empty() {
            session.screen.remark(&text(session, &all));
        }
        all.push(pushed?);
    }
    session.screen.result(&serde_json::json!({ "replicas": all }), || text(session, &all))?;
    let is_faulty = all.iter().any(|pushed| !pushed.backups.faulty.is_empty());
    Ok(if is_faulty { ExitStatus::Damage } else { ExitStatus::Success })
}

fn push(
    session: &Session,
    repository: &Repository,
    config: &ReplicaConfig,
    policy: &PolicyChoice,
    only: Option<BackupId>,
) -> Result<Pushed, Failure> {
    let begin = std::time::Instant::now();
    let now = Zoned::new(Timestamp::now(), session.zone().clone());
    let own = policy_of(config, policy);
    let progress = session.progress();
    let steps = Steps::new(&*progress);
    let (wal, backups) = with_link(session, repository, config, |link| {
        let wal = match config.sends_wal() && only.is_none() {
            true => link.push_wal(true, &session.cancel)?,
            false => PushedWal::default(),
        };
        let policy = own.as_ref().map(|own| &own.policy);
        Ok((wal, link.push_backups(policy, &now, only, &|step| steps.take(step), &session.cancel)?))
    })?;
    Ok(Pushed { replica: config.name.clone(), backups, wal, seconds: begin.elapsed().as_secs_f64() })
}

/// Sends a fresh backup on, when there are replicas and no daemon that does so. What goes wrong is told, and is no failure of the backup.
/// Returns whether all is well.
pub fn push_after_backup(session: &Session, repository: &Repository) -> bool {
    if session.settings.replicas.is_empty() || matches!(daemon_holder(repository), Ok(Some(_))) {
        return true;
    }
    let attempt = |config: &ReplicaConfig| -> Result<Pushed, Failure> {
        push(session, repository, config, &repository_policy(session, repository)?, None)
    };
    let mut is_well = true;
    for config in &session.settings.replicas {
        match attempt(config) {
            Ok(pushed) if session.screen.json || session.screen.quiet => is_well &= pushed.backups.faulty.is_empty(),
            Ok(pushed) => {
                is_well &= pushed.backups.faulty.is_empty();
                session.screen.remark(text(session, &[pushed]).trim_end());
            }
            Err(failure) => {
                is_well = false;
                if session.screen.json {
                    tracing::warn!(error = failure.english(), replica = config.name, "not copied");
                    continue;
                }
                let problem = problem_of(&failure, &session.locale, session.zone());
                let values = [("replica", config.name.as_str().into()), ("message", problem.message.into())];
                let message = session.locale.say_with("replica-not-sent", &values);
                session.screen.remark(&session.locale.say_with("warning-line", &[("message", message.into())]));
            }
        }
    }
    is_well
}

fn text(session: &Session, all: &[Pushed]) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let language = locale.language();
    let mut text = String::new();
    for pushed in all {
        let values = [
            ("replica", pushed.replica.as_str().into()),
            ("backups", pushed.backups.copied.len().into()),
            ("segments", pushed.wal.segments.into()),
            ("size", units::size(pushed.backups.bytes + pushed.wal.bytes, language).into()),
            ("duration", units::duration(pushed.seconds, language).into()),
        ];
        text.push_str(&(locale.say_with("replica-pushed", &values) + "\n"));
        for (id, fault) in &pushed.backups.faulty {
            let fault = serde_json::to_value(fault).unwrap_or_default();
            let message = crate::render::described(&fault, locale, zone);
            let values = [("id", id.0.into()), ("message", message.into())];
            text.push_str(&(locale.say_with("replica-faulty", &values) + "\n"));
        }
    }
    text
}
