use pgformat::{Lsn, TimelineId};
use serde::{Deserialize, Serialize};
use vault::wal::WalGap;

/// How to receive.
#[derive(Debug, Clone)]
pub struct ReceiveOptions {
    /// The permanent physical slot; made if it is not there.
    pub slot: String,
    /// The slot is let go rather than holding more than this on the server; `None`: no bound.
    pub max_slot_retained_bytes: Option<u64>,
    /// zstd level of sealed segments.
    pub compression_level: i32,
    /// Threads that compress.
    pub jobs: usize,
    /// When to stop.
    pub stop: StopWhen,
    /// Such as `cadena 0.1.0`.
    pub tool_version: String,
}

/// When a receiver stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopWhen {
    /// Only when cancelled, or when the connection ends.
    Never,
    /// When everything up to this address, or, without one, up to the server's present flush position, is durable.
    CaughtUp(Option<Lsn>),
}

/// What a receiver tells while it runs.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ReceiveEvent {
    /// Streaming began.
    WalStreaming { timeline: TimelineId, lsn: Lsn, slot: String },
    /// A slot was made.
    WalSlotCreated { slot: String },
    /// A segment is sealed.
    WalSegmentArchived { segment: String },
    /// The server switched to another timeline.
    WalTimelineSwitched { from: TimelineId, to: TimelineId, lsn: Lsn },
    /// WAL is lost for the archive; a new backup must close the gap.
    WalGapFound { gap: WalGap },
    /// The slot held too much and was let go.
    WalSlotDropped { slot: String, retained_bytes: u64, limit_bytes: u64 },
    /// A slot that had been lost was made anew.
    WalSlotReplaced { slot: String, reason: String },
}

/// Is told of events and positions; called from the receiver's thread: keep it cheap.
pub trait ReceiveObserver: Send + Sync {
    /// Something happened.
    fn event(&self, event: ReceiveEvent);
    /// Progress: what is durable here and where the server is. `behind_since`: since when the server has been ahead of us.
    fn position(&self, timeline: TimelineId, durable_lsn: Lsn, server_lsn: Lsn, behind_since: Option<jiff::Timestamp>);
}

/// How a receiver ended without an error.
#[derive(Debug, Clone, Serialize)]
pub struct ReceiveOutcome {
    /// The timeline streamed last.
    pub timeline: TimelineId,
    /// Everything before it is durable in the archive.
    pub durable_lsn: Lsn,
    /// Whole segments archived.
    pub segments: u64,
    /// Gaps found.
    pub gaps: Vec<WalGap>,
}

/// What the receiver's lock tells other processes, refreshed every few seconds (`wal/receiver`'s holder text).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverState {
    /// Where it runs.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// The slot it streams from.
    pub slot: String,
    /// Since when it has been streaming; `None` while it is not connected.
    pub streaming_since: Option<jiff::Timestamp>,
    /// The timeline.
    pub timeline: TimelineId,
    /// Everything before it is durable.
    pub durable_lsn: Lsn,
    /// The server's flush position, as last heard.
    pub server_lsn: Lsn,
    /// Since when the server has been ahead.
    pub behind_since: Option<jiff::Timestamp>,
    /// When the server last said that nothing was left to send.
    #[serde(default)]
    pub caught_up: Option<CaughtUp>,
    /// When this was written.
    pub updated_at: jiff::Timestamp,
}

/// A moment at which the archive had all that the server had. It stays true afterwards: what was committed by then is before
/// that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtUp {
    /// By the server's clock, which commits are timed by as well.
    pub at: jiff::Timestamp,
    /// The timeline.
    pub timeline: TimelineId,
    /// Where the log ended then.
    pub lsn: Lsn,
}
