//! How do results look? Tables and sentences for people, JSON for programs, a bar while it takes long.

mod backups;
mod health;
mod plan;
mod problem;
mod progress;
mod screen;
mod table;
pub mod units;

pub use backups::{backup_facts, backup_table, kind_name, method_name, state_name};
pub use health::health_text;
pub use plan::{plan_text, restored_text};
pub use problem::{Problem, described, problem_of};
pub use progress::progress_for;
pub use screen::Screen;
pub use table::{Align, Table, facts};
