use engine::wal::{ReceiveEvent, SlotFinding};
use pgformat::Lsn;
use serde::Serialize;
use serde_json::Value;

/// How grave something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Info,
    /// Somebody should look at it.
    Warning,
    /// It does not work.
    Error,
}

impl Level {
    /// Returns the word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        }
    }
}

/// Something that the daemon did or saw. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum DaemonEvent {
    /// It began.
    DaemonStarted { pid: u32, repository: String },
    /// It ended; everything received is durable.
    DaemonStopped {},
    /// Receiving ended with an error; it will be tried again after a pause.
    DaemonReceiverFailed { error: Value, seconds: u64 },
    /// The server ended the stream (it stops, or restarts); it will be tried again after a pause.
    DaemonStreamEnded { lsn: Lsn, seconds: u64 },
    /// The archive has been behind the server for some time.
    DaemonLagging { lag_bytes: u64, seconds: u64 },
    /// It has caught up again.
    DaemonCaughtUp { lsn: Lsn },
    /// What the receiver or the slot tells.
    #[serde(untagged)]
    Receive(ReceiveEvent),
    /// What the slot tells.
    #[serde(untagged)]
    Slot(SlotFinding),
}

impl DaemonEvent {
    /// Returns how grave it is.
    pub fn level(&self) -> Level {
        match self {
            DaemonEvent::DaemonReceiverFailed { .. } => Level::Error,
            DaemonEvent::DaemonStreamEnded { .. } | DaemonEvent::DaemonLagging { .. } => Level::Warning,
            DaemonEvent::Receive(event) => match event {
                ReceiveEvent::WalGapFound { .. } | ReceiveEvent::WalSlotDropped { .. } => Level::Error,
                ReceiveEvent::WalSlotReplaced { .. } => Level::Warning,
                _ => Level::Info,
            },
            DaemonEvent::Slot(finding) => match finding {
                SlotFinding::SlotLost { .. } | SlotFinding::SlotUnusable { .. } => Level::Error,
                _ => Level::Warning,
            },
            _ => Level::Info,
        }
    }
}

/// Keeps what the daemon tells. Called from several threads; it must not fail: a log that can't be written is no reason to
/// stop receiving.
pub trait DaemonLog: Send + Sync {
    /// Takes one event.
    fn record(&self, event: &DaemonEvent);
}
