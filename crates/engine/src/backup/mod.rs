//! How is a backup taken? `run` reads as the table of contents; `produce` cuts the cluster into work, `encode` turns work
//! into finished frames on many threads, `seal` puts them in order into the archive and keeps the manifest. `logical` sends dumps the
//! same way.

mod encode;
mod error;
mod external_config;
mod increment;
mod logical;
mod manifest_member;
mod merge;
mod options;
mod pack;
mod plain_buffer;
mod produce;
mod record;
mod run;
mod seal;
mod wal_members;
mod work;

pub use error::BackupError;
pub(crate) use external_config::EXTERNAL_CONFIG_FOLDER;
pub use increment::ChangesChoice;
pub(crate) use logical::{DATABASE_FILE, DATABASES_FOLDER, DatabaseDescription, PART_PREFIX};
pub use logical::{LogicalRequest, run_logical};
pub use merge::{MergeOutcome, merge};
pub use options::BackupOptions;
pub use run::{BackupOutcome, BackupRequest, run_backup, run_full};
