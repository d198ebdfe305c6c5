//! A segment's file in pg_wal.

use crate::Error;
use crate::pipeline::PipelineError;
use crate::reader::read_some_at;
use crate::wal::WalError;
use pgformat::wal::{WalGeometry, WalPageHeader, page_magic};
use pgformat::{FormatError, MajorVersion, SystemIdentifier, WalSegment, WalSegmentSize};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use vault::wal::{SegmentSealer, WalArchive, WalArchiveError, WrittenSegment};

/// Length of the header of a segment's first page (upstream `xlog_internal.h`, `SizeOfXLogLongPHD`).
const LONG_HEADER_BYTES: usize = 40;
/// What is summed at a time: it stays in a processor's own cache between being read and being summed.
const PIECE_BYTES: usize = 256 << 10;
const SUMMING: &str = "summing a segment";

/// A segment's file, open, and what its first page says.
pub(super) struct SegmentFile<'a> {
    path: &'a Path,
    file: File,
    beginning: [u8; LONG_HEADER_BYTES],
    pub(super) geometry: WalGeometry,
    pub(super) segment: WalSegment,
}

impl<'a> SegmentFile<'a> {
    pub(super) fn open(path: &'a Path, name: &str) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(|error| failed(path, "open", &error))?;
        let mut beginning = [0; LONG_HEADER_BYTES];
        file.read_exact(&mut beginning).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => invalid(name, "it ends within its first page's header"),
            _ => failed(path, "read", &error),
        })?;
        let (geometry, segment) = read_header(&beginning, name).map_err(|detail| invalid(name, detail))?;
        Ok(SegmentFile { path, file, beginning, geometry, segment })
    }

    /// Writes the whole segment into the archive, not visible yet.
    pub(super) fn write(mut self, archive: &WalArchive, level: i32, jobs: usize) -> Result<WrittenSegment, Error> {
        let mut sealer = archive.seal(self.segment, level, jobs)?;
        self.feed(&mut sealer)?;
        Ok(sealer.complete()?)
    }

    fn feed(&mut self, sealer: &mut SegmentSealer) -> Result<(), Error> {
        sealer.write(&self.beginning)?;
        loop {
            match self.file.read(sealer.room()) {
                Ok(0) => return Ok(()),
                Ok(length) => sealer.filled(length)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(self.path, "read", &error)),
            }
        }
    }

    /// Reads a partial segment whole.
    pub(super) fn read(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = self.beginning.to_vec();
        self.file.read_to_end(&mut bytes).map_err(|error| failed(self.path, "read", &error))?;
        Ok(bytes)
    }

    /// Holds the segment against the one that is sealed already, by its length and the checksum of its bytes. Two threads sum,
    /// and while they do that the name of what is there becomes durable: this is all that a call does for a segment that was
    /// archived ahead, and the server waits for it.
    pub(super) fn confirm(self, archive: &WalArchive) -> Result<(), Error> {
        let segment_bytes = self.geometry.segment_size.bytes();
        let length_bytes = self.file.metadata().map_err(|error| failed(self.path, "stat", &error))?.len();
        if length_bytes != segment_bytes {
            let name = self.segment.file_name(self.geometry.segment_size);
            return Err(invalid(&name, format!("{length_bytes} bytes of {segment_bytes}")));
        }
        let half = segment_bytes / 2;
        let crc32c = std::thread::scope(|scope| {
            let settle_and_sum = || {
                archive.settle(self.segment)?;
                self.crc32c(half..segment_bytes)
            };
            match std::thread::Builder::new().spawn_scoped(scope, settle_and_sum) {
                Ok(second) => {
                    let first = self.crc32c(0..half)?;
                    let second =
                        second.join().map_err(|_| PipelineError::WorkerPanicked { detail: SUMMING.into() })??;
                    Ok::<u32, Error>(crc32c::crc32c_combine(first, second, half as usize))
                }
                // The system has no more threads.
                Err(_) => {
                    archive.settle(self.segment)?;
                    self.crc32c(0..segment_bytes)
                }
            }
        })?;
        Ok(archive.compare_sealed(self.segment, crc32c)?)
    }

    fn crc32c(&self, range: Range<u64>) -> Result<u32, Error> {
        let mut piece = vec![0; PIECE_BYTES];
        let (mut crc32c, mut at) = (0, range.start);
        while at < range.end {
            let wanted = piece.len().min((range.end - at) as usize);
            match read_some_at(&self.file, at, &mut piece[..wanted]) {
                Ok(0) => return Err(failed(self.path, "read", &io::ErrorKind::UnexpectedEof.into())),
                Ok(length) => {
                    crc32c = crc32c::crc32c_append(crc32c, &piece[..length]);
                    at += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(self.path, "read", &error)),
            }
        }
        Ok(crc32c)
    }
}

/// Reads the header of a segment's first page, and holds the file's name against it.
fn read_header(header: &[u8; LONG_HEADER_BYTES], name: &str) -> Result<(WalGeometry, WalSegment), String> {
    // Upstream `xlog_internal.h`, XLogLongPageHeaderData.
    let magic = u16::from_le_bytes([header[0], header[1]]);
    let version = MajorVersion::ALL.into_iter().find(|version| page_magic(*version) == magic);
    let version = version.ok_or_else(|| format!("its magic number is {magic:04X}"))?;
    let number = |at: usize| header[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let text = |error: FormatError| error.to_string();
    let geometry = WalGeometry {
        version,
        system_identifier: SystemIdentifier(number(28) << 32 | number(24)),
        segment_size: WalSegmentSize::new(number(32)).map_err(text)?,
        block_size_bytes: number(36) as u32,
    };
    let segment = WalSegment::parse(name, geometry.segment_size).map_err(text)?;
    WalPageHeader::parse(header, &geometry, segment.start_lsn(geometry.segment_size)).map_err(text)?;
    Ok((geometry, segment))
}

pub(super) fn failed(path: &Path, action: &'static str, error: &io::Error) -> Error {
    WalError::WalFile { path: path.display().to_string(), action, cause: error.to_string() }.into()
}

pub(super) fn invalid(segment: &str, detail: impl Into<String>) -> Error {
    WalArchiveError::WalInvalid { segment: segment.to_owned(), detail: detail.into() }.into()
}
