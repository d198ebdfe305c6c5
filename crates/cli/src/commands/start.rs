//! `cadena start`: the daemon. It stays up, streams WAL, and writes `backup_scheduler.log` in the repository's folder.

mod log_file;

use super::{Outcome, open_repository, receive_options};
use crate::app::Session;
use crate::args::StartOptions;
use crate::exit::ExitStatus;
use cadena::daemon::{DaemonSettings, run as run_daemon, run_once};
use cadena::wal::StopWhen;
use log_file::LogFile;

/// Runs until SIGINT or SIGTERM.
pub fn run(session: &Session, options: &StartOptions) -> Outcome {
    let repository = open_repository(session)?;
    let log = LogFile::open(session)?;
    let settings = DaemonSettings {
        connection: session.settings.connection.clone(),
        repository,
        receive: receive_options(session, StopWhen::Never),
    };
    if options.once {
        return once(session, &settings, &log);
    }
    run_daemon(&settings, &log, &session.cancel)?;
    Ok(ExitStatus::Success)
}

/// Streams what the server has now, and ends: for those who run it from cron. Errors are the command's own.
fn once(session: &Session, settings: &DaemonSettings, log: &LogFile<'_>) -> Outcome {
    let outcome = run_once(settings, log, &session.cancel)?;
    session.screen.result(&outcome, || {
        let values = [("lsn", outcome.durable_lsn.to_string().into()), ("count", outcome.segments.into())];
        session.locale.say_with("start-once", &values)
    })?;
    Ok(if outcome.gaps.is_empty() { ExitStatus::Success } else { ExitStatus::Warnings })
}
