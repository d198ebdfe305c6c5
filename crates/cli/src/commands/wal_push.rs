//! `cadena wal-push %p`: what `archive_command` may call. Durable when it returns; calling it again changes nothing.

use super::{Outcome, WAL_JOBS_AT_MOST, open_to_write, tool_version};
use crate::app::Session;
use crate::args::WalPushOptions;
use crate::exit::ExitStatus;
use cadena::wal::{PushOptions, PushOutcome, push};
use cadena::wal_archive::SealOutcome;
use serde_json::json;

/// Archives one file of pg_wal. Says nothing when all is well: the server writes what it hears into its log.
pub fn run(session: &Session, options: &WalPushOptions) -> Outcome {
    let repository = open_to_write(session)?;
    let settings = &session.settings;
    let jobs = settings.jobs.min(WAL_JOBS_AT_MOST);
    let pushed = push(
        &repository,
        &options.file,
        &PushOptions {
            level: settings.wal_compression_level,
            jobs,
            ahead: settings.wal_push_ahead,
            tool_version: &tool_version(),
        },
    )?;
    let word = match pushed.outcome {
        PushOutcome::Wal(SealOutcome::Archived) => "archived",
        PushOutcome::Wal(SealOutcome::AlreadyThere) => "already-there",
        PushOutcome::NotNeeded => "not-needed",
    };
    if session.screen.json {
        session.screen.result(&json!({ "file": options.file, "outcome": word, "ahead": pushed.ahead }), String::new)?;
    }
    Ok(ExitStatus::Success)
}
