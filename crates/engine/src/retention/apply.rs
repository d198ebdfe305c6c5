use super::trim::{RefusedWal, Trimmed, trim};
use super::{PolicyChoice, RetentionPlan, RetentionReason, look, plan};
use crate::journal::{error_value, note};
use crate::{Cancel, Error};
use jiff::Zoned;
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::time::Instant;
use vault::journal::{EventLevel, NewEvent};
use vault::repository::{BackupRecord, CleanupSlot, RefusedRemoval, RemovedBackup, Repository};
use vault::wal::WalArchive;

/// What a cleanup did.
#[derive(Debug, Clone, Serialize)]
pub struct CleanupOutcome {
    /// The plan that was carried out: made under the lock, it may differ from one that was shown before.
    pub plan: RetentionPlan,
    /// What an earlier cleanup, which died, had begun to remove, and is gone now.
    pub finished: Vec<RemovedBackup>,
    /// Backups that the storage did not let go: they are whole, and the next cleanup tries again.
    pub refused: Vec<RefusedRemoval>,
    /// WAL segments that it did not let go, and the first refusal.
    pub refused_wal: Option<RefusedWal>,
    /// Wall time.
    pub seconds: f64,
}

impl CleanupOutcome {
    /// Returns the outcome of a plan that is not carried out.
    pub fn planned(plan: RetentionPlan) -> Self {
        CleanupOutcome { plan, finished: Vec::new(), refused: Vec::new(), refused_wal: None, seconds: 0.0 }
    }

    /// Tells whether the storage did not let go all that was to go.
    pub fn is_refused(&self) -> bool {
        !self.refused.is_empty() || self.refused_wal.is_some()
    }
}

/// Takes the repository's lock, plans, removes backups (what stands on others first) and then WAL that nothing needs any more, and enters
/// each step into the journal. A second run at the same instant changes nothing.
///
/// # Errors
/// `RepositoryBusy` when a backup or another cleanup runs; `RetentionValue`; those of the repository, the archive and the storage. What
/// was removed until then stays removed; all else is whole.
///
/// # Cancellation
/// Ends with `cancelled` between two backups or segments. Nothing is half gone.
pub fn apply(
    repository: &Repository,
    choice: &PolicyChoice,
    now: &Zoned,
    cancel: &Cancel,
) -> Result<CleanupOutcome, Error> {
    apply_and_tell(repository, choice, now, &|event| note(repository, event), cancel)
}

/// The same, and `tell` hears of each step: a replica's cleanup is entered into the journal of the repository.
pub(crate) fn apply_and_tell(
    repository: &Repository,
    choice: &PolicyChoice,
    now: &Zoned,
    tell: Tell<'_>,
    cancel: &Cancel,
) -> Result<CleanupOutcome, Error> {
    let begin = Instant::now();
    choice.policy.check()?;
    let mut slot = repository.begin_cleanup(now.timestamp())?;
    let finished = slot.finished().to_vec();
    finished.iter().for_each(|removed| tell_finished(tell, removed));

    let plan = plan(&look(repository)?, &choice.policy, now);
    let refused = remove_backups(tell, &mut slot, &plan, cancel)?;
    slot.confirm()?;
    let trimmed = trim_wal(repository, &plan, &choice.policy.name, now.timestamp(), tell, cancel)?;
    slot.finish()?;
    let seconds = begin.elapsed().as_secs_f64();
    tell_end(tell, choice, &plan, &trimmed, &refused, seconds);
    Ok(CleanupOutcome { plan, finished, refused, refused_wal: trimmed.refused, seconds })
}

/// Hears of events.
pub(crate) type Tell<'a> = &'a dyn Fn(NewEvent);

fn remove_backups(
    tell: Tell<'_>,
    slot: &mut CleanupSlot,
    plan: &RetentionPlan,
    cancel: &Cancel,
) -> Result<Vec<RefusedRemoval>, Error> {
    cancel.check()?;
    let refused = slot.remove(&plan.going(), &mut |record| {
        tell_removed(tell, record, plan);
        if cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    for one in &refused {
        let error = one.error.as_ref().map(|error| error_value(&error.clone().into()));
        // One that another keeps is no news.
        if let Some(error) = error {
            let details = json!({ "name": one.archive_name, "error": error });
            tell(NewEvent::new(EventLevel::Warning, "backup-removal-refused", Some(one.id), details));
        }
    }
    cancel.check()?;
    Ok(refused)
}

/// Trims, and tells of it, also when it was broken off.
fn trim_wal(
    repository: &Repository,
    plan: &RetentionPlan,
    policy: &str,
    now: jiff::Timestamp,
    tell: Tell<'_>,
    cancel: &Cancel,
) -> Result<Trimmed, Error> {
    let mut trimmed = Trimmed::default();
    let Some(archive) = WalArchive::open(repository)? else { return Ok(trimmed) };
    let result = trim(&archive, plan, policy, now, &mut trimmed, cancel);
    if trimmed.segments + trimmed.summaries > 0 {
        let details = json!({
            "segments": trimmed.segments, "freed_bytes": trimmed.bytes, "summaries": trimmed.summaries,
            "stretches": plan.wal.stretches,
        });
        tell(NewEvent::new(EventLevel::Info, "wal-trimmed", None, details));
    }
    if let Some(refused) = &trimmed.refused {
        let details = json!({ "segments": refused.segments, "error": error_value(&refused.error.clone().into()) });
        tell(NewEvent::new(EventLevel::Warning, "wal-removal-refused", None, details));
    }
    result.map(|()| trimmed)
}

fn tell_removed(tell: Tell<'_>, record: &BackupRecord, plan: &RetentionPlan) {
    let reason = plan.backups.iter().find(|verdict| verdict.id == record.id).map(|verdict| &verdict.reason);
    let details = json!({
        "kind": record.kind, "name": record.archive_name, "started_at": record.started_at,
        "archive_bytes": record.archive_bytes, "reason": reason,
    });
    tell(NewEvent::new(EventLevel::Info, "backup-removed", Some(record.id), details));
}

/// A cleanup that died told of neither, and its reasons died with it.
fn tell_finished(tell: Tell<'_>, removed: &RemovedBackup) {
    let details = json!({
        "kind": removed.kind, "name": removed.archive_name, "started_at": Value::Null, "archive_bytes": Value::Null,
        "reason": RetentionReason::RetentionInterrupted {},
    });
    tell(NewEvent::new(EventLevel::Info, "backup-removed", Some(removed.id), details));
}

fn tell_end(
    tell: Tell<'_>,
    choice: &PolicyChoice,
    plan: &RetentionPlan,
    trimmed: &Trimmed,
    refused: &[RefusedRemoval],
    seconds: f64,
) {
    let needs_a_look =
        plan.findings.iter().any(|finding| finding.needs_a_look()) || !refused.is_empty() || trimmed.refused.is_some();
    let level = if needs_a_look { EventLevel::Warning } else { EventLevel::Info };
    // What stays frees nothing.
    let stays = |id| refused.iter().any(|one| one.id == id);
    let kept: u64 = plan.backups.iter().filter(|one| stays(one.id)).map(|one| one.archive_bytes).sum();
    let freed = plan.freed_bytes.saturating_sub(kept);
    let details = json!({
        "backups": plan.going().len() - refused.len(), "segments": trimmed.segments, "freed_bytes": freed + trimmed.bytes,
        "policy": choice.policy, "source": choice.source, "findings": plan.findings, "seconds": seconds,
        "name": choice.policy.name,
    });
    tell(NewEvent::new(level, "cleanup-finished", None, details));
}
