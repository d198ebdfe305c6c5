//! What of the repository's state and of the journal is somebody to be told?

use super::{Matter, Occasion};
use crate::health::{Attention, RepositoryHealth};
use crate::metrics::{JournalDigest, LOGICAL};
use engine::wal::WindowGap;
use jiff::Timestamp;
use pgformat::{Lsn, TimelineId};
use serde::Serialize;
use serde_json::{Value, json};
use vault::journal::{EventLevel, JournalEvent};
use vault::repository::BackupMethod;

/// A problem that the state of the repository alone does not show. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum Problem {
    /// The last attempt at a backup of this kind failed.
    ProblemBackupFailing { kind: String, failed_at: Timestamp, error: Value },
    /// The last run of a job that is no backup failed.
    ProblemRunFailing { job: String, failed_at: Timestamp, error: Value },
    /// WAL is missing, and no backup was taken since: nothing after it can be restored.
    ProblemWalGap { timeline: TimelineId, from_lsn: Lsn, to_lsn: Lsn, cause: Value },
    /// The repository can't be looked at.
    ProblemRepositoryUnreadable { error: Value },
    /// The seed's tables are behind.
    ProblemCatalogDown { error: Value },
}

/// Something that happened. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum News {
    /// A backup has begun.
    NewsBackupStarted { kind: String, name: String },
    /// A backup is complete.
    NewsBackupCompleted { kind: String, name: String, took_seconds: f64, archive_bytes: u64, plain_bytes: u64 },
    /// A backup failed.
    NewsBackupFailed { kind: String, name: String, error: Value },
    /// A backup was validated, and is sound.
    NewsValidationPassed { name: String, level: String },
    /// A backup was validated, and is damaged.
    NewsValidationFailed { name: String, level: String },
}

impl Problem {
    fn matter(&self) -> Matter {
        let (subject, occasion) = match self {
            Problem::ProblemBackupFailing { kind, .. } => (kind.clone(), Occasion::Failure),
            Problem::ProblemRunFailing { job, .. } => (job.clone(), Occasion::Failure),
            Problem::ProblemWalGap { timeline, to_lsn, .. } => (format!("{timeline}:{to_lsn}"), Occasion::Risk),
            Problem::ProblemRepositoryUnreadable { .. } => (String::new(), Occasion::Risk),
            Problem::ProblemCatalogDown { .. } => (String::new(), Occasion::Failure),
        };
        let level = match self {
            Problem::ProblemCatalogDown { .. } => EventLevel::Warning,
            _ => EventLevel::Error,
        };
        Matter::of(self, subject, occasion, level)
    }
}

/// Returns every problem that there is now. `catalog_error` says why the catalog is behind, if it is.
pub fn problems(health: &RepositoryHealth, journal: &JournalDigest, catalog_error: Option<&Value>) -> Vec<Matter> {
    let mut found: Vec<Matter> = Vec::new();
    for (kind, failure) in journal.failing_backups() {
        let (kind, failed_at, error) = (kind.clone(), failure.at, failure.error.clone());
        found.push(Problem::ProblemBackupFailing { kind, failed_at, error }.matter());
    }
    for (job, failure) in journal.failing_jobs() {
        let (job, failed_at, error) = (job.clone(), failure.at, failure.error.clone());
        found.push(Problem::ProblemRunFailing { job, failed_at, error }.matter());
    }
    found.extend(health.wal.windows.gaps.iter().filter(|gap| is_open(gap, health)).map(|gap| {
        let (timeline, from_lsn, to_lsn) = (gap.timeline, gap.from_lsn, gap.to_lsn);
        Problem::ProblemWalGap { timeline, from_lsn, to_lsn, cause: gap.cause.clone() }.matter()
    }));
    if let Some(error) = catalog_error {
        found.push(Problem::ProblemCatalogDown { error: error.clone() }.matter());
    }
    for attention in &health.attention {
        // The journal knows of every attempt, and of those that never got as far as a record.
        let is_known = matches!(attention, Attention::AttentionFailed { .. }) && journal.has_backups();
        if !is_known {
            found.push(of_attention(attention));
        }
    }
    found
}

/// Returns the problem of a repository that can't be looked at.
pub fn unreadable(error: Value) -> Matter {
    Problem::ProblemRepositoryUnreadable { error }.matter()
}

/// Tells whether no window begins behind the gap: only a new backup closes it.
fn is_open(gap: &WindowGap, health: &RepositoryHealth) -> bool {
    !health.wal.windows.windows.iter().any(|window| window.timeline >= gap.timeline && window.first_lsn >= gap.to_lsn)
}

fn of_attention(attention: &Attention) -> Matter {
    let part = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let subject = match attention {
        Attention::AttentionArchive { id }
        | Attention::AttentionFailed { id, .. }
        | Attention::AttentionCorruptPages { id, .. }
        | Attention::AttentionInvalid { id, .. } => id.to_string(),
        Attention::AttentionUnreadable { object, .. } | Attention::AttentionOrphan { object } => object.clone(),
        Attention::AttentionInterrupted { name, .. } => name.clone(),
        Attention::AttentionLate { kind, .. } => (*kind).to_owned(),
        Attention::AttentionReplicaFailing { replica, .. }
        | Attention::AttentionReplicaBehind { replica, .. }
        | Attention::AttentionReplicaBad { replica, .. } => replica.clone(),
        Attention::AttentionSlot { finding } | Attention::AttentionWal { finding } => {
            // Its numbers change all the time; what it names does not.
            let names = ["key", "slot", "segment", "object", "id"].map(|name| part(finding, name));
            names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(":")
        }
        // There is one at a time of each other.
        _ => String::new(),
    };
    let occasion = match attention {
        Attention::AttentionFailed { .. } | Attention::AttentionInvalid { .. } => Occasion::Failure,
        _ => Occasion::Risk,
    };
    Matter::of(attention, subject, occasion, attention.level())
}

/// Returns what an event of the journal is to those who hear of single events.
pub fn news(event: &JournalEvent) -> Option<Matter> {
    let text = |name: &str| event.details.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |name: &str| event.details.get(name).and_then(Value::as_u64).unwrap_or(0);
    let is_dump = text("method") == BackupMethod::Logical.word();
    let kind = if is_dump { LOGICAL.to_owned() } else { text("kind") };
    let (name, level) = (text("name"), text("level"));
    let (news, occasion, gravity) = match event.event.as_str() {
        "backup-started" => (News::NewsBackupStarted { kind, name }, Occasion::Start, EventLevel::Info),
        "backup-completed" => {
            let took_seconds = event.details.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
            let (archive_bytes, plain_bytes) = (number("archive_bytes"), number("plain_bytes"));
            let news = News::NewsBackupCompleted { kind, name, took_seconds, archive_bytes, plain_bytes };
            (news, Occasion::Success, EventLevel::Info)
        }
        "backup-failed" => {
            let error = event.details.get("error").cloned().unwrap_or(Value::Null);
            (News::NewsBackupFailed { kind, name, error }, Occasion::Failure, EventLevel::Error)
        }
        "validation" if event.details.get("result") == Some(&json!("FALLIDO")) => {
            (News::NewsValidationFailed { name, level }, Occasion::Failure, EventLevel::Error)
        }
        "validation" => (News::NewsValidationPassed { name, level }, Occasion::Success, EventLevel::Info),
        _ => return None,
    };
    Some(Matter::of(&news, String::new(), occasion, gravity))
}
