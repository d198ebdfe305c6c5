//! One object from one storage to another.

use super::ReplicaError;
use crate::pipeline::RateLimit;
use crate::{Cancel, Error};
use sha2::{Digest, Sha256};
use std::io::Write;
use vault::storage::{Exclusion, ObjectReader, Storage, StorageError};

/// How much is read and written at once.
const PIECE_BYTES: u64 = 1 << 20;

/// What a copy stands under.
pub(super) struct CopyTerms<'a> {
    pub rate: &'a RateLimit,
    pub cancel: &'a Cancel,
    /// Hears of bytes as they go.
    pub advance: &'a (dyn Fn(u64) + Sync),
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    pub bytes: u64,
    pub sha256: String,
}

/// Copies an object, and makes it visible only if its SHA-256 is `recorded`, where one is. One of the same size that is there already
/// is taken for it.
///
/// # Errors
/// `ReplicaSourceDamaged`, `ReplicaConflict`, `ReplicaArrivedShort`; those of both storages.
///
/// # Cancellation
/// Leaves nothing behind.
pub(super) fn copy_object(
    from: &dyn Storage,
    to: &dyn Storage,
    key: &str,
    recorded: Option<&str>,
    terms: &CopyTerms<'_>,
) -> Result<Copied, Error> {
    if is_elsewhere(to) {
        return upload_object(from, to, key, recorded, terms);
    }
    let object = from.open(key)?;
    let size_bytes = object.size_bytes();
    let mut stream = to.put_stream(key)?;
    let mut digest = Sha256::new();
    let mut piece = Vec::new();
    let mut at = 0;
    while at < size_bytes {
        piece.resize((size_bytes - at).min(PIECE_BYTES) as usize, 0);
        terms.rate.take(piece.len() as u64, terms.cancel)?;
        terms.cancel.check()?;
        object.read_exact_at(at, &mut piece)?;
        digest.update(&piece);
        let written = stream.write_all(&piece);
        written.map_err(|error| StorageError::from_io(&to.describe(), key, "write", &error))?;
        at += piece.len() as u64;
        (terms.advance)(piece.len() as u64);
    }
    let sha256 = hex::encode(digest.finalize());
    check_digest(from, key, &sha256, recorded)?;
    match stream.commit() {
        Ok(()) => {}
        // An attempt whose answer was lost, or another process.
        Err(StorageError::StorageExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    check_size(to, key, size_bytes)?;
    Ok(Copied { bytes: size_bytes, sha256 })
}

/// Tells whether a copy goes over a network: what was sent of it before it broke off is worth to be gone on with.
fn is_elsewhere(to: &dyn Storage) -> bool {
    to.exclusion() == Exclusion::Lease || !to.can_lock()
}

/// Copies an object in two goes: its SHA-256 first, since a storage that goes on with a broken-off attempt may not be stopped at its end.
fn upload_object(
    from: &dyn Storage,
    to: &dyn Storage,
    key: &str,
    recorded: Option<&str>,
    terms: &CopyTerms<'_>,
) -> Result<Copied, Error> {
    let unseen = CopyTerms { advance: &|_| {}, ..*terms };
    let copied = digest_object(from, key, &unseen)?;
    check_digest(from, key, &copied.sha256, recorded)?;
    let object = from.open(key)?;
    match to.upload(key, &Throttled { inner: object, terms, storage: from.describe(), key }) {
        Ok(()) | Err(StorageError::StorageExists { .. }) => {}
        Err(error) => {
            terms.cancel.check()?;
            return Err(error.into());
        }
    }
    check_size(to, key, copied.bytes)?;
    Ok(copied)
}

fn check_digest(from: &dyn Storage, key: &str, found: &str, recorded: Option<&str>) -> Result<(), ReplicaError> {
    match recorded.filter(|recorded| *recorded != found) {
        None => Ok(()),
        Some(recorded) => Err(ReplicaError::ReplicaSourceDamaged {
            storage: from.describe(),
            object: key.to_owned(),
            found: found.to_owned(),
            recorded: recorded.to_owned(),
        }),
    }
}

/// An object that is read no faster than it may go, and not at all once that is cancelled.
struct Throttled<'a> {
    inner: Box<dyn ObjectReader>,
    terms: &'a CopyTerms<'a>,
    storage: String,
    key: &'a str,
}

impl ObjectReader for Throttled<'_> {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let bytes = buffer.len() as u64;
        if self.terms.rate.take(bytes, self.terms.cancel).is_err() || self.terms.cancel.is_cancelled() {
            return Err(StorageError::StorageIo {
                storage: self.storage.clone(),
                object: self.key.to_owned(),
                action: "read",
                cause: "cancelled".to_owned(),
            });
        }
        self.inner.read_exact_at(offset, buffer)?;
        (self.terms.advance)(bytes);
        Ok(())
    }
}

/// Checks that the object is there with the size that it should have.
pub(super) fn check_size(to: &dyn Storage, key: &str, sent_bytes: u64) -> Result<(), Error> {
    let found_bytes = to.size_bytes(key)?.unwrap_or_default();
    if found_bytes == sent_bytes {
        return Ok(());
    }
    let (storage, object) = (to.describe(), key.to_owned());
    Err(ReplicaError::ReplicaArrivedShort { storage, object, sent_bytes, found_bytes }.into())
}

/// Computes the SHA-256 of an object.
pub(super) fn digest_object(storage: &dyn Storage, key: &str, terms: &CopyTerms<'_>) -> Result<Copied, Error> {
    let object = storage.open(key)?;
    let mut digest = Sha256::new();
    let mut piece = Vec::new();
    let mut at = 0;
    while at < object.size_bytes() {
        piece.resize((object.size_bytes() - at).min(PIECE_BYTES) as usize, 0);
        terms.cancel.check()?;
        object.read_exact_at(at, &mut piece)?;
        digest.update(&piece);
        at += piece.len() as u64;
        (terms.advance)(piece.len() as u64);
    }
    Ok(Copied { bytes: at, sha256: hex::encode(digest.finalize()) })
}

/// Copies a small object whole, replacing what is there.
pub(super) fn copy_small(
    from: &dyn Storage,
    to: &dyn Storage,
    key: &str,
    terms: &CopyTerms<'_>,
) -> Result<Option<u64>, Error> {
    let Some(content) = from.get(key)? else { return Ok(None) };
    let bytes = content.len() as u64;
    terms.rate.take(bytes, terms.cancel)?;
    to.put(key, &content)?;
    (terms.advance)(bytes);
    Ok(Some(bytes))
}
