use crate::client::Client;
use crate::patience::Patience;
use crate::remote::{Remote, RemoteOptions};
use crate::settings::{Address, StoreSettings, is_remote};
use crate::{dal, drive, runtime, s3};
use std::path::PathBuf;
use std::sync::Arc;
use vault::storage::{LocalFolder, Storage, StorageError};

/// How long a request may go without an answer.
const CALL_SECONDS: u64 = 30;
/// How long a request is tried.
const GIVE_UP_SECONDS: u64 = 120;
/// How long a lock lasts that nobody renews.
const LEASE_SECONDS: u64 = 60;
/// How long the writer of a growing object gathers: the RPO of a repository in a bucket.
const SYNC_SECONDS: u64 = 5;
/// A part of an upload. Ten thousand parts are an object's limit on S3.
const PART_BYTES: u64 = 8 << 20;
const CONCURRENCY: u64 = 4;

/// Opens a storage by its address. Nothing is asked of it yet.
///
/// # Errors
/// `StorageSetting` for an address or option that can't be used.
pub fn open(settings: &StoreSettings) -> Result<Arc<dyn Storage>, StorageError> {
    if !is_remote(&settings.url) {
        return Ok(Arc::new(LocalFolder::new(&local_path(&settings.url))));
    }
    let address = Address::parse(settings)?;
    let runtime = runtime::start().map_err(|error| address.bad("threads", error.to_string()))?;
    let patience = Patience {
        call: address.seconds("timeout_seconds", 1, 3600, CALL_SECONDS)?,
        give_up_after: address.seconds("give_up_seconds", 1, 86_400, GIVE_UP_SECONDS)?,
    };
    let transfer = Transfer {
        part_bytes: address.number("part_size", 5 << 20, 512 << 20, PART_BYTES)? as usize,
        concurrency: address.number("concurrency", 1, 64, CONCURRENCY)? as usize,
    };
    let options = RemoteOptions {
        lease: address.seconds("lease_seconds", 2, 3600, LEASE_SECONDS)?,
        lease_host: address.option("lease_host").unwrap_or_default().to_owned(),
        sync_pause: address.seconds("sync_seconds", 0, 3600, SYNC_SECONDS)?,
    };
    let client: Arc<dyn Client> = match address.scheme.as_str() {
        "s3" => Arc::new(s3::S3::new(&address, runtime, patience, transfer)?),
        "azblob" | "gcs" | "webdav" | "webdavs" => Arc::new(dal::Dal::new(&address, runtime, patience, transfer)?),
        #[cfg(unix)]
        "sftp" => Arc::new(crate::sftp::Sftp::new(&address, runtime, patience)?),
        #[cfg(not(unix))]
        "sftp" => return Err(address.bad("url", "sftp:// is there on Unix only".to_owned())),
        "gdrive" => Arc::new(drive::Drive::new(&address, runtime, patience, transfer)?),
        _ => {
            let known = "s3, gdrive, azblob, gcs, webdav, webdavs, sftp, file";
            return Err(address.bad("url", format!("{}:// is unknown; known: {known}", address.scheme)));
        }
    };
    Ok(Arc::new(Remote::new(client, address, patience, options)))
}

/// Returns the path that `file:///path`, or a plain path, stands for.
fn local_path(url: &str) -> PathBuf {
    let parsed = url.starts_with("file://").then(|| reqwest::Url::parse(url).ok()?.to_file_path().ok()).flatten();
    parsed.unwrap_or_else(|| PathBuf::from(url.strip_prefix("file://").unwrap_or(url)))
}

/// How large objects are moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    pub part_bytes: usize,
    pub concurrency: usize,
}
