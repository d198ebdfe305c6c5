//! Storages elsewhere: S3 and everything that speaks it, Google Drive, Azure Blob, Google Cloud Storage, WebDAV, SFTP.
//!
//! [`open`] makes a [`vault::storage::Storage`] from an address and its options. docs/reference/storage.md is the users' page, and
//! docs/format/repository.md says how locks and commits work where there are no kernel locks.
//!
//! `remote/` is what all of them share: streams, leases, objects that grow, reading ahead. It stands on the small trait
//! `client::Client`, of which `s3/`, `drive/` and `sftp/` are forms of our own (uploads have to go on after a failure, to be made on a
//! condition, and to be compared; an `ssh` has to end with the process) and `dal/`, over Apache OpenDAL, the last.

mod client;
mod dal;
pub mod drive;
mod failure;
mod hidden;
mod open;
mod patience;
mod remote;
mod runtime;
mod s3;
mod settings;
#[cfg(unix)]
mod sftp;

pub use open::open;
pub use settings::{Secrets, StoreSettings, is_remote};
