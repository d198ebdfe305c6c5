//! `cadena restore`: plan, show, apply; then start.

use super::target::{Recovery, recovery_request, selector};
use super::{Outcome, open_repository, restore_database};
use crate::app::Session;
use crate::args::{RestoreOptions, UsageError};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{plan_text, restored_text, units};
use cadena::pgformat::{Lsn, TimelineId};
use cadena::restore::{RestoreOutcome, RestorePlan, RestoreRequest, StartRequest, StartedServer, apply, plan, start};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Recovery of what a backup holds takes about as long as the backup took; this is a bound for what hangs.
const START_WAIT: Duration = Duration::from_secs(4 * 3600);

#[derive(Serialize)]
struct RestoreReport<'a> {
    plan: &'a RestorePlan,
    /// Absent after `--dry-run`.
    outcome: Option<RestoreOutcome>,
    server: Option<StartedReport>,
}

#[derive(Serialize)]
struct StartedReport {
    port: u16,
    socket_folder: Option<PathBuf>,
    seconds: f64,
    /// Not after `--target-action shutdown`.
    running: bool,
    /// Where recovery ended, and on which timeline the server goes on.
    recovered_lsn: Option<Lsn>,
    timeline: Option<TimelineId>,
}

/// Restores into an empty folder, or with `--delta` over the same cluster. Nothing else is ever written over, so the plan is shown
/// and not asked about.
pub fn run(session: &Session, options: &RestoreOptions, port: Option<u16>) -> Outcome {
    if let Some(database) = &options.one.database {
        return restore_database::run(session, options, database);
    }
    let port = start_port(options, port)?;
    let repository = open_repository(session)?;
    let plan = plan(&repository, &request(session, options)?)?;
    session.screen.line(&plan_text(&plan, &session.locale, session.zone()))?;
    let mut report = RestoreReport { plan: &plan, outcome: None, server: None };
    if let (Some(_), Some(backup)) = (port, plan.backups.first()) {
        // Found out now rather than after an hour of writing.
        session.settings.binaries.find(backup.postgresql_version)?;
    }
    if !options.dry_run {
        let progress = session.progress();
        let outcome = apply(&repository, &plan, &*progress, &session.cancel)?;
        drop(progress);
        session.screen.line(&restored_text(&outcome, &session.locale, session.zone()))?;
        report.outcome = Some(outcome);
        if let Some(port) = port {
            let started = start_server(session, options, port, &plan)?;
            session.screen.line(&started_text(session, &started))?;
            report.server = Some(StartedReport::from(&started));
        }
    }
    match session.screen.json {
        true => session.screen.result(&report, String::new)?,
        false => session.screen.line(&closing(session, options))?,
    }
    Ok(ExitStatus::Success)
}

fn request(session: &Session, options: &RestoreOptions) -> Result<RestoreRequest, Failure> {
    let mut tablespaces = Vec::new();
    for mapping in &options.tablespace {
        tablespaces.push((mapping.old.clone(), absolute("--tablespace", &mapping.new)?));
    }
    Ok(RestoreRequest {
        selector: selector(&options.selector),
        target: Some(target(options)?),
        tablespaces,
        owner: options.owner.clone(),
        jobs: options.jobs.unwrap_or(session.settings.jobs),
        over: options.delta,
        recovery: recovery_request(
            session,
            &options.selector,
            Recovery {
                action: options.target_action.into(),
                archive_mode: options.archive_mode.into(),
                delivery: options.wal.into(),
            },
        )?,
    })
}

fn target(options: &RestoreOptions) -> Result<PathBuf, Failure> {
    match &options.to {
        Some(folder) => absolute("--to", folder),
        // The command line is refused without it; this is for whoever changes that.
        None => Err(UsageError::UsageMissing { arguments: "--to <DIR>".to_owned() }.into()),
    }
}

fn absolute(argument: &str, path: &std::path::Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|_| {
        let (argument, value) = (argument.to_owned(), path.display().to_string());
        UsageError::UsageBadValue { argument, value, allowed: "DIR".to_owned() }.into()
    })
}

/// Returns the port of `--start`, which must be named: the one of the server that was backed up is probably taken.
fn start_port(options: &RestoreOptions, port: Option<u16>) -> Result<Option<u16>, Failure> {
    match (options.start, port) {
        (true, None) => Err(UsageError::UsageMissing { arguments: "--port <PORT>".to_owned() }.into()),
        (true, port) => Ok(port),
        (false, _) => Ok(None),
    }
}

fn start_server(
    session: &Session,
    options: &RestoreOptions,
    port: u16,
    plan: &RestorePlan,
) -> Result<StartedServer, Failure> {
    let request = StartRequest {
        data_directory: target(options)?,
        port,
        socket_folder: options.socket_dir.as_deref().map(|folder| absolute("--socket-dir", folder)).transpose()?,
        owner: options.owner.clone(),
        search: session.settings.binaries.clone(),
        wait: START_WAIT,
        recovery: plan.recovery.clone(),
    };
    let progress = session.progress();
    Ok(start(&request, &*progress, &session.cancel)?)
}

impl From<&StartedServer> for StartedReport {
    fn from(started: &StartedServer) -> Self {
        StartedReport {
            port: started.server.port,
            socket_folder: started.server.socket_folder.clone(),
            seconds: started.seconds,
            running: started.running,
            recovered_lsn: started.recovered_lsn,
            timeline: started.timeline,
        }
    }
}

fn started_text(session: &Session, started: &StartedServer) -> String {
    let host = started.server.socket_folder.as_ref().map(|folder| format!(" -h {}", folder.display()));
    let values = [
        ("port", started.server.port.to_string().into()),
        ("duration", units::duration(started.seconds, session.locale.language()).into()),
        ("command", format!("psql{} -p {} -d postgres", host.unwrap_or_default(), started.server.port).into()),
    ];
    session.locale.say_with("restore-started", &values)
}

fn closing(session: &Session, options: &RestoreOptions) -> String {
    if options.dry_run {
        session.locale.say("restore-dry-run")
    } else if options.start {
        session.locale.say("restore-running")
    } else {
        session.locale.say("restore-next")
    }
}
