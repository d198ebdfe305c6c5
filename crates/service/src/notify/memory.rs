//! `notify.json`: what was told through which channel, so that a restart tells nothing twice and forgets no end.

use super::Matter;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use vault::storage::Storage;

/// The key of the memory.
pub const MEMORY_KEY: &str = "notify.json";
/// The version that this program writes, and the only one that it reads.
const FORMAT_VERSION: u32 = 1;

/// A problem that was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub matter: Matter,
    /// When it was first seen.
    pub since: Timestamp,
    /// When it was last told.
    pub told_at: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Content {
    format_version: u32,
    /// Events of the journal up to here were looked at.
    #[serde(default)]
    journal_id: Option<u64>,
    /// By channel, by the problem's identity.
    #[serde(default)]
    channels: BTreeMap<String, BTreeMap<String, Told>>,
}

/// The memory of all channels. Losing it does no harm but a message too many, so that errors are traced and no more.
pub(super) struct Memory {
    storage: Option<Arc<dyn Storage>>,
    content: Mutex<Content>,
}

impl Memory {
    /// Reads what `storage` holds; without one, nothing outlives the process.
    pub fn read(storage: Option<Arc<dyn Storage>>) -> Self {
        let found = storage.as_ref().and_then(|storage| match storage.get(MEMORY_KEY) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "what was told before can't be read");
                None
            }
        });
        let content = found.and_then(|bytes| match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.format_version == FORMAT_VERSION => Some(content),
            Ok(content) => {
                tracing::warn!(content.format_version, "what was told before is of another version");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "what was told before can't be read");
                None
            }
        });
        let content = content.unwrap_or(Content { format_version: FORMAT_VERSION, ..Content::default() });
        Memory { storage, content: Mutex::new(content) }
    }

    /// Returns what was told through a channel.
    pub fn told(&self, channel: &str) -> BTreeMap<String, Told> {
        self.lock().channels.get(channel).cloned().unwrap_or_default()
    }

    /// Keeps what was told through a channel, if it is not what is kept already.
    pub fn keep(&self, channel: &str, told: BTreeMap<String, Told>) {
        let mut content = self.lock();
        if content.channels.get(channel).is_some_and(|known| *known == told) {
            return;
        }
        if told.is_empty() {
            content.channels.remove(channel);
        } else {
            content.channels.insert(channel.to_owned(), told);
        }
        self.write(&content);
    }

    /// Forgets channels that the configuration no longer has.
    pub fn keep_only(&self, channels: &[&str]) {
        let mut content = self.lock();
        let before = content.channels.len();
        content.channels.retain(|name, _| channels.contains(&name.as_str()));
        if content.channels.len() != before {
            self.write(&content);
        }
    }

    /// Returns how far the journal was looked at; `None` when it never was.
    pub fn journal_id(&self) -> Option<u64> {
        self.lock().journal_id
    }

    /// Keeps how far the journal was looked at.
    pub fn keep_journal_id(&self, id: u64) {
        let mut content = self.lock();
        if content.journal_id != Some(id) {
            content.journal_id = Some(id);
            self.write(&content);
        }
    }

    /// Writes under the lock, so that an older state never replaces a newer one.
    fn write(&self, content: &Content) {
        let Some(storage) = &self.storage else { return };
        // Strings, numbers and instants only: this can't fail.
        let bytes = serde_json::to_vec_pretty(content).unwrap_or_default();
        if let Err(error) = storage.put(MEMORY_KEY, &bytes) {
            tracing::warn!(%error, "what was told can't be written down");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
