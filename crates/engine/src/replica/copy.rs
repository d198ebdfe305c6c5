//! One object from one storage to another.

use super::ReplicaError;
use crate::pipeline::RateLimit;
use crate::{Cancel, Error};
use sha2::{Digest, Sha256};
use std::io::Write;
use vault::storage::{Storage, StorageError};

/// How much is read and written at once.
const PIECE_BYTES: u64 = 1 << 20;

/// What a copy stands under.
pub(super) struct CopyTerms<'a> {
    pub rate: &'a RateLimit,
    pub cancel: &'a Cancel,
    /// Hears of bytes as they go.
    pub advance: &'a dyn Fn(u64),
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
/// Leaves nothing that is seen; what was sent to a store in parts may be gone on with.
pub(super) fn copy_object(
    from: &dyn Storage,
    to: &dyn Storage,
    key: &str,
    recorded: Option<&str>,
    terms: &CopyTerms<'_>,
) -> Result<Copied, Error> {
    let object = from.open(key)?;
    let size_bytes = object.size_bytes();
    let mut stream = to.put_stream_of(key, size_bytes)?;
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
    if let Some(recorded) = recorded.filter(|recorded| *recorded != sha256) {
        return Err(ReplicaError::ReplicaSourceDamaged {
            storage: from.describe(),
            object: key.to_owned(),
            found: sha256,
            recorded: recorded.to_owned(),
        }
        .into());
    }
    match stream.commit() {
        Ok(()) => {}
        // An attempt whose answer was lost, or another process.
        Err(StorageError::StorageExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    check_size(to, key, size_bytes)?;
    Ok(Copied { bytes: size_bytes, sha256 })
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
