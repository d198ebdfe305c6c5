//! The few requests on which everything else stands. One attempt each; who calls decides on another.

use crate::failure::Failure;
use bytes::Bytes;
use std::ops::Range;
use vault::storage::StoredObject;

/// What is known of an object without its content.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub size_bytes: u64,
    /// Changes with the content; empty where the store has none.
    pub etag: String,
    /// Seconds since the Unix epoch, by the store's clock.
    pub modified_seconds: i64,
    /// What the store's clock said as it answered.
    pub answered_seconds: Option<i64>,
    /// The token under which it was written.
    pub writer: Option<String>,
}

/// When a write may happen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition<'a> {
    Always,
    /// There is no object.
    Absent,
    /// There is no object, and this one is never written again: what a store can keep from being changed, it may.
    Final,
    /// The object still has this tag.
    Unchanged(&'a str),
}

impl Condition<'_> {
    /// Tells whether there must be no object yet.
    pub fn wants_absence(self) -> bool {
        matches!(self, Condition::Absent | Condition::Final)
    }
}

/// A store, seen from one root.
pub(crate) trait Client: Send + Sync + 'static {
    /// Tells whether writes on a condition are kept, however many come at once.
    fn has_conditions(&self) -> bool;

    /// Says where people find an object, when that is not its key below the storage's address, and is known. Nothing is asked.
    fn url(&self, _key: &str) -> Option<String> {
        None
    }

    /// Returns how many bytes may still be written, when the store says so.
    fn free_bytes(&self) -> Result<Option<u64>, Failure> {
        Ok(None)
    }

    /// Looks at an object.
    fn head(&self, key: &str) -> Result<Option<Found>, Failure>;

    /// Reads an object, or a range of it that lies within it; with a tag, only if it still has it.
    fn get(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<Option<(Bytes, Found)>, Failure>;

    /// Writes an object in one request, and returns its tag. `writer` is kept beside it.
    fn put(&self, key: &str, content: Bytes, condition: Condition<'_>, writer: &str) -> Result<String, Failure>;

    /// Removes an object; one that is not there is no failure.
    fn delete(&self, key: &str) -> Result<(), Failure>;

    /// Lists what begins with `prefix`, at most `limit` objects.
    fn list(&self, prefix: &str, limit: Option<usize>) -> Result<Vec<StoredObject>, Failure>;

    /// Begins a large write. Failures of its pieces have been tried again already.
    fn stream(&self, key: &str, writer: &str) -> Result<Box<dyn ClientStream>, Failure>;

    /// The same for an object of known size, going on with an earlier attempt where the store keeps one.
    fn resumed_stream(&self, key: &str, writer: &str, _size_bytes: u64) -> Result<Box<dyn ClientStream>, Failure> {
        self.stream(key, writer)
    }

    /// Removes what streams that were broken off at least `age_seconds` ago left under keys that begin with `prefix`, and, with
    /// `exactly`, under no other key.
    fn sweep(&self, prefix: &str, exactly: bool, age_seconds: i64) -> Result<(), Failure>;
}

/// A large write in progress. Dropped, it leaves nothing, as far as the store can be reached.
pub(crate) trait ClientStream: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;
    /// Makes the object visible if there is none. `Failure::Condition` when there is.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}
