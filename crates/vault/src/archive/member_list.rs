//! Which files an archive holds, in plain, beside an archive that is encrypted: who takes the next backup may have no identity.
//!
//! `zstd -dc NAME.members | tr '\0' '\n'` shows it.

use super::{ArchiveError, ArchiveMember, MemberKind};
use std::io::{BufRead, BufReader, Read, Write};

const LEVEL: i32 = 1;
/// Plain bytes of a list at the most: a hundred million files.
const LIMIT_BYTES: u64 = 4 << 30;
/// The longest path, and a number before it.
const ENTRY_LIMIT_BYTES: u64 = 8 << 10;

/// Collects the list while an archive is written.
pub(super) struct MemberListWriter(zstd::stream::write::Encoder<'static, Vec<u8>>);

impl MemberListWriter {
    pub(super) fn new() -> Result<Self, ArchiveError> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(codec)?;
        encoder.include_checksum(true).map_err(codec)?;
        Ok(MemberListWriter(encoder))
    }

    pub(super) fn enter(&mut self, member: &ArchiveMember) -> Result<(), ArchiveError> {
        if member.kind != MemberKind::File {
            return Ok(());
        }
        write!(self.0, "{} ", member.modified_seconds).map_err(codec)?;
        self.0.write_all(&member.path).map_err(codec)?;
        self.0.write_all(&[0]).map_err(codec)
    }

    /// Ends the list with the archive's digest: it is of that archive and no other, and it is whole.
    pub(super) fn finish(mut self, sha256: &str) -> Result<Vec<u8>, ArchiveError> {
        write!(self.0, "sha256 {sha256}\0").map_err(codec)?;
        self.0.finish().map_err(codec)
    }
}

/// Hands over each file of a list, with the time of its last modification in seconds since 1970.
///
/// # Errors
/// `ArchiveDamaged` when it is not whole, or of another archive than the one with the digest `sha256`.
pub fn read_member_list(list: &[u8], sha256: &str, each: &mut dyn FnMut(&[u8], i64)) -> Result<(), ArchiveError> {
    let damaged = |detail: &str| ArchiveError::damaged(0, format!("the list of its files: {detail}"));
    let decoder = zstd::stream::read::Decoder::new(list).map_err(codec)?;
    let mut reader = BufReader::new(decoder.take(LIMIT_BYTES));
    let mut entry = Vec::new();
    loop {
        entry.clear();
        (&mut reader).take(ENTRY_LIMIT_BYTES).read_until(0, &mut entry).map_err(|error| damaged(&error.to_string()))?;
        if entry.pop() != Some(0) {
            return Err(damaged("it ends early"));
        }
        let blank = entry.iter().position(|byte| *byte == b' ').ok_or_else(|| damaged("an entry is none"))?;
        let (word, path) = (&entry[..blank], &entry[blank + 1..]);
        if word == b"sha256" {
            if path != sha256.as_bytes() {
                return Err(damaged("it is of another archive"));
            }
            // To the very end, where the list's own checksum is.
            return match reader.read(&mut [0]) {
                Ok(0) => Ok(()),
                Ok(_) => Err(damaged("it goes on behind its end")),
                Err(error) => Err(damaged(&error.to_string())),
            };
        }
        let seconds = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
        each(path, seconds.ok_or_else(|| damaged("an entry has no time"))?);
    }
}

fn codec(error: std::io::Error) -> ArchiveError {
    ArchiveError::ArchiveCodec { detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let mut writer = MemberListWriter::new().unwrap();
        let member = |path: &[u8], kind, modified_seconds| ArchiveMember {
            path: path.to_vec(),
            kind,
            mode: 0o600,
            modified_seconds,
            size_bytes: 0,
            content_offset: 512,
            crc32c: 0,
        };
        writer.enter(&member(b"base", MemberKind::Directory, 5)).unwrap();
        writer.enter(&member(b"base/1/a b\xff\n", MemberKind::File, -7)).unwrap();
        writer.enter(&member(b"sha256", MemberKind::File, 9)).unwrap();
        let list = writer.finish("abc").unwrap();
        let read = |list: &[u8], sha256: &str| {
            let mut found = Vec::new();
            read_member_list(list, sha256, &mut |path, seconds| found.push((path.to_vec(), seconds))).map(|()| found)
        };
        let wanted = vec![(b"base/1/a b\xff\n".to_vec(), -7), (b"sha256".to_vec(), 9)];
        assert_eq!(read(&list, "abc").unwrap(), wanted);
        assert!(read(&list, "abd").is_err());
        for cut in 0..list.len() {
            assert!(read(&list[..cut], "abc").is_err(), "cut at {cut}");
        }
    }
}
