//! Damage of every kind is found, and nothing that a stranger puts into an archive harms its reader.

mod archive_support;

use archive_support::handmade::{Handmade, chunk, entry, varint};
use archive_support::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use vault::archive::*;

/// Remembers the largest single allocation of each thread.
struct Watching;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

impl Watching {
    fn note(size: usize) {
        // Not there while a thread ends.
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
    }
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// One decoded frame, one compressed frame and their growth: no archive can make a reader take more at once.
const ALLOCATION_LIMIT_BYTES: usize = 33 << 20;

fn walk_watched(bytes: &[u8]) -> Result<Vec<Item>, ArchiveError> {
    LARGEST.set(0);
    let result = walk(bytes);
    assert!(LARGEST.get() <= ALLOCATION_LIMIT_BYTES, "{} bytes at once", LARGEST.get());
    result
}

fn small_items() -> Vec<Item> {
    vec![
        file("PG_VERSION", b"17\n"),
        directory("base"),
        file("base/1", &[&[0; 100][..], b"some text, some text, some more text", &noise(100)].concat()),
        file(&"long/".repeat(30), b"").with_path(&[b"long/".repeat(30).as_slice(), b"name"].concat()),
    ]
}

trait WithPath {
    fn with_path(self, path: &[u8]) -> Self;
}

impl WithPath for Item {
    fn with_path(self, path: &[u8]) -> Self {
        Item { path: path.to_vec(), ..self }
    }
}

#[test]
fn every_flipped_bit_is_found_by_the_walk_and_by_the_digest() {
    let items = small_items();
    let (bytes, sealed) = seal(&items, 1000, 1);
    assert_eq!(walk_watched(&bytes).unwrap(), items);
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(walk_watched(&bad).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
        assert_ne!(hex::encode(Sha256::digest(&bad)), sealed.sha256);
    }
}

#[test]
fn every_truncation_and_every_appended_byte_is_found() {
    let (bytes, sealed) = seal(&small_items(), 1000, 1);
    for length in 0..bytes.len() {
        assert!(walk_watched(&bytes[..length]).is_err(), "{length}");
        assert!(open(&bytes[..length]).is_err(), "{length}: the tail alone shows it");
        // What is lost at the front shows in the layout.
        assert!(open(&bytes[bytes.len() - length..]).is_err(), "{length}");
    }
    for byte in [0, 0x28, 0xff] {
        assert!(open(&[&bytes[..], &[byte]].concat()).is_err());
        assert!(open(&[&[byte], &bytes[..]].concat()).is_err());
    }
    assert_eq!(open(&bytes).unwrap().sha256(&mut |_| true).unwrap().unwrap(), sealed.sha256);
}

#[test]
fn damage_in_a_frame_is_reported_where_it_is() {
    let (mut bytes, _) = seal(&[file("noise", &noise(10_000))], 1000, 1);
    let range = open(&bytes).unwrap().seek_table().compressed_range(4);
    bytes[range.start as usize + 20] ^= 1;
    match walk(&bytes) {
        Err(ArchiveError::ArchiveDamaged { offset, .. }) => assert_eq!(offset, range.start),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_frames_that_changed_places_are_found() {
    let (bytes, _) = seal(&[file("zeros", &[0; 4096]), file("ones", &[1; 4096])], 512, 1);
    let reader = open(&bytes).unwrap();
    let (a, b) = (reader.seek_table().compressed_range(3), reader.seek_table().compressed_range(12));
    assert_eq!(a.end - a.start, b.end - b.start);
    let mut swapped = bytes.clone();
    swapped[a.start as usize..a.end as usize].copy_from_slice(&bytes[b.start as usize..b.end as usize]);
    swapped[b.start as usize..b.end as usize].copy_from_slice(&bytes[a.start as usize..a.end as usize]);
    assert!(matches!(walk(&swapped), Err(ArchiveError::ArchiveDamaged { .. })));
}

/// Changes the tar stream under a sound index and sound frames: only the tar checker can find it.
fn walk_with_stream(change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<Item>, ArchiveError> {
    let (mut plain, members) = tar_stream(&small_items());
    change(&mut plain);
    walk_watched(&Handmade::new(&plain, &members).bytes())
}

#[test]
fn a_tar_stream_that_differs_from_the_index_is_found_byte_by_byte() {
    let (plain, members) = tar_stream(&small_items());
    assert_eq!(walk_with_stream(|_| {}).unwrap(), small_items());
    for at in 0..plain.len() {
        let error = walk_with_stream(|plain| plain[at] ^= 0x10).unwrap_err();
        let in_content = members.iter().any(|member| member.content_range().contains(&(at as u64)));
        match error {
            ArchiveError::ArchiveContentDamaged { .. } => assert!(in_content, "{at}"),
            ArchiveError::ArchiveTarDamaged { .. } => assert!(!in_content, "{at}"),
            other => panic!("{at}: {other}"),
        }
    }
}

#[test]
fn a_link_or_a_device_in_the_tar_stream_is_refused() {
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
        let result = walk_with_stream(|plain| {
            let mut header = tar::Header::from_byte_slice(&plain[..512]).clone();
            header.set_entry_type(kind);
            header.set_link_name_literal("/etc/passwd").unwrap();
            header.set_cksum();
            plain[..512].copy_from_slice(header.as_bytes());
        });
        assert!(matches!(result, Err(ArchiveError::ArchiveTarDamaged { plain_offset: 0, .. })), "{kind:?}");
    }
}

/// An index of one member, with a stream that fits it.
fn index_with(path: &[u8]) -> Vec<u8> {
    let kind = MemberKind::File;
    let content_offset = header_bytes(path, kind) as u64;
    let member = ArchiveMember {
        path: path.to_vec(),
        kind,
        mode: 0o600,
        modified_seconds: 0,
        size_bytes: 0,
        content_offset,
        crc32c: 0,
    };
    Handmade::new(&vec![0; content_offset as usize + END_OF_TAR_BYTES], &[member]).bytes()
}

fn first_error(bytes: &[u8]) -> ArchiveError {
    LARGEST.set(0);
    let error = open(bytes).and_then(|reader| TarLayout::load(&reader)).unwrap_err();
    assert!(LARGEST.get() <= ALLOCATION_LIMIT_BYTES);
    error
}

#[test]
fn hostile_paths_are_refused_when_the_index_is_read() {
    assert!(open(&index_with(b"sound")).unwrap().members().unwrap().all(|member| member.is_ok()));
    let long = b"x".repeat(256);
    let deep = b"x/".repeat(3000);
    for path in [
        &b"../../etc/passwd"[..],
        b"/etc/passwd",
        b"a/../../b",
        b"..",
        b".",
        b"",
        b"a//b",
        b"a/",
        b"./a",
        b"a\0b",
        &long,
        &deep,
    ] {
        let error = first_error(&index_with(path));
        assert!(matches!(error, ArchiveError::ArchiveHostileMember { .. }), "{}: {error}", path.escape_ascii());
    }
}

#[test]
fn members_that_would_overwrite_one_another_are_refused() {
    let twice = [file("a", b"1"), file("b", b"2")];
    for (first, second) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let (plain, mut members) = tar_stream(&twice);
        members[0].path = first.into();
        members[1].path = second.into();
        let error = first_error(&Handmade::new(&plain, &members).bytes());
        assert!(matches!(error, ArchiveError::ArchiveHostileMember { .. }), "{first} {second}: {error}");
    }
}

#[test]
fn members_outside_the_stream_and_wrong_counts_are_refused() {
    let (plain, members) = tar_stream(&[file("a", &[1; 100]), file("b", &[2; 100])]);
    let sound = Handmade::new(&plain, &members);
    assert!(walk_watched(&sound.bytes()).is_ok());

    let mut longer = members.clone();
    longer[1].size_bytes = 5000;
    let mut huge = members.clone();
    huge[1].size_bytes = u64::MAX - 4096;
    let mut mode = members.clone();
    mode[1].mode = 0o10000;
    let damaged = |handmade: Handmade| {
        let error = first_error(&handmade.bytes());
        assert!(matches!(error, ArchiveError::ArchiveDamaged { .. }), "{error}");
    };
    for bad in [&longer[..], &huge, &mode, &members[..1]] {
        damaged(Handmade { chunks: vec![chunk(0, bad)], ..sound.clone() });
    }
    damaged(Handmade { chunks: vec![chunk(512, &members)], ..sound.clone() });
    damaged(Handmade { chunks: vec![chunk(0, &[])], ..sound.clone() });
    damaged(Handmade { chunks: Vec::new(), ..sound.clone() });
    damaged(Handmade { chunks: vec![b"\x80".to_vec()], ..sound.clone() });
    damaged(Handmade { members: 1, ..sound.clone() });
    damaged(Handmade { members: 3, ..sound.clone() });
    damaged(Handmade { plain_bytes: Some(plain.len() as u64 + 512), ..sound.clone() });
    damaged(Handmade { frames: vec![plain[..plain.len() - 1].to_vec()], ..sound.clone() });
    damaged(Handmade { frames: Vec::new(), ..sound.clone() });

    let error = first_error(&Handmade { members: u64::MAX, ..sound.clone() }.bytes());
    assert!(matches!(error, ArchiveError::ArchiveAbsurd { what: "members", value: u64::MAX }), "{error}");
    let error = first_error(&Handmade { version: 2, ..sound.clone() }.bytes());
    assert!(matches!(error, ArchiveError::ArchiveNewer { found: 2, supported: 1 }), "{error}");
    damaged(Handmade { version: 0, ..sound });
}

#[test]
fn an_index_entry_that_borrows_or_ends_wrongly_is_refused() {
    let (plain, members) = tar_stream(&[file("a", b"1")]);
    let sound = Handmade::new(&plain, &members);
    let with = |build: &dyn Fn(&mut Vec<u8>)| {
        let mut plain_chunk = Vec::new();
        varint(&mut plain_chunk, 0);
        build(&mut plain_chunk);
        first_error(&Handmade { chunks: vec![plain_chunk], ..sound.clone() }.bytes())
    };
    let whole = |out: &mut Vec<u8>| entry(out, 0, b"a", &members[0], members[0].modified_seconds);
    let mut good = vec![0];
    whole(&mut good);
    assert_eq!(good, chunk(0, &members));
    for error in [
        with(&|out| entry(out, 1, b"a", &members[0], 0)),
        with(&|out| entry(out, u64::MAX, b"a", &members[0], 0)),
        with(&|out| out.extend([0, 0xff, 0xff, 0xff, 0xff, 0x0f, b'a'])),
        with(&|out| {
            whole(out);
            out.pop();
        }),
        with(&|out| {
            whole(out);
            out.push(0);
        }),
    ] {
        assert!(matches!(error, ArchiveError::ArchiveDamaged { .. }), "{error}");
    }
}

#[test]
fn sizes_that_no_archive_has_are_refused_before_anything_is_reserved() {
    let (plain, members) = tar_stream(&[file("a", &[0; 5000])]);
    let sound = Handmade::new(&plain, &members);
    for (compressed, plain) in [(u32::MAX, 5), (8, 5), (20, u32::MAX), (20, (16 << 20) + 1), (0, 0), (20, 0)] {
        let error = first_error(&Handmade { entries: vec![(0, compressed, plain)], ..sound.clone() }.bytes());
        assert!(matches!(error, ArchiveError::ArchiveAbsurd { .. } | ArchiveError::ArchiveDamaged { .. }), "{error}");
    }
    for (entry, compressed) in [(1, u32::MAX), (2, u32::MAX), (3, u32::MAX), (3, 0), (1, 0), (2, 27)] {
        let error = first_error(&Handmade { entries: vec![(entry, compressed, 0)], ..sound.clone() }.bytes());
        assert!(matches!(error, ArchiveError::ArchiveDamaged { .. }), "{error}");
    }
    // A footer that claims four thousand million frames.
    let mut bytes = sound.bytes();
    let footer = bytes.len() - 9;
    for claim in [u32::MAX, 1 << 25, 1 << 20, 0] {
        bytes[footer..footer + 4].copy_from_slice(&claim.to_le_bytes());
        let error = first_error(&bytes);
        assert!(matches!(error, ArchiveError::ArchiveAbsurd { .. } | ArchiveError::ArchiveDamaged { .. }), "{error}");
    }
}

#[test]
fn a_decompression_bomb_in_the_index_is_refused() {
    let (plain, members) = tar_stream(&[file("a", b"1")]);
    let bomb = Handmade { chunks: vec![vec![0; 100 << 20]], ..Handmade::new(&plain, &members) }.bytes();
    let error = first_error(&bomb);
    assert!(matches!(error, ArchiveError::ArchiveAbsurd { what: "plain bytes of an index chunk", .. }), "{error}");
}

#[test]
fn a_content_that_comes_twice_or_not_at_all_is_found() {
    let (bytes, _) = seal(&[file("a", &noise(3000)), file("b", b"x"), file("c", b"")], 1000, 1);
    let layout = TarLayout::load(&open(&bytes).unwrap()).unwrap();
    let a = noise(3000);
    let crc = |range: std::ops::Range<usize>| crc32c::crc32c(&a[range]);
    let mut checksums = ContentChecksums::new(&layout);
    assert!(!checksums.enter(0, 1000, 1000, crc(1000..2000)).unwrap());
    for (offset, len) in [(1000, 1000), (999, 2), (1999, 2), (0, 3000), (2000, 1001), (3000, 1), (0, 0), (u64::MAX, 2)]
    {
        let error = checksums.enter(0, offset, len, 0).unwrap_err();
        assert!(matches!(error, ArchiveError::ArchiveMisuse { .. }), "{offset} {len}");
    }
    assert!(!checksums.enter(0, 2000, 1000, crc(2000..3000)).unwrap());
    assert!(checksums.enter(0, 0, 1000, crc(0..1000)).unwrap());
    assert!(checksums.enter(0, 0, 1000, crc(0..1000)).is_err());
    assert!(matches!(checksums.enter(1, 0, 1, 0), Err(ArchiveError::ArchiveContentDamaged { .. })));
    assert!(checksums.enter(3, 0, 1, 0).is_err());
    let mut checksums = ContentChecksums::new(&layout);
    checksums.enter(0, 0, 3000, crc(0..3000)).unwrap();
    assert!(matches!(checksums.finish(), Err(ArchiveError::ArchiveTarDamaged { .. })));
}

#[test]
fn the_checker_wants_the_whole_stream_and_no_more() {
    let (bytes, _) = seal(&small_items(), 1000, 1);
    let layout = TarLayout::load(&open(&bytes).unwrap()).unwrap();
    let (plain, _) = tar_stream(&small_items());
    let ignore = |_: MemberContent<'_>| Ok::<(), ArchiveError>(());
    for length in [0, 1, 512, plain.len() - 1] {
        let mut checker = TarChecker::new(&layout);
        checker.feed(&plain[..length], ignore).unwrap();
        assert!(matches!(checker.finish(), Err(ArchiveError::ArchiveTarDamaged { .. })));
    }
    let mut checker = TarChecker::new(&layout);
    for byte in plain.chunks(1) {
        checker.feed(byte, ignore).unwrap();
    }
    assert!(checker.feed(&[0], ignore).is_err());
    checker.finish().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_refused_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(walk_watched(&bytes).is_err());
    }

    /// Any bytes before a sound footer, so that what lies behind it is reached.
    #[test]
    fn any_bytes_before_a_seek_table_are_refused_quietly(
        bytes in proptest::collection::vec(any::<u8>(), 0..1000),
        entries in proptest::collection::vec((0u32..400, prop_oneof![Just(0u32), 0u32..5000, any::<u32>()]), 0..20),
    ) {
        let all = [bytes, handmade::seek_table(&entries)].concat();
        prop_assert!(walk_watched(&all).is_err());
    }

    /// Several bytes changed, pieces cut out and put elsewhere.
    #[test]
    fn mutated_archives_are_refused_quietly(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0u8..4, 0usize..40), 1..8),
    ) {
        let (bytes, _) = seal(&small_items(), 1000, 1);
        let mut bad = bytes.clone();
        for (place, byte, action, length) in edits {
            let at = place.index(bad.len().max(1)).min(bad.len().saturating_sub(1));
            match action {
                0 if !bad.is_empty() => bad[at] = byte,
                1 => bad.insert(at, byte),
                2 => drop(bad.drain(at..(at + length).min(bad.len()))),
                _ => {
                    let piece = bad[at..(at + length).min(bad.len())].to_vec();
                    bad.extend(piece);
                }
            }
        }
        prop_assert!(bad == bytes || walk_watched(&bad).is_err());
    }

    /// Mutated chunks under sound checksums: the index parser itself is met.
    #[test]
    fn mutated_index_chunks_never_panic(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (plain, members) = tar_stream(&small_items());
        let mut handmade = Handmade::new(&plain, &members);
        for (place, byte) in edits {
            let at = place.index(handmade.chunks[0].len());
            handmade.chunks[0][at] = byte;
        }
        let sound = handmade.chunks[0] == chunk(0, &members);
        prop_assert!(sound || walk_watched(&handmade.bytes()).is_err());
    }
}
