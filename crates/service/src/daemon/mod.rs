//! How does the daemon live? Two parts, each a thread: one receives WAL, waits and tries again when that ends, and watches the slot
//! meanwhile; the other runs the schedule. A third watches both, and stops them when it is cancelled.

mod error;
mod event;
mod jobs;
mod lock;
mod monitor;
mod observer;
mod receiver;
mod run;
mod slot_watch;
mod teller;

pub use error::DaemonError;
pub use event::{DaemonEvent, DaemonLog};
pub use jobs::DaemonHooks;
pub use lock::{DaemonHolder, DaemonLock, daemon_holder, take_lock, wait_for_lock};
pub use monitor::{DaemonMonitor, DaemonState, NoMonitor};
pub use receiver::{ReceiverSettings, run_once};
pub use run::{DaemonSettings, ScheduleSettings, run, run_holding};
