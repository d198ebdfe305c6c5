//! Google Drive, spoken to as version 3 of its interface is documented.
//!
//! A client of our own: no library that we know of has service accounts, uploads that go on, and the comparison of checksums.
//!
//! A key's parts are folders and a file's name below one folder. Drive tells files by ids, not by names, and knows no writes on a
//! condition: two files, or two folders, of one name may lie side by side. So a name stands for the oldest file of that name; what
//! is in any folder of a name is seen; new things go into the oldest. A file that should be new is made, looked for again, and taken
//! back when another one was there before it. That keeps mistakes apart, not writers that race: Drive holds replicas, no repository.

mod auth;
mod client;
mod credentials;
mod files;
mod folders;
mod login;
mod request;
mod stream;

use crate::failure::Failure;
use crate::open::Transfer;
use crate::patience::Patience;
use crate::settings::Address;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::runtime::Runtime;
use vault::storage::StorageError;

pub use login::{DriveLogin, LoginOptions};

/// Where Google listens.
const ENDPOINT: &str = "https://www.googleapis.com";
/// Sees what others put into the folder, too. `drive.file`, which sees only what the program made itself, is enough for a folder that
/// it made.
const SCOPE: &str = "https://www.googleapis.com/auth/drive";
/// Pieces of an upload are multiples of this.
const PIECE_BYTES: usize = 256 << 10;

/// A folder on Google Drive.
#[derive(Clone)]
pub(crate) struct Drive {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: &'static Runtime,
    patience: Patience,
    http: reqwest::Client,
    endpoint: String,
    tokens: auth::Tokens,
    root: String,
    /// What lies between the root and our keys, with a slash at its end; or nothing.
    prefix: String,
    /// Of an upload's piece.
    part_bytes: usize,
    /// The shared drive that the root is in, once the root was looked at.
    root_drive: OnceLock<Option<String>>,
    /// Folders by their path below the root: all of one name, the oldest first.
    folders: Mutex<HashMap<String, Vec<String>>>,
    /// Files that were looked up, by key. Ids never change; a file that is gone is noticed when it is asked for.
    ids: Mutex<HashMap<String, String>>,
}

impl Drive {
    /// Makes one; nothing is asked of it yet.
    pub fn new(
        address: &Address,
        runtime: &'static Runtime,
        patience: Patience,
        transfer: Transfer,
    ) -> Result<Self, StorageError> {
        address.refuse_unknown(&["endpoint", "token_endpoint", "scope", "subject"], &["credentials"])?;
        let endpoint = address.option("endpoint").unwrap_or(ENDPOINT).trim_end_matches('/').to_owned();
        request::check_endpoint(&endpoint).map_err(|detail| address.bad("endpoint", detail))?;
        let Some(text) = address.secrets.get("credentials") else {
            let detail = "gdrive_credentials is not given".to_owned();
            return Err(StorageError::StorageCredentials { storage: address.shown.clone(), detail });
        };
        let mut credentials = credentials::Credentials::parse(text)
            .map_err(|detail| StorageError::StorageCredentials { storage: address.shown.clone(), detail })?;
        if let Some(subject) = address.option("subject") {
            credentials.act_for(subject).map_err(|detail| address.bad("subject", detail))?;
        }
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(patience.call)
            .no_proxy()
            .user_agent(concat!("cadena/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| address.bad("url", error.without_url().to_string()))?;
        let token_endpoint = address.option("token_endpoint").map(str::to_owned);
        let scope = match address.option("scope").unwrap_or(SCOPE) {
            name if name.contains("://") => name.to_owned(),
            name => format!("https://www.googleapis.com/auth/{name}"),
        };
        let tokens = auth::Tokens::new(credentials, token_endpoint, scope)
            .map_err(|detail| address.bad("token_endpoint", detail))?;
        let part_bytes = (transfer.part_bytes / PIECE_BYTES).max(1) * PIECE_BYTES;
        let prefix = if address.path.is_empty() { String::new() } else { format!("{}/", address.path) };
        let shared = Shared {
            runtime,
            patience,
            http,
            endpoint,
            tokens,
            root: address.host.clone(),
            prefix,
            part_bytes,
            root_drive: OnceLock::new(),
            folders: Mutex::default(),
            ids: Mutex::default(),
        };
        Ok(Drive { shared: Arc::new(shared) })
    }

    /// For the requests of what is more than one request: each is tried for as long as a single one would be.
    fn patiently<T>(&self, attempt: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, Failure> {
        self.shared.patience.run(attempt).map_err(|gave_up| gave_up.failure)
    }
}
