//! What keeps replicas up to date while the daemon is up? For each replica two lanes, each a thread: WAL goes as soon as it is there, also
//! while a large backup takes hours.

mod keeper;
mod window;

pub use keeper::{ReplicaEvent, ReplicaLog, ReplicaPolicies, ReplicaSettings, keep_replica};
pub use window::DailyWindow;
