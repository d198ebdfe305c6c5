//! How does a server in recovery get its WAL? One file at a time, by name; and a few ahead, into a spool beside pg_wal.

mod serve;
mod spool;

pub(crate) use serve::read_until;
pub use serve::{FetchOutcome, FetchRequest, fetch};
pub use spool::prefetch;
