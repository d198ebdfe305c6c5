//! Which blocks did the log change between two backups?
//!
//! [`changes_from_wal`] follows the log from the base's start to this backup's along the timelines: a stored summary where there is
//! one, else the segment's own bytes, out of the archive or the server's pg_wal. [`changes_from_server`] takes the summaries that a
//! server of 17 or later keeps. Either gives a table that names at least every changed block, or says why it can't; then the
//! caller goes another way. `maker.rs` makes summaries of what is being received; `choose.rs` says which of them may be used,
//! and `compact.rs` merges those that nobody will ask for one by one.

mod answer;
mod choose;
mod compact;
mod decode;
mod follow;
mod history;
mod maker;
mod server;
mod source;

pub use answer::{ChangeAnswer, ChangeDetail, ChangeRange, ChangesUnknown};
pub use compact::{CompactedSummaries, compact_summaries};
pub use follow::changes_from_wal;
pub(crate) use maker::SummaryMaker;
pub use server::changes_from_server;
