//! How do copies of the repository elsewhere come to be, and stay true?
//!
//! A replica is another storage with the same layout: a repository of its own right, from which everything restores. [`ReplicaLink`]
//! is one side's view of the other while it works: it holds the replica's lock, knows what is there, copies what is missing (an
//! archive before its record), and remembers what is where in `replicas/NAME.json`. [`verify`] compares copies by their checksums
//! and mends bad ones from good ones; [`pull`] makes a repository of a replica.
//!
//! Objects are copied as they are: a sealed archive stays sealed, and no key is needed.

mod clean;
mod copy;
mod error;
mod keys;
mod link;
mod place;
mod pull;
mod push;
mod state;
mod verify;
mod wal;
mod write_only;

pub use error::ReplicaError;
pub use link::ReplicaLink;
pub use place::{Replica, ReplicaRetention};
pub use pull::{PullOutcome, PullRequest, pull};
pub use push::{PushedBackups, ReplicaStep};
pub use state::{
    BackupCopies, ReplicaBacklog, ReplicaCopy, ReplicaState, ReplicaWal, backup_copies, forget_replica, load_states,
};
pub use verify::{CopyFault, CopyFinding, CopyReport, VerifyRequest, verify};
pub use wal::PushedWal;
