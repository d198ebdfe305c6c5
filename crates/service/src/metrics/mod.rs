//! What do monitoring systems read? Metrics in Prometheus' text format, health as JSON, over HTTP on loopback.
//!
//! [`Snapshot`] is what is known at one moment; a [`SnapshotSource`] takes it when somebody asks, at most every few seconds.
//! The metrics' names are a contract: docs/reference/metrics.md.

mod digest;
mod error;
mod exposition;
mod health_page;
mod server;
mod snapshot;
mod source;
mod table;

pub(crate) use digest::LOGICAL;
pub use digest::{Failure, JournalDigest, JournalFollower};
pub use error::MetricsError;
pub use exposition::{CONTENT_TYPE, exposition};
pub use health_page::{HealthPage, ProblemLine, health_page};
pub use server::{MetricsServer, MetricsSettings};
pub use snapshot::{BackupSums, CatalogFacts, JobFacts, LastBackup, Snapshot, SnapshotCache, SnapshotSource};
pub use source::RepositorySource;
pub use table::{METRICS, Metric, MetricKind};
