//! Real clusters of every supported version, workloads that write while a backup runs, comparisons at the same LSN, and
//! PostgreSQL's own tools as oracles. Only tests use this crate: it panics where a test has to fail, and it prints.
//!
//! ```no_run
//! # fn main() {}
//! use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, compare};
//!
//! testkit::on_each_version!(gives_back_what_it_was_given, |version| {
//!     let source = TestCluster::new(version, &ClusterOptions::default());
//!     let workload = Workload::start(&source, &WorkloadOptions::default());
//!     workload.wait_for_rounds(1);
//!     /* back up */
//!     workload.stop();
//!     let expected = compare::Snapshot::at_restore_point(&source, "after");
//!     /* restore to `target` */
//!     let target = TestFolder::new();
//!     let restored = compare::recover_to_restore_point(&target.path().join("data"), version, &source.pg_wal(), "after");
//!     expected.assert_equals(&restored);
//! });
//! ```
#![allow(clippy::print_stderr, reason = "a test says what it skips and what it leaves behind")]

mod cluster;
pub mod compare;
mod folder;
mod options;
pub mod oracle;
pub mod random;
mod repository;
mod rooms;
mod sql;
pub mod stores;
mod versions;
mod workload;

pub use cluster::TestCluster;
pub use folder::TestFolder;
pub use options::ClusterOptions;
pub use repository::{backup_options, repository_for};
pub use rooms::{RoomViolation, check_rooms};
pub use sql::{PsqlSession, SqlFailure};
pub use versions::{available_versions, binaries, client_program, is_available, own_program, server_owner, skip};
pub use workload::{Pgbench, Workload, WorkloadOptions, WorkloadReport};
