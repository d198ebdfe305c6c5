//! What can be restored? Timelines joined into paths, runs of WAL without a gap along them, and the backups that they stand on.
//!
//! [`TimelinePath`] is a timeline with its ancestors; [`Coverage`] says which file holds which stretch of it, for the sake of one
//! backup; [`PathLog`] reads records and facts from those files; [`windows`] sums it all up for people.

mod coverage;
mod finding;
mod gaps;
mod known;
mod list;
mod path;
mod path_log;
mod times;

pub(crate) use coverage::{Base, Coverage, Holder, Piece, Run};
pub use finding::WindowFinding;
pub(crate) use known::{BrokenBackup, KnownWal};
pub(crate) use list::caught_up_at;
pub use list::{RestorableWindows, Window, WindowGap, windows};
pub(crate) use path::TimelinePath;
pub(crate) use path_log::{PathLog, Tail};
pub(crate) use times::transaction_time;
