//! Reading segments.

use super::trailer::{self, Trailer};
use super::{SealedInfo, WalArchive, WalArchiveError, compressor, layout, scan};
use crate::archive::FrameDecoder;
use crate::storage::{ObjectReader, StorageError};
use pgformat::wal::{SegmentSummarizer, SegmentSummary};
use pgformat::{FormatError, Lsn, TimelineId, WalSegment};

impl WalArchive {
    /// Reads the trailer of a sealed segment: nothing of its content.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`, `WalNewer`.
    pub fn info(&self, segment: WalSegment) -> Result<SealedInfo, WalArchiveError> {
        Ok(self.open_sealed(segment)?.1.info)
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
        let object = self.open_object(segment, &self.partial_key(segment))?;
        into.resize(object.size_bytes().min(self.geometry().segment_size.bytes()) as usize, 0);
        Ok(object.read_exact_at(0, into)?)
    }

    fn sealed_summary(&self, segment: WalSegment) -> Result<SegmentSummary, WalArchiveError> {
        let info = self.info(segment)?;
        if info.summary_is_whole() {
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
        let object = self.open_object(segment, &self.sealed_key(segment))?;
        let trailer = trailer::read(object.as_ref()).map_err(|fault| self.trailer_fault(segment, fault))?;
        let (info, name) = (&trailer.info, self.name(segment));
        if info.segment != name {
            return Err(self.damaged(segment, format!("it is segment {} under another name", info.segment)));
        }
        if info.segment_bytes != self.geometry().segment_size.bytes() {
            return Err(self.damaged(segment, format!("it is of a segment of {} bytes", info.segment_bytes)));
        }
        Ok((object, trailer))
    }

    fn decode(
        &self,
        segment: WalSegment,
        object: &dyn ObjectReader,
        trailer: &Trailer,
        into: &mut Vec<u8>,
    ) -> Result<(), WalArchiveError> {
        let mut decoder = FrameDecoder::new().map_err(compressor::codec)?;
        let (mut compressed, mut plain) = (Vec::new(), Vec::new());
        let (mut offset, mut crc32c) = (0, 0);
        into.reserve_exact(trailer.info.segment_bytes as usize);
        for (number, frame) in trailer.frames.iter().enumerate() {
            compressed.resize(frame.compressed_bytes as usize, 0);
            object.read_exact_at(offset, &mut compressed)?;
            if crc32c::crc32c(&compressed) != frame.crc32c {
                return Err(
                    self.damaged(segment, format!("frame {number} at byte {offset} does not match its checksum"))
                );
            }
            decoder
                .decode(&compressed, trailer.frame_plain_bytes, &mut plain)
                .map_err(|error| self.damaged(segment, format!("frame {number} at byte {offset}: {error}")))?;
            crc32c = crc32c::crc32c_append(crc32c, &plain);
            into.extend_from_slice(&plain);
            offset += u64::from(frame.compressed_bytes);
        }
        if crc32c != trailer.info.crc32c {
            return Err(self.damaged(segment, "the segment does not match its checksum"));
        }
        Ok(())
    }
}
