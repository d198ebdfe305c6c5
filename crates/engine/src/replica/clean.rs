//! What may go from a replica goes, by a policy, applied to what lies there.

use super::keys::ObjectKind;
use super::link::ReplicaLink;
use crate::retention::{CleanupOutcome, PolicyChoice, RetentionPlan, apply_and_tell, look, plan};
use crate::{Cancel, Error};
use jiff::Zoned;
use std::sync::Arc;
use vault::journal::NewEvent;
use vault::repository::Repository;
use vault::storage::{SoleWriter, Storage};

impl ReplicaLink {
    /// Removes what the policy lets go. It decides about what lies in the replica, by its own records; what the repository still has, or has no
    /// more, does not matter.
    ///
    /// # Errors
    /// Those of [`crate::retention::apply`]; `RepositoryAbsent` for a replica that nothing was ever sent to.
    pub fn clean(&self, choice: &PolicyChoice, now: &Zoned, cancel: &Cancel) -> Result<CleanupOutcome, Error> {
        self.refuse_write_only()?;
        self.reach()?;
        let repository = self.as_repository()?;
        let outcome = apply_and_tell(&repository, choice, now, &|event| self.tell(of_replica(event)), cancel);
        if let Ok(outcome) = &outcome {
            let mut going = outcome.plan.going();
            going.retain(|id| outcome.refused.iter().all(|refused| refused.id != *id));
            self.with_state(|state| {
                state.removed.extend(going.iter().map(|id| id.0));
                state.cleaned_at = Some(now.timestamp());
            });
        }
        // Whatever went, also before an error, is looked for anew.
        let gaps = self.keys_there(|kind| *kind == ObjectKind::Changing);
        self.sent_lock().retain(|key, _| !gaps.contains(key) || !key.starts_with("wal/"));
        self.look()?;
        self.save()?;
        outcome
    }

    /// Plans, and removes nothing.
    ///
    /// # Errors
    /// Those of the replica.
    pub fn plan_clean(&self, choice: &PolicyChoice, now: &Zoned) -> Result<RetentionPlan, Error> {
        choice.policy.check()?;
        self.refuse_write_only()?;
        Ok(plan(&look(&self.as_repository()?)?, &choice.policy, now))
    }

    /// Opens the replica as the repository that it is. Where no lock can be taken, ours in the repository keeps others away.
    pub(super) fn as_repository(&self) -> Result<Repository, Error> {
        let storage = self.replica.storage.clone();
        let storage: Arc<dyn Storage> = if storage.can_lock() { storage } else { Arc::new(SoleWriter(storage)) };
        Ok(Repository::open(storage)?)
    }
}

/// A cleanup's event, told of the replica.
fn of_replica(event: NewEvent) -> NewEvent {
    let NewEvent { level, event, backup_id, details } = event;
    let details = serde_json::Value::Object(details);
    match event.as_str() {
        "backup-removed" => NewEvent::new(level, "replica-backup-removed", backup_id, details),
        "backup-removal-refused" => NewEvent::new(level, "replica-removal-refused", backup_id, details),
        "wal-removal-refused" => NewEvent::new(level, "replica-wal-removal-refused", backup_id, details),
        "wal-trimmed" => NewEvent::new(level, "replica-wal-trimmed", backup_id, details),
        _ => NewEvent::new(level, "replica-cleanup-finished", backup_id, details),
    }
}
