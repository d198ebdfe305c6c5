//! What a drill leaves: a report in the repository, and a validation in its journal.

use super::DrillReport;
use crate::Error;
use crate::journal::note;
use crate::verify::{VALIDATION_EVENT, ValidationResult};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use vault::journal::{EventLevel, Journal, JournalEvent, NewEvent};
use vault::repository::{BackupId, Repository};
use vault::storage::StorageError;

/// Where reports lie.
pub const DRILLS_PREFIX: &str = "drills/";
/// The level in the events of validations.
pub const DRILL_LEVEL: &str = "drill";
/// How many findings an event lists; the report has more.
const EVENT_FINDINGS: usize = 100;

/// A drill, as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastDrill {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub result: ValidationResult,
    /// The newest backup of its chain.
    pub backup_id: Option<BackupId>,
    /// The instant that was reached, or was to be.
    pub target_time: Option<Timestamp>,
    /// What a real restore would have taken.
    pub rto_seconds: Option<f64>,
    /// Where its report lies.
    pub report: Option<String>,
}

/// The last drill, and the last one that proved something.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LastDrills {
    /// The last.
    pub last: Option<LastDrill>,
    /// The last in which all was well.
    pub proved: Option<LastDrill>,
}

impl LastDrills {
    /// Reads it from the journal.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn read(repository: &Repository) -> Result<Self, Error> {
        let mut drills = LastDrills::default();
        for event in &Journal::of(repository).read_after(0)?.events {
            let Some(drill) = of_event(event) else { continue };
            if drill.result == ValidationResult::Passed {
                drills.proved = Some(drill.clone());
            }
            drills.last = Some(drill);
        }
        Ok(drills)
    }
}

fn of_event(event: &JournalEvent) -> Option<LastDrill> {
    let is_drill =
        event.event == VALIDATION_EVENT && event.details.get("level").is_some_and(|level| level == DRILL_LEVEL);
    let detail = |name: &str| event.details.get(name).cloned().unwrap_or(Value::Null);
    is_drill.then(|| {
        Some(LastDrill {
            at: event.at,
            result: serde_json::from_value(detail("result")).ok()?,
            backup_id: event.backup_id,
            target_time: serde_json::from_value(detail("target_time")).ok()?,
            rto_seconds: detail("rto_seconds").as_f64(),
            report: detail("report").as_str().map(str::to_owned),
        })
    })?
}

/// Writes the report, and enters the validation. Returns where the report lies.
///
/// # Errors
/// Those of the storage. That the event can't be written is told, and fails nothing.
pub(super) fn leave(repository: &Repository, report: &DrillReport) -> Result<String, Error> {
    let mut content = serde_json::to_vec_pretty(report).unwrap_or_default();
    content.push(b'\n');
    let stamp = report.started_at.to_zoned(TimeZone::UTC).strftime("%Y%m%d_%H%M%S").to_string();
    let mut key = format!("{DRILLS_PREFIX}{stamp}.json");
    for attempt in 2.. {
        match repository.storage().put_if_absent(&key, &content) {
            Err(StorageError::StorageExists { .. }) => key = format!("{DRILLS_PREFIX}{stamp}_{attempt}.json"),
            written => {
                written?;
                break;
            }
        }
    }
    let findings: Vec<_> = report.findings.iter().take(EVENT_FINDINGS).collect();
    let failed = report.assertions.iter().filter(|assertion| !assertion.holds).count();
    let details = json!({
        "name": report.archive_name, "level": DRILL_LEVEL, "result": report.result, "by": report.by, "report": key,
        "seconds": report.times.seconds, "rto_seconds": report.times.rto_seconds,
        "recovery_seconds": report.times.recovery_seconds, "target_time": report.target_time,
        "target_lsn": report.target_lsn, "recovered_lsn": report.recovered_lsn, "pages": report.pages,
        "restored_bytes": report.restored_bytes, "assertions": report.assertions.len(), "assertions_failed": failed,
        "amcheck": report.amcheck, "findings": findings, "findings_total": report.findings.len(),
    });
    let gravity = match report.result {
        ValidationResult::Passed => EventLevel::Info,
        ValidationResult::Warned => EventLevel::Warning,
        ValidationResult::Failed => EventLevel::Error,
    };
    note(repository, NewEvent::new(gravity, "validation", report.backup_id, details));
    Ok(key)
}
