//! `cadena demo`: a FULL, a DIFERENCIAL and an INCREMENTAL of a throw-away cluster under load, proof that the cluster restored from all
//! three holds the same, and the way back to the instant before a mistake.

mod compare;
mod error;
mod load;
mod report;
mod rewind;
mod stage;

use super::{Outcome, tool_version};
use crate::app::Session;
use crate::args::DemoOptions;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use cadena::backup::{BackupOptions, BackupOutcome, BackupRequest, run_backup};
use cadena::cluster::{Connection, LocalServer, probe};
use cadena::reader::ReaderChoice;
use cadena::repository::{BackupKind, BackupRecord, FORMAT_VERSION, Repository, RepositoryDescription};
use cadena::restore::{RestoreOutcome, RestoreRequest, RestoreSelector, apply, plan};
use cadena::storage::LocalFolder;
use cadena::verify::{ValidationLevel, ValidationReport, ValidationRequest, validate};
use cadena::wal::create_slot;
use load::Load;
use report::DemoReport;
use stage::Stage;
use std::sync::Arc;

/// Transactions that are waited for before the backup begins and after it has ended, so that it has work on both sides.
const TRANSACTIONS_AROUND: u64 = 300;

/// Runs the demonstration and removes all that it made, unless told to keep it.
pub fn run(session: &Session, options: &DemoOptions) -> Outcome {
    let mut stage = Stage::build(session)?;
    let outcome = perform(session, &mut stage);
    // A ^C reaches the server's programs too: what they then complain of is not the reason.
    let outcome = session.cancel.check().map_err(Failure::from).and(outcome);
    let told = outcome.and_then(|report| tell_end(session, &report));
    let cleared = match options.keep {
        true => session.screen.line(&report::kept_text(session, &stage)).map(|()| stage.keep()),
        false => stage.clear(),
    };
    let status = told?;
    cleared?;
    Ok(status)
}

fn tell_end(session: &Session, report: &DemoReport) -> Outcome {
    match session.screen.json {
        true => session.screen.result(report, String::new)?,
        false => session.screen.line(&report::closing_text(session, report))?,
    }
    Ok(if report.same { ExitStatus::Success } else { ExitStatus::Failed })
}

/// The steps, each told as it is done.
fn perform(session: &Session, stage: &mut Stage) -> Result<DemoReport, Failure> {
    let source = stage.start_source(session)?;
    load::create_tables(&source, &session.cancel)?;
    report::tell_source(session, stage, &source)?;

    let repository = create_repository(stage, &source)?;
    // From here on the server keeps its WAL until it is archived.
    create_slot(&mut Connection::connect(&source.connection_settings("postgres"))?, &session.settings.slot)?;
    let load = Load::start(&source)?;
    load.wait_for(TRANSACTIONS_AROUND, &session.cancel)?;
    let full = back_up(session, &source, &repository, BackupKind::Full)?;
    let during = load.wait_for(TRANSACTIONS_AROUND, &session.cancel)?;
    report::tell_backup(session, &full, during)?;
    let mut backups = vec![full];
    for kind in [BackupKind::Differential, BackupKind::Incremental] {
        let backup = back_up(session, &source, &repository, kind)?;
        load.wait_for(TRANSACTIONS_AROUND, &session.cancel)?;
        report::tell_increment(session, &backup)?;
        backups.push(backup);
    }
    let transactions = load.stop()?;
    let newest = backups[backups.len() - 1].record.clone();

    let validation = validate_deeply(session, &repository, &newest)?;
    report::tell_validation(session, &validation)?;

    let restored = restore(session, stage, &repository)?;
    let target = stage.start_restored(session)?;
    report::tell_restore(session, stage, &restored, &target)?;

    session.cancel.check()?;
    let comparison = compare::compare(&source, &target, newest.stop_lsn)?;
    let mut report = DemoReport::new(stage, backups, validation, restored, transactions, comparison);
    report::tell_comparison(session, &report)?;

    session.cancel.check()?;
    let rewind = rewind::rewind(session, stage, &source, &repository)?;
    report::tell_rewind(session, &rewind)?;
    report.same &= rewind.same;
    report.rewind = Some(rewind);
    Ok(report)
}

fn create_repository(stage: &Stage, source: &LocalServer) -> Result<Repository, Failure> {
    let cluster = probe(&mut Connection::connect(&source.connection_settings("postgres"))?)?;
    let storage = Arc::new(LocalFolder::new(&stage.path("backups")));
    let description = RepositoryDescription {
        format_version: FORMAT_VERSION,
        system_identifier: cluster.system_identifier,
        postgresql_version: cluster.version,
        encryption_recipients: Vec::new(),
        created_by: tool_version(),
    };
    Ok(Repository::create(storage, &description)?)
}

fn back_up(
    session: &Session,
    source: &LocalServer,
    repository: &Repository,
    kind: BackupKind,
) -> Result<BackupOutcome, Failure> {
    let settings = &session.settings;
    let options = BackupOptions {
        reader: ReaderChoice::Auto,
        jobs: settings.jobs,
        compression_level: settings.compression_level,
        max_rate_bytes: settings.max_rate_bytes,
        fast_checkpoint: true,
        label: Some("cadena demo".to_owned()),
        tool_version: tool_version(),
        time_zone: settings.time_zone.clone(),
        temporary_folder: std::env::temp_dir(),
    };
    let connection = source.connection_settings("postgres");
    let request = BackupRequest::of(kind);
    Ok(run_backup(&connection, repository, request, &options, &*session.progress(), &session.cancel)?)
}

fn validate_deeply(
    session: &Session,
    repository: &Repository,
    backup: &BackupRecord,
) -> Result<ValidationReport, Failure> {
    let settings = &session.settings;
    let (level, jobs, search) = (ValidationLevel::Deep, settings.jobs, settings.binaries.clone());
    let request = ValidationRequest { level, jobs, search };
    Ok(validate(repository, backup, &request, &*session.progress(), &session.cancel)?)
}

fn restore(session: &Session, stage: &Stage, repository: &Repository) -> Result<RestoreOutcome, Failure> {
    let request = RestoreRequest {
        selector: RestoreSelector::Latest,
        target: Some(stage.path(stage::RESTORED)),
        tablespaces: Vec::new(),
        owner: stage.owner_name(),
        jobs: session.settings.jobs,
        over: false,
        recovery: Default::default(),
    };
    let plan = plan(repository, &request)?;
    Ok(apply(repository, &plan, &*session.progress(), &session.cancel)?)
}
