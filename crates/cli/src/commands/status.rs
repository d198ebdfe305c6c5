//! `cadena status`: what needs attention first, then the last backup and the totals.

use super::wal_status::{WalStatus, wal_status};
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{Align, Table, backup_facts, facts, kind_name, problem_of, units};
use cadena::repository::{BackupKind, BackupRecord, BackupState, RepositoryContents, RunningBackup};
use serde::Serialize;
use serde_json::Value;

/// One thing that somebody should look at.
#[derive(Debug, Serialize)]
pub(super) struct Attention {
    pub key: &'static str,
    pub message: String,
}

/// Count and size of one kind's completed backups.
#[derive(Debug, Serialize)]
struct KindTotal {
    kind: BackupKind,
    count: u64,
    archive_bytes: u64,
    plain_bytes: u64,
}

#[derive(Serialize)]
struct StatusReport<'a> {
    repository: String,
    attention: Vec<Attention>,
    running: &'a Option<RunningBackup>,
    /// The cleanup that runs now.
    cleaning: &'a Option<RunningBackup>,
    last_backup: Option<&'a BackupRecord>,
    totals: Vec<KindTotal>,
    wal: WalStatus,
}

/// Shows the repository's state.
pub fn run(session: &Session) -> Outcome {
    let repository = open_repository(session)?;
    let contents = repository.contents()?;
    let wal = wal_status(session, &repository)?;
    let mut attention = attention(session, &contents);
    attention.extend(wal.attention(session));
    let report = StatusReport {
        repository: repository.storage().describe(),
        attention,
        running: &contents.running,
        cleaning: &contents.cleaning,
        last_backup: last_completed(&contents),
        totals: totals(&contents),
        wal,
    };
    session.screen.result(&report, || text(session, &report))?;
    Ok(if report.attention.is_empty() { ExitStatus::Success } else { ExitStatus::Warnings })
}

/// Finds everything that is not as it should be, the gravest first.
pub(super) fn attention(session: &Session, contents: &RepositoryContents) -> Vec<Attention> {
    let locale = &session.locale;
    let mut found = Vec::new();
    let mut add = |key, message| found.push(Attention { key, message });
    for id in &contents.without_archive {
        add("attention-archive", locale.say_with("attention-archive", &[("id", id.0.into())]));
    }
    for record in &contents.unreadable {
        let values = [("key", record.key.as_str().into()), ("detail", record.detail.as_str().into())];
        add("attention-unreadable", locale.say_with("attention-unreadable", &values));
    }
    let last = last_completed(contents);
    if last.is_none() {
        add("attention-no-backup", locale.say("attention-no-backup"));
    }
    if let Some(failed) = contents.records.last().filter(|record| record.state == BackupState::Failed) {
        let values = [("id", failed.id.0.into()), ("reason", failure_reason(session, failed).into())];
        add("attention-failed", locale.say_with("attention-failed", &values));
    }
    if let Some(record) = last.filter(|record| record.corrupt_pages_total > 0) {
        let values = [("id", record.id.0.into()), ("count", record.corrupt_pages_total.into())];
        add("attention-corrupt-pages", locale.say_with("attention-corrupt-pages", &values));
    }
    if let Some(interrupted) = &contents.interrupted {
        add("attention-interrupted", running_text(session, interrupted, "attention-interrupted"));
    }
    for key in &contents.orphan_archives {
        add("attention-orphan", locale.say_with("attention-orphan", &[("key", key.as_str().into())]));
    }
    found
}

fn last_completed(contents: &RepositoryContents) -> Option<&BackupRecord> {
    contents.records.iter().rev().find(|record| record.state == BackupState::Completed)
}

/// Says in the user's language why a backup failed.
fn failure_reason(session: &Session, record: &BackupRecord) -> String {
    let value = record.error.clone().unwrap_or(Value::Null);
    let english = value["message"].as_str().unwrap_or("?").to_owned();
    problem_of(&Failure::from_value(value, english), &session.locale, session.zone()).message
}

fn running_text(session: &Session, running: &RunningBackup, key: &str) -> String {
    let values = [
        ("name", running.archive_name.as_str().into()),
        ("pid", running.pid.to_string().into()),
        ("host", running.host.as_str().into()),
        ("since", units::local_time(running.started_at, session.zone()).into()),
    ];
    session.locale.text(key, &values)
}

fn totals(contents: &RepositoryContents) -> Vec<KindTotal> {
    let kinds = [BackupKind::Full, BackupKind::Differential, BackupKind::Incremental];
    let of_kind = |kind| {
        let completed = |record: &&BackupRecord| record.kind == kind && record.state == BackupState::Completed;
        let records = || contents.records.iter().filter(completed);
        KindTotal {
            kind,
            count: records().count() as u64,
            archive_bytes: records().map(|record| record.archive_bytes).sum(),
            plain_bytes: records().map(|record| record.plain_bytes).sum(),
        }
    };
    kinds.into_iter().map(of_kind).filter(|total| total.count > 0).collect()
}

fn text(session: &Session, report: &StatusReport<'_>) -> String {
    let locale = &session.locale;
    let mut text = facts(&[(locale.say("init-repository"), report.repository.clone())]);
    if let Some(running) = report.running {
        text.push_str(&running_text(session, running, "status-running"));
        text.push('\n');
    }
    if let Some(cleaning) = report.cleaning {
        text.push_str(&running_text(session, cleaning, "status-cleaning"));
        text.push('\n');
    }
    match report.attention.is_empty() {
        true => text.push_str(&(locale.say("status-fine") + "\n")),
        false => text.push_str(&(locale.say("status-attention") + "\n")),
    }
    for attention in &report.attention {
        text.push_str(&format!("  - {}\n", attention.message));
    }
    if report.wal.is_used() {
        text.push_str(&format!("\n{}\n{}", locale.say("status-wal"), facts(&report.wal.facts(session))));
    }
    if let Some(record) = report.last_backup {
        text.push_str(&format!("\n{}\n", locale.say("status-last")));
        text.push_str(&facts(&backup_facts(record, locale, session.zone())));
    }
    if !report.totals.is_empty() {
        text.push_str(&format!("\n{}\n{}", locale.say("status-totals"), totals_table(session, &report.totals)));
    }
    text
}

fn totals_table(session: &Session, totals: &[KindTotal]) -> String {
    let locale = &session.locale;
    let mut table = Table::new(vec![
        (locale.say("column-kind"), Align::Left),
        (locale.say("column-count"), Align::Right),
        (locale.say("column-archive"), Align::Right),
        (locale.say("column-plain"), Align::Right),
    ]);
    for total in totals {
        table.row(vec![
            kind_name(total.kind, locale),
            total.count.to_string(),
            units::size(total.archive_bytes, locale.language()),
            units::size(total.plain_bytes, locale.language()),
        ]);
    }
    table.text()
}
