//! The beginning of a segment, encrypted while it grows: pieces one after the other, each a line of text and an age file.
//!
//! An age file can't be lengthened, and what a crash leaves of one can't be told from a whole one without the identity. So each
//! piece says in plain how long it is, and carries checksums; a reader takes those that are whole, in order.

use crate::encryption::{EncryptionError, Keys, Recipients, unseal_bytes};
use crate::storage::StorageError;
use pgformat::wal::SegmentSummary;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What every piece's line begins with.
const SIGNATURE: &[u8] = b"CADENA-P1 ";
/// Hexadecimal digits of the line's own checksum, and a blank.
const CRC_BYTES: usize = 9;
/// No line is longer.
const LINE_LIMIT_BYTES: usize = 64 << 10;

/// What a piece's line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceHead {
    /// Where in the segment its bytes begin.
    pub(super) from: u64,
    /// Where they end.
    pub(super) to: u64,
    /// CRC-32C of the segment's bytes from its start to `to`.
    pub(super) crc32c: u32,
    /// Length of the age file behind the line.
    pub(super) sealed_bytes: u64,
    /// CRC-32C of it.
    pub(super) sealed_crc32c: u32,
    /// What the segment says up to `to`; not every piece tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<SegmentSummary>,
}

/// A piece, and where in the object its age file lies.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) head: PieceHead,
    body: Range<usize>,
}

/// The whole pieces of an object, and where they end.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) all: Vec<Piece>,
    /// Where the next one goes: what lies behind is what a crash left.
    pub(super) end: usize,
}

impl Pieces {
    /// Finds the pieces of a segment of `segment_bytes`. The first that is not whole, or leaves a hole, ends them.
    pub(super) fn find(object: &[u8], segment_bytes: u64) -> Self {
        let mut pieces = Pieces::default();
        let mut covered = 0;
        while let Some(piece) = piece_at(object, pieces.end) {
            let head = &piece.head;
            if head.from > covered || head.from > head.to || head.to > segment_bytes {
                break;
            }
            covered = covered.max(head.to);
            pieces.end = piece.body.end;
            pieces.all.push(piece);
        }
        pieces
    }

    /// Returns how far they go, from the segment's start.
    pub(super) fn covered(&self) -> u64 {
        self.all.iter().map(|piece| piece.head.to).max().unwrap_or(0)
    }

    /// Returns the newest summary.
    pub(super) fn summary(&self) -> Option<&SegmentSummary> {
        self.all.iter().rev().find_map(|piece| piece.head.summary.as_ref())
    }

    /// Decrypts them all and puts them together.
    pub(super) fn open(&self, object: &[u8], keys: &Keys, storage: &str, key: &str) -> Result<Vec<u8>, StorageError> {
        let damaged = |detail: &str| EncryptionError::EncryptionDamaged {
            storage: storage.to_owned(),
            object: key.to_owned(),
            detail: detail.to_owned(),
        };
        let mut bytes = Vec::with_capacity(self.covered() as usize);
        for Piece { head, body } in &self.all {
            let plain = unseal_bytes(&object[body.clone()], keys, storage, key)?;
            let (from, to) = (head.from as usize, head.to as usize);
            if plain.len() != to - from {
                return Err(damaged("a piece has another length than it says").into());
            }
            bytes.resize(bytes.len().max(to), 0);
            bytes[from..to].copy_from_slice(&plain);
        }
        // Later pieces may say again what earlier ones say, never something else.
        if let Some(Piece { head, .. }) = self.all.last()
            && crc32c::crc32c(&bytes[..head.to as usize]) != head.crc32c
        {
            return Err(damaged("its pieces do not make the segment that they say").into());
        }
        Ok(bytes)
    }
}

/// Makes the piece of `bytes`, which lie at `range` in the segment; `crc32c` is of all from its start to the end of them.
pub(super) fn make_piece(
    recipients: &Recipients,
    bytes: &[u8],
    range: Range<usize>,
    crc32c: u32,
    summary: Option<SegmentSummary>,
) -> Result<Vec<u8>, EncryptionError> {
    let sealed = recipients.seal_bytes(None, bytes)?;
    let head = PieceHead {
        from: range.start as u64,
        to: range.end as u64,
        crc32c,
        sealed_bytes: sealed.len() as u64,
        sealed_crc32c: crc32c::crc32c(&sealed),
        summary,
    };
    let json =
        serde_json::to_vec(&head).map_err(|error| EncryptionError::EncryptionFailed { detail: error.to_string() })?;
    let mut piece = Vec::with_capacity(SIGNATURE.len() + CRC_BYTES + json.len() + 1 + sealed.len());
    piece.extend_from_slice(SIGNATURE);
    piece.extend_from_slice(format!("{:08x} ", crc32c::crc32c(&json)).as_bytes());
    piece.extend_from_slice(&json);
    piece.push(b'\n');
    piece.extend_from_slice(&sealed);
    Ok(piece)
}

fn piece_at(object: &[u8], at: usize) -> Option<Piece> {
    let rest = object.get(at..)?;
    let line = &rest[..rest.iter().take(LINE_LIMIT_BYTES).position(|byte| *byte == b'\n')?];
    let (crc, json) = line.strip_prefix(SIGNATURE)?.split_at_checked(CRC_BYTES)?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?.strip_suffix(' ')?, 16).ok()?;
    if crc32c::crc32c(json) != crc {
        return None;
    }
    let head: PieceHead = serde_json::from_slice(json).ok()?;
    let start = at + line.len() + 1;
    let end = start.checked_add(usize::try_from(head.sealed_bytes).ok()?)?;
    (crc32c::crc32c(object.get(start..end)?) == head.sealed_crc32c).then_some(Piece { head, body: start..end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::NewIdentity;
    use age::secrecy::ExposeSecret;

    fn piece(recipients: &Recipients, bytes: &[u8], range: Range<usize>) -> Vec<u8> {
        let crc32c = crc32c::crc32c(&bytes[..range.end]);
        make_piece(recipients, &bytes[range.clone()], range, crc32c, None).unwrap()
    }

    fn pair() -> (Recipients, Keys) {
        let identity = NewIdentity::generate(jiff::Timestamp::UNIX_EPOCH);
        let mut keys = Keys::default();
        keys.add(identity.file.expose_secret().as_bytes(), None, "test").unwrap();
        (Recipients::parse(&[identity.recipient]).unwrap().unwrap(), keys)
    }

    #[test]
    fn what_a_crash_tore_ends_the_pieces_wherever_it_tore() {
        let (recipients, keys) = pair();
        let bytes: Vec<u8> = (0..5000_u32).map(|at| (at % 251) as u8).collect();
        let mut object = Vec::new();
        let mut ends = vec![0];
        for range in [0..100, 100..3000, 3000..3001, 2000..5000] {
            object.extend(piece(&recipients, &bytes, range));
            ends.push(object.len());
        }
        for cut in 0..=object.len() {
            let found = Pieces::find(&object[..cut], 1 << 20);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!((found.all.len(), found.end), (whole, ends[whole]), "cut at {cut}");
        }
        let found = Pieces::find(&object, 1 << 20);
        assert_eq!(found.open(&object, &keys, "", "").unwrap(), bytes);
        for at in (0..object.len()).step_by(7) {
            let mut changed = object.clone();
            changed[at] ^= 4;
            let found = Pieces::find(&changed, 1 << 20);
            let whole = ends.iter().filter(|end| **end <= at).count() - 1;
            assert_eq!(found.all.len(), whole, "a bit at {at}");
        }
    }

    #[test]
    fn a_hole_or_a_length_that_no_segment_has_ends_them() {
        let (recipients, _) = pair();
        let bytes = vec![7; 5000];
        let mut object = piece(&recipients, &bytes, 0..100);
        let one = object.len();
        object.extend(piece(&recipients, &bytes, 101..200));
        assert_eq!(Pieces::find(&object, 1 << 20).end, one);
        assert_eq!(Pieces::find(&object, 99).end, 0);
    }
}
