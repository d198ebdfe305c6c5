//! `cadena start`: the daemon. It stays up, streams WAL, runs the schedule, and writes `backup_scheduler.log` in the repository's folder.

mod hooks;
mod log_file;
mod monitor;
mod rotating;
mod rules;

use super::backup::default_options;
use super::{Outcome, open_repository, receive_options};
use crate::app::Session;
use crate::args::StartOptions;
use crate::exit::ExitStatus;
use cadena::daemon::{DaemonSettings, ReceiverSettings, ScheduleSettings, run as run_daemon, run_once};
use cadena::repository::Repository;
use cadena::wal::StopWhen;
use hooks::Hooks;
use log_file::LogFile;
use monitor::ServiceManager;
use rules::ConfigRules;

/// Runs until SIGINT or SIGTERM.
pub fn run(session: &Session, options: &StartOptions) -> Outcome {
    let repository = open_repository(session)?;
    let log = LogFile::open(session)?;
    if options.once {
        return once(session, repository, &log);
    }
    let rules = ConfigRules::of(session);
    let hooks = Hooks { session, repository: repository.clone() };
    let settings = DaemonSettings {
        connection: session.settings.connection.clone(),
        repository,
        receive: (!options.no_wal).then(|| receive_options(session, StopWhen::Never)),
        schedule: (!options.no_schedule).then(|| ScheduleSettings {
            backups: default_options(session),
            rule_file: &rules,
            hooks: &hooks,
        }),
    };
    run_daemon(&settings, &log, &ServiceManager::of(session), &session.cancel)?;
    Ok(ExitStatus::Success)
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
