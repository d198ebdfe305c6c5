//! What goes in comes out, by every way of reading.
#![allow(clippy::print_stdout, reason = "one test tells the index's size and time")]

mod archive_support;

use archive_support::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use vault::archive::*;
use vault::storage::{ObjectReader, StorageError};

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    let part = prop_oneof![
        "[a-z0-9_.]{1,12}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>().prop_filter("", |byte| !matches!(byte, 0 | b'/')), 1..150),
    ];
    let path = proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join(&b'/'));
    let content = prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..600),
        1 => (any::<u8>(), 0usize..20_000).prop_map(|(byte, length)| vec![byte; length]),
        1 => Just(Vec::new()),
        1 => Just(vec![7; 512]),
    ];
    let item = (path, any::<bool>(), 0u32..0o10000, any::<i64>(), content).prop_map(
        |(path, directory, mode, modified_seconds, content)| Item {
            path,
            kind: if directory { MemberKind::Directory } else { MemberKind::File },
            mode,
            modified_seconds,
            content: if directory { Vec::new() } else { content },
        },
    );
    proptest::collection::vec(item, 0..12).prop_map(|items| {
        // Leave out what an archive may not hold: bad parts, paths that come twice, members below files.
        let mut kept: Vec<Item> = Vec::new();
        for item in items {
            let below = |a: &[u8], b: &[u8]| a.len() > b.len() && a.starts_with(b) && a[b.len()] == b'/';
            let good_parts = item.path.split(|&byte| byte == b'/').all(|part| part != b"." && part != b"..");
            let clash = kept.iter().any(|other| {
                other.path == item.path
                    || (below(&item.path, &other.path) && other.kind == MemberKind::File)
                    || (below(&other.path, &item.path) && item.kind == MemberKind::File)
            });
            if good_parts && !clash {
                kept.push(item);
            }
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_member_comes_back(items in any_items(), frame_bytes in 100usize..9000, level in prop_oneof![Just(-7), Just(1), Just(3), Just(19)]) {
        let (bytes, sealed) = seal(&items, frame_bytes, level);
        let (plain, members) = tar_stream(&items);
        prop_assert_eq!(walk(&bytes).unwrap(), items.clone());

        let reader = open(&bytes).unwrap();
        prop_assert_eq!(reader.members().unwrap().collect::<Result<Vec<_>, _>>().unwrap(), members.clone());
        prop_assert_eq!(reader.size_bytes(), sealed.size_bytes);
        prop_assert_eq!(bytes.len() as u64, sealed.size_bytes);
        prop_assert_eq!(reader.seek_table().plain_bytes(), plain.len() as u64);
        prop_assert_eq!(sealed.plain_bytes, plain.len() as u64);
        prop_assert_eq!(sealed.frames as usize, reader.seek_table().frame_count());
        prop_assert_eq!(sealed.members as usize, items.len());
        prop_assert_eq!(reader.sha256(&mut |_| true).unwrap(), Some(sealed.sha256));
        for (item, member) in items.iter().zip(&members) {
            prop_assert_eq!(&reader.find_member(&item.path).unwrap(), member);
            prop_assert_eq!(&reader.read_member(member, 1 << 20).unwrap(), &item.content);
        }
    }

    /// Frames in any order, as a parallel restore takes them.
    #[test]
    fn frames_in_any_order_make_the_same_files(items in any_items(), frame_bytes in 100usize..3000, seed in any::<u64>()) {
        let (bytes, _) = seal(&items, frame_bytes, 1);
        let reader = open(&bytes).unwrap();
        let layout = TarLayout::load(&reader).unwrap();
        let mut files: Vec<Vec<u8>> = layout.members().iter().map(|member| vec![0xee; member.size_bytes as usize]).collect();
        let mut checksums = ContentChecksums::new(&layout);
        let mut order: Vec<usize> = (0..reader.seek_table().frame_count()).collect();
        order.sort_by_key(|&frame| (frame as u64 + 1).wrapping_mul(seed | 1));
        let (mut decoder, mut scratch, mut plain) = (FrameDecoder::new().unwrap(), Vec::new(), Vec::new());
        for frame in order {
            reader.read_frame(frame, &mut decoder, &mut scratch, &mut plain).unwrap();
            let range = reader.seek_table().plain_range(frame);
            let touched: Vec<usize> = layout.pieces(range.clone()).filter_map(|piece| match piece {
                TarPiece::Content { member, .. } => Some(member),
                _ => None,
            }).collect();
            let mut seen = Vec::new();
            layout.check(range.start, &plain, |content| {
                seen.push(content.index);
                let at = content.offset as usize;
                files[content.index][at..at + content.bytes.len()].copy_from_slice(content.bytes);
                checksums.enter_content(content).map(|_| ())
            }).unwrap();
            prop_assert_eq!(touched, seen);
        }
        checksums.finish().unwrap();
        prop_assert_eq!(files, items.into_iter().map(|item| item.content).collect::<Vec<_>>());
    }
}

#[test]
fn an_archive_without_members_is_sound() {
    let (bytes, sealed) = seal(&[], 4096, 1);
    assert_eq!(sealed.members, 0);
    assert_eq!(walk(&bytes).unwrap(), []);
    assert!(matches!(open(&bytes).unwrap().find_member(b"x"), Err(ArchiveError::ArchiveNoMember { .. })));
}

#[test]
fn what_the_document_describes_is_what_the_writer_writes() {
    let items = [directory("base"), file("base/1", b"hello"), file("PG_VERSION", b"17\n"), file("empty", b"")];
    let (plain, members) = tar_stream(&items);
    let by_hand = handmade::Handmade::new(&plain, &members).bytes();
    assert_eq!(walk(&by_hand).unwrap(), items);
    // Frame contents may differ with the encoder's parameters; all that the format fixes must not.
    let (bytes, _) = seal(&items, 1 << 20, 1);
    let (ours, theirs) = (open(&bytes).unwrap(), open(&by_hand).unwrap());
    assert_eq!(ours.seek_table().plain_range(0), theirs.seek_table().plain_range(0));
    assert_eq!(&bytes[bytes.len() - 9..], &by_hand[by_hand.len() - 9..]);
}

#[test]
fn two_hundred_thousand_members_make_a_small_index_that_reads_fast() {
    // Paths, sizes and checksums as a cluster of many small tables has them.
    let stream = MemoryStream::default();
    let mut writer = ArchiveWriter::new(Box::new(stream.clone()), None).unwrap();
    let mut position = 0u64;
    let (mut header, mut noise) = (Vec::new(), 1u32);
    const MEMBERS: u64 = 200_000;
    for number in 0..MEMBERS {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let path = format!(
            "base/{}/{}{}",
            16384 + number / 1500,
            16400 + number % 1500,
            ["", "_fsm", "_vm"][number as usize % 3]
        );
        let size_bytes = 8192 * u64::from(noise >> 30);
        let member = ArchiveMember {
            kind: MemberKind::File,
            mode: 0o600,
            modified_seconds: 1_700_000_000 + i64::from(noise >> 12) % 100_000,
            size_bytes,
            content_offset: position + header_bytes(path.as_bytes(), MemberKind::File) as u64,
            crc32c: if size_bytes == 0 { 0 } else { noise.rotate_left(7) ^ number as u32 },
            path: path.into_bytes(),
        };
        header.clear();
        member.tar_member().append_header(&mut header).unwrap();
        writer.add_member(&member).unwrap();
        position = member.content_offset + size_bytes;
    }
    // The stream itself is left out: zeros of the right length keep the test small.
    let mut left = position + END_OF_TAR_BYTES as u64;
    let mut encoder = FrameEncoder::new(1).unwrap();
    let zeros = vec![0; 16 << 20];
    let (mut frame, mut frames) = (Vec::new(), 0);
    while left > 0 {
        let plain = left.min(zeros.len() as u64) as usize;
        frame.clear();
        encoder.encode(&zeros[..plain], &mut frame).unwrap();
        writer.append_frame(&frame, plain as u32).unwrap();
        frames += frame.len();
        left -= plain as u64;
    }
    let (sealed, _) = writer.finish().unwrap();
    let index_bytes = sealed.size_bytes - frames as u64;
    let reader = open(&stream.0.lock().unwrap()).unwrap();
    let start = std::time::Instant::now();
    let layout = TarLayout::load(&reader).unwrap();
    let elapsed = start.elapsed();
    println!("{:.1} bytes a member, read in {elapsed:?}", index_bytes as f64 / MEMBERS as f64);
    assert_eq!(layout.members().len() as u64, MEMBERS);
    assert!(index_bytes <= 25 * MEMBERS, "{index_bytes}");
}

#[test]
fn a_member_is_read_with_the_frames_it_touches_only() {
    struct Counting(MemoryObject, Arc<AtomicU64>);
    impl ObjectReader for Counting {
        fn size_bytes(&self) -> u64 {
            self.0.size_bytes()
        }
        fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
            self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            self.0.read_exact_at(offset, buffer)
        }
    }
    let noise = noise(3_000_000);
    let items = [file("a", &noise), file("b", b"small"), file("c", &noise)];
    let (bytes, _) = seal(&items, 64 << 10, 1);
    let read = Arc::new(AtomicU64::new(0));
    let object = Counting(MemoryObject(Arc::new(bytes)), Arc::clone(&read));
    let reader = ArchiveReader::open(Box::new(object)).unwrap();
    let member = reader.find_member(b"b").unwrap();
    let before = read.load(Ordering::Relaxed);
    assert_eq!(reader.read_member(&member, 5).unwrap(), b"small");
    assert!(read.load(Ordering::Relaxed) - before < 2 * (65 << 10));
    assert!(matches!(reader.read_member(&member, 4), Err(ArchiveError::ArchiveAbsurd { .. })));
}

#[test]
fn the_digest_covers_large_files_and_can_be_cancelled() {
    let noise = noise(5_000_000);
    let (bytes, sealed) = seal(&[file("noise", &noise)], 256 << 10, 1);
    assert!(bytes.len() > 3 << 20);
    let reader = open(&bytes).unwrap();
    let mut seen = 0;
    assert_eq!(
        reader
            .sha256(&mut |n| {
                seen += n;
                true
            })
            .unwrap(),
        Some(sealed.sha256)
    );
    assert_eq!(seen, bytes.len() as u64);
    let mut calls = 0;
    assert_eq!(
        reader
            .sha256(&mut |_| {
                calls += 1;
                calls < 2
            })
            .unwrap(),
        None
    );
    assert_eq!(calls, 2);
}

#[test]
fn the_digest_passes_on_a_read_that_fails() {
    /// Stops to read once it is told to.
    struct Failing(MemoryObject, Arc<AtomicBool>);
    impl ObjectReader for Failing {
        fn size_bytes(&self) -> u64 {
            self.0.size_bytes()
        }
        fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
            if self.1.load(Ordering::Relaxed) && offset >= 2 << 20 {
                return Err(StorageError::StorageMissing { storage: "test".into(), object: "archive".into() });
            }
            self.0.read_exact_at(offset, buffer)
        }
    }
    let (bytes, _) = seal(&[file("noise", &noise(5_000_000))], 256 << 10, 1);
    let fails = Arc::new(AtomicBool::new(false));
    let reader = ArchiveReader::open(Box::new(Failing(MemoryObject(Arc::new(bytes)), Arc::clone(&fails)))).unwrap();
    fails.store(true, Ordering::Relaxed);
    let error = reader.sha256(&mut |_| true).unwrap_err();
    assert!(matches!(error, ArchiveError::Storage(StorageError::StorageMissing { .. })), "{error}");
}
