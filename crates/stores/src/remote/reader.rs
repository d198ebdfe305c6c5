//! Ranged reads of one object: neither a request for each little piece, nor the whole object where a part is wanted.
//!
//! What is read is kept in a few chunks. Reads that go forward get larger and larger ones, and the next one is asked for while the
//! present one is used; a read somewhere else gets little more than it wants. Every request names the tag of the object as it was
//! last seen: one that has become shorter is an error, and one that has grown (a partial segment, the journal) is read on, as a
//! growing file would be. All other objects that are read like this are never replaced, and carry checksums.

use crate::client::{Client, Found};
use crate::failure::Failure;
use crate::patience::{GaveUp, Patience};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use vault::storage::{ObjectReader, StorageError};

/// Not worth a second request.
const SMALLEST_CHUNK: u64 = 128 << 10;
const LARGEST_CHUNK: u64 = 2 << 20;
/// So many are kept: the one in use, those that other threads still use, and the next one.
const CHUNKS_KEPT: usize = 4;
/// A gap that is skipped, not a read somewhere else.
const GAP: u64 = 512 << 10;
/// How often an object may grow while one piece of it is read.
const GROWTHS: usize = 20;
/// An object's end holds what tells of the rest: it is read at once.
const TAIL: u64 = 256 << 10;

pub(super) struct RemoteReader {
    shared: Arc<Shared>,
    window: Mutex<Window>,
}

struct Shared {
    client: Arc<dyn Client>,
    patience: Patience,
    place: String,
    key: String,
    size_bytes: u64,
    tag: Mutex<String>,
}

#[derive(Default)]
struct Window {
    /// The newest last.
    chunks: VecDeque<Arc<Chunk>>,
    /// Where a read goes on that goes forward.
    next: u64,
    /// How large the next chunk of such a read is.
    length: u64,
}

/// A piece of the object, here or on its way.
struct Chunk {
    start: u64,
    end: u64,
    content: Mutex<Option<Result<Bytes, StorageError>>>,
    came: Condvar,
}

impl RemoteReader {
    pub fn new(client: Arc<dyn Client>, patience: Patience, place: String, key: String, found: Found) -> Self {
        let shared = Shared { client, patience, place, key, size_bytes: found.size_bytes, tag: Mutex::new(found.etag) };
        RemoteReader {
            shared: Arc::new(shared),
            window: Mutex::new(Window { length: SMALLEST_CHUNK, ..Window::default() }),
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the chunk that holds the byte at `offset`, asked for if need be.
    fn chunk(&self, offset: u64, wanted: u64) -> Arc<Chunk> {
        let mut window = self.window();
        if let Some(chunk) = window.chunks.iter().find(|chunk| chunk.covers(offset)) {
            return Arc::clone(chunk);
        }
        let goes_on = offset >= window.next && offset - window.next <= GAP;
        let size_bytes = self.shared.size_bytes;
        let (start, length) = if goes_on {
            window.length = (window.length * 2).min(LARGEST_CHUNK);
            (offset, window.length)
        } else if size_bytes - offset <= TAIL {
            (size_bytes.saturating_sub(TAIL), TAIL)
        } else {
            window.length = SMALLEST_CHUNK;
            (offset, SMALLEST_CHUNK.max(wanted))
        };
        let end = start.saturating_add(length.min(LARGEST_CHUNK)).min(size_bytes);
        let chunk = window.add(start, end);
        let ahead = (goes_on && window.length == LARGEST_CHUNK && end < size_bytes).then(|| {
            let end = window.next;
            window.add(end, end.saturating_add(LARGEST_CHUNK).min(size_bytes))
        });
        drop(window);
        if let Some(ahead) = ahead {
            let shared = Arc::clone(&self.shared);
            // A thread that can't be had costs the lead, not the read: the chunk is then filled by whoever waits for it.
            let begun = std::thread::Builder::new().name("cadena-ahead".to_owned()).spawn({
                let ahead = Arc::clone(&ahead);
                move || ahead.fill(&shared)
            });
            if begun.is_err() {
                ahead.fill(&self.shared);
            }
        }
        chunk.fill(&self.shared);
        chunk
    }
}

impl Window {
    fn add(&mut self, start: u64, end: u64) -> Arc<Chunk> {
        let chunk = Arc::new(Chunk { start, end, content: Mutex::new(None), came: Condvar::new() });
        if self.chunks.len() == CHUNKS_KEPT {
            self.chunks.pop_front();
        }
        self.chunks.push_back(Arc::clone(&chunk));
        self.next = end;
        chunk
    }

    fn forget(&mut self, chunk: &Arc<Chunk>) {
        self.chunks.retain(|kept| !Arc::ptr_eq(kept, chunk));
    }
}

impl Chunk {
    fn covers(&self, offset: u64) -> bool {
        (self.start..self.end).contains(&offset)
    }

    /// Reads it, and wakes whoever waits.
    fn fill(&self, shared: &Shared) {
        let content = shared.fetch(self.start, self.end);
        *self.content.lock().unwrap_or_else(PoisonError::into_inner) = Some(content);
        self.came.notify_all();
    }

    fn wait(&self) -> Result<Bytes, StorageError> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match content.as_ref() {
                Some(content) => return content.clone(),
                None => content = self.came.wait(content).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Shared {
    fn tag(&self) -> MutexGuard<'_, String> {
        self.tag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, start: u64, end: u64) -> Result<Option<(Bytes, Found)>, GaveUp> {
        let tag = self.tag().clone();
        self.patience.run(|_| self.client.get(&self.key, Some(start..end), Some(&tag)))
    }

    fn fetch(&self, start: u64, end: u64) -> Result<Bytes, StorageError> {
        let mut got = self.get(start, end);
        for _ in 0..GROWTHS {
            if !matches!(&got, Err(GaveUp { failure: Failure::Condition, .. })) {
                break;
            }
            match self.patience.run(|_| self.client.head(&self.key)) {
                Ok(Some(found)) if found.size_bytes >= self.size_bytes => *self.tag() = found.etag,
                _ => break,
            }
            got = self.get(start, end);
        }
        match got {
            Ok(Some((content, _))) => Ok(content),
            Ok(None) => Err(Failure::Missing.into_storage(&self.place, &self.key, "read", 0)),
            Err(gave_up) => Err(gave_up.failure.into_storage(&self.place, &self.key, "read", gave_up.seconds)),
        }
    }
}

impl ObjectReader for RemoteReader {
    fn size_bytes(&self) -> u64 {
        self.shared.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let wanted_bytes = offset.saturating_add(buffer.len() as u64);
        let is_within = offset.checked_add(buffer.len() as u64).is_some_and(|end| end <= self.shared.size_bytes);
        if !is_within {
            let Shared { place, key, size_bytes, .. } = self.shared.as_ref();
            let (storage, object) = (place.clone(), key.clone());
            return Err(StorageError::StorageShort { storage, object, size_bytes: *size_bytes, wanted_bytes });
        }
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let chunk = self.chunk(at, rest.len() as u64);
            let content = match chunk.wait() {
                Ok(content) => content,
                Err(error) => {
                    // Whoever reads here again may have more luck.
                    self.window().forget(&chunk);
                    return Err(error);
                }
            };
            let from = (at - chunk.start) as usize;
            let available = content.get(from..).unwrap_or_default();
            let taken = available.len().min(rest.len());
            if taken == 0 {
                let (storage, object) = (self.shared.place.clone(), self.shared.key.clone());
                return Err(StorageError::StorageShort { storage, object, size_bytes: at, wanted_bytes });
            }
            let (filled, left) = rest.split_at_mut(taken);
            filled.copy_from_slice(&available[..taken]);
            rest = left;
            at += taken as u64;
        }
        Ok(())
    }
}
