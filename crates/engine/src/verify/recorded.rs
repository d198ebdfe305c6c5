use super::{FindingSeverity, ValidationReport, ValidationRequest, ValidationResult, validate};
use crate::journal::{error_value, note};
use crate::{Cancel, Error, Progress};
use serde_json::{Value, json};
use vault::journal::{EventLevel, NewEvent};
use vault::repository::{BackupRecord, Repository};

/// How many findings an event lists; the report has more.
const EVENT_FINDINGS: usize = 100;

impl ValidationReport {
    /// Returns how it ended.
    pub fn result(&self) -> ValidationResult {
        if !self.is_valid() {
            ValidationResult::Failed
        } else if self.findings.is_empty() {
            ValidationResult::Passed
        } else {
            ValidationResult::Warned
        }
    }
}

/// Validates one completed backup, and enters the outcome into the repository's journal. `by` says who asked, such as `user@host`.
///
/// # Errors
/// Those of [`validate`]: the archive could not be looked at. That is entered too, as FALLIDO; a cancelled validation is not, nor one for
/// which a program is missing.
///
/// # Cancellation
/// Ends with `cancelled`; nothing is entered.
pub fn validate_recorded(
    repository: &Repository,
    record: &BackupRecord,
    request: &ValidationRequest,
    by: &str,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ValidationReport, Error> {
    let outcome = validate(repository, record, request, progress, cancel);
    let entry = match &outcome {
        Ok(report) => Some((report.result(), of_report(report))),
        // Without pg_restore nothing is known of a dump: that is no fault of the backup.
        Err(error)
            if ["cancelled", "verify-not-completed", "cluster-binary-missing"].contains(&error.key().as_str()) =>
        {
            None
        }
        Err(error) => Some((ValidationResult::Failed, json!({ "error": error_value(error) }))),
    };
    if let Some((result, mut details)) = entry {
        details["name"] = record.archive_name.as_str().into();
        details["kind"] = record.kind.word().into();
        details["level"] = serde_json::to_value(request.level).unwrap_or_default();
        details["result"] = result.word().into();
        details["sha256_expected"] = record.sha256.clone().into();
        details["by"] = by.into();
        let gravity = match result {
            ValidationResult::Passed => EventLevel::Info,
            ValidationResult::Warned => EventLevel::Warning,
            ValidationResult::Failed => EventLevel::Error,
        };
        note(repository, NewEvent::new(gravity, "validation", Some(record.id), details));
    }
    outcome
}

fn of_report(report: &ValidationReport) -> Value {
    let is_error = |severity| severity == FindingSeverity::Error;
    // The errors first: they are what somebody will look for.
    let mut findings: Vec<_> = report.findings.iter().collect();
    findings.sort_by_key(|finding| !is_error(finding.severity));
    findings.truncate(EVENT_FINDINGS);
    json!({
        "sha256_found": report.sha256_found,
        "seconds": report.seconds,
        "files": report.files,
        "pages": report.pages,
        "findings": findings,
        "findings_total": report.findings.len(),
    })
}
