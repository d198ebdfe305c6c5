//! Stores for tests, each a real server on a port of its own, gone with the value: S3 (moto), WebDAV (wsgidav), SFTP (sshd),
//! Azure Blob (azurite), and [`DriveServer`], our own, which speaks Google Drive; and [`FaultProxy`], which stands between us and one of them.
//!
//! scripts/setup-servers installs them.

mod azure;
mod drive;
mod fault_proxy;
mod gcs;
mod process;
mod s3;
mod sftp;
mod webdav;

pub use azure::AzureServer;
pub use drive::DriveServer;
pub use fault_proxy::{FaultProxy, ProxyFault};
pub use gcs::GcsServer;
pub use s3::S3Server;
pub use sftp::SftpServer;
pub use webdav::WebDavServer;
