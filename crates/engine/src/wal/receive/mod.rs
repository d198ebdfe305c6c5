//! How does WAL get from the server into the archive as it is written?
//!
//! `run.rs` reads as the table of contents: lock, connect, care for the slot (`slot_care.rs`), find where the archive ends
//! (`position.rs`), learn the timelines (`timelines.rs`), stream (`stream.rs`). `intake.rs` takes the bytes: whole segments that
//! the server has already go straight into sealed files; what is being written now is appended to a partial file, which is
//! sealed in the background (`sealing.rs`) once it is whole. Which blocks it changes is found out beside (`summarizing.rs`).
//! Nothing is acknowledged before it is durable.

mod intake;
mod lock;
mod options;
mod position;
mod run;
mod sealing;
mod slot_care;
mod stream;
mod summarizing;
mod timelines;

pub use lock::receiver_state;
pub use options::{CaughtUp, ReceiveEvent, ReceiveObserver, ReceiveOptions, ReceiveOutcome, ReceiverState, StopWhen};
pub use run::receive;
