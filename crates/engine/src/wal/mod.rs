//! How does the write-ahead log get into the archive, and out of it? Receive, push, fetch, and what can be restored.

mod changes;
mod error;
mod fetch;
mod push;
mod receive;
mod slot;
mod windows;

pub use changes::{
    ChangeAnswer, ChangeDetail, ChangeRange, ChangesUnknown, CompactedSummaries, changes_from_server, changes_from_wal,
    compact_summaries,
};
pub use error::WalError;
pub(crate) use fetch::read_until;
pub use fetch::{FetchOutcome, FetchRequest, fetch, prefetch};
pub use push::{PushOptions, PushOutcome, Pushed, push};
pub use receive::{
    CaughtUp, ReceiveEvent, ReceiveObserver, ReceiveOptions, ReceiveOutcome, ReceiverState, StopWhen, receive,
    receiver_state,
};
pub use slot::{SlotFinding, SlotHealth, SlotState, create_slot, drop_slot, slot_health};
pub(crate) use windows::{
    BrokenBackup, Coverage, Holder, KnownWal, PathLog, Tail, TimelinePath, caught_up_at, transaction_time,
};
pub use windows::{RestorableWindows, Window, WindowFinding, WindowGap, windows};
