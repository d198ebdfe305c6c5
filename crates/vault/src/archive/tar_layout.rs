use super::tar_member::header_bytes;
use super::{ArchiveError, ArchiveMember, ArchiveReader, padding_bytes};
use std::ops::Range;

/// The whole index in memory, and with it the use of every byte of the tar stream.
///
/// Answers both questions of a parallel reader: which frames hold a member ([`super::SeekTable::pieces`] of its
/// [`ArchiveMember::content_range`]), and which members a frame touches ([`Self::pieces`] of the frame's plain range).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarLayout {
    members: Vec<ArchiveMember>,
    plain_bytes: u64,
}

/// A part of the tar stream that belongs to one thing. Lengths are never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarPiece {
    /// Bytes of a member's header.
    Header {
        /// The member's place in [`TarLayout::members`].
        member: usize,
        /// Counted from the header's first byte.
        offset: usize,
        /// Length in bytes.
        len: usize,
    },
    /// Bytes of a member's content.
    Content {
        /// The member's place in [`TarLayout::members`].
        member: usize,
        /// Counted from the content's first byte.
        offset: u64,
        /// Length in bytes.
        len: usize,
    },
    /// Zeros after a member's content.
    Padding {
        /// The member's place in [`TarLayout::members`].
        member: usize,
        /// Length in bytes.
        len: usize,
    },
    /// Zeros at the end of the stream.
    End {
        /// Length in bytes.
        len: usize,
    },
}

impl TarPiece {
    /// Returns the piece's length in bytes.
    pub fn len_bytes(&self) -> usize {
        match *self {
            TarPiece::Header { len, .. }
            | TarPiece::Content { len, .. }
            | TarPiece::Padding { len, .. }
            | TarPiece::End { len } => len,
        }
    }
}

impl TarLayout {
    /// Reads the whole index: some 120 bytes of memory a member.
    ///
    /// # Errors
    /// Whatever reading the index finds.
    pub fn load(reader: &ArchiveReader) -> Result<Self, ArchiveError> {
        // Not reserved at once: the count is only what the archive says of itself.
        let members = reader.members()?.collect::<Result<Vec<_>, _>>()?;
        Ok(TarLayout { members, plain_bytes: reader.seek_table().plain_bytes() })
    }

    /// Returns the members in archive order.
    pub fn members(&self) -> &[ArchiveMember] {
        &self.members
    }

    /// Returns the length of the tar stream.
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Cuts a range of the tar stream into what it consists of. What lies past the end is left out. Empty files and
    /// directories show up by their headers only.
    pub fn pieces(&self, plain: Range<u64>) -> impl Iterator<Item = TarPiece> + '_ {
        let end = plain.end.min(self.plain_bytes);
        let mut at = plain.start;
        // The member whose header, content or padding holds `at`: the last one that begins at or before it.
        let mut member = self.members.partition_point(|member| header_start(member) <= at).saturating_sub(1);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let piece = self.piece_at(&mut member, at, end - at);
            at += piece.len_bytes() as u64;
            Some(piece)
        })
    }

    /// Returns the piece at `at`, at most `most` bytes long. `member` is the one there, or the one before.
    fn piece_at(&self, member: &mut usize, at: u64, most: u64) -> TarPiece {
        // What a caller asks for fits into memory, since it has decoded it; a piece is never longer.
        let until = |end: u64| usize::try_from((end - at).min(most)).unwrap_or(usize::MAX);
        while let Some(candidate) = self.members.get(*member) {
            let content = candidate.content_range();
            if at < content.start {
                let offset = (at - header_start(candidate)) as usize;
                return TarPiece::Header { member: *member, offset, len: until(content.start) };
            }
            if at < content.end {
                return TarPiece::Content { member: *member, offset: at - content.start, len: until(content.end) };
            }
            let padded_end = content.end + padding_bytes(candidate.size_bytes) as u64;
            if at < padded_end {
                return TarPiece::Padding { member: *member, len: until(padded_end) };
            }
            *member += 1;
        }
        TarPiece::End { len: until(self.plain_bytes) }
    }

    /// Checks a part of the tar stream that begins at `plain_offset`: headers must equal the index byte for byte, padding
    /// and the end must be zeros. Calls `on_content` with each part of a member's content; checking that is up to the
    /// caller (see [`super::ContentChecksums`]).
    ///
    /// Keeps no state, so that frames can be checked in any order by many threads.
    ///
    /// # Errors
    /// `ArchiveTarDamaged`; whatever `on_content` returns.
    pub fn check<E: From<ArchiveError>>(
        &self,
        plain_offset: u64,
        bytes: &[u8],
        mut on_content: impl FnMut(MemberContent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let length = bytes.len() as u64;
        if plain_offset.checked_add(length).is_none_or(|end| end > self.plain_bytes) {
            return Err(damaged(plain_offset, "there is more than the index accounts for").into());
        }
        let mut at = 0;
        let mut header = Vec::new();
        for piece in self.pieces(plain_offset..plain_offset + length) {
            let part = &bytes[at..at + piece.len_bytes()];
            let part_offset = plain_offset + at as u64;
            match piece {
                TarPiece::Header { member, offset, len } => {
                    header.clear();
                    self.members[member].tar_member().append_header(&mut header)?;
                    if part != &header[offset..offset + len] {
                        return Err(damaged(part_offset, "a tar header differs from the index").into());
                    }
                }
                TarPiece::Content { member, offset, .. } => {
                    on_content(MemberContent { index: member, member: &self.members[member], offset, bytes: part })?;
                }
                TarPiece::Padding { .. } | TarPiece::End { .. } => {
                    if let Some(place) = part.iter().position(|&byte| byte != 0) {
                        return Err(damaged(part_offset + place as u64, "padding that is not zero").into());
                    }
                }
            }
            at += part.len();
        }
        Ok(())
    }
}

/// A part of a member's content, found in a frame.
#[derive(Debug, Clone, Copy)]
pub struct MemberContent<'a> {
    /// The member's place in [`TarLayout::members`].
    pub index: usize,
    /// The member.
    pub member: &'a ArchiveMember,
    /// Where the part begins in the content, in bytes.
    pub offset: u64,
    /// The part; never empty.
    pub bytes: &'a [u8],
}

/// Follows a tar stream from its first to its last byte and checks all of it: headers, contents by their CRC-32C, padding, end.
pub struct TarChecker<'l> {
    layout: &'l TarLayout,
    at: u64,
    /// CRC-32C of the content of the member that is being fed, so far.
    crc32c: u32,
}

impl<'l> TarChecker<'l> {
    /// Begins at the first byte of the stream.
    pub fn new(layout: &'l TarLayout) -> Self {
        TarChecker { layout, at: 0, crc32c: 0 }
    }

    /// Checks the next bytes of the stream and calls `on_content` with each part of a member's content, in order. A
    /// member's checksum is compared after its last part has been handed over.
    ///
    /// # Errors
    /// `ArchiveTarDamaged`, `ArchiveContentDamaged`; whatever `on_content` returns. Nothing may be fed after an error.
    pub fn feed<E: From<ArchiveError>>(
        &mut self,
        plain: &[u8],
        mut on_content: impl FnMut(MemberContent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let crc32c = &mut self.crc32c;
        self.layout.check(self.at, plain, |content: MemberContent<'_>| {
            *crc32c = crc32c::crc32c_append(if content.offset == 0 { 0 } else { *crc32c }, content.bytes);
            on_content(content)?;
            if content.offset + content.bytes.len() as u64 == content.member.size_bytes {
                super::reader::check_content_crc32c(content.member, *crc32c)?;
            }
            Ok::<(), E>(())
        })?;
        self.at += plain.len() as u64;
        Ok(())
    }

    /// Returns how many bytes of the stream have been fed.
    pub fn plain_bytes(&self) -> u64 {
        self.at
    }

    /// Checks that the stream has ended where it must.
    ///
    /// # Errors
    /// `ArchiveTarDamaged` when it ended early.
    pub fn finish(self) -> Result<(), ArchiveError> {
        if self.at == self.layout.plain_bytes { Ok(()) } else { Err(damaged(self.at, "the tar stream ends early")) }
    }
}

fn header_start(member: &ArchiveMember) -> u64 {
    member.content_offset - header_bytes(&member.path, member.kind) as u64
}

fn damaged(plain_offset: u64, detail: &str) -> ArchiveError {
    ArchiveError::ArchiveTarDamaged { plain_offset, detail: detail.to_owned() }
}
