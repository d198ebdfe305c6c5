//! `cadena start`: the daemon. It stays up, streams WAL, and writes `backup_scheduler.log` in the repository's folder.

mod log_file;

use super::{Outcome, open_repository, receive_options};
use crate::app::Session;
use crate::exit::ExitStatus;
use cadena::daemon::{DaemonSettings, run as run_daemon};
use cadena::wal::StopWhen;
use log_file::LogFile;

/// Runs until SIGINT or SIGTERM.
pub fn run(session: &Session) -> Outcome {
    let repository = open_repository(session)?;
    let log = LogFile::open(session)?;
    let settings = DaemonSettings {
        connection: session.settings.connection.clone(),
        repository,
        receive: receive_options(session, StopWhen::Never),
    };
    run_daemon(&settings, &log, &session.cancel)?;
    Ok(ExitStatus::Success)
}
