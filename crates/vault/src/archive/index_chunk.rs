//! The bytes of the index: members written one after the other, each as what differs from the one before.

use super::limits::INDEX_CHUNK_LIMIT_BYTES;
use super::{ArchiveMember, MemberKind, header_bytes, padding_bytes};

/// A chunk is closed when it has grown to this many plain bytes: some 15,000 members, 150 KiB compressed.
const CHUNK_TARGET_BYTES: usize = 384 << 10;
/// What one entry can take at the most: a path of 4096 bytes and six numbers.
const ENTRY_LIMIT_BYTES: usize = 4096 + 64;
const _: () = assert!(CHUNK_TARGET_BYTES + ENTRY_LIMIT_BYTES <= INDEX_CHUNK_LIMIT_BYTES as usize);

/// Follows where the next member's header is to be in the tar stream. Members leave no gap, so that an index can't
/// describe members that overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TarPosition(pub(super) u64);

impl TarPosition {
    /// Returns where the content of the next member begins, and the position after it; `None` past 2^63.
    pub(super) fn place(self, path: &[u8], kind: MemberKind, size_bytes: u64) -> Option<(u64, TarPosition)> {
        let content = self.0.checked_add(header_bytes(path, kind) as u64)?;
        let end = content.checked_add(size_bytes)?.checked_add(padding_bytes(size_bytes) as u64)?;
        (end <= i64::MAX as u64).then_some((content, TarPosition(end)))
    }
}

/// Gathers entries into a chunk.
pub(super) struct ChunkWriter {
    plain: Vec<u8>,
    previous_path: Vec<u8>,
    previous_modified: i64,
}

impl ChunkWriter {
    pub(super) fn new() -> Self {
        ChunkWriter { plain: Vec::new(), previous_path: Vec::new(), previous_modified: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// Tells whether the chunk should be taken before the next entry.
    pub(super) fn is_full(&self) -> bool {
        self.plain.len() >= CHUNK_TARGET_BYTES
    }

    /// Adds an entry whose header begins at `position`.
    pub(super) fn push(&mut self, member: &ArchiveMember, position: TarPosition) {
        if self.plain.is_empty() {
            put_varint(&mut self.plain, position.0);
        }
        let shared = member.path.iter().zip(&self.previous_path).take_while(|(a, b)| a == b).count();
        put_varint(&mut self.plain, shared as u64);
        put_varint(&mut self.plain, (member.path.len() - shared) as u64);
        self.plain.extend_from_slice(&member.path[shared..]);
        let is_directory = member.kind == MemberKind::Directory;
        put_varint(&mut self.plain, u64::from(member.mode) << 1 | u64::from(is_directory));
        let delta = member.modified_seconds.wrapping_sub(self.previous_modified);
        put_varint(&mut self.plain, ((delta << 1) ^ (delta >> 63)) as u64);
        if !is_directory {
            put_varint(&mut self.plain, member.size_bytes);
            if member.size_bytes > 0 {
                self.plain.extend_from_slice(&member.crc32c.to_le_bytes());
            }
        }
        self.previous_path.truncate(shared);
        self.previous_path.extend_from_slice(&member.path[shared..]);
        self.previous_modified = member.modified_seconds;
    }

    /// Hands the chunk to `take` and begins a new one.
    pub(super) fn take<T>(&mut self, take: impl FnOnce(&[u8]) -> T) -> T {
        let taken = take(&self.plain);
        self.plain.clear();
        self.previous_path.clear();
        self.previous_modified = 0;
        taken
    }
}

/// Reads the entries of a chunk one by one. Total: any bytes give entries or an error.
pub(super) struct ChunkReader {
    plain: Vec<u8>,
    at: usize,
    previous_path: Vec<u8>,
    previous_modified: i64,
}

impl ChunkReader {
    pub(super) fn empty() -> Self {
        ChunkReader { plain: Vec::new(), at: 0, previous_path: Vec::new(), previous_modified: 0 }
    }

    /// Empties the reader and lends its buffer, to be filled with the next chunk.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.at = 0;
        self.previous_path.clear();
        self.previous_modified = 0;
        self.plain.clear();
        &mut self.plain
    }

    /// Begins the chunk in the buffer; its first entry's header must be at `position`.
    pub(super) fn begin(&mut self, position: TarPosition) -> Result<(), &'static str> {
        if self.varint()? == position.0 && !self.is_at_end() {
            Ok(())
        } else {
            Err("an index chunk begins at another place of the tar stream, or is empty")
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.plain.len()
    }

    /// Reads the entry whose header is at `position`; its path is not yet checked.
    pub(super) fn next(&mut self, position: TarPosition) -> Result<(ArchiveMember, TarPosition), &'static str> {
        let shared = self.varint()?;
        let suffix_bytes = self.varint()?;
        if shared > self.previous_path.len() as u64 {
            return Err("an index entry shares more of a path than there is");
        }
        let suffix = self.bytes(suffix_bytes)?;
        let shared = shared as usize;
        let mut path = Vec::with_capacity(shared + suffix.len());
        path.extend_from_slice(&self.previous_path[..shared]);
        path.extend_from_slice(&self.plain[suffix.clone()]);
        self.previous_path.truncate(shared);
        self.previous_path.extend_from_slice(&self.plain[suffix]);

        let mode_and_kind = self.varint()?;
        let kind = if mode_and_kind & 1 == 1 { MemberKind::Directory } else { MemberKind::File };
        let mode = u32::try_from(mode_and_kind >> 1).ok().filter(|mode| *mode <= 0o7777);
        let mode = mode.ok_or("an index entry has a mode over 7777")?;
        let zigzag = self.varint()?;
        let delta = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        let modified_seconds = self.previous_modified.wrapping_add(delta);
        self.previous_modified = modified_seconds;

        let size_bytes = if kind == MemberKind::File { self.varint()? } else { 0 };
        let crc32c = if size_bytes > 0 { self.crc32c()? } else { 0 };
        let (content_offset, next) =
            position.place(&path, kind, size_bytes).ok_or("an index entry reaches past any tar stream")?;
        Ok((ArchiveMember { path, kind, mode, modified_seconds, size_bytes, content_offset, crc32c }, next))
    }

    fn bytes(&mut self, length: u64) -> Result<std::ops::Range<usize>, &'static str> {
        if length > (self.plain.len() - self.at) as u64 {
            return Err("an index chunk ends inside an entry");
        }
        let range = self.at..self.at + length as usize;
        self.at = range.end;
        Ok(range)
    }

    fn crc32c(&mut self) -> Result<u32, &'static str> {
        let range = self.bytes(4)?;
        Ok(super::service_frame::le_u32(&self.plain, range.start))
    }

    /// Reads a LEB128 number in its shortest form.
    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.plain.get(self.at).ok_or("an index chunk ends inside a number")?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 {
                return Err("an index chunk has a number over 64 bits");
            }
            value |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { Err("an index chunk has a padded number") } else { Ok(value) };
            }
        }
        Err("an index chunk has a number over 64 bits")
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(plain: &[u8], start: TarPosition) -> Result<Vec<ArchiveMember>, &'static str> {
        let mut reader = ChunkReader::empty();
        reader.buffer().extend_from_slice(plain);
        reader.begin(start)?;
        let mut members = Vec::new();
        let mut position = start;
        while !reader.is_at_end() {
            let (member, next) = reader.next(position)?;
            members.push(member);
            position = next;
        }
        Ok(members)
    }

    fn any_member() -> impl Strategy<Value = ArchiveMember> {
        let path = proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'/'), any::<u8>()], 0..200);
        (path, any::<bool>(), 0u32..0o10000, any::<i64>(), prop_oneof![Just(0), 0u64..1 << 44], any::<u32>()).prop_map(
            |(path, directory, mode, modified_seconds, size_bytes, crc32c)| {
                let kind = if directory { MemberKind::Directory } else { MemberKind::File };
                let size_bytes = if directory { 0 } else { size_bytes };
                let crc32c = if size_bytes == 0 { 0 } else { crc32c };
                ArchiveMember { path, kind, mode, modified_seconds, size_bytes, content_offset: 0, crc32c }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn entries_come_back_as_they_went(members in proptest::collection::vec(any_member(), 1..20), start in 0u64..1 << 40) {
            let mut writer = ChunkWriter::new();
            let mut position = TarPosition(start);
            let mut wanted = Vec::new();
            for mut member in members {
                let (content_offset, next) = position.place(&member.path, member.kind, member.size_bytes).unwrap();
                member.content_offset = content_offset;
                writer.push(&member, position);
                wanted.push(member);
                position = next;
            }
            let plain = writer.take(|plain| plain.to_vec());
            prop_assert!(writer.is_empty());
            prop_assert_eq!(read_all(&plain, TarPosition(start)).unwrap(), wanted);
            prop_assert!(read_all(&plain, TarPosition(start + 1)).is_err());
        }

        #[test]
        fn any_bytes_give_entries_or_an_error(plain in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(members) = read_all(&plain, TarPosition(0)) {
                prop_assert!(members.len() < plain.len());
            }
        }
    }

    #[test]
    fn refuses_numbers_that_are_padded_or_too_long() {
        for bad in
            [&[0x80, 0x00][..], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], &[0x80]]
        {
            let mut reader = ChunkReader { plain: bad.to_vec(), ..ChunkReader::empty() };
            assert!(reader.varint().is_err(), "{bad:?}");
        }
        let mut most = Vec::new();
        put_varint(&mut most, u64::MAX);
        let mut reader = ChunkReader { plain: most, ..ChunkReader::empty() };
        assert_eq!(reader.varint(), Ok(u64::MAX));
    }

    #[test]
    fn refuses_a_member_that_reaches_past_any_stream() {
        assert_eq!(TarPosition(0).place(b"a", MemberKind::File, u64::MAX), None);
        assert_eq!(TarPosition(0).place(b"a", MemberKind::File, i64::MAX as u64), None);
        assert_eq!(TarPosition(u64::MAX).place(b"a", MemberKind::File, 0), None);
        assert_eq!(TarPosition(512).place(b"a", MemberKind::File, 513), Some((1024, TarPosition(2048))));
    }
}
