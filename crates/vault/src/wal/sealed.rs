use super::compressor::Compressor;
use super::trailer::{self, FRAME_PLAIN_BYTES, RESTORE_POINT_LIMIT, SealedFrame, TrailerFault};
use super::{SealOutcome, WalArchive, WalArchiveError, scan};
use crate::encryption::Recipients;
use crate::storage::{PutStream, StorageError};
use pgformat::wal::{SegmentSummarizer, SegmentSummary};
use pgformat::{FormatError, SystemIdentifier, WalSegment};
use serde::{Deserialize, Serialize};
use std::io::Write;

/// The first bytes of a segment that are kept, to tell another cluster's from damage: its first page's header.
const FIRST_BYTES: usize = 40;

/// How many restore points an encrypted segment names in plain.
const NOTED_RESTORE_POINTS: usize = 16;

/// The trailer of a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedInfo {
    /// The 24-digit name, so that a renamed file is found out.
    pub segment: String,
    /// Bytes of the segment.
    pub segment_bytes: u64,
    /// CRC-32C of the segment's bytes.
    pub crc32c: u32,
    /// What it says. Of very many restore points (over 4,096) only the first; [`WalArchive::summary`] always has all.
    pub summary: SegmentSummary,
    /// How many restore points it has.
    pub restore_points_total: u64,
    /// What made it, such as `cadena 0.1.0`.
    pub tool_version: String,
}

/// Returns what anybody may read of a summary: when and where, and nothing of what a record holds.
pub(super) fn told_in_plain(summary: &SegmentSummary) -> SegmentSummary {
    let mut told = summary.clone();
    told.continued.iter_mut().for_each(|continued| continued.head.clear());
    told.open.iter_mut().for_each(|open| open.head.clear());
    told.restore_points.truncate(NOTED_RESTORE_POINTS);
    told
}

impl SealedInfo {
    /// Returns the note in the header of an encrypted segment.
    fn note(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&SealedInfo { summary: told_in_plain(&self.summary), ..self.clone() })
    }

    /// Tells whether `summary` is all that the segment says.
    pub(super) fn summary_is_whole(&self) -> bool {
        self.restore_points_total == self.summary.restore_points.len() as u64
    }
}

/// Takes a segment's bytes, in order.
pub struct SegmentSealer {
    archive: WalArchive,
    segment: WalSegment,
    summarizer: SegmentSummarizer,
    first_bytes: Vec<u8>,
    taken_bytes: u64,
    crc32c: u32,
    /// The frame that is being filled, of which everything before `filled` is checked; empty until it is needed.
    frame: Vec<u8>,
    filled: usize,
    /// `None` when the segment is here already: then the bytes are only summed, and that is compared. Those that are here were
    /// checked when they came, and equal ones need it no second time.
    output: Option<Output>,
    given_up: bool,
}

/// What is being written.
struct Output {
    key: String,
    stream: Box<dyn PutStream>,
    compressor: Compressor,
    frames: Vec<SealedFrame>,
    /// The segment as it will be encrypted: the note that comes before it tells what is known at its end.
    gathered: Option<(Recipients, Vec<u8>)>,
}

impl SegmentSealer {
    pub(super) fn new(
        archive: &WalArchive,
        segment: WalSegment,
        level: i32,
        jobs: usize,
    ) -> Result<Self, WalArchiveError> {
        let key = archive.sealed_key(segment, archive.cover());
        let output = match archive.sealed_cover(segment)? {
            Some(_) => None,
            None => {
                let gathered = archive.recipients().map(|recipients| (recipients.clone(), Vec::new()));
                let compressor = Compressor::new(&archive.encoders, level, jobs)?;
                let stream = archive.storage().put_stream(&key)?;
                Some(Output { key, stream, compressor, frames: Vec::new(), gathered })
            }
        };
        Ok(SegmentSealer {
            summarizer: SegmentSummarizer::new(*archive.geometry(), segment),
            archive: archive.clone(),
            segment,
            first_bytes: Vec::with_capacity(FIRST_BYTES),
            taken_bytes: 0,
            crc32c: 0,
            frame: Vec::new(),
            filled: 0,
            output,
            given_up: false,
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `WalForeign` when they are another cluster's; `WalInvalid` when they are no WAL of this segment; storage errors.
    /// Nothing is visible then, and nothing more is taken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WalArchiveError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room();
            let (piece, after) = rest.split_at(rest.len().min(room.len()));
            room[..piece.len()].copy_from_slice(piece);
            self.filled(piece.len())?;
            rest = after;
        }
        Ok(())
    }

    /// Returns where the next bytes may be put, for whoever can read them right to there, without a copy; never empty.
    /// [`SegmentSealer::filled`] takes them.
    pub fn room(&mut self) -> &mut [u8] {
        if self.frame.is_empty() {
            self.frame = match &mut self.output {
                Some(output) => output.compressor.buffer(),
                None => vec![0; FRAME_PLAIN_BYTES],
            };
        }
        &mut self.frame[self.filled..]
    }

    /// Takes the first `length_bytes` of what [`SegmentSealer::room`] gave, at most all of it.
    ///
    /// # Errors
    /// As [`SegmentSealer::write`].
    pub fn filled(&mut self, length_bytes: usize) -> Result<(), WalArchiveError> {
        self.take(length_bytes).inspect_err(|_| {
            self.given_up = true;
            // The stream goes, and with it what it wrote.
            self.output = None;
        })
    }

    /// Checks that the segment is whole, and makes it durable and visible. One that is there already is compared.
    ///
    /// # Errors
    /// `WalInvalid` when bytes are missing or too many; `WalConflict`; `WalDamaged` when the one that is there is; storage errors.
    pub fn finish(self) -> Result<SealOutcome, WalArchiveError> {
        let (archive, segment) = (self.archive.clone(), self.segment);
        let outcome = self.complete()?.end(PutStream::commit)?;
        if outcome == SealOutcome::AlreadyThere {
            // Whoever made it may not have come to make its name durable, and whoever asks may drop its own copy now.
            archive.settle(segment)?;
        }
        Ok(outcome)
    }

    /// Checks that the segment is whole and writes what is left of it; nothing is visible yet.
    ///
    /// # Errors
    /// `WalInvalid` when bytes are missing or too many; storage errors.
    pub fn complete(mut self) -> Result<WrittenSegment, WalArchiveError> {
        if self.given_up {
            return Err(self.invalid("it was given up after an error"));
        }
        let segment_bytes = self.archive.geometry().segment_size.bytes();
        if self.taken_bytes != segment_bytes {
            return Err(self.invalid(format!("{} bytes of {segment_bytes}", self.taken_bytes)));
        }
        let output = match self.output.take() {
            Some(output) => Some(output.end(&self.archive, &self.info())?),
            None => None,
        };
        let SegmentSealer { archive, segment, crc32c, first_bytes, .. } = self;
        Ok(WrittenSegment { archive, segment, crc32c, first_bytes, output })
    }

    fn take(&mut self, length_bytes: usize) -> Result<(), WalArchiveError> {
        if self.given_up {
            return Err(self.invalid("it was given up after an error"));
        }
        let segment_bytes = self.archive.geometry().segment_size.bytes();
        if self.taken_bytes + length_bytes as u64 > segment_bytes {
            return Err(self.invalid(format!("more than {segment_bytes} bytes")));
        }
        let end = (self.filled + length_bytes).min(self.frame.len());
        self.check(self.filled, end)?;
        self.taken_bytes += (end - self.filled) as u64;
        self.filled = end;
        if end < self.frame.len() || end == 0 {
            return Ok(());
        }
        self.filled = 0;
        // Other threads compress it while this one checks the next.
        match &mut self.output {
            Some(output) => output.push(&self.archive, std::mem::take(&mut self.frame)),
            None => Ok(()),
        }
    }

    /// Checks that what lies in the frame is WAL of this segment.
    fn check(&mut self, from: usize, to: usize) -> Result<(), WalArchiveError> {
        let piece = &self.frame[from..to];
        let wanted = FIRST_BYTES - self.first_bytes.len();
        self.first_bytes.extend_from_slice(&piece[..piece.len().min(wanted)]);
        self.crc32c = crc32c::crc32c_append(self.crc32c, piece);
        if self.output.is_none() {
            return Ok(());
        }
        self.summarizer
            .feed::<FormatError>(piece, &mut |_, _| Ok(()))
            .map_err(|error| self.archive.refusal(self.segment, &self.first_bytes, &error))
    }

    fn info(&self) -> SealedInfo {
        let mut summary = self.summarizer.summary();
        let restore_points_total = summary.restore_points.len() as u64;
        summary.restore_points.truncate(RESTORE_POINT_LIMIT);
        SealedInfo {
            segment: self.archive.name(self.segment),
            segment_bytes: self.taken_bytes,
            crc32c: self.crc32c,
            summary,
            restore_points_total,
            tool_version: self.archive.tool_version.to_string(),
        }
    }

    fn invalid(&self, detail: impl Into<String>) -> WalArchiveError {
        WalArchiveError::WalInvalid { segment: self.archive.name(self.segment), detail: detail.into() }
    }
}

/// A whole segment whose bytes are checked and written, and not visible yet. Dropped, it leaves nothing.
pub struct WrittenSegment {
    archive: WalArchive,
    segment: WalSegment,
    crc32c: u32,
    first_bytes: Vec<u8>,
    /// `None` when it was here already.
    output: Option<Box<dyn PutStream>>,
}

impl WrittenSegment {
    /// Makes it visible, and durable but for its name, which [`WalArchive::settle`] does for several at once; or compares it
    /// with the one that is there.
    ///
    /// # Errors
    /// `WalConflict`; `WalDamaged` when the one that is there is; storage errors.
    pub fn publish(self) -> Result<SealOutcome, WalArchiveError> {
        self.end(PutStream::publish)
    }

    fn end(
        mut self,
        publish: impl FnOnce(Box<dyn PutStream>) -> Result<(), StorageError>,
    ) -> Result<SealOutcome, WalArchiveError> {
        match self.output.take().map(publish) {
            Some(Ok(())) => return Ok(SealOutcome::Archived),
            None | Some(Err(StorageError::StorageExists { .. })) => {}
            Some(Err(error)) => return Err(error.into()),
        }
        let Err(error) = self.archive.compare_sealed(self.segment, self.crc32c) else {
            return Ok(SealOutcome::AlreadyThere);
        };
        // Bytes that were only compared may be another cluster's.
        let is_conflict = matches!(error, WalArchiveError::WalConflict { .. });
        match scan::foreign_identifier(&self.first_bytes, self.archive.geometry()).filter(|_| is_conflict) {
            Some(found) => Err(self.archive.foreign(found)),
            None => Err(error),
        }
    }
}

impl Output {
    fn push(&mut self, archive: &WalArchive, plain: Vec<u8>) -> Result<(), WalArchiveError> {
        let Output { key, stream, compressor, frames, gathered } = self;
        compressor.push(plain, &mut |compressed, frame| {
            frames.push(frame);
            write(archive, key, stream.as_mut(), gathered, compressed)
        })
    }

    /// Writes what is left, and the trailer.
    fn end(self, archive: &WalArchive, info: &SealedInfo) -> Result<Box<dyn PutStream>, WalArchiveError> {
        let Output { key, mut stream, compressor, mut frames, mut gathered } = self;
        compressor.finish(&mut |compressed, frame| {
            frames.push(frame);
            write(archive, &key, stream.as_mut(), &mut gathered, compressed)
        })?;
        let trailer = trailer::encode(info, &frames).map_err(|fault| {
            // Nothing that a summary may hold leads here: see the limits there.
            let detail = if let TrailerFault::Damaged(detail) = fault { detail } else { String::new() };
            WalArchiveError::WalInvalid { segment: info.segment.clone(), detail }
        })?;
        write(archive, &key, stream.as_mut(), &mut gathered, &trailer)?;
        if let Some((recipients, gathered)) = gathered {
            let mut written = || -> std::io::Result<()> {
                let note = info.note()?;
                let mut sealing = recipients.seal(Some(&note), &mut stream)?;
                sealing.write_all(&gathered)?;
                sealing.finish()?;
                Ok(())
            };
            let storage = archive.storage().describe();
            written().map_err(|error| StorageError::from_io(&storage, &key, "write", &error))?;
        }
        Ok(stream)
    }
}

fn write(
    archive: &WalArchive,
    key: &str,
    stream: &mut dyn PutStream,
    gathered: &mut Option<(Recipients, Vec<u8>)>,
    bytes: &[u8],
) -> Result<(), StorageError> {
    if let Some((_, gathered)) = gathered {
        gathered.extend_from_slice(bytes);
        return Ok(());
    }
    stream.write_all(bytes).map_err(|error| StorageError::from_io(&archive.storage().describe(), key, "write", &error))
}

impl WalArchive {
    /// Compares a segment whose bytes have the CRC-32C `crc32c` with the one that is sealed here. Whether that one's name is
    /// durable is another question ([`WalArchive::settle`]).
    ///
    /// # Errors
    /// `WalConflict`; `WalMissing`, `WalDamaged`; storage errors.
    pub fn compare_sealed(&self, segment: WalSegment, crc32c: u32) -> Result<(), WalArchiveError> {
        let there = self.info(segment)?;
        if there.crc32c == crc32c {
            return Ok(());
        }
        Err(self.conflict(segment, format!("CRC-32C {:08x} there, {crc32c:08x} here", there.crc32c)))
    }

    /// Makes the error for bytes that are no WAL of a segment.
    pub(super) fn refusal(&self, segment: WalSegment, first_bytes: &[u8], error: &FormatError) -> WalArchiveError {
        match scan::foreign_identifier(first_bytes, self.geometry()) {
            Some(found) => self.foreign(found),
            None => WalArchiveError::WalInvalid { segment: self.name(segment), detail: error.to_string() },
        }
    }

    fn foreign(&self, found: SystemIdentifier) -> WalArchiveError {
        WalArchiveError::WalForeign { expected: self.system_identifier().to_string(), found: found.to_string() }
    }
}
