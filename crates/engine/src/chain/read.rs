use super::layered::{LayeredFile, Stretch};
use super::links::Chain;
use super::outputs::{OutputContent, OutputMember};
use crate::Error;
use std::ops::Range;
use vault::archive::{ArchiveError, FrameDecoder};

/// How many decoded bytes a reader keeps beyond the frame in use: the frames it used last, one of each archive.
const HELD_BYTES: usize = 8 << 20;
/// What a hole in a file is made of.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Reads outputs of a chain. Keeps the frame used last of each archive: blocks of a file lie in ascending order in all of them,
/// so that a frame is decoded about once. At most 8 MiB and two frames.
pub struct ChainReader<'c> {
    chain: &'c Chain,
    decoder: FrameDecoder,
    scratch: Vec<u8>,
    held: Vec<HeldFrame>,
    clock: u64,
}

/// The frame of one archive that was used last.
#[derive(Default)]
struct HeldFrame {
    /// Where it is in the tar stream; empty when none is held.
    range: Range<u64>,
    plain: Vec<u8>,
    used_at: u64,
}

impl<'c> ChainReader<'c> {
    pub(super) fn new(chain: &'c Chain) -> Result<Self, Error> {
        let held = chain.links().iter().map(|_| HeldFrame::default()).collect();
        Ok(ChainReader { chain, decoder: FrameDecoder::new()?, scratch: Vec::new(), held, clock: 0 })
    }

    /// Gives a range of an output's content to `take`, in pieces of any size and in order. Frames are checked with their CRC-32C;
    /// the content of a whole file has a CRC-32C of its own, which the caller may compute.
    ///
    /// # Errors
    /// `take`'s; those of the archives.
    pub fn read<E: From<Error>>(
        &mut self,
        output: &OutputMember,
        range: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let range = range.start..range.end.min(output.size_bytes);
        match &output.content {
            OutputContent::Directory => Ok(()),
            OutputContent::Whole { content_offset, .. } => {
                let plain = content_offset + range.start..content_offset + range.end;
                self.read_plain(self.chain.links().len() - 1, plain, take)
            }
            OutputContent::Layered(layered) => self.read_layered(layered, range, take),
        }
    }

    /// The same for a layered file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_layered<E: From<Error>>(
        &mut self,
        layered: &LayeredFile,
        range: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for stretch in layered.stretches(range) {
            match stretch {
                Stretch::Held { link, plain } => self.read_plain(link, plain, take)?,
                Stretch::Zeros(mut left) => {
                    while left > 0 {
                        let count = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
                        take(&ZEROS[..count])?;
                        left -= count as u64;
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives a range of the tar stream of a link to `take`, frame by frame.
    ///
    /// # Errors
    /// `take`'s; those of the archive.
    pub fn read_plain<E: From<Error>>(
        &mut self,
        link: usize,
        plain: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut position = plain.start;
        while position < plain.end {
            let held = self.frame_with(link, position)?;
            let end = plain.end.min(held.range.end);
            let bytes = held.plain.get((position - held.range.start) as usize..(end - held.range.start) as usize);
            take(bytes.unwrap_or_default())?;
            position = end;
        }
        Ok(())
    }

    /// Appends a range of a link's tar stream to `out`.
    pub(super) fn append(&mut self, link: usize, plain: Range<u64>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.read_plain(link, plain, &mut |bytes| {
            out.extend_from_slice(bytes);
            Ok::<(), Error>(())
        })
    }

    /// Decodes the frame that holds a byte, unless it is held.
    fn frame_with(&mut self, link: usize, position: u64) -> Result<&HeldFrame, Error> {
        self.clock += 1;
        if !self.held[link].range.contains(&position) {
            self.make_room(link);
            let reader = &self.chain.links()[link].reader;
            let beyond = || ArchiveError::ArchiveDamaged {
                offset: reader.size_bytes(),
                detail: format!("no frame holds plain byte {position}"),
            };
            let frame = reader.seek_table().frame_at(position).ok_or_else(beyond)?;
            let held = &mut self.held[link];
            held.range = 0..0;
            reader.read_frame(frame, &mut self.decoder, &mut self.scratch, &mut held.plain)?;
            held.range = reader.seek_table().plain_range(frame);
        }
        self.held[link].used_at = self.clock;
        Ok(&self.held[link])
    }

    /// Lets go of other archives' frames, the ones unused for longest first, until the rest is small enough.
    fn make_room(&mut self, link: usize) {
        let mut total: usize = self.held.iter().map(|held| held.plain.capacity()).sum();
        while total > HELD_BYTES {
            let others = self.held.iter_mut().enumerate().filter(|(other, _)| *other != link);
            let oldest = others.filter(|(_, held)| held.plain.capacity() > 0).min_by_key(|(_, held)| held.used_at);
            let Some((_, oldest)) = oldest else { return };
            total -= oldest.plain.capacity();
            *oldest = HeldFrame::default();
        }
    }
}
