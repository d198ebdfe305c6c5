//! What is known of each replica, kept in the repository: `replicas/NAME.json`. Losing it costs a listing, nothing else.

use super::ReplicaError;
use crate::Error;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use vault::repository::{BackupId, Repository};

const FOLDER: &str = "replicas/";

/// What is where, and how far behind. Fields that a later program adds are passed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaState {
    /// Its name.
    pub name: String,
    /// Who keeps it.
    pub provider: String,
    /// Where it is, without secrets.
    pub location: String,
    /// What tells that place from every other; earlier programs noted the location alone.
    pub place: Option<String>,
    /// The backups that are whole there, by id.
    pub backups: BTreeMap<u64, ReplicaCopy>,
    /// Backups that a cleanup removed there: they are not sent again on their own.
    pub removed: BTreeSet<u64>,
    /// The log there.
    pub wal: Option<ReplicaWal>,
    /// What is not there yet.
    pub backlog: ReplicaBacklog,
    /// When everything that should be there last was.
    pub complete_at: Option<Timestamp>,
    /// When it last answered as it should.
    pub reached_at: Option<Timestamp>,
    /// Since when it fails, and how: `{"key": …, arguments, "message": …}`.
    pub failing_since: Option<Timestamp>,
    /// See `failing_since`.
    pub error: Option<Value>,
    /// When what retention lets go was last removed there.
    pub cleaned_at: Option<Timestamp>,
    /// When its copies were last compared, and how that ended.
    pub verified_at: Option<Timestamp>,
    /// How many copies were bad then, and were not mended.
    pub bad_copies: u64,
}

/// A backup that is whole in a replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaCopy {
    /// When it was seen, or had arrived.
    pub at: Timestamp,
    /// Where its archive is.
    pub url: String,
    /// When its SHA-256 was last computed from what lies there.
    #[serde(default)]
    pub verified_at: Option<Timestamp>,
}

/// How far the log goes there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaWal {
    /// The newest segment.
    pub segment: String,
    /// How much of it; `None`: it is whole.
    pub partial_bytes: Option<u64>,
    /// When it had arrived.
    pub at: Timestamp,
}

/// What is not there yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaBacklog {
    /// Backups.
    pub backups: u64,
    /// Whole segments of WAL.
    pub segments: u64,
    /// Bytes of both.
    pub bytes: u64,
}

/// Where good copies of one backup are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackupCopies {
    /// Which.
    pub id: BackupId,
    /// The replicas that hold it.
    pub replicas: Vec<String>,
    /// Provider and address of the first of them.
    pub first: Option<(String, String)>,
}

impl ReplicaState {
    /// Reads what is known of a replica; of one that was never reached, nothing.
    ///
    /// # Errors
    /// `ReplicaStateUnreadable`; storage errors.
    pub fn load(repository: &Repository, name: &str) -> Result<Self, Error> {
        let key = state_key(name);
        match repository.storage().get(&key)? {
            Some(content) => parse(repository, &key, &content),
            None => Ok(ReplicaState { name: name.to_owned(), ..ReplicaState::default() }),
        }
    }

    pub(super) fn save(&self, repository: &Repository) -> Result<(), Error> {
        let mut content = serde_json::to_vec(self).unwrap_or_default();
        content.push(b'\n');
        Ok(repository.storage().put(&state_key(&self.name), &content)?)
    }
}

/// Reads what is known of every replica that ever was, by name.
///
/// # Errors
/// `ReplicaStateUnreadable`; storage errors.
pub fn load_states(repository: &Repository) -> Result<Vec<ReplicaState>, Error> {
    let mut states = Vec::new();
    for object in repository.storage().list(FOLDER)? {
        if !object.key.ends_with(".json") {
            continue;
        }
        if let Some(content) = repository.storage().get(&object.key)? {
            states.push(parse(repository, &object.key, &content)?);
        }
    }
    Ok(states)
}

/// Forgets a replica that is no longer used; what lies there stays.
///
/// # Errors
/// Storage errors.
pub fn forget_replica(repository: &Repository, name: &str) -> Result<(), Error> {
    repository.storage().delete(&sent_key(name))?;
    Ok(repository.storage().delete(&state_key(name))?)
}

/// Says of each backup where else it is, from what is known. Those without a copy are not in it.
pub fn backup_copies(states: &[ReplicaState]) -> BTreeMap<u64, BackupCopies> {
    let mut copies: BTreeMap<u64, BackupCopies> = BTreeMap::new();
    for state in states {
        for (id, copy) in &state.backups {
            let entry = copies.entry(*id).or_insert_with(|| BackupCopies {
                id: BackupId(*id),
                replicas: Vec::new(),
                first: Some((state.provider.clone(), copy.url.clone())),
            });
            entry.replicas.push(state.name.clone());
        }
    }
    copies
}

pub(super) fn state_key(name: &str) -> String {
    format!("{FOLDER}{name}.json")
}

/// The key of what was sent to a replica that is only written.
pub(super) fn sent_key(name: &str) -> String {
    format!("{FOLDER}{name}.sent")
}

/// The key of the lock of whoever works with a replica.
pub(super) fn lock_key(name: &str) -> String {
    format!("{FOLDER}{name}")
}

fn parse(repository: &Repository, key: &str, content: &[u8]) -> Result<ReplicaState, Error> {
    serde_json::from_slice(content).map_err(|error| {
        let (object, storage) = (key.to_owned(), repository.storage().describe());
        ReplicaError::ReplicaStateUnreadable { object, storage, detail: error.to_string() }.into()
    })
}
