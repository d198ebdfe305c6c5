//! `cadena start`: the daemon. It stays up, streams WAL, runs the schedule, and writes `backup_scheduler.log` in the repository's folder.

mod hooks;
mod log_file;
mod monitor;
mod rotating;
mod rules;

use super::backup::default_options;
use super::monitoring::{CatalogMemo, Monitoring};
use super::{Outcome, open_to_write, receive_options};
use crate::app::Session;
use crate::args::StartOptions;
use crate::exit::ExitStatus;
use cadena::daemon::{
    DaemonError, DaemonEvent, DaemonLog, DaemonSettings, ReceiverSettings, ScheduleSettings, run_holding, run_once,
    take_lock, wait_for_lock,
};
use cadena::repository::Repository;
use cadena::wal::StopWhen;
use hooks::{Hooks, Policies};
use log_file::LogFile;
use monitor::ServiceManager;
pub(super) use rules::ConfigRules;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs until SIGINT or SIGTERM.
pub fn run(session: &Session, options: &StartOptions) -> Outcome {
    let repository = open_to_write(session)?;
    let log = LogFile::open(session)?;
    if options.once {
        return once(session, repository, &log);
    }
    let rules = ConfigRules::of(session);
    let catalog = CatalogMemo::default();
    let catalog_is_behind = AtomicBool::new(true);
    let hooks = Hooks { session, repository: repository.clone(), catalog: &catalog, catalog_is_behind };
    let policies = Policies { session, repository: repository.clone(), catalog_is_behind: &hooks.catalog_is_behind };
    let settings = DaemonSettings {
        connection: session.settings.connection.clone(),
        repository,
        replicas: session
            .settings
            .replicas
            .iter()
            .map(|replica| replica.open(&session.settings.monitoring.environment))
            .collect::<Result<_, _>>()?,
        policies: &policies,
        receive: (!options.no_wal).then(|| receive_options(session, StopWhen::Never)),
        schedule: (!options.no_schedule).then(|| ScheduleSettings {
            backups: default_options(session),
            rule_file: &rules,
            hooks: &hooks,
        }),
    };
    let manager = ServiceManager::of(session);
    loop {
        // Beside another daemon there is nothing to start.
        let lock = match options.wait {
            true => wait_for_lock(&settings, &log, &manager, &session.cancel)?,
            false => Some(take_lock(&settings)?),
        };
        let Some(lock) = lock else { return Ok(ExitStatus::Success) };
        let (told, events) = std::sync::mpsc::channel();
        let monitoring = Monitoring::start(session, &settings.repository, &catalog, told)?;
        let has_ended = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            // Ends with the channels, whose threads hold the other end.
            scope.spawn(|| events.into_iter().for_each(|event| log.record(&DaemonEvent::Notify(event))));
            scope.spawn(|| hooks.keep_catalog(&has_ended));
            let result = run_holding(lock, &settings, &log, &manager, &session.cancel);
            has_ended.store(true, Ordering::Relaxed);
            monitoring.stop();
            result
        });
        match result {
            // Back to waiting; what happened is in the log.
            Err(DaemonError::DaemonLockLost { .. }) if options.wait && !session.cancel.is_cancelled() => {}
            result => return Ok(result.map(|()| ExitStatus::Success)?),
        }
    }
}

/// Streams what the server has now, and ends: for those who run it from cron. Errors are the command's own.
fn once(session: &Session, repository: Repository, log: &LogFile<'_>) -> Outcome {
    let connection = session.settings.connection.clone();
    let settings = ReceiverSettings { connection, repository, receive: receive_options(session, StopWhen::Never) };
    let outcome = run_once(&settings, log, &session.cancel)?;
    session.screen.result(&outcome, || {
        let values = [("lsn", outcome.durable_lsn.to_string().into()), ("count", outcome.segments.into())];
        session.locale.say_with("start-once", &values)
    })?;
    Ok(if outcome.gaps.is_empty() { ExitStatus::Success } else { ExitStatus::Warnings })
}
