use super::layout::Cover;
use super::pieces::{Pieces, make_piece};
use super::sealed::told_in_plain;
use super::{WalArchive, WalArchiveError, scan};
use crate::encryption::Recipients;
use crate::storage::{AppendObject, StorageError};
use pgformat::wal::{SegmentSummarizer, SegmentSummary, WalGeometry};
use pgformat::{FormatError, Lsn, WalSegment};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often an encrypted partial segment says in plain what it holds.
const SUMMARY_PAUSE: Duration = Duration::from_secs(1);

/// The beginning of a segment, open for appending. What lies in the file after a crash may be longer than what was made
/// durable; [`PartialSegment::valid_end`] says how far it can be trusted.
///
/// An encrypted one is kept in memory as well. Without an identity it begins anew: what was received before stays in the file, and
/// what comes is written behind it.
pub struct PartialSegment {
    geometry: WalGeometry,
    segment: WalSegment,
    /// What the storage says of itself.
    storage: String,
    object: Box<dyn AppendObject>,
    size_at_open_bytes: u64,
    encrypted: Option<Encrypted>,
}

/// What an encrypted partial segment needs beside its file.
struct Encrypted {
    recipients: Recipients,
    /// The segment's bytes, from its start.
    bytes: Vec<u8>,
    /// Those of them that are in no piece yet.
    pending: Option<Range<usize>>,
    /// How many of them are summed up, and their CRC-32C.
    summed: (usize, u32),
    /// Where in the object the next piece goes.
    next_offset: u64,
    /// Of the bytes before `summarized`.
    summarizer: SegmentSummarizer,
    summarized: usize,
    said_at: Option<Instant>,
    /// Where it goes when it is whole; `None` when it came from there.
    whole: Option<Whole>,
}

/// Segments that this process has received whole and that are not sealed yet: without an identity nobody can read them again.
#[derive(Clone, Default)]
pub(super) struct Whole(Arc<Mutex<BTreeMap<WalSegment, Vec<u8>>>>);

impl Whole {
    fn keep(&self, segment: WalSegment, bytes: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(segment, bytes);
    }

    fn take(&self, segment: WalSegment) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&segment)
    }

    pub(super) fn forget(&self, segment: WalSegment) {
        drop(self.take(segment));
    }
}

impl PartialSegment {
    pub(super) fn open(archive: &WalArchive, segment: WalSegment) -> Result<Self, WalArchiveError> {
        let (geometry, storage) = (*archive.geometry(), archive.storage().describe());
        let cover = archive.cover();
        let key = archive.partial_key(segment, cover);
        let Some(recipients) = archive.recipients().filter(|_| cover == Cover::Encrypted) else {
            let object = archive.storage().open_append(&key)?;
            // What lies behind a segment's length is none of it.
            let size_at_open_bytes = object.size_bytes().min(geometry.segment_size.bytes());
            return Ok(PartialSegment { geometry, segment, storage, object, size_at_open_bytes, encrypted: None });
        };

        // Before the file is made: an encrypted one, however short, counts instead of a plain one.
        let plain = match archive.partial_cover(segment)? {
            Some(Cover::Plain) => Some(archive.plain_partial(segment)?),
            _ => None,
        };
        if let Some(plain) = plain.as_ref().filter(|plain| !plain.is_empty()) {
            // It was begun before encryption was switched on: all of it is there encrypted before anything else is.
            let crc32c = crc32c::crc32c(plain);
            let piece = make_piece(recipients, plain, 0..plain.len(), crc32c, None).map_err(StorageError::from)?;
            match archive.storage().put_if_absent(&key, &piece) {
                Ok(()) | Err(StorageError::StorageExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let object = archive.storage().open_append(&key)?;
        let mut content = vec![0; object.size_bytes() as usize];
        object.read_exact_at(0, &mut content)?;
        let pieces = Pieces::find(&content, geometry.segment_size.bytes());
        let mut encrypted = Encrypted {
            recipients: recipients.clone(),
            bytes: Vec::new(),
            pending: None,
            summed: (0, 0),
            next_offset: pieces.end as u64,
            summarizer: SegmentSummarizer::new(geometry, segment),
            summarized: 0,
            said_at: None,
            whole: Some(archive.whole.clone()),
        };
        if let Some(whole) = archive.whole.take(segment) {
            encrypted.bytes = whole;
            encrypted.whole = None;
        } else if let Some(plain) = plain {
            encrypted.bytes = plain;
        } else if !archive.keys().is_empty() {
            let opened = pieces.open(&content, archive.keys(), &storage, &key);
            encrypted.bytes = opened.map_err(|error| archive.unsealing(segment, error))?;
        }
        let size_at_open_bytes = encrypted.bytes.len() as u64;
        Ok(PartialSegment { geometry, segment, storage, object, size_at_open_bytes, encrypted: Some(encrypted) })
    }

    /// Returns the segment.
    pub fn segment(&self) -> WalSegment {
        self.segment
    }

    /// Returns the end of what was in the file when it was opened, as far as this process can read it.
    pub fn file_end(&self) -> Lsn {
        Lsn(self.start().0 + self.size_at_open_bytes)
    }

    /// Reads what is in the file, from the segment's start, at most `file_end`.
    ///
    /// # Errors
    /// Storage errors.
    pub fn read(&self) -> Result<Vec<u8>, WalArchiveError> {
        let mut bytes = vec![0; self.size_at_open_bytes as usize];
        self.read_range(self.start(), &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `into` from `lsn` on; all of it must have been written.
    ///
    /// # Errors
    /// Storage errors.
    pub fn read_range(&self, lsn: Lsn, into: &mut [u8]) -> Result<(), WalArchiveError> {
        let offset = lsn.0.saturating_sub(self.start().0);
        let Some(encrypted) = &self.encrypted else { return Ok(self.object.read_exact_at(offset, into)?) };
        let end = offset.saturating_add(into.len() as u64);
        match encrypted.bytes.get(offset as usize..end as usize) {
            Some(bytes) => into.copy_from_slice(bytes),
            None => return Err(self.short(end)),
        }
        Ok(())
    }

    /// Returns the end of the last whole, checked record in what [`PartialSegment::read`] reads, from where the log can be
    /// received again; the segment's start when there is none, and its end when all of it is valid, or when its last record is a
    /// segment switch, even if the zeros that follow it are not in the file.
    ///
    /// # Errors
    /// Storage errors.
    pub fn valid_end(&self) -> Result<Lsn, WalArchiveError> {
        Ok(scan::valid_part(&self.geometry, self.segment, &self.read()?).checked_end)
    }

    /// Writes `bytes` at `lsn`, which must not be after the end of what was written. What was there is replaced.
    ///
    /// # Errors
    /// `WalInvalid` when they do not lie in the segment; storage errors, after which any part of `bytes` may be written.
    pub fn write(&mut self, lsn: Lsn, bytes: &[u8]) -> Result<(), WalArchiveError> {
        let size = self.geometry.segment_size.bytes();
        let offset = lsn.0.checked_sub(self.start().0);
        let offset = offset.filter(|offset| offset.checked_add(bytes.len() as u64).is_some_and(|end| end <= size));
        let Some(offset) = offset else {
            let segment = self.segment.file_name(self.geometry.segment_size);
            return Err(WalArchiveError::WalInvalid { segment, detail: format!("{} bytes at {lsn}", bytes.len()) });
        };
        match &mut self.encrypted {
            None => self.object.write_at(offset, bytes)?,
            // There are no holes: a plain file refuses one by itself.
            Some(encrypted) if offset > encrypted.bytes.len() as u64 => return Err(self.short(offset)),
            Some(encrypted) => encrypted.write(offset as usize, bytes),
        }
        Ok(())
    }

    /// Makes everything written durable, and the file itself.
    ///
    /// # Errors
    /// Storage errors. What was written since the last success has to be written again.
    pub fn sync(&mut self) -> Result<(), WalArchiveError> {
        if let Some(encrypted) = &mut self.encrypted
            && let Some(piece) = encrypted.piece(&self.geometry, self.segment)?
        {
            self.object.write_at(encrypted.next_offset, &piece)?;
            self.object.sync()?;
            encrypted.next_offset += piece.len() as u64;
            encrypted.pending = None;
            return Ok(());
        }
        Ok(self.object.sync()?)
    }

    fn short(&self, wanted_bytes: u64) -> WalArchiveError {
        StorageError::StorageShort {
            storage: self.storage.clone(),
            object: self.segment.file_name(self.geometry.segment_size),
            size_bytes: self.encrypted.as_ref().map_or(0, |encrypted| encrypted.bytes.len() as u64),
            wanted_bytes,
        }
        .into()
    }

    fn start(&self) -> Lsn {
        self.segment.start_lsn(self.geometry.segment_size)
    }
}

impl Drop for PartialSegment {
    fn drop(&mut self) {
        let size = self.geometry.segment_size.bytes();
        if let Some(encrypted) = &mut self.encrypted
            && encrypted.pending.is_none()
            && encrypted.bytes.len() as u64 == size
            && let Some(whole) = &encrypted.whole
        {
            whole.keep(self.segment, std::mem::take(&mut encrypted.bytes));
        }
    }
}

impl Encrypted {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if offset < self.summed.0 {
            self.summed = (0, 0);
        }
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[offset..end].copy_from_slice(bytes);
        let pending = self.pending.take().unwrap_or(offset..end);
        self.pending = Some(pending.start.min(offset)..pending.end.max(end));
    }

    /// Makes the piece of what is in none yet.
    fn piece(&mut self, geometry: &WalGeometry, segment: WalSegment) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(pending) = self.pending.clone() else { return Ok(None) };
        let summary = match self.said_at {
            Some(said_at) if said_at.elapsed() < SUMMARY_PAUSE => None,
            _ => self.summary(&pending, geometry, segment),
        };
        let (until, crc32c) = if self.summed.0 <= pending.start { self.summed } else { (0, 0) };
        let crc32c = crc32c::crc32c_append(crc32c, &self.bytes[until..pending.end]);
        self.summed = (pending.end, crc32c);
        Ok(Some(make_piece(&self.recipients, &self.bytes[pending.clone()], pending, crc32c, summary)?))
    }

    fn summary(
        &mut self,
        pending: &Range<usize>,
        geometry: &WalGeometry,
        segment: WalSegment,
    ) -> Option<SegmentSummary> {
        if pending.start < self.summarized {
            self.summarizer = SegmentSummarizer::new(*geometry, segment);
            self.summarized = 0;
        }
        let fed = self.summarizer.feed::<FormatError>(&self.bytes[self.summarized..pending.end], &mut |_, _| Ok(()));
        if fed.is_err() {
            // Whoever reads the segment finds out why.
            self.summarizer = SegmentSummarizer::new(*geometry, segment);
            self.summarized = 0;
            return None;
        }
        self.summarized = pending.end;
        self.said_at = Some(Instant::now());
        Some(told_in_plain(&self.summarizer.summary()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::NewIdentity;
    use crate::repository::{FORMAT_VERSION, Repository, RepositoryDescription};
    use crate::storage::LocalFolder;
    use pgformat::{MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};

    #[test]
    fn a_whole_segment_is_kept_until_somebody_seals_it_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let geometry = WalGeometry {
            version: MajorVersion::V17,
            system_identifier: SystemIdentifier(7),
            segment_size: WalSegmentSize::new(1 << 20).unwrap(),
            block_size_bytes: 8192,
        };
        let description = RepositoryDescription {
            format_version: FORMAT_VERSION,
            system_identifier: geometry.system_identifier,
            postgresql_version: geometry.version,
            encryption_recipients: vec![NewIdentity::generate(jiff::Timestamp::UNIX_EPOCH).recipient],
            created_by: String::new(),
        };
        let repository = Repository::create(Arc::new(LocalFolder::new(folder.path())), &description).unwrap();
        let archive = WalArchive::open_for(&repository, geometry, "test").unwrap();
        let kept = || archive.whole.0.lock().unwrap().len();
        let segment = WalSegment { timeline: TimelineId(1), number: 9 };
        let mut partial = archive.open_partial(segment).unwrap();
        partial.write(Lsn(9 << 20), &vec![1; 1 << 20]).unwrap();
        partial.sync().unwrap();
        assert_eq!(kept(), 0);
        drop(partial);
        assert_eq!(kept(), 1);
        let sealing = archive.open_partial(segment).unwrap();
        assert_eq!(sealing.read().unwrap(), vec![1; 1 << 20]);
        drop(sealing);
        assert_eq!(kept(), 0, "every segment would stay in memory");
    }
}
