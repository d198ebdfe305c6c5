//! `cadena restore … --database D --as NEW`: one database, from any point, into a live server.

use super::throw_away::{Raising, request as throw_away_request};
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::{RestoreOptions, UsageError};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{described, facts, plan_text, units};
use cadena::cluster::ConnectionSettings;
use cadena::repository::BackupRecord;
use cadena::restore::{DatabaseOutcome, DatabasePlan, DatabaseRequest, DumpParts, RestorePlan, restore_database};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct DatabaseReport<'a> {
    /// Of the throw-away cluster; absent when the database comes out of a logical backup.
    plan: Option<&'a RestorePlan>,
    /// The logical backup.
    backup: Option<&'a BackupRecord>,
    database: &'a str,
    name: &'a str,
    server: &'a str,
    /// Absent after `--dry-run`.
    outcome: Option<&'a DatabaseOutcome>,
}

/// Plans, shows, applies. Nothing that is there is changed, unless `--replace` is given.
pub fn run(session: &Session, options: &RestoreOptions, database: &str) -> Outcome {
    let request = request(session, options, database)?;
    let repository = open_repository(session)?;
    let plan = DatabasePlan::make(&repository, &request)?;
    let (restore, backup, server) = (plan.restore().cloned(), plan.dump().cloned(), plan.server());
    let shown = match (&restore, &backup) {
        (Some(restore), _) => plan_text(restore, &session.locale, session.zone()),
        (None, Some(backup)) => dump_text(session, &request, backup),
        (None, None) => String::new(),
    };
    session.screen.line(&shown)?;
    session.screen.line(&subject_text(session, &request, &server))?;
    let (plan_made, backup) = (restore.as_ref(), backup.as_ref());
    let report =
        |outcome| DatabaseReport { plan: plan_made, backup, database, name: &request.name, server: &server, outcome };
    if options.dry_run {
        session.screen.result(&report(None), || session.locale.say("restore-dry-run"))?;
        return Ok(ExitStatus::Success);
    }
    let progress = session.progress();
    let outcome = restore_database(&repository, plan, &request, &*progress, &session.cancel)?;
    drop(progress);
    session.screen.result(&report(Some(&outcome)), || outcome_text(session, &outcome))?;
    Ok(remark_warnings(session, &outcome.warnings))
}

fn request(session: &Session, options: &RestoreOptions, database: &str) -> Result<DatabaseRequest, Failure> {
    let one = &options.one;
    let name = match (&one.as_name, one.replace) {
        (Some(name), _) => name.clone(),
        (None, true) => database.to_owned(),
        (None, false) => return Err(UsageError::UsageMissing { arguments: "--as <NAME>".to_owned() }.into()),
    };
    let into = match &one.into {
        Some(conninfo) => ConnectionSettings { conninfo: Some(conninfo.clone()), keywords: Vec::new() },
        None => session.settings.connection.clone(),
    };
    let raising = Raising {
        selector: &options.selector,
        owner: options.owner.clone(),
        jobs: options.jobs,
        wal: options.wal,
        work: &one.work,
        port: None,
        read_only: false,
    };
    Ok(DatabaseRequest {
        parts: if one.schema_only { DumpParts::Schema } else { DumpParts::All },
        tables: one.table.clone(),
        schemas: one.schema.clone(),
        replace: one.replace,
        drop_old: one.drop_old,
        create_roles: one.create_roles,
        no_owner: one.no_owner,
        no_privileges: one.no_privileges,
        no_tablespaces: one.no_tablespaces,
        now: jiff::Zoned::now().with_time_zone(session.zone().clone()),
        ..DatabaseRequest::new(database, &name, into, throw_away_request(session, raising)?)
    })
}

/// Says which dump of which backup is loaded.
fn dump_text(session: &Session, request: &DatabaseRequest, backup: &BackupRecord) -> String {
    let (locale, language) = (&session.locale, session.locale.language());
    let dumps = backup.logical.iter().flat_map(|logical| &logical.databases);
    let mut pairs = vec![(locale.say("fact-backup"), format!("{} ({})", backup.id, backup.archive_name))];
    if let Some(dump) = dumps.into_iter().find(|dump| dump.name == request.database) {
        pairs.push((locale.say("dump-as-of"), units::exact_time(dump.snapshot_at, session.zone())));
        pairs.push((locale.say("dump-size"), units::size(dump.dump_bytes, language)));
    }
    facts(&pairs)
}

fn subject_text(session: &Session, request: &DatabaseRequest, server: &str) -> String {
    let values = [
        ("database", request.database.as_str().into()),
        ("name", request.name.as_str().into()),
        ("server", server.into()),
    ];
    match request.replace {
        true => session.locale.say_with("database-will-replace", &values),
        false => session.locale.say_with("database-will-make", &values),
    }
}

fn outcome_text(session: &Session, outcome: &DatabaseOutcome) -> String {
    let (locale, language) = (&session.locale, session.locale.language());
    let duration = |seconds: f64| units::duration(seconds, language);
    let done = [
        ("database", outcome.database.as_str().into()),
        ("name", outcome.name.as_str().into()),
        ("server", outcome.server.as_str().into()),
        ("tables", outcome.tables.into()),
        ("size", units::size(outcome.database_bytes, language).into()),
        ("duration", duration(outcome.seconds).into()),
    ];
    let parts = [
        ("recover", duration(outcome.recover_seconds).into()),
        ("dump", duration(outcome.dump_seconds).into()),
        ("load", duration(outcome.load_seconds).into()),
    ];
    let mut pairs = Vec::new();
    if let Some(commit) = &outcome.last_commit {
        pairs.push((locale.say("plan-last-commit"), units::exact_time(commit.time, session.zone())));
    }
    if let Some(lsn) = outcome.end_lsn {
        pairs.push((locale.say("database-end-lsn"), lsn.to_string()));
    }
    pairs.push((locale.say("database-time"), locale.say_with("database-time-value", &parts)));
    if !outcome.created_roles.is_empty() {
        pairs.push((locale.say("database-created-roles"), outcome.created_roles.join(", ")));
    }
    if let Some(kept) = &outcome.kept {
        let values = [("name", kept.as_str().into()), ("count", outcome.ended_sessions.into())];
        pairs.push((locale.say("database-kept"), locale.say_with("database-kept-value", &values)));
    }
    format!("{}\n{}", locale.say_with("database-done", &done), facts(&pairs))
}

/// Tells of what is not as it was, on standard error.
pub fn remark_warnings(session: &Session, warnings: &[Value]) -> ExitStatus {
    for warning in warnings.iter().filter(|_| !session.screen.json) {
        let message = described(warning, &session.locale, session.zone());
        session.screen.remark(&session.locale.say_with("warning-line", &[("message", message.into())]));
    }
    if warnings.is_empty() { ExitStatus::Success } else { ExitStatus::Warnings }
}
