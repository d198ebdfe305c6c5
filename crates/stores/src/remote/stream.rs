use crate::client::ClientStream;
use crate::failure::Failure;
use std::io::{self, Write};
use vault::storage::{PutStream, StorageError};

/// A streamed write into a store.
pub(super) struct RemoteStream {
    inner: Box<dyn ClientStream>,
    place: String,
    key: String,
    give_up_seconds: u64,
    /// After a failure nothing more is written, and the commit fails in the same way.
    failure: Option<StorageError>,
}

impl RemoteStream {
    pub fn new(inner: Box<dyn ClientStream>, place: String, key: String, give_up_seconds: u64) -> Self {
        RemoteStream { inner, place, key, give_up_seconds, failure: None }
    }
}

impl Write for RemoteStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into_io());
        }
        match self.inner.write(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                let error = failure.into_storage(&self.place, &self.key, "write", self.give_up_seconds);
                self.failure = Some(error.clone());
                Err(error.into_io())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // A part has a least size: only the commit sends what is left.
        Ok(())
    }
}

impl PutStream for RemoteStream {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        let RemoteStream { inner, place, key, give_up_seconds, failure } = *self;
        match failure {
            Some(failure) => Err(failure),
            None => inner.finish().map_err(|failure| match failure {
                Failure::Condition => StorageError::StorageExists { storage: place, object: key },
                failure => failure.into_storage(&place, &key, "write", give_up_seconds),
            }),
        }
    }

    fn publish(self: Box<Self>) -> Result<(), StorageError> {
        self.commit()
    }
}
