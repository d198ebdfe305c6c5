//! One file of which only blocks are taken.

use crate::Error;
use crate::reader::{PageChecker, PageReport, PathRange, SourceReader};
use pgformat::incremental_file::{INCREMENTAL_PREFIX, IncrementalHeader};

/// A relation file whose changed blocks become a member, with all that is needed to make any part of it.
#[derive(Debug)]
pub(crate) struct IncrementFile {
    /// The file in the cluster.
    pub path: Vec<u8>,
    pub mode: u32,
    pub modified_seconds: i64,
    header: IncrementalHeader,
    /// The header as it is written.
    head: Vec<u8>,
    block_bytes: usize,
}

impl IncrementFile {
    pub fn new(path: Vec<u8>, mode: u32, modified_seconds: i64, header: IncrementalHeader, block_bytes: u32) -> Self {
        let mut head = Vec::with_capacity(header.size_bytes());
        header.write(&mut head);
        IncrementFile { path, mode, modified_seconds, header, head, block_bytes: block_bytes as usize }
    }

    /// Returns the member's path: that of the file with the prefix before its name.
    pub fn member_path(&self) -> Vec<u8> {
        let name = self.path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        [&self.path[..name], INCREMENTAL_PREFIX.as_bytes(), &self.path[name..]].concat()
    }

    /// Returns the member's length.
    pub fn size_bytes(&self) -> u64 {
        self.header.file_size_bytes()
    }

    /// Returns the parts of the cluster's file that make up the member's blocks.
    pub fn ranges(&self) -> Vec<PathRange<'_>> {
        self.ranges_of(self.header.block_numbers())
    }

    /// Makes the whole member from what [`Self::ranges`] gave: how much of each was found, and the bytes, one after the other.
    /// Returns how many of the bytes were used; `None` when the file is gone.
    ///
    /// # Errors
    /// The reader's, which is asked again for pages that seem damaged.
    pub fn make(
        &self,
        found: &[Option<usize>],
        bytes: &[u8],
        into: &mut Vec<u8>,
        pages: &mut BlockPages<'_>,
    ) -> Result<Option<usize>, Error> {
        let ranges = self.ranges();
        if !ranges.is_empty() && found.iter().all(Option::is_none) {
            return Ok(None);
        }
        into.clear();
        into.extend_from_slice(&self.head);
        into.resize(self.size_bytes() as usize, 0);
        self.place(&ranges, found, bytes, &mut into[self.head.len()..], pages).map(Some)
    }

    /// Makes the member's bytes from `offset` on, as many as `into` is long; both `offset` and the end are at a block's border
    /// or at an end of the member.
    ///
    /// # Errors
    /// The reader's.
    pub fn fill(
        &self,
        offset: u64,
        into: &mut [u8],
        scratch: &mut Vec<u8>,
        pages: &mut BlockPages<'_>,
    ) -> Result<(), Error> {
        let in_head = usize::try_from(offset).unwrap_or(usize::MAX).min(self.head.len());
        let from_head = (self.head.len() - in_head).min(into.len());
        into[..from_head].copy_from_slice(&self.head[in_head..in_head + from_head]);
        let into = &mut into[from_head..];
        let first = (offset as usize + from_head - self.head.len()) / self.block_bytes;
        let numbers = &self.header.block_numbers()[first..first + into.len() / self.block_bytes];
        let ranges = self.ranges_of(numbers);
        let found = pages.reader.read_ranges(&ranges, scratch)?;
        self.place(&ranges, &found, scratch, into, pages).map(drop)
    }

    fn ranges_of(&self, numbers: &[u32]) -> Vec<PathRange<'_>> {
        let range = |(block, count)| PathRange {
            path: &self.path,
            offset: u64::from(block) * self.block_bytes as u64,
            length: count as usize * self.block_bytes,
        };
        runs(numbers).map(range).collect()
    }

    /// Puts blocks into their places, and checks them. Blocks that the cluster's file has lost meanwhile become zeros: WAL replay
    /// cuts them off.
    fn place(
        &self,
        ranges: &[PathRange<'_>],
        found: &[Option<usize>],
        bytes: &[u8],
        into: &mut [u8],
        pages: &mut BlockPages<'_>,
    ) -> Result<usize, Error> {
        let (mut used, mut rest) = (0, into);
        for (range, found) in ranges.iter().zip(found) {
            let (content, later) = rest.split_at_mut(range.length);
            rest = later;
            let length = found.unwrap_or(0);
            content[..length].copy_from_slice(&bytes[used..used + length]);
            content[length..].fill(0);
            used += length;
            pages.check(range, content)?;
        }
        Ok(used)
    }
}

/// Checks blocks while they pass, and reads them again where they seem damaged.
pub(crate) struct BlockPages<'a> {
    pub reader: &'a mut dyn SourceReader,
    pub checker: &'a PageChecker,
    pub report: &'a mut PageReport,
}

impl BlockPages<'_> {
    fn check(&mut self, range: &PathRange<'_>, content: &mut [u8]) -> Result<(), Error> {
        let mut again = Vec::new();
        let mut reread = |offset: u64, page: &mut [u8]| -> Result<usize, Error> {
            let asked = PathRange { path: range.path, offset, length: page.len() };
            let found = self.reader.read_ranges(&[asked], &mut again)?;
            let length = found.first().copied().flatten().unwrap_or(0);
            page[..length].copy_from_slice(&again[..length]);
            Ok(length)
        };
        self.checker.check(range.path, range.offset, content, self.report, &mut reread)
    }
}

/// Cuts ascending numbers into runs of consecutive ones: the first and how many.
fn runs(numbers: &[u32]) -> impl Iterator<Item = (u32, u32)> + '_ {
    numbers.chunk_by(|one, next| one + 1 == *next).map(|run| (run[0], run.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::{LocalSource, Source};
    use pgformat::incremental_file::SegmentGeometry;

    const BLOCK: usize = 8192;
    const GEOMETRY: SegmentGeometry = SegmentGeometry { block_size_bytes: 8192, relation_segment_blocks: 131_072 };
    const PAGES: PageChecker =
        PageChecker { block_size_bytes: BLOCK, relation_segment_blocks: 131_072, checksums_enabled: false };

    fn block(number: u32) -> Vec<u8> {
        // A plausible header (upstream `bufpage.h`), and the number where the content is.
        let mut page = vec![number as u8; BLOCK];
        for (at, value) in [(10, 0_u16), (12, 24), (14, 1000), (16, 8192), (18, 8192 | 4)] {
            page[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        page
    }

    fn increment(numbers: &[u32]) -> IncrementFile {
        let header = IncrementalHeader::new(GEOMETRY, 9, numbers.to_vec()).unwrap();
        IncrementFile::new(b"16384".to_vec(), 0o600, 0, header, BLOCK as u32)
    }

    /// The whole member, made in pieces of `piece` bytes.
    fn filled(folder: &std::path::Path, numbers: &[u32], piece: usize) -> Vec<u8> {
        let (file, mut reader) = (increment(numbers), LocalSource::new(folder).reader().unwrap());
        let mut content = vec![7; file.size_bytes() as usize];
        let (mut report, mut scratch, mut at) = (PageReport::default(), Vec::new(), 0);
        for part in content.chunks_mut(piece) {
            let mut pages = BlockPages { reader: reader.as_mut(), checker: &PAGES, report: &mut report };
            file.fill(at, part, &mut scratch, &mut pages).unwrap();
            at += part.len() as u64;
        }
        assert_eq!(report.corrupt_total, 0);
        content
    }

    /// The whole member, made at once; `None` when the file is gone.
    fn made(folder: &std::path::Path, numbers: &[u32]) -> Option<Vec<u8>> {
        let (file, mut reader) = (increment(numbers), LocalSource::new(folder).reader().unwrap());
        let (mut bytes, mut content, mut report) = (Vec::new(), vec![7; 3], PageReport::default());
        let found = reader.read_ranges(&file.ranges(), &mut bytes).unwrap();
        let mut pages = BlockPages { reader: reader.as_mut(), checker: &PAGES, report: &mut report };
        let used = file.make(&found, &bytes, &mut content, &mut pages).unwrap();
        used.map(|used| {
            assert_eq!(used, bytes.len());
            content
        })
    }

    #[test]
    fn the_member_is_the_head_and_the_blocks_in_whatever_pieces_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("16384"), (0..9).flat_map(block).collect::<Vec<u8>>()).unwrap();
        let numbers = [0, 1, 2, 5, 8];
        let header = IncrementalHeader::new(GEOMETRY, 9, numbers.to_vec()).unwrap();
        let mut expected = Vec::new();
        header.write(&mut expected);
        numbers.iter().for_each(|number| expected.extend(block(*number)));
        for piece in [BLOCK, 2 * BLOCK, 100 * BLOCK] {
            assert!(filled(folder.path(), &numbers, piece) == expected, "{piece}");
        }
        assert!(made(folder.path(), &numbers) == Some(expected));
        assert_eq!(made(folder.path(), &[]).unwrap().len(), 12);
    }

    #[test]
    fn what_the_file_has_lost_is_zeros_and_a_file_that_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("16384");
        std::fs::write(&path, (0..2).flat_map(block).collect::<Vec<u8>>()).unwrap();
        let content = made(folder.path(), &[1, 2, 4]).unwrap();
        assert!(content == filled(folder.path(), &[1, 2, 4], BLOCK));
        assert!(content[BLOCK..2 * BLOCK] == block(1) && content[2 * BLOCK..].iter().all(|byte| *byte == 0));
        std::fs::remove_file(&path).unwrap();
        assert!(made(folder.path(), &[1, 2, 4]).is_none());
    }

    #[test]
    fn a_member_s_path_has_the_prefix_before_the_file_s_name() {
        let header = IncrementalHeader::new(GEOMETRY, 0, vec![]).unwrap();
        let file = |path: &str| IncrementFile::new(path.into(), 0, 0, header.clone(), 8192).member_path();
        assert_eq!(file("base/5/16384.1"), b"base/5/INCREMENTAL.16384.1");
        assert_eq!(file("global/1262"), b"global/INCREMENTAL.1262");
    }
}
