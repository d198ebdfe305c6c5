//! Where a segment's bytes come from: the archive, or the server's own pg_wal.

use super::history::{Unreadable, unreadable};
use crate::Error;
use crate::reader::SourceReader;
use pgformat::{WalSegment, WalSegmentSize};
use std::ops::{ControlFlow, Range};
use vault::storage::StorageError;
use vault::wal::{WalArchive, WalArchiveError};

/// What is read of a server's segment at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Where a segment lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Sealed,
    Partial,
    Server,
}

/// Why a segment's bytes can't be had from a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not there, or does not go far enough.
    Missing,
    Damaged(String),
}

/// Everything that may hold segments.
pub(super) struct Segments<'a> {
    pub(super) archive: Option<&'a WalArchive>,
    pub(super) server: &'a mut dyn SourceReader,
    pub(super) size: WalSegmentSize,
}

impl Segments<'_> {
    /// Hands over a stretch of a segment, counted from its start, as far as its file reaches, until `each` has enough.
    ///
    /// # Errors
    /// Storage errors, and those of a connection that breaks.
    pub(super) fn read(
        &mut self,
        segment: WalSegment,
        place: Place,
        range: Range<u64>,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Result<(), Fault>, Error> {
        match (place, self.archive) {
            (Place::Server, _) => self.read_server(segment, range, each),
            (_, None) => Ok(Err(Fault::Missing)),
            (Place::Sealed, Some(archive)) => settled(archive.read_sealed_range(segment, range, each)),
            (Place::Partial, Some(archive)) => settled(archive.read_partial_range(segment, range, each)),
        }
    }

    fn read_server(
        &mut self,
        segment: WalSegment,
        range: Range<u64>,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Result<(), Fault>, Error> {
        let refused = |error| match unreadable(error) {
            Unreadable::Refused(detail) => Ok(Err(Fault::Damaged(detail))),
            Unreadable::Failed(error) => Err(error.into()),
        };
        let path = format!("pg_wal/{}", segment.file_name(self.size));
        let file = match self.server.open(path.as_bytes()) {
            // One of another size is being made or removed.
            Ok(found) => match found.filter(|file| file.size_bytes == self.size.bytes()) {
                Some(file) => file,
                None => return Ok(Err(Fault::Missing)),
            },
            Err(error) => return refused(error),
        };
        let end = range.end.min(self.size.bytes());
        let mut piece = Vec::new();
        let mut at = range.start;
        while at < end {
            piece.resize((end - at).min(PIECE_BYTES as u64) as usize, 0);
            let length = match self.server.read_at(&file, at, &mut piece) {
                Ok(length) => length,
                Err(error) => return refused(error),
            };
            if length == 0 {
                return Ok(Err(Fault::Missing));
            }
            at += length as u64;
            if each(&piece[..length]).is_break() {
                break;
            }
        }
        Ok(Ok(()))
    }
}

/// Tells what is wrong with one object from what is wrong with the storage.
fn settled(read: Result<(), WalArchiveError>) -> Result<Result<(), Fault>, Error> {
    match read {
        Ok(()) => Ok(Ok(())),
        Err(WalArchiveError::WalMissing { .. } | WalArchiveError::Storage(StorageError::StorageMissing { .. })) => {
            Ok(Err(Fault::Missing))
        }
        Err(
            error @ (WalArchiveError::WalDamaged { .. }
            | WalArchiveError::WalNewer { .. }
            | WalArchiveError::Format(_)
            | WalArchiveError::Storage(StorageError::StorageShort { .. } | StorageError::Encryption(_))),
        ) => Ok(Err(Fault::Damaged(error.to_string()))),
        Err(error) => Err(error.into()),
    }
}
