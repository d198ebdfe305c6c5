use super::member_path::check_member_path;
use super::{ArchiveError, MemberKind};
use tar::{EntryType, Header};

/// The unit of a tar stream.
pub const TAR_BLOCK_BYTES: usize = 512;
/// How many zero bytes end a tar stream.
pub const END_OF_TAR_BYTES: usize = 1024;

/// Length of a header's name field; a longer name goes into an entry of its own before the header.
const NAME_FIELD_BYTES: usize = 100;
/// The name by which GNU tar knows that entry.
const LONG_NAME_MARK: &[u8] = b"././@LongLink";
/// Where a header has its modification time.
const MTIME_FIELD: std::ops::Range<usize> = 136..148;

/// Describes a member whose header is to be written.
#[derive(Debug, Clone)]
pub struct TarMember<'a> {
    /// As in [`super::ArchiveMember`]: without the `/` that a tar stream has at the end of a directory's name.
    pub path: &'a [u8],
    /// A directory has no content.
    pub kind: MemberKind,
    /// Permission bits; others are cut off.
    pub mode: u32,
    /// Seconds since the Unix epoch.
    pub modified_seconds: i64,
    /// Size of the content in bytes; 0 for a directory.
    pub size_bytes: u64,
}

impl TarMember<'_> {
    /// Appends the header block (and, for a path over 100 bytes, the GNU long-name entry before it) to `out`.
    ///
    /// The same member always gives the same bytes: owner 0, no owner names, and this layout is part of the format, since
    /// a reader compares headers byte for byte.
    ///
    /// # Errors
    /// `ArchiveHostileMember` for a path that a reader would refuse; `ArchiveMisuse` for a directory with content.
    pub fn append_header(&self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        check_member_path(self.path)?;
        if self.kind == MemberKind::Directory && self.size_bytes != 0 {
            return Err(ArchiveError::misuse("a directory with content"));
        }
        let before = out.len();
        out.reserve(header_bytes(self.path, self.kind));
        if stored_name_bytes(self.path, self.kind) > NAME_FIELD_BYTES {
            self.append_long_name(out);
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(match self.kind {
            MemberKind::File => EntryType::Regular,
            MemberKind::Directory => EntryType::Directory,
        });
        self.put_name(&mut header.as_old_mut().name);
        header.set_mode(self.mode & 0o7777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(self.size_bytes);
        match u64::try_from(self.modified_seconds) {
            Ok(seconds) => header.set_mtime(seconds),
            Err(_) => put_before_the_epoch(&mut header, self.modified_seconds),
        }
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        debug_assert_eq!(out.len() - before, header_bytes(self.path, self.kind));
        Ok(())
    }

    fn append_long_name(&self, out: &mut Vec<u8>) {
        let name_bytes = stored_name_bytes(self.path, self.kind);
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.as_old_mut().name[..LONG_NAME_MARK.len()].copy_from_slice(LONG_NAME_MARK);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        // With the NUL that ends it.
        header.set_size(name_bytes as u64 + 1);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(self.path);
        if self.kind == MemberKind::Directory {
            out.push(b'/');
        }
        out.push(0);
        out.resize(out.len() + padding_bytes(name_bytes as u64 + 1), 0);
    }

    fn put_name(&self, field: &mut [u8; NAME_FIELD_BYTES]) {
        let fits = self.path.len().min(NAME_FIELD_BYTES);
        field[..fits].copy_from_slice(&self.path[..fits]);
        if self.kind == MemberKind::Directory && fits < NAME_FIELD_BYTES {
            field[fits] = b'/';
        }
    }
}

/// Writes a time before 1970 as GNU tar does: base-256, two's complement, most significant byte first.
fn put_before_the_epoch(header: &mut Header, seconds: i64) {
    let field = &mut header.as_mut_bytes()[MTIME_FIELD];
    field[..4].fill(0xff);
    field[4..].copy_from_slice(&seconds.to_be_bytes());
}

/// Returns how many zero bytes follow a content of `size_bytes`.
pub fn padding_bytes(size_bytes: u64) -> usize {
    (TAR_BLOCK_BYTES - (size_bytes % TAR_BLOCK_BYTES as u64) as usize) % TAR_BLOCK_BYTES
}

/// Returns how many bytes [`TarMember::append_header`] appends for a member.
pub fn header_bytes(path: &[u8], kind: MemberKind) -> usize {
    let name_bytes = stored_name_bytes(path, kind);
    if name_bytes <= NAME_FIELD_BYTES {
        TAR_BLOCK_BYTES
    } else {
        2 * TAR_BLOCK_BYTES + (name_bytes + 1).next_multiple_of(TAR_BLOCK_BYTES)
    }
}

fn stored_name_bytes(path: &[u8], kind: MemberKind) -> usize {
    path.len() + usize::from(kind == MemberKind::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header_of(member: &TarMember) -> Vec<u8> {
        let mut out = Vec::new();
        member.append_header(&mut out).unwrap();
        out
    }

    fn member(path: &[u8]) -> TarMember<'_> {
        TarMember { path, kind: MemberKind::File, mode: 0o600, modified_seconds: 1_700_000_000, size_bytes: 8192 }
    }

    #[test]
    fn pads_to_whole_blocks() {
        for (size, padding) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (u64::MAX, 1)] {
            assert_eq!(padding_bytes(size), padding, "{size}");
        }
    }

    #[test]
    fn writes_the_same_header_for_the_same_member_and_no_owner() {
        let header = header_of(&member(b"base/1/1259"));
        assert_eq!(header.len(), TAR_BLOCK_BYTES);
        assert_eq!(&header[..12], b"base/1/1259\0");
        assert_eq!(&header[100..108], b"0000600\0");
        assert_eq!(&header[108..116], b"0000000\0");
        assert_eq!(&header[116..124], b"0000000\0");
        assert_eq!(&header[124..136], b"00000020000\0");
        assert_eq!(header[156], b'0');
        assert_eq!(&header[257..265], b"ustar  \0");
        assert!(header[265..].iter().all(|&byte| byte == 0));
        assert_eq!(header, header_of(&member(b"base/1/1259")));
    }

    #[test]
    fn refuses_a_path_that_a_reader_would_refuse() {
        for path in [&b"../x"[..], b"/x", b"a//b", b""] {
            let mut out = Vec::new();
            assert!(matches!(member(path).append_header(&mut out), Err(ArchiveError::ArchiveHostileMember { .. })));
            assert!(out.is_empty());
        }
    }

    #[test]
    fn refuses_a_directory_with_content() {
        let directory = TarMember { kind: MemberKind::Directory, ..member(b"base") };
        assert!(matches!(directory.append_header(&mut Vec::new()), Err(ArchiveError::ArchiveMisuse { .. })));
    }

    fn any_path() -> impl Strategy<Value = Vec<u8>> {
        let part = proptest::collection::vec(any::<u8>().prop_filter("", |byte| !matches!(byte, 0 | b'/')), 1..120);
        proptest::collection::vec(part, 1..5)
            .prop_map(|parts| parts.join(&b'/'))
            .prop_filter("a path that leaves the target", |path| check_member_path(path).is_ok())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// The `tar` crate's own reader is the oracle; GNU tar is asked in tests/archive_tools.rs.
        #[test]
        fn another_reader_finds_what_was_written(
            path in any_path(),
            directory in any::<bool>(),
            mode in 0u32..0o10000,
            modified_seconds in prop_oneof![0i64..1 << 40, any::<i64>().prop_map(|seconds| seconds.max(0))],
            size_bytes in prop_oneof![0u64..1 << 20, (8u64 << 30) - 2..(8 << 30) + 2, 0u64..1 << 60],
        ) {
            let kind = if directory { MemberKind::Directory } else { MemberKind::File };
            let size_bytes = if directory { 0 } else { size_bytes };
            let header = header_of(&TarMember { path: &path, kind, mode, modified_seconds, size_bytes });
            prop_assert_eq!(header.len(), header_bytes(&path, kind));
            prop_assert_eq!(header.len() % TAR_BLOCK_BYTES, 0);
            let mut archive = tar::Archive::new(&header[..]);
            let entry = archive.entries().unwrap().next().unwrap().unwrap();
            let mut name = entry.path_bytes().into_owned();
            if directory {
                prop_assert_eq!(name.pop(), Some(b'/'));
            }
            prop_assert_eq!(name, path);
            prop_assert_eq!(entry.header().entry_type().is_dir(), directory);
            prop_assert_eq!(entry.header().mode().unwrap(), mode);
            prop_assert_eq!(entry.header().mtime().unwrap(), modified_seconds as u64);
            prop_assert_eq!(entry.header().entry_size().unwrap(), size_bytes);
        }
    }
}
