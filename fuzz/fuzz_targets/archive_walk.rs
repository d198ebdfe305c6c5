//! Opens an archive in memory and reads all of it; shared by the targets.

use vault::archive::*;
use vault::storage::{ObjectReader, StorageError};

struct Bytes(Vec<u8>);

impl ObjectReader for Bytes {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match start.checked_add(buffer.len()).and_then(|end| self.0.get(start..end)) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => panic!("a read of {} bytes at {offset} of {}", buffer.len(), self.0.len()),
        }
    }
}

/// Reads tail, index and frames. What has passed the reader must keep the promises of its documentation.
pub fn walk(bytes: Vec<u8>) -> Result<(), ArchiveError> {
    let reader = ArchiveReader::open(Box::new(Bytes(bytes)))?;
    let layout = TarLayout::load(&reader)?;
    let mut end = 0;
    for member in layout.members() {
        let parts: Vec<&[u8]> = member.path.split(|&byte| byte == b'/').collect();
        assert!(parts.iter().all(|part| !matches!(*part, b"" | b"." | b"..") && !part.contains(&0)));
        assert!(member.content_offset > end);
        end = member.content_range().end;
        assert!(end < reader.seek_table().plain_bytes());
    }
    let mut decoder = FrameDecoder::new()?;
    let (mut scratch, mut plain) = (Vec::new(), Vec::new());
    let mut checker = TarChecker::new(&layout);
    for frame in 0..reader.seek_table().frame_count() {
        reader.read_frame(frame, &mut decoder, &mut scratch, &mut plain)?;
        checker.feed(&plain, |_| Ok::<(), ArchiveError>(()))?;
    }
    checker.finish()
}
