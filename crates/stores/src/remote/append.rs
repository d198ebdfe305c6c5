//! An object that grows. A store writes objects whole: it is kept in memory, and written whole at each sync, on the condition that
//! nobody else has written it since.

use super::{Remote, put_once, token};
use crate::client::{Client, Condition};
use crate::failure::Failure;
use crate::patience::{GaveUp, Patience};
use bytes::Bytes;
use std::sync::Arc;
use vault::storage::{AppendObject, StorageError};

struct RemoteAppend {
    client: Arc<dyn Client>,
    patience: Patience,
    place: String,
    key: String,
    content: Vec<u8>,
    /// Of what is there, as far as we know.
    tag: String,
    /// Of our last write: its answer may not have come.
    writer: String,
    is_dirty: bool,
}

pub(super) fn open(remote: &Remote, key: &str) -> Result<Box<dyn AppendObject>, StorageError> {
    let (content, tag) = loop {
        if let Some((content, found)) = remote.fetch(key)? {
            break (Vec::from(content), found.etag);
        }
        // A copy of the bucket on a disk could not hold both.
        let within = remote.patience.run(|_| remote.client.list(&format!("{key}/"), Some(1)));
        if !within.map_err(|gave_up| remote.error(gave_up, key, "list"))?.is_empty() {
            let (storage, object) = (remote.place.clone(), key.to_owned());
            let cause = "a folder has this name".to_owned();
            return Err(StorageError::StorageIo { storage, object, action: "open", cause });
        }
        match remote.put_absent(key, &Bytes::new(), Condition::Absent) {
            Ok(tag) => break (Vec::new(), tag),
            Err(StorageError::StorageExists { .. }) => {}
            Err(error) => return Err(error),
        }
    };
    Ok(Box::new(RemoteAppend {
        client: Arc::clone(&remote.client),
        patience: remote.patience,
        place: remote.place.clone(),
        key: key.to_owned(),
        content,
        tag,
        writer: String::new(),
        is_dirty: false,
    }))
}

impl RemoteAppend {
    fn short(&self, wanted_bytes: u64) -> StorageError {
        StorageError::StorageShort {
            storage: self.place.clone(),
            object: self.key.clone(),
            size_bytes: self.content.len() as u64,
            wanted_bytes,
        }
    }

    fn write(&mut self) -> Result<String, GaveUp> {
        self.writer = token::new();
        let condition = match self.client.has_conditions() {
            true => Condition::Unchanged(&self.tag),
            false => Condition::Always,
        };
        let content = Bytes::copy_from_slice(&self.content);
        put_once(self.client.as_ref(), &self.patience, &self.key, &content, condition, &self.writer)
    }

    /// Tells whether the last write of ours, whose answer did not come, was carried out; takes over its tag then.
    fn was_written(&mut self, writer: &str) -> bool {
        let found = self.patience.run(|_| self.client.head(&self.key)).ok().flatten();
        let ours = found.filter(|found| !writer.is_empty() && found.writer.as_deref() == Some(writer));
        ours.map(|found| self.tag = found.etag).is_some()
    }
}

impl AppendObject for RemoteAppend {
    fn size_bytes(&self) -> u64 {
        self.content.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let end = offset.saturating_add(buffer.len() as u64);
        let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        match range.and_then(|(from, to)| self.content.get(from..to)) {
            Some(bytes) if bytes.len() == buffer.len() => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            _ => Err(self.short(end)),
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let at = usize::try_from(offset).ok().filter(|at| *at <= self.content.len());
        let Some(at) = at else { return Err(self.short(offset)) };
        let over = bytes.len().min(self.content.len() - at);
        self.content[at..at + over].copy_from_slice(&bytes[..over]);
        self.content.extend_from_slice(&bytes[over..]);
        self.is_dirty |= !bytes.is_empty();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if !self.is_dirty {
            return Ok(());
        }
        let last_writer = self.writer.clone();
        let written = match self.write() {
            Err(GaveUp { failure: Failure::Condition, .. }) if self.was_written(&last_writer) => self.write(),
            written => written,
        };
        match written {
            Ok(tag) => {
                self.tag = tag;
                self.is_dirty = false;
                Ok(())
            }
            Err(gave_up) => Err(gave_up.failure.into_storage(&self.place, &self.key, "write", gave_up.seconds)),
        }
    }
}
