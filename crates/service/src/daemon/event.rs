use crate::notify::NotifyEvent;
use crate::replica::ReplicaEvent;
use crate::scheduler::SchedulerEvent;
use engine::wal::{ReceiveEvent, SlotFinding};
use pgformat::Lsn;
use serde::Serialize;
use serde_json::Value;
use vault::journal::EventLevel;
use vault::repository::BackupId;

/// Something that the daemon did or saw. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum DaemonEvent {
    /// It began.
    DaemonStarted { pid: u32, repository: String },
    /// It ended; everything received is durable.
    DaemonStopped {},
    /// Another daemon works for this repository; this one waits until it is gone.
    DaemonWaiting { host: String, pid: u32, since: String },
    /// Whether its turn has come could not be seen; it goes on waiting.
    DaemonWaitFailed { error: Value },
    /// Another daemon took over while this one was paused, or cut off: it stops all that it does.
    DaemonLockLost { host: String, pid: u32, since: String },
    /// Receiving ended with an error; it will be tried again after a pause.
    DaemonReceiverFailed { error: Value, seconds: u64 },
    /// The server ended the stream (it stops, or restarts); it will be tried again after a pause.
    DaemonStreamEnded { lsn: Lsn, seconds: u64 },
    /// The archive has been behind the server for some time.
    DaemonLagging { lag_bytes: u64, seconds: u64 },
    /// It has caught up again.
    DaemonCaughtUp { lsn: Lsn },
    /// What is told can't be written into the repository's journal; the log has it.
    DaemonJournalFailed { error: Value },
    /// What the scheduler tells.
    #[serde(untagged)]
    Schedule(SchedulerEvent),
    /// What the receiver or the slot tells.
    #[serde(untagged)]
    Receive(ReceiveEvent),
    /// What the slot tells.
    #[serde(untagged)]
    Slot(SlotFinding),
    /// What the channels of notifications tell.
    #[serde(untagged)]
    Notify(NotifyEvent),
    /// What replicas tell.
    #[serde(untagged)]
    Replica(ReplicaEvent),
}

impl DaemonEvent {
    /// Returns how grave it is.
    pub fn level(&self) -> EventLevel {
        match self {
            DaemonEvent::DaemonReceiverFailed { .. } | DaemonEvent::DaemonJournalFailed { .. } => EventLevel::Error,
            DaemonEvent::DaemonLockLost { .. } | DaemonEvent::DaemonWaitFailed { .. } => EventLevel::Warning,
            DaemonEvent::Schedule(event) => event.level(),
            DaemonEvent::Notify(event) => event.level(),
            DaemonEvent::Replica(ReplicaEvent::ReplicaAttemptFailed { .. }) => EventLevel::Warning,
            DaemonEvent::DaemonStreamEnded { .. } | DaemonEvent::DaemonLagging { .. } => EventLevel::Warning,
            DaemonEvent::Receive(event) => match event {
                ReceiveEvent::WalGapFound { .. } | ReceiveEvent::WalSlotDropped { .. } => EventLevel::Error,
                ReceiveEvent::WalSlotReplaced { .. } => EventLevel::Warning,
                _ => EventLevel::Info,
            },
            DaemonEvent::Slot(finding) => match finding {
                SlotFinding::SlotLost { .. } | SlotFinding::SlotUnusable { .. } => EventLevel::Error,
                _ => EventLevel::Warning,
            },
            _ => EventLevel::Info,
        }
    }

    /// Tells whether the repository's journal should have it, too: what somebody may ask for in a year, not each segment and not
    /// the receiver's every attempt.
    pub fn is_of_weight(&self) -> bool {
        match self {
            DaemonEvent::Receive(event) => matches!(
                event,
                ReceiveEvent::WalGapFound { .. }
                    | ReceiveEvent::WalSlotDropped { .. }
                    | ReceiveEvent::WalSlotReplaced { .. }
                    | ReceiveEvent::WalSlotCreated { .. }
                    | ReceiveEvent::WalTimelineSwitched { .. }
            ),
            DaemonEvent::Slot(finding) => !matches!(finding, SlotFinding::SlotUnbounded { .. }),
            // The journal has what replicas do from whoever does it.
            DaemonEvent::Replica(_)
            | DaemonEvent::DaemonJournalFailed { .. }
            | DaemonEvent::DaemonStreamEnded { .. } => false,
            _ => true,
        }
    }

    /// Returns the backup that it is about.
    pub fn backup_id(&self) -> Option<BackupId> {
        let DaemonEvent::Schedule(SchedulerEvent::RunFinished { note, .. } | SchedulerEvent::RunUnneeded { note, .. }) =
            self
        else {
            return None;
        };
        (note["key"] == "run-note-backup").then(|| note["id"].as_u64().map(BackupId)).flatten()
    }
}

/// Keeps what the daemon tells. Called from several threads; it must not fail: a log that can't be written is no reason to
/// stop receiving.
pub trait DaemonLog: Send + Sync {
    /// Takes one event.
    fn record(&self, event: &DaemonEvent);
}
