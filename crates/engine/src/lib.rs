//! Data in motion: from a cluster into an archive, and from archives into a cluster.
//!
//! Nothing here prints, reads the environment or exits; a cluster and a repository come in as values, so that one
//! process can serve many. Progress goes to a [`Progress`], cancellation comes from a [`Cancel`].

pub mod backup;
pub mod chain;
pub mod cluster;
mod error;
mod journal;
pub mod pipeline;
pub mod reader;
pub mod replica;
pub mod restore;
pub mod retention;
pub mod verify;
pub mod wal;

pub use error::Error;
pub use pipeline::{Cancel, Phase, Progress, SilentProgress};
