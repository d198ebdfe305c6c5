//! `cadena full`, `diferencial`, `incremental`: takes a backup.

use super::catalog_hook::CatalogHook;
use super::catch_up::catch_up;
use super::replica::push_after_backup;
use super::{Outcome, open_to_write, remark_warnings, tool_version};
use crate::app::Session;
use crate::args::{BackupArgs, CheckpointArg, FullArgs, IncrementArgs, MethodArg, UsageError};
use crate::exit::ExitStatus;
use crate::render::{backup_facts, facts, method_name, units};
use cadena::backup::{
    BackupError, BackupOptions, BackupOutcome, BackupRequest, LogicalRequest, run_backup, run_logical,
};
use cadena::repository::{BackupKind, Repository};
use cadena::{Error, Progress};
use serde_json::json;

/// A FULL, of files or of dumps.
pub fn run_full(session: &Session, options: &FullArgs) -> Outcome {
    match options.method.method {
        MethodArg::Physical if !options.database.is_empty() => conflict("--database", "--method physical"),
        MethodArg::Physical => run(session, BackupRequest::FULL, &options.backup),
        MethodArg::Logical if options.backup.reader.is_some() => conflict("--reader", "--method logical"),
        MethodArg::Logical if options.backup.checkpoint.is_some() => conflict("--checkpoint", "--method logical"),
        MethodArg::Logical => {
            let (databases, search) = (options.database.clone(), session.settings.binaries.clone());
            let request = LogicalRequest { databases, search };
            let connection = &session.settings.connection;
            take(session, &options.backup, &|repository, options, progress| {
                run_logical(connection, repository, &request, options, progress, &session.cancel)
            })
        }
    }
}

fn conflict(argument: &str, other: &str) -> Outcome {
    let (argument, other) = (argument.to_owned(), other.to_owned());
    Err(UsageError::UsageConflict { argument, other }.into())
}

/// A backup of the cluster's files.
fn run(session: &Session, request: BackupRequest, options: &BackupArgs) -> Outcome {
    let connection = &session.settings.connection;
    take(session, options, &|repository, options, progress| {
        run_backup(connection, repository, request, options, progress, &session.cancel)
    })
}

type Taker<'a> = dyn Fn(&Repository, &BackupOptions, &dyn Progress) -> Result<BackupOutcome, Error> + 'a;

/// Takes the backup and says what it is.
fn take(session: &Session, options: &BackupArgs, taker: &Taker<'_>) -> Outcome {
    let repository = open_to_write(session)?;
    let options = backup_options(session, options);
    catch_up(session, &repository);
    let hook = CatalogHook::new(session, &repository);
    let progress = hook.watch(session.progress());
    let outcome = taker(&repository, &options, &*progress);
    drop(progress);
    hook.sync_or_tell();
    let outcome = outcome?;
    catch_up(session, &repository);
    let is_copied = push_after_backup(session, &repository);
    if !session.settings.replicas.is_empty() {
        hook.sync_or_tell();
    }
    let value = json!({ "backup": outcome.record, "seconds": outcome.seconds });
    session.screen.result(&value, || text(session, &outcome))?;
    let warned = remark_warnings(session, &outcome.record);
    Ok(if warned || !is_copied { ExitStatus::Warnings } else { ExitStatus::Success })
}

/// The same for a backup that holds changes only.
pub fn run_increment(session: &Session, kind: BackupKind, options: &IncrementArgs) -> Outcome {
    if options.method.method == MethodArg::Logical {
        return Err(Error::from(BackupError::BackupMethodKind { kind: kind.word() }).into());
    }
    run(session, BackupRequest { changes: options.changes.into(), ..BackupRequest::of(kind) }, &options.backup)
}

/// Returns what the settings say.
pub(super) fn default_options(session: &Session) -> BackupOptions {
    let settings = &session.settings;
    BackupOptions {
        reader: settings.reader,
        jobs: settings.jobs,
        compression_level: settings.compression_level,
        max_rate_bytes: settings.max_rate_bytes,
        fast_checkpoint: settings.fast_checkpoint,
        label: None,
        tool_version: tool_version(),
        time_zone: settings.time_zone.clone(),
        temporary_folder: std::env::temp_dir(),
    }
}

/// Lets options win over settings.
fn backup_options(session: &Session, options: &BackupArgs) -> BackupOptions {
    let settings = default_options(session);
    BackupOptions {
        reader: options.reader.map_or(settings.reader, Into::into),
        jobs: options.jobs.unwrap_or(settings.jobs),
        compression_level: options.level.unwrap_or(settings.compression_level),
        max_rate_bytes: options.max_rate.or(settings.max_rate_bytes),
        fast_checkpoint: options.checkpoint.map_or(settings.fast_checkpoint, |how| how == CheckpointArg::Fast),
        label: options.label.clone(),
        ..settings
    }
}

fn text(session: &Session, outcome: &BackupOutcome) -> String {
    let locale = &session.locale;
    let rate = outcome.record.plain_bytes as f64 / outcome.seconds.max(0.001);
    let values = [
        ("kind", method_name(outcome.record.kind, outcome.record.method, locale).into()),
        ("duration", units::duration(outcome.seconds, locale.language()).into()),
        ("rate", units::size(rate as u64, locale.language()).into()),
    ];
    let headline = locale.say_with("backup-done", &values);
    format!("{headline}\n{}", facts(&backup_facts(&outcome.record, locale, session.zone())))
}
