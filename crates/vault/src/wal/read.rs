//! Reading segments.

use super::layout::Cover;
use super::pieces::Pieces;
use super::trailer::{self, Trailer};
use super::{SealedInfo, WalArchive, WalArchiveError, compressor, layout, scan};
use crate::archive::FrameDecoder;
use crate::encryption::{UnsealedObject, read_note};
use crate::storage::{ObjectReader, StorageError};
use pgformat::wal::{SegmentSummarizer, SegmentSummary};
use pgformat::{FormatError, Lsn, TimelineId, WalSegment};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// What is handed over of a partial segment at a time.
const PIECE_BYTES: u64 = 1 << 20;

impl WalArchive {
    /// Reads the trailer of a sealed segment: nothing of its content. Without an identity, of an encrypted one, what stands in plain
    /// before it, in which the contents of records are left out.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`, `WalNewer`.
    pub fn info(&self, segment: WalSegment) -> Result<SealedInfo, WalArchiveError> {
        if !self.is_locked(segment)? {
            return Ok(self.open_sealed(segment)?.1.info);
        }
        let key = self.sealed_key(segment, Cover::Encrypted);
        let object = self.open_object(segment, &key)?;
        let note = read_note(object.as_ref(), &self.storage().describe(), &key);
        let note = note.map_err(|error| self.unsealing(segment, error))?;
        let note = note.ok_or_else(|| self.damaged(segment, "it has no note"))?;
        let info = serde_json::from_slice(&note).map_err(|error| self.damaged(segment, error.to_string()))?;
        self.check_info(segment, &info)?;
        Ok(info)
    }

    /// Returns what a segment says, sealed (from its trailer) or partial (by reading it).
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`, `WalNewer`.
    pub fn summary(&self, segment: WalSegment) -> Result<SegmentSummary, WalArchiveError> {
        match self.sealed_summary(segment) {
            Err(WalArchiveError::WalMissing { .. }) => {}
            found => return found,
        }
        if !self.can_read_back() && self.partial_cover(segment)? == Some(Cover::Encrypted) {
            let (_, _, pieces) = self.read_pieces(segment)?;
            return match pieces.summary() {
                Some(summary) => Ok(summary.clone()),
                None => Ok(scan::valid_part(self.geometry(), segment, &[]).summary),
            };
        }
        let mut bytes = Vec::new();
        match self.read_partial_file(segment, &mut bytes) {
            Ok(()) => Ok(scan::valid_part(self.geometry(), segment, &bytes).summary),
            // Between the two looks it may have been sealed, and the partial one removed.
            Err(WalArchiveError::WalMissing { .. }) => self.sealed_summary(segment),
            Err(error) => Err(error),
        }
    }

    /// Reads a sealed segment whole and checks it against its trailer. Fills `into` (cleared first) with exactly one segment.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`, `WalNewer`. `into` is then empty.
    pub fn read_sealed(&self, segment: WalSegment, into: &mut Vec<u8>) -> Result<SealedInfo, WalArchiveError> {
        into.clear();
        let (object, trailer) = self.open_sealed(segment)?;
        let read = self.decode(segment, object.as_ref(), &trailer, into);
        read.inspect_err(|_| into.clear())?;
        Ok(trailer.info)
    }

    /// Reads the valid part of a partial segment, up to the end of its last whole record, or all of it when that record crosses
    /// into the next segment; the rest of `into` (cleared first, one segment long) is zero. Returns the end of the valid part.
    ///
    /// The end of a record that began in the segment before counts as whole, though its checksum can't be seen here.
    ///
    /// # Errors
    /// `WalMissing`.
    pub fn read_partial(&self, segment: WalSegment, into: &mut Vec<u8>) -> Result<Lsn, WalArchiveError> {
        self.read_partial_file(segment, into)?;
        let end = scan::valid_part(self.geometry(), segment, into).end;
        let size = self.geometry().segment_size;
        into.truncate((end.0 - segment.start_lsn(size).0) as usize);
        into.resize(size.bytes() as usize, 0);
        Ok(end)
    }

    /// Hands over a stretch of a sealed segment, counted in bytes from its start, in pieces of at most 1 MiB and in order, until
    /// `each` has enough. Reads and decodes only the frames that it lies in, each checked by its own checksum. Memory: two frames.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`, `WalNewer`.
    pub fn read_sealed_range(
        &self,
        segment: WalSegment,
        range: Range<u64>,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), WalArchiveError> {
        let (object, trailer) = self.open_sealed(segment)?;
        let frame_bytes = u64::from(trailer.frame_plain_bytes);
        let end = range.end.min(trailer.info.segment_bytes);
        if range.start >= end {
            return Ok(());
        }
        let frames = (range.start / frame_bytes) as usize..end.div_ceil(frame_bytes) as usize;
        let _ = self.decode_frames(segment, object.as_ref(), &trailer, frames, &mut |number, plain| {
            let at = number as u64 * frame_bytes;
            let from = range.start.saturating_sub(at) as usize;
            let to = (end - at).min(plain.len() as u64) as usize;
            each(&plain[from..to])
        })?;
        Ok(())
    }

    /// Hands over a stretch of a partial segment, as far as its file reaches, as [`WalArchive::read_sealed_range`] does. What a torn
    /// write left is not told from WAL: whoever reads checks it.
    ///
    /// # Errors
    /// `WalMissing`; storage errors.
    pub fn read_partial_range(
        &self,
        segment: WalSegment,
        range: Range<u64>,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), WalArchiveError> {
        if self.partial_cover(segment)? == Some(Cover::Encrypted) {
            let mut bytes = Vec::new();
            self.read_partial_file(segment, &mut bytes)?;
            let end = (range.end as usize).min(bytes.len());
            let wanted = bytes.get(range.start as usize..end).unwrap_or_default();
            let _ = wanted.chunks(PIECE_BYTES as usize).try_for_each(each);
            return Ok(());
        }
        let object = self.open_object(segment, &self.partial_key(segment, Cover::Plain))?;
        let end = range.end.min(object.size_bytes()).min(self.geometry().segment_size.bytes());
        let mut piece = Vec::new();
        let mut at = range.start;
        while at < end {
            piece.resize((end - at).min(PIECE_BYTES) as usize, 0);
            object.read_exact_at(at, &mut piece)?;
            at += piece.len() as u64;
            if each(&piece).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Reads a timeline's history file.
    ///
    /// # Errors
    /// Storage errors.
    pub fn history(&self, timeline: TimelineId) -> Result<Option<Vec<u8>>, WalArchiveError> {
        Ok(self.storage().get(&layout::history_key(timeline))?)
    }

    /// Fills `into` with what lies in a partial file, at most one segment.
    pub(super) fn read_partial_file(&self, segment: WalSegment, into: &mut Vec<u8>) -> Result<(), WalArchiveError> {
        into.clear();
        if self.partial_cover(segment)? == Some(Cover::Encrypted) {
            let (key, content, pieces) = self.read_pieces(segment)?;
            let opened = pieces.open(&content, self.keys(), &self.storage().describe(), &key);
            *into = opened.map_err(|error| self.unsealing(segment, error))?;
            return Ok(());
        }
        *into = self.plain_partial(segment)?;
        Ok(())
    }

    /// Reads a partial file that is not encrypted.
    pub(super) fn plain_partial(&self, segment: WalSegment) -> Result<Vec<u8>, WalArchiveError> {
        let object = self.open_object(segment, &self.partial_key(segment, Cover::Plain))?;
        let mut bytes = vec![0; object.size_bytes().min(self.geometry().segment_size.bytes()) as usize];
        object.read_exact_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads an encrypted partial file, and finds its pieces.
    fn read_pieces(&self, segment: WalSegment) -> Result<(String, Vec<u8>, Pieces), WalArchiveError> {
        let key = self.partial_key(segment, Cover::Encrypted);
        let object = self.open_object(segment, &key)?;
        let mut content = vec![0; object.size_bytes() as usize];
        object.read_exact_at(0, &mut content)?;
        let pieces = Pieces::find(&content, self.geometry().segment_size.bytes());
        Ok((key, content, pieces))
    }

    fn sealed_summary(&self, segment: WalSegment) -> Result<SegmentSummary, WalArchiveError> {
        let info = self.info(segment)?;
        // Without an identity nobody gets to know more.
        if info.summary_is_whole() || self.is_locked(segment)? {
            return Ok(info.summary);
        }
        let mut bytes = Vec::new();
        self.read_sealed(segment, &mut bytes)?;
        let mut summarizer = SegmentSummarizer::new(*self.geometry(), segment);
        let read = summarizer.feed::<FormatError>(&bytes, &mut |_, _| Ok(()));
        read.map_err(|error| self.damaged(segment, error.to_string()))?;
        Ok(summarizer.summary())
    }

    fn open_object(&self, segment: WalSegment, key: &str) -> Result<Box<dyn ObjectReader>, WalArchiveError> {
        self.storage().open(key).map_err(|error| match error {
            StorageError::StorageMissing { .. } => self.missing(segment),
            error => error.into(),
        })
    }

    fn open_sealed(&self, segment: WalSegment) -> Result<(Box<dyn ObjectReader>, Trailer), WalArchiveError> {
        let cover = self.sealed_cover(segment)?.unwrap_or(Cover::Plain);
        let key = self.sealed_key(segment, cover);
        let mut object = self.open_object(segment, &key)?;
        if cover == Cover::Encrypted {
            let opened = UnsealedObject::open(Arc::from(object), self.keys(), &self.storage().describe(), &key);
            object = Box::new(opened.map_err(|error| self.unsealing(segment, error))?);
        }
        let trailer = trailer::read(object.as_ref()).map_err(|fault| self.trailer_fault(segment, fault))?;
        self.check_info(segment, &trailer.info)?;
        Ok((object, trailer))
    }

    /// Tells whether a sealed segment is encrypted, and no identity was given.
    fn is_locked(&self, segment: WalSegment) -> Result<bool, WalArchiveError> {
        Ok(!self.can_read_back() && self.sealed_cover(segment)? == Some(Cover::Encrypted))
    }

    fn check_info(&self, segment: WalSegment, info: &SealedInfo) -> Result<(), WalArchiveError> {
        let name = self.name(segment);
        if info.segment != name {
            return Err(self.damaged(segment, format!("it is segment {} under another name", info.segment)));
        }
        if info.segment_bytes != self.geometry().segment_size.bytes() {
            return Err(self.damaged(segment, format!("it is of a segment of {} bytes", info.segment_bytes)));
        }
        Ok(())
    }

    fn decode(
        &self,
        segment: WalSegment,
        object: &dyn ObjectReader,
        trailer: &Trailer,
        into: &mut Vec<u8>,
    ) -> Result<(), WalArchiveError> {
        let mut crc32c = 0;
        into.reserve_exact(trailer.info.segment_bytes as usize);
        let _ = self.decode_frames(segment, object, trailer, 0..trailer.frames.len(), &mut |_, plain| {
            crc32c = crc32c::crc32c_append(crc32c, plain);
            into.extend_from_slice(plain);
            ControlFlow::Continue(())
        })?;
        if crc32c != trailer.info.crc32c {
            return Err(self.damaged(segment, "the segment does not match its checksum"));
        }
        Ok(())
    }

    /// Hands over some frames' plain bytes in order, each with its number, checked against its own checksum.
    fn decode_frames(
        &self,
        segment: WalSegment,
        object: &dyn ObjectReader,
        trailer: &Trailer,
        wanted: Range<usize>,
        each: &mut dyn FnMut(usize, &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, WalArchiveError> {
        let mut decoder = FrameDecoder::new().map_err(compressor::codec)?;
        let (mut compressed, mut plain) = (Vec::new(), Vec::new());
        let mut offset = 0;
        for (number, frame) in trailer.frames.iter().enumerate().take(wanted.end) {
            if number >= wanted.start {
                compressed.resize(frame.compressed_bytes as usize, 0);
                object.read_exact_at(offset, &mut compressed).map_err(|error| self.unsealing(segment, error))?;
                if crc32c::crc32c(&compressed) != frame.crc32c {
                    let detail = format!("frame {number} at byte {offset} does not match its checksum");
                    return Err(self.damaged(segment, detail));
                }
                decoder
                    .decode(&compressed, trailer.frame_plain_bytes, &mut plain)
                    .map_err(|error| self.damaged(segment, format!("frame {number} at byte {offset}: {error}")))?;
                if each(number, &plain).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            offset += u64::from(frame.compressed_bytes);
        }
        Ok(ControlFlow::Continue(()))
    }
}
