use super::{DaemonEvent, DaemonLog};
use engine::wal::ReceiveEvent;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use vault::journal::{Journal, NewEvent};

/// Tells everything to the log, and what is of weight to the repository's journal.
pub(super) struct Teller<'a> {
    log: &'a dyn DaemonLog,
    journal: Journal,
    told: Mutex<Told>,
}

/// What has been told and would only be repeated.
#[derive(Default)]
struct Told {
    /// The key of the receiver's error: one that can't connect fails every minute.
    receiver: Option<Value>,
    journal: Option<String>,
}

impl<'a> Teller<'a> {
    pub fn new(log: &'a dyn DaemonLog, journal: Journal) -> Self {
        Teller { log, journal, told: Mutex::default() }
    }

    /// Tells whether this is news for the journal.
    fn is_news(&self, event: &DaemonEvent) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            DaemonEvent::DaemonReceiverFailed { error, .. } => {
                let key = Some(error["key"].clone());
                std::mem::replace(&mut told.receiver, key.clone()) != key
            }
            DaemonEvent::Receive(ReceiveEvent::WalStreaming { .. }) => {
                told.receiver = None;
                false
            }
            event => event.is_of_weight(),
        }
    }

    fn note(&self, event: &DaemonEvent) {
        let Value::Object(mut details) = serde_json::to_value(event).unwrap_or_default() else { return };
        let Some(Value::String(name)) = details.remove("key") else { return };
        let new = NewEvent { level: event.level(), event: name, backup_id: event.backup_id(), details };
        let result = self.journal.append(Timestamp::now(), new);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) => told.journal = None,
            Err(error) => {
                let text = error.to_string();
                // A journal that can't be written must not fill the log as well.
                if told.journal.as_ref() != Some(&text) {
                    told.journal = Some(text);
                    let error = serde_json::to_value(&error).unwrap_or_default();
                    self.log.record(&DaemonEvent::DaemonJournalFailed { error });
                }
            }
        }
    }
}

impl DaemonLog for Teller<'_> {
    fn record(&self, event: &DaemonEvent) {
        self.log.record(event);
        if self.is_news(event) {
            self.note(event);
        }
    }
}
