use super::{BackupSums, JournalFollower, Snapshot, SnapshotSource};
use crate::health::{HealthQuestion, JobDue, RepositoryHealth, health};
use crate::notify;
use engine::cluster::ConnectionSettings;
use engine::{Cancel, Error};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use vault::repository::Repository;

/// Takes snapshots of one repository and its server.
pub struct RepositorySource {
    /// The repository.
    pub repository: Repository,
    /// The server, to be asked about the slot; `None` leaves that out.
    pub connection: Option<ConnectionSettings>,
    /// The name of the slot.
    pub slot: String,
    /// See [`engine::wal::ReceiveOptions`].
    pub max_slot_retained_bytes: Option<u64>,
    /// The program's version.
    pub version: String,
    /// Ends the wait for a server.
    pub cancel: Cancel,
    /// Says when the kinds of backup are due.
    pub due: Box<dyn Fn(Timestamp) -> Vec<JobDue> + Send + Sync>,
    /// Adds what the schedule, the catalog and the channels know.
    pub others: Box<dyn Fn(&mut Snapshot) + Send + Sync>,
    /// What was read of the journal.
    pub journal: Mutex<JournalFollower>,
}

impl RepositorySource {
    fn health(&self, now: Timestamp) -> Result<(RepositoryHealth, BackupSums), Error> {
        // A file system that is not mounted looks like a repository without backups, but for this file.
        Repository::open(Arc::clone(self.repository.storage()))?;
        let due = (self.due)(now);
        let question = HealthQuestion {
            repository: &self.repository,
            connection: self.connection.as_ref(),
            slot: &self.slot,
            max_slot_retained_bytes: self.max_slot_retained_bytes,
            due: &due,
            now,
            cancelled: &|| self.cancel.is_cancelled(),
        };
        let found = health(&question)?;
        Ok((found, BackupSums::of(&self.repository.contents()?)))
    }
}

impl SnapshotSource for RepositorySource {
    fn snapshot(&self) -> Snapshot {
        let begin = Instant::now();
        let now = Timestamp::now();
        let description = self.repository.description();
        let mut snapshot = Snapshot {
            taken_at: now,
            version: self.version.clone(),
            system_identifier: Some(description.system_identifier.to_string()),
            postgresql_version: Some(description.postgresql_version.to_string()),
            ..Snapshot::default()
        };
        (self.others)(&mut snapshot);
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let followed = journal.follow(&self.repository).map(drop).map_err(|error| value_of(&error));
        snapshot.journal = Some(journal.digest().clone());
        drop(journal);
        let looked = self.health(now).map_err(|error| value_of(&error));
        match (looked, followed) {
            (Ok((health, backups)), Ok(())) => {
                let catalog_error = snapshot.catalog.as_ref().and_then(|catalog| catalog.error.as_ref());
                let digest = snapshot.journal.as_ref();
                snapshot.problems =
                    digest.map_or_else(Vec::new, |digest| notify::problems(&health, digest, catalog_error));
                (snapshot.health, snapshot.backups) = (Some(health), Some(backups));
            }
            (Err(error), _) | (_, Err(error)) => snapshot.problems = vec![notify::unreadable(error)],
        }
        snapshot.seconds = begin.elapsed().as_secs_f64();
        snapshot
    }
}

fn value_of(error: &impl serde::Serialize) -> Value {
    serde_json::to_value(error).unwrap_or_default()
}
