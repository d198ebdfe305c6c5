//! When does what run? Rules, a planner that decides from them what is due, what it remembers, and the thread that runs it.
//!
//! docs/reference/daemon.md is the users' page, docs/format/schedule.md the contract of what lies in the repository.

mod clock;
mod error;
mod event;
mod job;
mod memory;
mod planner;
mod rule;
mod run;
mod runner;
mod schedule;
mod store;
mod view;

pub use clock::{Clock, SystemClock};
pub use error::ScheduleError;
pub use event::{RunNote, SchedulerEvent};
pub use job::Job;
pub use memory::{JobMemory, LastRun, MEMORY_KEY, Memory, RunningJob};
pub use planner::Planner;
pub use rule::{JobTime, Pattern, Rule};
pub use run::{FileRules, RuleFile, Scheduler, SchedulerStartError, SchedulerStatus, SchedulerWatch};
pub use runner::{Run, RunFailure, RunSummary, Runner};
pub use schedule::{RuleSource, Rules, Schedule};
pub use store::{SCHEDULE_KEY, set_rule, stored_rules};
pub use view::{JobView, view};
