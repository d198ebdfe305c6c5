use super::error::ChainError;
use super::extents::{Extent, ExtentBuilder};
use super::links::Chain;
use super::read::ChainReader;
use super::table::Entry;
use crate::Error;
use pgformat::incremental_file::{INCREMENTAL_HEAD_BYTES, IncrementalHeader, SegmentGeometry};
use std::ops::Range;

/// A file that several archives hold together: where each of its blocks lies. Memory: 16 bytes for each run of blocks, at the
/// most 2 MiB for a segment of 1 GiB, whatever the chain's length.
#[derive(Debug)]
pub struct LayeredFile {
    block_size_bytes: u32,
    blocks: u32,
    extents: Vec<Extent>,
    layers: Vec<Layer>,
}

/// Where one archive's blocks begin.
#[derive(Debug, Clone, Copy)]
struct Layer {
    link: u32,
    /// The plain byte of the first block that the layer holds.
    blocks_offset: u64,
}

/// A part of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stretch {
    /// Bytes of a link's tar stream.
    Held { link: usize, plain: Range<u64> },
    /// So many zeros.
    Zeros(u64),
}

impl LayeredFile {
    /// Puts a file's layers together. `entries` is what the archives have of it, the oldest first; the newest is changes.
    ///
    /// # Errors
    /// `ChainFileMissing`, `ChainFileDamaged`; those of the archives.
    pub(super) fn resolve(
        chain: &Chain,
        path: &str,
        entries: &[Entry],
        reader: &mut ChainReader<'_>,
        head: &mut Vec<u8>,
    ) -> Result<Self, Error> {
        let needed = unbroken(chain, path, entries)?;
        let geometry = chain.geometry();
        let Some((newest, older)) = needed.split_last() else { return Err(ChainError::ChainIncomplete {}.into()) };
        let header = read_head(chain, path, newest, reader, head)?;
        let layer = |entry: &Entry, head_bytes: usize| Layer {
            link: entry.link() as u32,
            blocks_offset: entry.content_offset + head_bytes as u64,
        };
        let mut layers = vec![layer(newest, header.size_bytes())];
        let blocks = header.reconstructed_blocks();
        let mut builder = ExtentBuilder::new(header.block_numbers(), header.truncation_block_length());
        for entry in older.iter().rev() {
            if builder.is_done() {
                break;
            }
            if entry.is_changes() {
                let header = read_head(chain, path, entry, reader, head)?;
                builder.add_changes(header.block_numbers(), header.truncation_block_length());
                layers.push(layer(entry, header.size_bytes()));
            } else {
                // Half a block at the end is no block (upstream `reconstruct.c`).
                let held = entry.size_bytes() / u64::from(geometry.block_size_bytes);
                builder.add_whole(u32::try_from(held).unwrap_or(u32::MAX));
                layers.push(layer(entry, 0));
            }
        }
        Ok(LayeredFile { block_size_bytes: geometry.block_size_bytes, blocks, extents: builder.finish(), layers })
    }

    /// Returns the file's size.
    pub fn size_bytes(&self) -> u64 {
        u64::from(self.blocks) * u64::from(self.block_size_bytes)
    }

    /// Returns where a reader that goes on from `offset` does well to stop at or after `wanted`: where a frame of the archive with
    /// most of the file ends, so that no two workers decode it.
    pub(crate) fn cut_after(&self, chain: &Chain, wanted: u64) -> u64 {
        let size = self.size_bytes();
        if wanted >= size {
            return size;
        }
        let block_bytes = u64::from(self.block_size_bytes);
        let whole_blocks = wanted.div_ceil(block_bytes) * block_bytes;
        let Some(Stretch::Held { link, plain }) = self.stretch_at(wanted - 1, size) else { return whole_blocks };
        let seek_table = chain.links()[link].reader.seek_table();
        let Some(frame) = seek_table.frame_at(plain.start) else { return whole_blocks };
        let behind = seek_table.plain_range(frame).end.min(plain.end) - plain.start;
        // A frame of a small file, or of another writer, may end within a block.
        ((wanted - 1 + behind).div_ceil(block_bytes) * block_bytes).min(size)
    }

    /// Returns the stretches of a range of the file, in order; what lies behind the file's end is left out.
    pub(super) fn stretches(&self, range: Range<u64>) -> impl Iterator<Item = Stretch> + '_ {
        let end = range.end.min(self.size_bytes());
        let mut at = range.start;
        let mut next = self.extent_after(at);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let stretch = self.stretch(next, at, end);
            at += stretch.len();
            if self.extents.get(next).is_some_and(|extent| at >= self.end_of(extent)) {
                next += 1;
            }
            Some(stretch)
        })
    }

    fn stretch_at(&self, at: u64, end: u64) -> Option<Stretch> {
        (at < end).then(|| self.stretch(self.extent_after(at), at, end))
    }

    /// Finds the first extent that ends behind a byte.
    fn extent_after(&self, at: u64) -> usize {
        self.extents.partition_point(|extent| self.end_of(extent) <= at)
    }

    fn start_of(&self, extent: &Extent) -> u64 {
        u64::from(extent.block) * u64::from(self.block_size_bytes)
    }

    fn end_of(&self, extent: &Extent) -> u64 {
        (u64::from(extent.block) + u64::from(extent.count)) * u64::from(self.block_size_bytes)
    }

    /// Returns the stretch at `at`, of which `next` is the extent or the one behind.
    fn stretch(&self, next: usize, at: u64, end: u64) -> Stretch {
        let Some(extent) = self.extents.get(next) else { return Stretch::Zeros(end - at) };
        let start = self.start_of(extent);
        if at < start {
            return Stretch::Zeros(start.min(end) - at);
        }
        let layer = self.layers[extent.layer as usize];
        let first = layer.blocks_offset + u64::from(extent.position) * u64::from(self.block_size_bytes);
        let plain = first + (at - start)..first + (self.end_of(extent).min(end) - start);
        Stretch::Held { link: layer.link as usize, plain }
    }
}

impl Stretch {
    pub fn len(&self) -> u64 {
        match self {
            Stretch::Held { plain, .. } => plain.end - plain.start,
            Stretch::Zeros(count) => *count,
        }
    }
}

/// Returns the entries from the newest whole file on, after making sure that no archive in between lacks the file.
fn unbroken<'e>(chain: &Chain, path: &str, entries: &'e [Entry]) -> Result<&'e [Entry], ChainError> {
    let links = chain.links();
    // One more than the link that must have the file next. The first link is a FULL, which holds files whole only.
    let mut expected = links.len();
    for (place, entry) in entries.iter().enumerate().rev() {
        if entry.link() + 1 != expected {
            break;
        }
        if !entry.is_changes() {
            return Ok(&entries[place..]);
        }
        expected -= 1;
    }
    let id = |link: usize| links.get(link).map_or_else(String::new, |link| link.record.id.to_string());
    Err(ChainError::ChainFileMissing { id: id(expected.saturating_sub(1)), newer: id(expected), path: path.to_owned() })
}

/// Reads the head of a file of changes, and holds its size against the file's.
fn read_head(
    chain: &Chain,
    path: &str,
    entry: &Entry,
    reader: &mut ChainReader<'_>,
    head: &mut Vec<u8>,
) -> Result<IncrementalHeader, Error> {
    let (size_bytes, link) = (entry.size_bytes(), &chain.links()[entry.link()]);
    let damaged =
        |detail: String| ChainError::ChainFileDamaged { id: link.record.id.to_string(), path: path.to_owned(), detail };
    read_header(chain.geometry(), size_bytes, head, &mut |range, head| {
        let start = entry.content_offset;
        reader.append(entry.link(), start + range.start..start + range.end, head)
    })?
    .map_err(|detail| damaged(detail).into())
}

/// Reads a head: its first bytes tell how long it is. The outer error is that of reading, the inner one says what is wrong.
pub(crate) fn read_header(
    geometry: SegmentGeometry,
    size_bytes: u64,
    head: &mut Vec<u8>,
    append: &mut dyn FnMut(Range<u64>, &mut Vec<u8>) -> Result<(), Error>,
) -> Result<Result<IncrementalHeader, String>, Error> {
    head.clear();
    let first = size_bytes.min(INCREMENTAL_HEAD_BYTES as u64);
    append(0..first, head)?;
    let head_bytes = match IncrementalHeader::size_by_head(head, geometry) {
        Ok(head_bytes) if head_bytes as u64 <= size_bytes => head_bytes as u64,
        Ok(head_bytes) => return Ok(Err(format!("its head takes {head_bytes} bytes, it has {size_bytes}"))),
        Err(error) => return Ok(Err(error.to_string())),
    };
    append(first..head_bytes, head)?;
    Ok(match IncrementalHeader::parse(head, geometry) {
        Ok(header) if header.file_size_bytes() == size_bytes => Ok(header),
        Ok(header) => Err(format!("its head speaks of {} bytes, it has {size_bytes}", header.file_size_bytes())),
        Err(error) => Err(error.to_string()),
    })
}
