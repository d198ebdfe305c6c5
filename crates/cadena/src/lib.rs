//! Cadena: PostgreSQL backup and point-in-time restore as a library. Re-exports only; the logic lives in its rooms.

pub use engine::{Cancel, Error, Phase, Progress, SilentProgress};
pub use engine::{backup, cluster, reader, restore, retention, verify, wal};
pub use pgformat;
pub use service::services::{self, BackupManager, BackupService, CloudStorageService, RestoreService};
/// Copies of the repository elsewhere: the library's part, and what keeps them up to date.
pub mod replica {
    pub use engine::replica::*;
    pub use service::replica::*;
}
pub use service::{catalog, daemon, health, metrics, notify, scheduler, watch};
pub use stores;
pub use vault::journal;
pub use vault::wal as wal_archive;
pub use vault::{archive, encryption, repository, storage};
