//! How does the daemon live? It receives WAL, waits and tries again when that ends, watches the slot meanwhile, and stops when
//! it is cancelled.

mod backoff;
mod event;
mod observer;
mod run;
mod slot_watch;

pub use event::{DaemonEvent, DaemonLog, Level};
pub use run::{DaemonSettings, run, run_once};
