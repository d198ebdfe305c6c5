//! PostgreSQL's manifest as the archive's last member: it has grown in a file of its own, and is cut into pieces.

use super::produce::run_bytes;
use super::seal::{Sealer, spool_error};
use super::wal_members::MemberDefaults;
use super::work::LargeMember;
use crate::Error;
use crate::verify::MANIFEST_PATH;
use pgformat::backup_manifest::ManifestWalRange;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The finished manifest.
pub(super) struct ManifestMember {
    pub member: Arc<LargeMember>,
    pieces: ManifestPieces,
}

/// What is left of it.
pub(super) struct ManifestPieces {
    spool: Box<dyn Read + Send>,
    size_bytes: u64,
    piece_bytes: u64,
    offset: u64,
    folder: PathBuf,
}

impl ManifestMember {
    /// Finishes the manifest of all that the sealer has taken.
    ///
    /// # Errors
    /// `BackupSpool`.
    pub fn of(
        sealer: &mut Sealer,
        ranges: &[ManifestWalRange],
        frame_bytes: usize,
        defaults: MemberDefaults,
        folder: &Path,
    ) -> Result<Self, Error> {
        let (spool, size_bytes) = sealer.finish_manifest(ranges)?;
        let member = Arc::new(LargeMember {
            path: MANIFEST_PATH.as_bytes().to_vec(),
            mode: defaults.file_mode,
            modified_seconds: defaults.modified_seconds,
            size_bytes,
        });
        let (piece_bytes, folder) = (run_bytes(frame_bytes), folder.to_owned());
        Ok(ManifestMember { member, pieces: ManifestPieces { spool, size_bytes, piece_bytes, offset: 0, folder } })
    }

    pub fn into_parts(self) -> (Arc<LargeMember>, ManifestPieces) {
        (self.member, self.pieces)
    }
}

impl ManifestPieces {
    /// Returns the next piece and where it begins; `None` at the end.
    ///
    /// # Errors
    /// `BackupSpool`.
    pub fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let length = (self.size_bytes - self.offset).min(self.piece_bytes) as usize;
        if length == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        self.spool.read_exact(&mut bytes).map_err(|error| spool_error(&self.folder, &error))?;
        let offset = self.offset;
        self.offset += length as u64;
        Ok(Some((offset, bytes)))
    }
}
