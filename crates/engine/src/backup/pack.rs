//! How do members and runs become frames? The same way wherever their bytes come from.

use super::plain_buffer::PlainBuffer;
use super::work::{Encoded, EncodedMember, EncodedPart, FrameLengths, LargeMember, ReadyMember};
use crate::Error;
use std::sync::Arc;
use vault::archive::{FrameEncoder, MemberKind, TarMember, padding_bytes};

/// Makes finished frames of the tar stream. One per worker.
pub(super) struct Packer {
    frame_bytes: usize,
    frames: FrameEncoder,
    /// The plain bytes of the frame, or of the few frames, in the making.
    plain: PlainBuffer,
    header: Vec<u8>,
}

/// Which part of a large member is made: from `offset` on, `length` bytes of content, read in pieces of `piece_bytes`.
pub(super) struct RunShape {
    pub member: Arc<LargeMember>,
    pub offset: u64,
    pub length: usize,
    pub piece_bytes: usize,
}

impl Packer {
    pub fn new(frame_bytes: usize, compression_level: i32) -> Result<Self, Error> {
        let frames = FrameEncoder::new(compression_level)?;
        Ok(Packer { frame_bytes, frames, plain: PlainBuffer::default(), header: Vec::new() })
    }

    /// Forgets what an error may have left.
    pub fn begin(&mut self) {
        self.plain.clear();
    }

    /// Adds a whole member; closes the frame before it when it does not fit in.
    pub fn member(&mut self, member: &TarMember<'_>, content: &[u8], encoded: &mut Encoded) -> Result<(), Error> {
        if !self.plain.is_empty() && self.plain.len() + content.len() > self.frame_bytes {
            self.close(encoded)?;
        }
        let before: u64 = encoded.frames.iter().map(|frame| frame.plain as u64).sum();
        self.header.clear();
        member.append_header(&mut self.header)?;
        self.plain.extend(&self.header);
        let content_offset = before + self.plain.len() as u64;
        self.plain.extend(content);
        self.plain.extend_zeros(padding_bytes(content.len() as u64));
        encoded.content_bytes += content.len() as u64;
        encoded.members.push(EncodedMember {
            path: member.path.to_vec(),
            kind: member.kind,
            mode: member.mode,
            modified_seconds: member.modified_seconds,
            size_bytes: content.len() as u64,
            content_offset,
            crc32c: crc32c::crc32c(content),
        });
        Ok(())
    }

    /// Adds members whose content is at hand.
    pub fn ready(&mut self, members: &[ReadyMember], encoded: &mut Encoded) -> Result<(), Error> {
        for member in members {
            let header = TarMember {
                path: &member.path,
                kind: member.kind,
                mode: member.mode,
                modified_seconds: member.modified_seconds,
                size_bytes: member.content.len() as u64,
            };
            self.member(&header, &member.content, encoded)?;
            if self.plain.len() >= self.frame_bytes {
                self.close(encoded)?;
            }
        }
        self.close(encoded)
    }

    /// Adds bytes that belong to no member.
    pub fn raw(&mut self, bytes: &[u8], encoded: &mut Encoded) -> Result<(), Error> {
        self.plain.extend(bytes);
        self.close(encoded)
    }

    /// Compresses what there is, if anything.
    pub fn close(&mut self, encoded: &mut Encoded) -> Result<(), Error> {
        if !self.plain.is_empty() {
            append_frame(&mut self.frames, self.plain.as_slice(), encoded)?;
            self.plain.clear();
        }
        Ok(())
    }

    /// Makes a part of a large member; the first also the header, the last the padding. `fill` is given where a piece begins in
    /// the part, and the buffer for it.
    pub fn run(
        &mut self,
        shape: RunShape,
        mut fill: impl FnMut(usize, &mut [u8], &mut Encoded) -> Result<(), Error>,
        encoded: &mut Encoded,
    ) -> Result<(), Error> {
        let RunShape { member, offset, length, piece_bytes } = shape;
        let (is_first, is_last) = (offset == 0, offset + length as u64 == member.size_bytes);
        if is_first {
            let header = TarMember {
                path: &member.path,
                kind: MemberKind::File,
                mode: member.mode,
                modified_seconds: member.modified_seconds,
                size_bytes: member.size_bytes,
            };
            self.header.clear();
            header.append_header(&mut self.header)?;
            self.plain.extend(&self.header);
        }
        let content_offset = self.plain.len() as u64;
        let mut crc32c = 0;
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(piece_bytes);
            let content = self.plain.len();
            self.plain.extend_stale(piece);
            fill(done, self.plain.tail_mut(content), encoded)?;
            crc32c = crc32c::crc32c_append(crc32c, &self.plain.as_slice()[content..]);
            done += piece;
            if is_last && done == length {
                self.plain.extend_zeros(padding_bytes(member.size_bytes));
            }
            self.close_frames_of(content, encoded)?;
        }
        encoded.content_bytes += length as u64;
        encoded.part = Some(EncodedPart { member, content_offset, length, crc32c, is_first, is_last });
        Ok(())
    }

    /// Compresses what is in `plain`: the header (everything before `content`) goes with the first frame's worth of
    /// content, and the padding with the last, so that each frame begins at a block's boundary of the content.
    fn close_frames_of(&mut self, content: usize, encoded: &mut Encoded) -> Result<(), Error> {
        let mut begin = 0;
        let mut end = content + self.frame_bytes;
        while begin < self.plain.len() {
            // A tail shorter than a tar block's padding is no frame of its own.
            if end + vault::archive::TAR_BLOCK_BYTES >= self.plain.len() {
                end = self.plain.len();
            }
            append_frame(&mut self.frames, &self.plain.as_slice()[begin..end], encoded)?;
            begin = end;
            end += self.frame_bytes;
        }
        self.plain.clear();
        Ok(())
    }
}

fn append_frame(frames: &mut FrameEncoder, plain: &[u8], encoded: &mut Encoded) -> Result<(), Error> {
    let before = encoded.compressed.len();
    frames.encode(plain, &mut encoded.compressed)?;
    let compressed = encoded.compressed.len() - before;
    encoded.frames.push(FrameLengths { compressed, plain: plain.len() });
    Ok(())
}
