//! A storage elsewhere: what the few requests of a client make of it.

mod append;
mod lease;
mod reader;
mod stream;
mod token;

pub(crate) use token::new as new_token;

use crate::client::{Client, Condition, Found};
use crate::failure::Failure;
use crate::patience::{GaveUp, Patience};
use crate::settings::Address;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vault::storage::{
    AppendObject, ChangeContent, Exclusion, HolderText, LockAttempt, LockHolder, ObjectReader, PutStream, Storage,
    StorageError, StoredObject, is_reserved, key_parts, prefix_parts,
};

/// How old left-overs of others are before a sweep of a whole folder takes them for dead: nobody takes a day over a segment.
const FOLDER_AGE_SECONDS: i64 = 24 * 3600;
/// How often an object is read and written again because others changed it meanwhile.
const UPDATE_ATTEMPTS: usize = 50;

/// What the storage itself, not its client, has to know.
#[derive(Debug, Clone)]
pub(crate) struct RemoteOptions {
    pub lease: Duration,
    /// What tells this host from others that share its kernel.
    pub lease_host: String,
    pub sync_pause: Duration,
}

/// Objects in a store.
pub(crate) struct Remote {
    client: Arc<dyn Client>,
    /// The address, as it may be shown.
    place: String,
    /// What tells it from every other one.
    identity: String,
    patience: Patience,
    options: RemoteOptions,
    /// Which leases were seen, with which tag, since when: by our own clock, which only goes forward.
    sightings: Mutex<HashMap<String, (String, Instant)>>,
    /// The store was seen to refuse what it should refuse.
    keeps_conditions: AtomicBool,
}

impl Remote {
    pub fn new(client: Arc<dyn Client>, address: Address, patience: Patience, options: RemoteOptions) -> Self {
        Remote {
            client,
            identity: address.identity(),
            place: address.shown,
            patience,
            options,
            sightings: Mutex::default(),
            keeps_conditions: AtomicBool::new(false),
        }
    }

    fn error(&self, gave_up: GaveUp, key: &str, action: &'static str) -> StorageError {
        gave_up.failure.into_storage(&self.place, key, action, gave_up.seconds)
    }

    fn head(&self, key: &str) -> Result<Option<Found>, StorageError> {
        self.patience.run(|_| self.client.head(key)).map_err(|gave_up| self.error(gave_up, key, "look at"))
    }

    fn fetch(&self, key: &str) -> Result<Option<(Bytes, Found)>, StorageError> {
        self.patience.run(|_| self.client.get(key, None, None)).map_err(|gave_up| self.error(gave_up, key, "read"))
    }

    fn write(&self, key: &str, content: &Bytes, condition: Condition<'_>) -> Result<String, GaveUp> {
        put_once(self.client.as_ref(), &self.patience, key, content, condition, &token::new())
    }

    fn put_absent(&self, key: &str, content: &Bytes, condition: Condition<'_>) -> Result<String, StorageError> {
        match self.write(key, content, condition) {
            Err(GaveUp { failure: Failure::Condition, .. }) => Err(self.exists(key)),
            written => written.map_err(|gave_up| self.error(gave_up, key, "write")),
        }
    }

    fn exists(&self, key: &str) -> StorageError {
        StorageError::StorageExists { storage: self.place.clone(), object: key.to_owned() }
    }

    fn begin_stream(&self, key: &str, size_bytes: Option<u64>) -> Result<Box<dyn PutStream>, StorageError> {
        let writer = token::new();
        let stream = match size_bytes {
            Some(size_bytes) => self.client.resumed_stream(key, &writer, size_bytes),
            None => self.client.stream(key, &writer),
        };
        let inner = stream.map_err(|failure| failure.into_storage(&self.place, key, "write", 0))?;
        let give_up_seconds = self.patience.give_up_after.as_secs();
        Ok(Box::new(stream::RemoteStream::new(inner, self.place.clone(), key.to_owned(), give_up_seconds)))
    }
}

/// Writes an object in one request, again and again if need be, so that it is written once: when an answer was lost, what lies
/// there now tells by its writer's token whether it is ours.
pub(crate) fn put_once(
    client: &dyn Client,
    patience: &Patience,
    key: &str,
    content: &Bytes,
    condition: Condition<'_>,
    writer: &str,
) -> Result<String, GaveUp> {
    let ours = || -> Result<Option<String>, Failure> {
        let found = match client.head(key) {
            // Who may only write never learns whose it is.
            Err(Failure::Denied(_)) => None,
            found => found?,
        };
        Ok(found.filter(|found| found.writer.as_deref() == Some(writer)).map(|found| found.etag))
    };
    let mut is_ambiguous = false;
    let outcome = patience.run(|_| match client.put(key, content.clone(), condition, writer) {
        Err(Failure::Condition) if is_ambiguous => ours()?.ok_or(Failure::Condition),
        Err(failure) => {
            is_ambiguous |= failure.is_ambiguous();
            Err(failure)
        }
        written => written,
    });
    match outcome {
        Err(gave_up) if gave_up.failure.is_ambiguous() => match ours() {
            Ok(Some(tag)) => Ok(tag),
            _ => Err(gave_up),
        },
        outcome => outcome,
    }
}

impl Storage for Remote {
    fn describe(&self) -> String {
        self.place.clone()
    }

    fn place(&self) -> String {
        self.identity.clone()
    }

    fn url(&self, key: &str) -> String {
        self.client.url(key).unwrap_or_else(|| format!("{}/{key}", self.place.trim_end_matches('/')))
    }

    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        key_parts(key)?;
        self.begin_stream(key, None)
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        key_parts(key)?;
        let written = self.write(key, &Bytes::copy_from_slice(content), Condition::Always);
        written.map(|_| ()).map_err(|gave_up| self.error(gave_up, key, "write"))
    }

    fn put_if_absent(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        key_parts(key)?;
        self.put_absent(key, &Bytes::copy_from_slice(content), Condition::Final).map(|_| ())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        key_parts(key)?;
        Ok(self.fetch(key)?.map(|(content, _)| content.into()))
    }

    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        key_parts(key)?;
        let Some(found) = self.head(key)? else {
            return Err(StorageError::StorageMissing { storage: self.place.clone(), object: key.to_owned() });
        };
        Ok(Box::new(reader::RemoteReader::new(
            Arc::clone(&self.client),
            self.patience,
            self.place.clone(),
            key.to_owned(),
            found,
        )))
    }

    fn open_append(&self, key: &str) -> Result<Box<dyn AppendObject>, StorageError> {
        key_parts(key)?;
        append::open(self, key)
    }

    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError> {
        key_parts(key)?;
        Ok(self.head(key)?.map(|found| found.size_bytes))
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        prefix_parts(prefix)?;
        let listed = self.patience.run(|_| self.client.list(prefix, None));
        let mut listed = listed.map_err(|gave_up| self.error(gave_up, prefix, "list"))?;
        // Our own hidden objects, and keys that no repository has, are nobody's business.
        listed.retain(|object| {
            key_parts(&object.key).is_ok() && object.key.rsplit('/').next().is_some_and(|name| !is_reserved(name))
        });
        listed.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }

    fn delete(&self, key: &str) -> Result<(), StorageError> {
        key_parts(key)?;
        self.patience.run(|_| self.client.delete(key)).map_err(|gave_up| self.error(gave_up, key, "delete"))
    }

    fn sweep(&self, key: &str) -> Result<(), StorageError> {
        key_parts(key)?;
        let age = i64::try_from(self.options.lease.as_secs()).unwrap_or(i64::MAX);
        self.client.sweep(key, true, age).map_err(|failure| failure.into_storage(&self.place, key, "sweep", 0))
    }

    fn sweep_folder(&self, key: &str) -> Result<(), StorageError> {
        key_parts(key)?;
        let folder = key.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let swept = self.client.sweep(&folder, false, FOLDER_AGE_SECONDS);
        swept.map_err(|failure| failure.into_storage(&self.place, key, "sweep", 0))
    }

    fn settle(&self, key: &str) -> Result<(), StorageError> {
        // What is visible is durable.
        key_parts(key).map(|_| ())
    }

    fn try_lock(&self, key: &str, holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
        lease::try_lock(self, key, holder)
    }

    fn lock_holder(&self, key: &str) -> Result<LockHolder, StorageError> {
        lease::holder(self, key)
    }

    fn exclusion(&self) -> Exclusion {
        Exclusion::Lease
    }

    fn update(&self, key: &str, change: ChangeContent<'_>) -> Result<(), StorageError> {
        key_parts(key)?;
        if !self.client.has_conditions() {
            return Err(StorageError::StorageReplicaOnly { storage: self.place.clone() });
        }
        for _ in 0..UPDATE_ATTEMPTS {
            let there = self.fetch(key)?;
            let Some(content) = change(there.as_ref().map(|(content, _)| content.as_ref())) else { return Ok(()) };
            let condition = there.as_ref().map_or(Condition::Absent, |(_, found)| Condition::Unchanged(&found.etag));
            match self.write(key, &content.into(), condition) {
                Ok(_) => return Ok(()),
                Err(GaveUp { failure: Failure::Condition, .. }) => {}
                Err(gave_up) => return Err(self.error(gave_up, key, "write")),
            }
        }
        Err(StorageError::StorageChanged { storage: self.place.clone(), object: key.to_owned() })
    }

    fn put_stream_of(&self, key: &str, size_bytes: u64) -> Result<Box<dyn PutStream>, StorageError> {
        key_parts(key)?;
        self.begin_stream(key, Some(size_bytes))
    }

    fn can_lock(&self) -> bool {
        self.client.has_conditions()
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        self.patience.run(|_| self.client.free_bytes()).map_err(|gave_up| self.error(gave_up, "", "look at"))
    }

    fn sync_pause(&self) -> Option<Duration> {
        Some(self.options.sync_pause)
    }
}
