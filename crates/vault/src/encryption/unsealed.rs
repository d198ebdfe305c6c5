//! Ranged reads of an age file's plain bytes.

use super::keys::{Keeping, KnownKey};
use super::{EncryptionError, Keys, NOTE_TAG};
use crate::storage::{ObjectReader, StorageError};
use age::stream::StreamReader;
use age_core::format::{FileKey, Stanza};
use std::cell::RefCell;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Plain bytes of a chunk, and what its seal adds: upstream C2SP age.md, "Payload".
const CHUNK_PLAIN_BYTES: u64 = 64 << 10;
const TAG_BYTES: u64 = 16;
const CHUNK_BYTES: u64 = CHUNK_PLAIN_BYTES + TAG_BYTES;
/// How much of the beginning is read at once: all of the header but for very long notes.
const HEAD_BYTES: u64 = 4 << 10;
/// A header is longer only if it is none.
const HEAD_LIMIT_BYTES: u64 = 1 << 20;
/// What is read at once at the most.
const WINDOW_BYTES: u64 = 4 << 20;

/// An age file, as the bytes that were sealed. Every byte that is read is authenticated, and on opening that the file is whole.
///
/// Can be shared by threads: each read takes a reader that is idle, or makes one.
pub struct UnsealedObject {
    sealed: Arc<Sealed>,
    key: KnownKey,
    size_bytes: u64,
    idle: Mutex<Vec<Idle>>,
}

/// A reader, and how far it will be read.
struct Idle {
    reader: StreamReader<Window>,
    until: Arc<AtomicU64>,
    /// Where the next plain byte comes from.
    at: u64,
}

/// The file, with its first and its last bytes.
struct Sealed {
    object: Arc<dyn ObjectReader>,
    /// Header and nonce.
    head: Vec<u8>,
    tail_offset: u64,
    tail: Vec<u8>,
    storage: String,
    key: String,
}

impl UnsealedObject {
    /// Opens an age file with whatever identity fits. `storage` and `key` say in errors what it is.
    ///
    /// # Errors
    /// `EncryptionIdentityMissing`, `EncryptionIdentityWrong`, `EncryptionDamaged`; those of the storage.
    pub fn open(object: Arc<dyn ObjectReader>, keys: &Keys, storage: &str, key: &str) -> Result<Self, StorageError> {
        let head = read_head(object.as_ref(), storage, key)?;
        let damaged = |detail: String| damaged(storage, key, detail);
        let payload = object.size_bytes() - head.len() as u64;
        if payload < TAG_BYTES {
            return Err(damaged("it ends in its header".to_owned()));
        }
        let chunks = payload.div_ceil(CHUNK_BYTES);
        let last = payload - (chunks - 1) * CHUNK_BYTES;
        if last < TAG_BYTES {
            return Err(damaged("it was cut".to_owned()));
        }
        let tail_offset = object.size_bytes() - last;
        let mut tail = vec![0; last as usize];
        object.read_exact_at(tail_offset, &mut tail)?;
        let keeping = Keeping::new(keys)?;
        let decryptor = age::Decryptor::new_buffered(&head[..]).map_err(|error| damaged(error.to_string()))?;
        let opened = decryptor.decrypt(std::iter::once(&keeping as &dyn age::Identity)).map(drop);
        opened.map_err(|error| refusal(&error, keys, storage, key))?;
        let Some(known) = keeping.kept() else {
            return Err(damaged("age opened it without a key".to_owned()));
        };
        let (storage, key) = (storage.to_owned(), key.to_owned());
        let sealed = Arc::new(Sealed { object, head, tail_offset, tail, storage, key });
        let unsealed = UnsealedObject {
            sealed,
            key: known,
            size_bytes: payload - chunks * TAG_BYTES,
            idle: Mutex::new(Vec::new()),
        };
        unsealed.check_end()?;
        Ok(unsealed)
    }

    /// Makes sure that the last chunk is the last: a file that was cut between chunks is found out.
    fn check_end(&self) -> Result<(), StorageError> {
        let mut idle = self.reader()?;
        let end = idle.reader.seek(SeekFrom::End(0)).map_err(|error| self.fault(error))?;
        if end != self.size_bytes {
            return Err(damaged(&self.sealed.storage, &self.sealed.key, format!("it has {end} bytes")));
        }
        Ok(())
    }

    fn reader(&self) -> Result<Idle, StorageError> {
        let until = Arc::new(AtomicU64::new(0));
        let window =
            Window { sealed: Arc::clone(&self.sealed), until: Arc::clone(&until), at: 0, start: 0, bytes: Vec::new() };
        let damaged = |error: age::DecryptError| match error {
            age::DecryptError::Io(error) => self.fault(error),
            error => damaged(&self.sealed.storage, &self.sealed.key, error.to_string()),
        };
        let decryptor = age::Decryptor::new_buffered(window).map_err(damaged)?;
        let reader = decryptor.decrypt(std::iter::once(&self.key as &dyn age::Identity)).map_err(damaged)?;
        Ok(Idle { reader, until, at: 0 })
    }

    /// Takes the reader that stands nearest before `offset`.
    fn take_idle(&self, offset: u64) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let nearest = (0..idle.len()).min_by_key(|at| offset.abs_diff(idle[*at].at))?;
        Some(idle.swap_remove(nearest))
    }

    fn fault(&self, error: io::Error) -> StorageError {
        match StorageError::inside(&error) {
            Some(inner) => inner.clone(),
            None => damaged(&self.sealed.storage, &self.sealed.key, error.to_string()),
        }
    }
}

impl ObjectReader for UnsealedObject {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.size_bytes {
            return Err(StorageError::StorageShort {
                storage: self.sealed.storage.clone(),
                object: self.sealed.key.clone(),
                size_bytes: self.size_bytes,
                wanted_bytes: end,
            });
        }
        if buffer.is_empty() {
            return Ok(());
        }
        let mut idle = match self.take_idle(offset) {
            Some(idle) => idle,
            None => self.reader()?,
        };
        let sealed_end = self.sealed.head.len() as u64 + end.div_ceil(CHUNK_PLAIN_BYTES) * CHUNK_BYTES;
        idle.until.store(sealed_end, Ordering::Relaxed);
        if idle.at != offset {
            idle.reader.seek(SeekFrom::Start(offset)).map_err(|error| self.fault(error))?;
        }
        idle.reader.read_exact(buffer).map_err(|error| self.fault(error))?;
        idle.at = end;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        Ok(())
    }
}

/// The sealed bytes, as age wants to read them: a few large reads instead of many small ones.
struct Window {
    sealed: Arc<Sealed>,
    /// How far it will be read, for what is known.
    until: Arc<AtomicU64>,
    at: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn size(&self) -> u64 {
        self.sealed.tail_offset + self.sealed.tail.len() as u64
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let sealed = &self.sealed;
        if self.at < sealed.head.len() as u64 {
            return Ok(&sealed.head[self.at as usize..]);
        }
        if self.at >= sealed.tail_offset {
            let from = (self.at - sealed.tail_offset).min(sealed.tail.len() as u64);
            return Ok(&sealed.tail[from as usize..]);
        }
        let inside = self.at >= self.start && self.at < self.start + self.bytes.len() as u64;
        if !inside {
            let wanted = self.until.load(Ordering::Relaxed).saturating_sub(self.at);
            let length = wanted.clamp(CHUNK_BYTES, WINDOW_BYTES).min(sealed.tail_offset - self.at);
            self.bytes.resize(length as usize, 0);
            self.start = self.at;
            if let Err(error) = sealed.object.read_exact_at(self.at, &mut self.bytes) {
                self.bytes.clear();
                return Err(error.into_io());
            }
        }
        Ok(&self.bytes[(self.at - self.start) as usize..])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount as u64;
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let found = self.fill_buf()?;
        let length = found.len().min(buffer.len());
        buffer[..length].copy_from_slice(&found[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.size().checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Reads header and nonce, whole and not a byte more.
fn read_head(object: &dyn ObjectReader, storage: &str, key: &str) -> Result<Vec<u8>, StorageError> {
    let mut wanted = HEAD_BYTES;
    loop {
        let length = wanted.min(object.size_bytes());
        let mut head = vec![0; length as usize];
        object.read_exact_at(0, &mut head)?;
        let mut cursor = Cursor::new(&head[..]);
        match age::Decryptor::new_buffered(&mut cursor) {
            Ok(_) => {
                let end = cursor.position() as usize;
                head.truncate(end);
                return Ok(head);
            }
            Err(_) if length < object.size_bytes() && wanted < HEAD_LIMIT_BYTES => wanted *= 4,
            Err(error) => return Err(damaged(storage, key, error.to_string())),
        }
    }
}

/// Reads the note in an age file's header; `None` when it has none. Nobody has authenticated it.
///
/// # Errors
/// `EncryptionDamaged` when it is no age file; those of the storage.
pub fn read_note(object: &dyn ObjectReader, storage: &str, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let head = read_head(object, storage, key)?;
    note_in(&head).map_err(|detail| damaged(storage, key, detail))
}

fn note_in(head: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let finder = NoteFinder(RefCell::new(None));
    let decryptor = age::Decryptor::new_buffered(head).map_err(|error| error.to_string())?;
    // It opens nothing: that is why it is asked about every stanza.
    drop(decryptor.decrypt(std::iter::once(&finder as &dyn age::Identity)).map(drop));
    Ok(finder.0.into_inner())
}

/// Opens a few bytes that are an age file.
///
/// # Errors
/// As [`UnsealedObject::open`].
pub fn unseal_bytes(sealed: &[u8], keys: &Keys, storage: &str, key: &str) -> Result<Vec<u8>, StorageError> {
    let invalid = |detail: String| damaged(storage, key, detail);
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| invalid(error.to_string()))?;
    let keeping = Keeping::new(keys)?;
    let opened = decryptor.decrypt(std::iter::once(&keeping as &dyn age::Identity));
    let mut reader = opened.map_err(|error| refusal(&error, keys, storage, key))?;
    let mut plain = Vec::with_capacity(sealed.len());
    reader.read_to_end(&mut plain).map_err(|error| invalid(error.to_string()))?;
    Ok(plain)
}

struct NoteFinder(RefCell<Option<Vec<u8>>>);

impl age::Identity for NoteFinder {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        if stanza.tag == NOTE_TAG {
            self.0.borrow_mut().get_or_insert_with(|| stanza.body.clone());
        }
        None
    }
}

fn refusal(error: &age::DecryptError, keys: &Keys, storage: &str, key: &str) -> StorageError {
    let (storage_text, object) = (storage.to_owned(), key.to_owned());
    match error {
        age::DecryptError::NoMatchingKeys if keys.is_empty() => {
            EncryptionError::EncryptionIdentityMissing { storage: storage_text, object }.into()
        }
        age::DecryptError::NoMatchingKeys => {
            EncryptionError::EncryptionIdentityWrong { storage: storage_text, object }.into()
        }
        error => damaged(storage, key, error.to_string()),
    }
}

fn damaged(storage: &str, key: &str, detail: String) -> StorageError {
    EncryptionError::EncryptionDamaged { storage: storage.to_owned(), object: key.to_owned(), detail }.into()
}
