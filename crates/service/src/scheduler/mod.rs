//! When does what run? Rules, a planner that decides from them what is due, what it remembers, and the thread that runs it.
//!
//! docs/reference/daemon.md is the users' page, docs/format/schedule.md the contract of what lies in the repository.

mod error;
mod job;
mod rule;

pub use error::ScheduleError;
pub use job::Job;
pub use rule::{JobTime, Pattern, Rule};
