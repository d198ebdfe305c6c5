//! What happens to a cluster between its backups, drawn by lot: the same for the same seed and version.
//!
//! A [`Schedule`] is plain data, made before the first step is taken. The generator keeps a model of what there is (which tables,
//! which indexes, which databases), so that every statement is valid: one that fails is a failure of the test or of the server.

mod databases;
mod index_check;
mod meanwhile;
mod objects;
mod prng;
mod schedule;
mod step;
mod tables;
mod world;

pub use index_check::index_disagreements;
pub use meanwhile::Meanwhile;
pub use prng::Prng;
pub use schedule::Schedule;
pub use step::{BackupStep, Changes, Kind, Step};
