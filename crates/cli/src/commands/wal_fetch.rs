//! `cadena wal-fetch %f %p`: what the `restore_command` of a restored cluster calls.
//!
//! Exit code 1 means that there is no such file: the server takes it for the end of the WAL. Everything else that goes wrong ends
//! with 126 (see [`crate::app::main`]), on which the server stops rather than coming up short.

use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::WalFetchOptions;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use cadena::wal::{FetchOutcome, FetchRequest, fetch, prefetch};
use std::process::{Command, Stdio};

/// How many segments are fetched ahead.
const PREFETCH_SEGMENTS: u32 = 4;

/// Serves one file; or fills the spool, when called so by itself.
pub fn run(session: &Session, options: &WalFetchOptions) -> Outcome {
    let repository = open_repository(session)?;
    let request = FetchRequest {
        name: options.name.clone(),
        target: options.target.clone().unwrap_or_default(),
        until_lsn: options.until_lsn,
        spool: options.spool.clone(),
    };
    if let Some(count) = options.prefetch {
        prefetch(&repository, &request, count)?;
        return Ok(ExitStatus::Success);
    }
    match fetch(&repository, &request)? {
        FetchOutcome::NotFound => Ok(ExitStatus::NotFound),
        FetchOutcome::Served { .. } => {
            begin_prefetch(session, options)?;
            Ok(ExitStatus::Success)
        }
    }
}

/// Starts the program again in the background, without waiting for it: the server has its file and goes on.
fn begin_prefetch(session: &Session, options: &WalFetchOptions) -> Result<(), Failure> {
    let is_segment = options.name.len() == 24;
    let (Some(spool), true) = (&options.spool, is_segment) else { return Ok(()) };
    let Ok(program) = std::env::current_exe() else { return Ok(()) };
    let mut command = Command::new(program);
    if let Some(config) = &session.settings.config_file {
        command.arg("--config").arg(config);
    }
    command.arg("--repository").arg(&session.settings.store.url).arg("wal-fetch").arg("--spool").arg(spool);
    command.arg("--prefetch").arg(PREFETCH_SEGMENTS.to_string());
    if let Some(until_lsn) = options.until_lsn {
        command.arg("--until-lsn").arg(until_lsn.to_string());
    }
    command.arg(&options.name).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        // Slower, and not wrong.
        tracing::info!(%error, "no prefetch");
    }
    Ok(())
}
