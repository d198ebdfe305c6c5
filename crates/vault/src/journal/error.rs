use crate::storage::StorageError;
use serde::Serialize;

/// Says why an event can't be written or read. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs)] // of the fields: each is named by the sentence above it
pub enum JournalError {
    /// Another process has held the journal's lock for longer than a line takes.
    #[error("the events in {storage} are being written by another process for {seconds} s")]
    JournalBusy { storage: String, seconds: u64 },
    /// An event that is no line of text: a fault of the caller.
    #[error("the event {event} can't be written: {detail}")]
    JournalEventInvalid { event: String, detail: String },
    /// The storage failed.
    #[error(transparent)]
    #[serde(untagged)]
    Storage(#[from] StorageError),
}
