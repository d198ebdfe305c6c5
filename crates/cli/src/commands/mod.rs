//! One file for each command; its top function reads as its table of contents.

mod backup;
mod catalog;
mod catalog_hook;
mod catch_up;
mod check;
mod cleanup;
mod completions;
mod demo;
mod drill;
mod drive;
mod encryption;
mod explore;
mod export;
mod help;
mod init;
mod list;
mod merge;
mod monitoring;
mod notify;
mod preview;
mod replica;
mod restore;
mod restore_database;
mod schedule;
mod start;
mod status;
mod target;
mod throw_away;
mod validate;
mod wal_fetch;
mod wal_push;
mod windows;

use crate::app::Session;
use crate::args::{Cli, Command, EncryptionCommand, EncryptionOptions, ValidateLevelArg};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::locale::Locale;
use crate::render::{Screen, described};
use cadena::encryption::Recipients;
use cadena::repository::{BackupKind, BackupRecord, Repository};
use cadena::storage::{ReadOnly, Storage};
use cadena::wal::{ReceiveOptions, StopWhen};
use std::sync::Arc;

/// How a command ends.
pub type Outcome = Result<ExitStatus, Failure>;

/// Runs the commands that need no settings, so that a broken configuration can't keep anyone from reading help.
pub fn run_without_settings(command: &Command, locale: &Locale, screen: Screen) -> Option<Outcome> {
    match command {
        Command::Help(options) => Some(help::run(options, locale, screen)),
        Command::Completions(options) => Some(completions::run(options, locale, screen)),
        Command::Drive(options) => Some(drive::run(options, locale, screen)),
        _ => None,
    }
}

/// Runs any other command.
pub fn run(session: &Session, cli: &Cli) -> Outcome {
    // Those that a server calls have nobody to tell, and no time.
    if !matches!(cli.command, Command::WalFetch(_) | Command::WalPush(_)) {
        throw_away::sweep_left_overs(session);
    }
    let begun = jiff::Timestamp::now();
    let outcome = run_command(session, cli);
    let changes = matches!(
        cli.command,
        Command::Full(_)
            | Command::Diferencial(_)
            | Command::Incremental(_)
            | Command::Merge(_)
            | Command::Validate(_)
            | Command::Cleanup(_)
    );
    if changes {
        notify::tell_without_daemon(session, begun);
    }
    outcome
}

fn run_command(session: &Session, cli: &Cli) -> Outcome {
    refuse_to_write_a_replica(session, &cli.command)?;
    match &cli.command {
        Command::Demo(options) => demo::run(session, options),
        Command::Init(options) => init::run(session, options),
        Command::Check => check::run(session),
        Command::Catalog(options) => catalog::run(session, options),
        Command::Full(options) => backup::run_full(session, options),
        Command::Diferencial(options) => backup::run_increment(session, BackupKind::Differential, options),
        Command::Incremental(options) => backup::run_increment(session, BackupKind::Incremental, options),
        Command::List => list::run(session),
        Command::Merge(options) => merge::run(session, options),
        Command::Notify(options) => notify::run(session, options),
        Command::Cleanup(options) => cleanup::run(session, options),
        Command::Replica(options) => replica::run(session, options),
        Command::Status => status::run(session),
        Command::Validate(options) if options.level == ValidateLevelArg::Drill => drill::run(session, options),
        Command::Validate(options) => validate::run(session, options),
        Command::Preview(options) => preview::run(session, options),
        Command::Restore(options) => restore::run(session, options, cli.global.port),
        Command::Export(options) => export::run(session, options),
        Command::Explore(options) => explore::run(session, options, cli.global.port),
        Command::Start(options) => start::run(session, options),
        Command::Schedule(options) => schedule::run(session, options),
        Command::Windows => windows::run(session),
        Command::WalFetch(options) => wal_fetch::run(session, options),
        Command::WalPush(options) => wal_push::run(session, options),
        Command::Encryption(options) => encryption::run(session, options),
        Command::Drive(options) => drive::run(options, &session.locale, session.screen),
        Command::Help(options) => help::run(options, &session.locale, session.screen),
        Command::Completions(options) => completions::run(options, &session.locale, session.screen),
    }
}

/// Names this program in records.
pub fn tool_version() -> String {
    format!("cadena {}", env!("CARGO_PKG_VERSION"))
}

/// Refuses commands that would write where `--from-replica` reads.
fn refuse_to_write_a_replica(session: &Session, command: &Command) -> Result<(), Failure> {
    let Some(name) = &session.settings.from_replica else { return Ok(()) };
    let reads = matches!(
        command,
        Command::List
            | Command::Status
            | Command::Windows
            | Command::Preview(_)
            | Command::Restore(_)
            | Command::Export(_)
            | Command::Explore(_)
            | Command::Validate(_)
            | Command::WalFetch(_)
            | Command::Encryption(EncryptionOptions { command: EncryptionCommand::Show })
    );
    // A wrong name is told before what can't be done with it.
    replica::named(session, name)?;
    let refused = || replica::ReplicaUseError::UsageFromReplica { name: name.clone() };
    if reads { Ok(()) } else { Err(refused().into()) }
}

/// Returns where the repository is: with `--from-replica`, the replica, which is only read.
fn storage(session: &Session) -> Result<Arc<dyn Storage>, Failure> {
    match &session.settings.from_replica {
        Some(name) => Ok(Arc::new(ReadOnly(
            replica::named(session, name)?.open(&session.settings.monitoring.environment)?.replica.storage,
        ))),
        None => Ok(cadena::stores::open(&session.settings.store)?),
    }
}

/// Opens the repository, to be read with whatever identities were given.
fn open_repository(session: &Session) -> Result<Repository, Failure> {
    let repository = Repository::open(storage(session)?)?;
    let keys = encryption::keys(session, &repository)?;
    Ok(repository.with_keys(keys))
}

/// Opens the repository for a command that adds to it: only if it encrypts for whom the configuration names. What is wrong with an
/// identity keeps nobody from writing, who may not need it.
fn open_to_write(session: &Session) -> Result<Repository, Failure> {
    let repository = Repository::open(storage(session)?)?;
    repository.check_recipients(Recipients::parse(&session.settings.encryption.recipients)?.as_ref())?;
    match encryption::keys(session, &repository) {
        Ok(keys) => Ok(repository.with_keys(keys)),
        Err(failure) => {
            tracing::warn!(error = failure.english(), "goes on without an identity");
            Ok(repository)
        }
    }
}

/// Returns how this command receives WAL.
fn receive_options(session: &Session, stop: StopWhen) -> ReceiveOptions {
    let settings = &session.settings;
    ReceiveOptions {
        slot: settings.slot.clone(),
        max_slot_retained_bytes: settings.max_slot_retained_bytes,
        compression_level: settings.wal_compression_level,
        jobs: settings.jobs.min(WAL_JOBS_AT_MOST),
        stop,
        tool_version: tool_version(),
    }
}

/// Two threads compress faster than one server can write WAL for long, and each takes memory.
const WAL_JOBS_AT_MOST: usize = 2;

/// Tells of what a completed backup's record warns of, on standard error. Returns whether there was anything.
fn remark_warnings(session: &Session, record: &BackupRecord) -> bool {
    let (locale, screen) = (&session.locale, session.screen);
    // The damaged pages have lines of their own below.
    let others = record.warnings.iter().filter(|warning| warning["key"] != "warning-corrupt-pages");
    for warning in others.filter(|_| !screen.json) {
        let message = described(warning, locale, session.zone());
        screen.remark(&locale.say_with("warning-line", &[("message", message.into())]));
    }
    if record.corrupt_pages_total > 0 && !screen.json {
        screen.remark(&corrupt_pages_text(record, locale));
    }
    record.corrupt_pages_total > 0 || !record.warnings.is_empty()
}

/// Names the damaged pages of the cluster: the first ten, and how many more there are.
fn corrupt_pages_text(record: &BackupRecord, locale: &Locale) -> String {
    const SHOWN: usize = 10;
    let total = [("count", record.corrupt_pages_total.into())];
    let mut text = locale.say_with("warning-line", &[("message", locale.say_with("corrupt-pages", &total).into())]);
    for page in record.corrupt_pages.iter().take(SHOWN) {
        let place = [("file", page.file.as_str().into()), ("block", page.block.into())];
        text.push_str("\n  ");
        text.push_str(&locale.say_with("corrupt-page", &place));
    }
    let more = record.corrupt_pages_total.saturating_sub(SHOWN.min(record.corrupt_pages.len()) as u64);
    if more > 0 {
        text.push_str("\n  ");
        text.push_str(&locale.say_with("corrupt-pages-more", &[("count", more.into())]));
    }
    text
}
