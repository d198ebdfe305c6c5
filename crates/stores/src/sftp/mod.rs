//! A server that speaks SFTP, by this host's `ssh`.
//!
//! The protocol knows no write on a condition: it holds replicas, no repository. An object is written under a hidden name and renamed; the
//! check that there is none under its own name is a step before.

mod files;
mod session;
mod ssh;
mod stream;

use crate::client::{Client, ClientStream, Condition, Found};
use crate::failure::Failure;
use crate::hidden;
use crate::patience::Patience;
use crate::settings::Address;
use bytes::Bytes;
use openssh_sftp_client::Error;
use openssh_sftp_client::metadata::MetaData;
use session::{Session, Sessions};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;
use vault::storage::{StorageError, StoredObject};

/// A folder of a server.
#[derive(Clone)]
pub(crate) struct Sftp {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: &'static Runtime,
    sessions: Sessions,
    patience: Patience,
    root: PathBuf,
}

impl Sftp {
    pub fn new(address: &Address, runtime: &'static Runtime, patience: Patience) -> Result<Self, StorageError> {
        let sessions = Sessions::new(ssh::Target::new(address)?, patience.call);
        let root = PathBuf::from(format!("/{}", address.path));
        Ok(Sftp { shared: Arc::new(Shared { runtime, sessions, patience, root }) })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.shared.root.join(key)
    }

    /// Does something in a session.
    fn ask<T>(&self, work: impl AsyncFnOnce(&Session) -> Result<T, Error>) -> Result<T, Failure> {
        crate::runtime::wait(self.shared.runtime, async {
            let session = self.shared.sessions.take().await?;
            match work(&session).await {
                Ok(done) => {
                    self.shared.sessions.give_back(session);
                    Ok(done)
                }
                Err(error) => Err(self.shared.sessions.after(session, error).await),
            }
        })
    }

    /// Moves an object of known size from its hidden name to its own.
    fn rename(&self, hidden: &str, key: &str, size_bytes: u64, condition: Condition<'_>) -> Result<(), Failure> {
        match self.head(hidden)? {
            Some(found) if found.size_bytes == size_bytes => {}
            Some(found) => {
                let detail = format!("{size_bytes} bytes were sent, {} are there", found.size_bytes);
                return Err(Failure::WrongBytes(detail));
            }
            None => return Err(Failure::Missing),
        }
        let is_there = self.head(key)?.is_some();
        if is_there && condition.wants_absence() {
            return Err(Failure::Condition);
        }
        let (from, to) = (self.path(hidden), self.path(key));
        match self.ask(async |session| session.rename(&from, &to).await) {
            // Some servers rename over nothing that is there. Between the two steps there is no object; never half of one.
            Err(failure) if is_there && self.head(hidden)?.is_some() => {
                tracing::debug!(?failure, key, "renamed in two steps");
                self.delete(key)?;
                self.ask(async |session| session.rename(&from, &to).await)
            }
            renamed => renamed,
        }
    }
}

impl Client for Sftp {
    fn has_conditions(&self) -> bool {
        false
    }

    fn head(&self, key: &str) -> Result<Option<Found>, Failure> {
        let path = self.path(key);
        let metadata = self.ask(async |session| session.stat(&path).await)?;
        Ok(metadata.filter(is_file).map(|metadata| found(&metadata)))
    }

    fn get(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<Option<(Bytes, Found)>, Failure> {
        let whole = range.is_none();
        let Some(found) = self.head(key)? else { return Ok(None) };
        if tag.is_some_and(|tag| !tag.is_empty() && tag != found.etag) {
            return Err(Failure::Condition);
        }
        let range = range.unwrap_or(0..found.size_bytes);
        let wanted = range.end - range.start;
        let path = self.path(key);
        match self.ask(async |session| session.read(&path, range).await) {
            Ok(content) if content.len() as u64 == wanted => Ok(Some((content, found))),
            Ok(content) if whole => Err(Failure::Collision(format!("{} of {wanted} bytes came", content.len()))),
            Ok(content) => Err(Failure::Unreachable(format!("{} of {wanted} bytes came", content.len()))),
            Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn put(&self, key: &str, content: Bytes, condition: Condition<'_>, writer: &str) -> Result<String, Failure> {
        if let Condition::Unchanged(_) = condition {
            return Err(Failure::Other("a write on the condition that nothing changed".to_owned()));
        }
        if condition.wants_absence() && self.head(key)?.is_some() {
            return Err(Failure::Condition);
        }
        let hidden = hidden::name(key, writer);
        let path = self.path(&hidden);
        let written = self.ask(async |session| {
            let mut file = session.create(&path).await?;
            session.write_at(&mut file, 0, &content).await?;
            session.settle(file).await
        });
        let renamed = written.and_then(|()| self.rename(&hidden, key, content.len() as u64, condition));
        renamed.inspect_err(|_| hidden::discard(self, &hidden))?;
        Ok(String::new())
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        let path = self.path(key);
        self.ask(async |session| session.remove(&path).await)
    }

    fn list(&self, prefix: &str, limit: Option<usize>) -> Result<Vec<StoredObject>, Failure> {
        let folder = prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        self.ask(async |session| {
            let mut found = Vec::new();
            let mut folders = vec![folder];
            while let Some(folder) = folders.pop() {
                for (name, metadata) in session.entries(&self.path(&folder)).await? {
                    let key = format!("{folder}{name}");
                    let inside = format!("{key}/");
                    if metadata.file_type().is_some_and(|kind| kind.is_dir()) {
                        if inside.starts_with(prefix) {
                            folders.push(inside);
                        }
                    } else if is_file(&metadata) && key.starts_with(prefix) {
                        let Found { size_bytes, modified_seconds, .. } = self::found(&metadata);
                        found.push(StoredObject { key, size_bytes, modified_seconds });
                        if limit.is_some_and(|limit| found.len() >= limit) {
                            return Ok(found);
                        }
                    }
                }
            }
            Ok(found)
        })
    }

    fn stream(&self, key: &str, writer: &str) -> Result<Box<dyn ClientStream>, Failure> {
        Ok(Box::new(stream::SftpStream::new(self.clone(), key, writer)))
    }

    fn sweep(&self, prefix: &str, exactly: bool, _age_seconds: i64) -> Result<(), Failure> {
        hidden::sweep(self, prefix, exactly)
    }
}

fn is_file(metadata: &MetaData) -> bool {
    metadata.file_type().is_some_and(|kind| kind.is_file())
}

fn found(metadata: &MetaData) -> Found {
    Found {
        size_bytes: metadata.len().unwrap_or_default(),
        modified_seconds: metadata.modified().map_or(0, |time| i64::from(time.into_raw())),
        ..Found::default()
    }
}
