//! Azure Blob, Google Cloud Storage and WebDAV, over Apache OpenDAL.
//!
//! None of them can replace an object on the condition that it is unchanged, as OpenDAL speaks to them: they hold replicas, no
//! repository. On WebDAV an object is written under a hidden name and renamed; the check that there is none under its own name is a
//! step before.

mod build;
mod stream;
mod webdav;

use crate::client::{Client, ClientStream, Condition, Found};
use crate::failure::Failure;
use crate::hidden;
use crate::open::Transfer;
use crate::patience::Patience;
use crate::settings::Address;
use bytes::Bytes;
use opendal::options::{ReadOptions, WriteOptions};
use opendal::{ErrorKind, Metadata, Operator};
use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use tokio::runtime::Runtime;
use vault::storage::{StorageError, StoredObject};

/// Under this name the token of a writer is kept, where there is room for it.
const WRITER: &str = "cadena_writer";

/// A store behind OpenDAL.
#[derive(Clone)]
pub(crate) struct Dal {
    operator: Operator,
    /// The same, which tries again by itself.
    streams: Operator,
    runtime: &'static Runtime,
    transfer: Transfer,
    /// Objects are written under a hidden name first.
    renames: bool,
    keeps_writer: bool,
    webdav: Option<webdav::WebDav>,
}

impl Dal {
    pub fn new(
        address: &Address,
        runtime: &'static Runtime,
        patience: Patience,
        transfer: Transfer,
    ) -> Result<Self, StorageError> {
        // Services of OpenDAL may ask for the runtime while they are made.
        let _entered = runtime.enter();
        let build::Operators { single: operator, streams } = build::operators(address, patience)?;
        let webdav = match address.scheme.as_str() {
            "webdav" | "webdavs" => Some(webdav::WebDav::new(address, build::http(address, patience)?)),
            _ => None,
        };
        let renames = webdav.is_some();
        Ok(Dal { operator, streams, runtime, transfer, renames, keeps_writer: !renames, webdav })
    }

    fn wait<T>(&self, future: impl Future<Output = opendal::Result<T>>) -> Result<T, Failure> {
        crate::runtime::wait(self.runtime, future).map_err(|error| failure(&error))
    }

    /// The same, for steps that nobody above takes again.
    fn patient(&self) -> Self {
        Dal { operator: self.streams.clone(), ..self.clone() }
    }

    fn write_options(&self, condition: Condition<'_>, writer: &str) -> WriteOptions {
        let metadata = self.keeps_writer.then(|| HashMap::from([(WRITER.to_owned(), writer.to_owned())]));
        WriteOptions {
            if_not_exists: !self.renames && condition.wants_absence(),
            user_metadata: metadata,
            ..WriteOptions::default()
        }
    }

    /// Moves an object from its hidden name to its own.
    fn rename(&self, hidden: &str, key: &str, condition: Condition<'_>) -> Result<(), Failure> {
        let is_there = self.head(key)?.is_some();
        if is_there && condition.wants_absence() {
            return Err(Failure::Condition);
        }
        match self.wait(self.operator.rename(hidden, key)) {
            // Some servers rename over nothing that is there. Between the two steps there is no object; never half of one.
            Err(_) if is_there => {
                self.delete(key)?;
                self.wait(self.operator.rename(hidden, key))
            }
            renamed => renamed,
        }
    }
}

impl Client for Dal {
    fn has_conditions(&self) -> bool {
        false
    }

    fn head(&self, key: &str) -> Result<Option<Found>, Failure> {
        match self.wait(self.operator.stat(key)) {
            Ok(metadata) if metadata.is_file() => Ok(Some(found(&metadata))),
            Ok(_) | Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn get(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<Option<(Bytes, Found)>, Failure> {
        let whole = range.is_none();
        // Asked first: some give a folder's listing when it is read.
        let Some(found) = self.head(key)? else { return Ok(None) };
        if tag.is_some_and(|tag| !tag.is_empty() && tag != found.etag) {
            return Err(Failure::Condition);
        }
        if range.is_none() && found.size_bytes == 0 {
            return Ok(Some((Bytes::new(), found)));
        }
        let range = range.unwrap_or(0..found.size_bytes);
        let wanted = range.end - range.start;
        let options = ReadOptions { range: range.into(), ..ReadOptions::default() };
        match self.wait(self.operator.read_options(key, options)) {
            Ok(content) if content.len() as u64 == wanted => Ok(Some((content.to_bytes(), found))),
            Ok(content) if whole => Err(Failure::Collision(format!("{} of {wanted} bytes came", content.len()))),
            Ok(content) => Err(Failure::Unreachable(format!("{} of {wanted} bytes came", content.len()))),
            Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn put(&self, key: &str, content: Bytes, condition: Condition<'_>, writer: &str) -> Result<String, Failure> {
        let size_bytes = content.len() as u64;
        if let Condition::Unchanged(_) = condition {
            return Err(Failure::Other("a write on the condition that nothing changed".to_owned()));
        }
        if !self.renames {
            let options = self.write_options(condition, writer);
            let metadata = self.wait(self.operator.write_options(key, content, options))?;
            return Ok(metadata.etag().unwrap_or_default().to_owned());
        }
        if condition.wants_absence() && self.head(key)?.is_some() {
            return Err(Failure::Condition);
        }
        let hidden = hidden::name(key, writer);
        self.wait(self.operator.write(&hidden, content))?;
        match self.head(&hidden)? {
            Some(found) if found.size_bytes == size_bytes => {}
            _ => return Err(Failure::Unreachable("what was written is not there whole".to_owned())),
        }
        if let Err(failure) = self.rename(&hidden, key, condition) {
            hidden::discard(self, &hidden);
            return Err(failure);
        }
        Ok(String::new())
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        match self.wait(self.operator.delete(key)) {
            Ok(()) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn list(&self, prefix: &str, limit: Option<usize>) -> Result<Vec<StoredObject>, Failure> {
        let folder = prefix.rsplit_once('/').map_or(String::from("/"), |(folder, _)| format!("{folder}/"));
        // A WebDAV server lists an object as if it were a folder with itself in it.
        if self.webdav.is_some() && folder != "/" && self.head(folder.trim_end_matches('/'))?.is_some() {
            return Ok(Vec::new());
        }
        let entries = match self.wait(self.operator.list_options(&folder, recursive())) {
            Ok(entries) => entries,
            Err(Failure::Missing) => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        };
        let mut found = Vec::new();
        for entry in entries {
            let (key, metadata) = entry.into_parts();
            let key = key.trim_start_matches('/').to_owned();
            if metadata.is_file() && key.starts_with(prefix) && limit.is_none_or(|limit| found.len() < limit) {
                let Found { size_bytes, modified_seconds, .. } = self::found(&metadata);
                found.push(StoredObject { key, size_bytes, modified_seconds });
            }
        }
        Ok(found)
    }

    fn stream(&self, key: &str, writer: &str) -> Result<Box<dyn ClientStream>, Failure> {
        Ok(Box::new(stream::DalStream::begin(self, key, writer, None)?))
    }

    fn resumed_stream(&self, key: &str, writer: &str, size_bytes: u64) -> Result<Box<dyn ClientStream>, Failure> {
        Ok(Box::new(stream::DalStream::begin(self, key, writer, Some(size_bytes))?))
    }

    fn sweep(&self, prefix: &str, exactly: bool, _age_seconds: i64) -> Result<(), Failure> {
        if !self.renames {
            // What was never committed there is removed by the store itself.
            return Ok(());
        }
        hidden::sweep(&self.patient(), prefix, exactly)
    }
}

fn recursive() -> opendal::options::ListOptions {
    opendal::options::ListOptions { recursive: true, ..Default::default() }
}

fn found(metadata: &Metadata) -> Found {
    Found {
        size_bytes: metadata.content_length(),
        etag: metadata.etag().unwrap_or_default().to_owned(),
        modified_seconds: metadata.last_modified().map_or(0, |time| time.into_inner().as_second()),
        answered_seconds: None,
        writer: metadata.user_metadata().and_then(|values| values.get(WRITER)).cloned(),
    }
}

/// Understands an error of OpenDAL. Its text has addresses and causes, and no secret; only the first line is kept.
pub(super) fn failure(error: &opendal::Error) -> Failure {
    let said = said(error);
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match error.kind() {
        // Azure's code, Google's words: otherwise a container that is missing would be an empty one.
        ErrorKind::NotFound if says(&["ContainerNotFound", "The specified bucket does not exist"]) => {
            Failure::Setting { setting: "url", detail: said }
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::Missing,
        ErrorKind::ConditionNotMatch if says(&["ContainerBeingDeleted", "ContainerDisabled"]) => {
            Failure::Setting { setting: "url", detail: said }
        }
        ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists => Failure::Condition,
        ErrorKind::PermissionDenied
            if says(&["AuthenticationFailed", "AuthorizationFailure", "InvalidAuthenticationInfo"]) =>
        {
            Failure::Credentials(said)
        }
        ErrorKind::PermissionDenied => Failure::Denied(said),
        ErrorKind::RateLimited => Failure::Throttled { cause: said, retry_after: None },
        ErrorKind::ConfigInvalid => Failure::Setting { setting: "url", detail: said },
        // What was tried again in vain is called persistent.
        _ if error.is_temporary() || error.is_persistent() => Failure::Unreachable(said),
        _ if says(&["signing http request"]) => Failure::Credentials(said),
        _ => Failure::Other(said),
    }
}

/// Understands a status, when there is nothing else to go by.
fn failure_of_status(status: http::StatusCode) -> Option<Failure> {
    let said = status.to_string();
    match status.as_u16() {
        200..=299 => None,
        401 | 403 => Some(Failure::Denied(said)),
        404 | 409 => Some(Failure::Missing),
        412 => Some(Failure::Condition),
        507 => Some(Failure::Full),
        429 | 503 => Some(Failure::Throttled { cause: said, retry_after: None }),
        408 | 500..=599 => Some(Failure::Unreachable(said)),
        _ => Some(Failure::Other(said)),
    }
}

fn said(error: &opendal::Error) -> String {
    let mut text = error.message().to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{}: {cause}", error.message());
        source = cause.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}
