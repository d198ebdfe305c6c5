//! What the writer refuses: no archive may be sealed that a reader would refuse.

mod archive_support;

use archive_support::*;
use std::io::{self, Write};
use vault::archive::*;
use vault::storage::{PutStream, StorageError};

fn writer() -> ArchiveWriter {
    ArchiveWriter::new(Box::new(MemoryStream::default()), None).unwrap()
}

fn member(path: &str, content_offset: u64, size_bytes: u64) -> ArchiveMember {
    ArchiveMember {
        path: path.as_bytes().to_vec(),
        kind: MemberKind::File,
        mode: 0o600,
        modified_seconds: 0,
        size_bytes,
        content_offset,
        crc32c: u32::from(size_bytes > 0),
    }
}

#[test]
fn refuses_members_that_do_not_lie_one_behind_the_other() {
    for offset in [0, 511, 513, 1024, u64::MAX] {
        assert!(matches!(writer().add_member(&member("a", offset, 10)), Err(ArchiveError::ArchiveMisuse { .. })));
    }
    let mut writer = writer();
    writer.add_member(&member("a", 512, 10)).unwrap();
    for offset in [512, 1024, 1535, 1537, 2048] {
        assert!(matches!(writer.add_member(&member("b", offset, 10)), Err(ArchiveError::ArchiveMisuse { .. })));
    }
    writer.add_member(&member("b", 1536, 10)).unwrap();
}

#[test]
fn refuses_members_that_no_index_can_hold() {
    let good = member("a", 512, 0);
    for bad in [
        ArchiveMember { mode: 0o10000, ..good.clone() },
        ArchiveMember { kind: MemberKind::Directory, size_bytes: 1, ..good.clone() },
        ArchiveMember { crc32c: 1, ..good.clone() },
    ] {
        assert!(matches!(writer().add_member(&bad), Err(ArchiveError::ArchiveMisuse { .. })), "{bad:?}");
    }
    let long = ArchiveMember { size_bytes: u64::MAX - 1000, ..good };
    assert!(matches!(writer().add_member(&long), Err(ArchiveError::ArchiveAbsurd { .. })));
}

#[test]
fn refuses_hostile_paths_and_paths_that_come_twice() {
    for path in ["../a", "/a", "a//b", "a/./b", "", "a/.."] {
        assert!(matches!(writer().add_member(&member(path, 512, 0)), Err(ArchiveError::ArchiveHostileMember { .. })));
    }
    let mut writer = writer();
    writer.add_member(&member("a", 512, 0)).unwrap();
    assert!(matches!(writer.add_member(&member("a", 1024, 0)), Err(ArchiveError::ArchiveHostileMember { .. })));
    assert!(matches!(writer.add_member(&member("a/b", 1024, 0)), Err(ArchiveError::ArchiveHostileMember { .. })));
}

#[test]
fn refuses_frames_that_a_reader_would_refuse() {
    let mut writer = writer();
    for (frame_bytes, plain_bytes) in [(0, 1), (8, 1), (9, 0), (9, (16 << 20) + 1), ((32 << 20) + 1, 1)] {
        let frame = vec![0; frame_bytes];
        assert!(matches!(writer.append_frame(&frame, plain_bytes), Err(ArchiveError::ArchiveAbsurd { .. })));
    }
    assert_eq!(writer.plain_bytes(), 0);
}

#[test]
fn refuses_to_seal_a_stream_that_the_members_do_not_fill() {
    let (plain, members) = tar_stream(&[file("a", b"hello")]);
    for (cut, entered) in [(0, 0), (512, 1), (1024, 1)] {
        let mut writer = writer();
        let mut frame = Vec::new();
        FrameEncoder::new(1).unwrap().encode(&plain[cut..], &mut frame).unwrap();
        writer.append_frame(&frame, (plain.len() - cut) as u32).unwrap();
        for member in &members[..entered] {
            writer.add_member(member).unwrap();
        }
        assert!(matches!(writer.finish(), Err(ArchiveError::ArchiveMisuse { .. })), "{cut} {entered}");
    }
    assert!(matches!(writer().finish(), Err(ArchiveError::ArchiveMisuse { .. })));
}

/// Fails after some bytes, as a full disk does.
struct Full {
    left: usize,
    error: fn() -> io::Error,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            return Err((self.error)());
        }
        self.left -= bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PutStream for Full {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        Ok(())
    }
    fn publish(self: Box<Self>) -> Result<(), StorageError> {
        self.commit()
    }
}

#[test]
fn passes_on_what_the_storage_says() {
    let noise = noise(2_000_000);
    let mut frame = Vec::new();
    FrameEncoder::new(1).unwrap().encode(&noise, &mut frame).unwrap();
    let inner = || io::Error::other(StorageError::StorageDenied { storage: "store".into(), object: "full/x".into() });
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let other = || io::Error::from(io::ErrorKind::BrokenPipe);
    let failure = |error| {
        let mut writer = ArchiveWriter::new(Box::new(Full { left: 3_000_000, error }), None).unwrap();
        writer.append_frame(&frame, noise.len() as u32).unwrap();
        writer.append_frame(&frame, noise.len() as u32).unwrap_err()
    };
    assert!(
        matches!(failure(inner), ArchiveError::Storage(StorageError::StorageDenied { object, .. }) if object == "full/x")
    );
    assert!(matches!(failure(full), ArchiveError::Storage(StorageError::StorageFull { .. })));
    assert!(matches!(failure(other), ArchiveError::Storage(StorageError::StorageIo { .. })));
}
