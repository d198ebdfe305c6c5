//! The SHA-256 of a whole archive, computed while the next bytes are being read.

use super::ArchiveError;
use crate::storage::{ObjectReader, StorageError};
use sha2::{Digest, Sha256};
use std::sync::mpsc::{self, Receiver, Sender};

/// How much is read at a time. Two such buffers are in use.
const READ_BYTES: u64 = 1 << 20;

/// A buffer on its way from the reading thread to the digest.
type Filled = Result<Vec<u8>, StorageError>;

pub(super) fn sha256_of(
    object: &dyn ObjectReader,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<String>, ArchiveError> {
    let size = object.size_bytes();
    if size <= READ_BYTES {
        return whole(object, size, progress);
    }
    std::thread::scope(|scope| {
        let (filled_tx, filled_rx) = mpsc::channel();
        let (empty_tx, empty_rx) = mpsc::channel();
        for _ in 0..2 {
            // The receiver lives: it moves into the thread below.
            let _ = empty_tx.send(vec![0; READ_BYTES as usize]);
        }
        scope.spawn(move || read_ahead(object, size, &empty_rx, &filled_tx));
        digest(size, &filled_rx, empty_tx, progress)
    })
}

fn whole(
    object: &dyn ObjectReader,
    size: u64,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<String>, ArchiveError> {
    let mut buffer = vec![0; size as usize];
    object.read_exact_at(0, &mut buffer)?;
    Ok(progress(size).then(|| hex::encode(Sha256::digest(&buffer))))
}

/// Fills buffers in order until the object or the other side ends.
fn read_ahead(object: &dyn ObjectReader, size: u64, empty: &Receiver<Vec<u8>>, filled: &Sender<Filled>) {
    let mut offset = 0;
    while offset < size {
        let Ok(mut buffer) = empty.recv() else { return };
        buffer.truncate((size - offset).min(READ_BYTES) as usize);
        offset += buffer.len() as u64;
        let read = object.read_exact_at(offset - buffer.len() as u64, &mut buffer).map(|()| buffer);
        let failed = read.is_err();
        if filled.send(read).is_err() || failed {
            return;
        }
    }
}

fn digest(
    size: u64,
    filled: &Receiver<Filled>,
    empty: Sender<Vec<u8>>,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<String>, ArchiveError> {
    let mut hasher = Sha256::new();
    let mut seen = 0;
    for buffer in filled {
        let buffer = buffer?;
        hasher.update(&buffer);
        seen += buffer.len() as u64;
        if !progress(buffer.len() as u64) {
            return Ok(None);
        }
        // An error only says that the reading thread has read all there is.
        let _ = empty.send(buffer);
    }
    if seen != size {
        // The reading thread ends early only by a panic, which the scope passes on; a short digest must never get out.
        return Err(ArchiveError::misuse("the reading thread ended early"));
    }
    Ok(Some(hex::encode(hasher.finalize())))
}
