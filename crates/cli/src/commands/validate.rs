//! `cadena validate [ID]`: are the backups whole?

use super::catalog_hook::CatalogHook;
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::{UsageError, ValidateOptions};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{Align, Problem, Table, described, problem_of, units};
use cadena::repository::{BackupId, BackupRecord, Repository, RepositoryError};
use cadena::verify::{
    DueValidations, FindingSeverity, ValidationHistory, ValidationReport, validate_due, validate_recorded,
};
use serde::Serialize;

/// The outcome for one backup: a report, or the damage that kept it from being read at all.
#[derive(Serialize)]
struct Validated {
    backup_id: BackupId,
    archive_name: String,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ValidationReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Serialize)]
struct ValidateReport {
    valid: bool,
    validations: Vec<Validated>,
}

/// Validates one backup, a chain, what is due, or all completed ones; a damaged one does not keep the others from being looked at.
pub fn run(session: &Session, options: &ValidateOptions) -> Outcome {
    if options.drill.is_given() {
        let (argument, other) =
            ("--at, --lsn, --name, --owner, --work-dir".to_owned(), "--level checksum | deep".to_owned());
        return Err(UsageError::UsageConflict { argument, other }.into());
    }
    let repository = open_repository(session)?;
    let validations =
        if options.due { due(session, options, &repository) } else { chosen(session, options, &repository) };
    CatalogHook::new(session, &repository).sync_or_tell();
    let validations = validations?;
    let report = ValidateReport { valid: validations.iter().all(|one| one.valid), validations };
    session.screen.result(&report, || text(session, &report))?;
    Ok(status(&report))
}

/// Validates what was asked for.
fn chosen(session: &Session, options: &ValidateOptions, repository: &Repository) -> Result<Vec<Validated>, Failure> {
    let records = match options.id.map(BackupId) {
        Some(id) if options.chain => repository.chain(id)?,
        Some(id) => vec![repository.record(id)?],
        None => {
            let contents = repository.contents()?;
            let completed = ValidationHistory::read(repository)?.queue(&contents);
            if completed.is_empty() {
                return Err(RepositoryError::RepositoryEmpty {}.into());
            }
            completed
        }
    };
    let due = due_validations(session, options);
    let mut validations = Vec::new();
    for record in records {
        let progress = session.progress();
        let result = validate_recorded(repository, &record, &due.request(), &due.by, &*progress, &session.cancel);
        drop(progress);
        validations.push(validated(session, &record, result)?);
    }
    validations.sort_by_key(|one| one.backup_id);
    Ok(validations)
}

/// Validates what is due.
fn due(session: &Session, options: &ValidateOptions, repository: &Repository) -> Result<Vec<Validated>, Failure> {
    let due = due_validations(session, options);
    let progress = session.progress();
    let round = validate_due(repository, &due, jiff::Timestamp::now(), &*progress, &session.cancel)?;
    drop(progress);
    round.outcomes.into_iter().map(|(record, result)| validated(session, &record, result)).collect()
}

/// Returns what this command may take; without a limit of time, since somebody waits for it.
fn due_validations(session: &Session, options: &ValidateOptions) -> DueValidations {
    let jobs = options.jobs.unwrap_or(session.settings.jobs);
    let settings = &session.settings;
    let due = settings.validation.due(jobs, &settings.binaries, session.who());
    DueValidations { level: options.level.reading(), ..due }
}

fn validated(
    session: &Session,
    record: &BackupRecord,
    result: Result<ValidationReport, cadena::Error>,
) -> Result<Validated, Failure> {
    let (report, error) = match result.map_err(Failure::from) {
        Ok(report) => (Some(report), None),
        Err(failure) if failure.exit_status() == ExitStatus::Damage => {
            (None, Some(problem_of(&failure, &session.locale, session.zone())))
        }
        Err(failure) => return Err(failure),
    };
    let valid = report.as_ref().is_some_and(ValidationReport::is_valid);
    Ok(Validated { backup_id: record.id, archive_name: record.archive_name.clone(), valid, report, error })
}

fn status(report: &ValidateReport) -> ExitStatus {
    let mut findings = report.validations.iter().filter_map(|one| one.report.as_ref()).flat_map(|one| &one.findings);
    if !report.valid {
        ExitStatus::Damage
    } else if findings.any(|finding| finding.severity == FindingSeverity::Warning) {
        ExitStatus::Warnings
    } else {
        ExitStatus::Success
    }
}

fn text(session: &Session, report: &ValidateReport) -> String {
    let locale = &session.locale;
    let mut table = Table::new(vec![
        (locale.say("column-id"), Align::Right),
        (locale.say("column-result"), Align::Left),
        (locale.say("column-files"), Align::Right),
        (locale.say("column-pages"), Align::Right),
        (locale.say("column-duration"), Align::Right),
        (locale.say("column-sha256"), Align::Left),
        (locale.say("column-file"), Align::Left),
    ]);
    for one in &report.validations {
        let result = if one.valid { locale.say("validate-valid") } else { locale.say("validate-damaged") };
        let shown = one.report.as_ref();
        // The level checksum looks at neither.
        let counted = |count: u64| (count > 0).then(|| count.to_string());
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.row(vec![
            one.backup_id.to_string(),
            result,
            or_dash(shown.map(|report| report.files).and_then(counted)),
            or_dash(shown.map(|report| report.pages).and_then(counted)),
            or_dash(shown.map(|report| units::duration(report.seconds, locale.language()))),
            or_dash(
                shown.and_then(|report| report.sha256_found.as_deref()).map(|digest| digest.chars().take(12).collect()),
            ),
            one.archive_name.clone(),
        ]);
    }
    table.text() + &findings_text(session, report)
}

fn findings_text(session: &Session, report: &ValidateReport) -> String {
    let locale = &session.locale;
    let mut text = String::new();
    for one in &report.validations {
        let findings = one.report.iter().flat_map(|report| &report.findings);
        let mut messages: Vec<(FindingSeverity, String)> =
            findings.map(|finding| (finding.severity, described(&finding.what, locale, session.zone()))).collect();
        messages.extend(one.error.iter().map(|error| (FindingSeverity::Error, error.message.clone())));
        for (severity, message) in messages {
            let values = [("id", one.backup_id.0.into()), ("message", message.into())];
            text.push_str(&match severity {
                FindingSeverity::Warning => locale.say_with("validate-warning", &values),
                FindingSeverity::Error => locale.say_with("validate-error", &values),
            });
            text.push('\n');
        }
    }
    text
}
