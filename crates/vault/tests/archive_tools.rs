//! Public tools are the oracles: zstd, tar and sha256sum read what the writer wrote, and the seek table is what
//! contrib/seekable_format/zstd_seekable_compression_format.md of facebook/zstd says.
#![cfg(unix)]

mod archive_support;

use archive_support::*;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Output;
use vault::archive::*;

fn succeeded(output: &Output) -> &[u8] {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    &output.stdout
}

fn many_items() -> Vec<Item> {
    let mut items = vec![
        file("backup_label", b"START WAL LOCATION\n"),
        directory("base"),
        directory("base/1"),
        file("base/1/1259", &noise(300_000)),
        file("base/1/1259_fsm", &vec![0; 24576]),
        Item { mode: 0o640, modified_seconds: 1, ..file("base/1/PG_VERSION", b"17\n") },
        file("empty", b""),
        file("a name with blanks and\na line break", b"x"),
        Item { modified_seconds: 9_999_999_999, ..file("far in the future", &[1; 512]) },
        Item { modified_seconds: -86_400, ..file("before the epoch", &[2; 513]) },
    ];
    let bytes = |path: &[u8], content: &[u8]| Item { path: path.to_vec(), ..file("", content) };
    items.push(bytes(b"caf\xe9 \xff", b"not UTF-8"));
    // Around the 100 bytes that a header holds, and beyond what one block of a long-name entry holds.
    for length in [99, 100, 101, 255] {
        items.push(bytes(&vec![b'l'; length], &vec![b'l'; length]));
    }
    items.push(bytes(&[&[b'p'; 200][..], &[b'q'; 200], &[b'r'; 200]].join(&b'/'), b"deep"));
    items.push(Item { path: vec![b'd'; 98], ..directory("") });
    items.push(Item { path: vec![b'e'; 99], ..directory("") });
    items.push(Item { path: vec![b'f'; 100], ..directory("") });
    items
}

/// Path → (kind, mode, mtime, content) of all below a folder.
fn read_tree(root: &Path) -> BTreeMap<Vec<u8>, (MemberKind, u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let kind = if meta.is_dir() { MemberKind::Directory } else { MemberKind::File };
            let content = if meta.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap() };
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            found.insert(name, (kind, meta.permissions().mode() & 0o7777, meta.mtime(), content));
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn zstd_and_tar_extract_what_was_sealed() {
    let items = many_items();
    let (bytes, _) = seal(&items, 10_000, 1);
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("x.backup");
    let target = folder.path().join("target");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(&archive, &bytes).unwrap();
    let script =
        format!("set -eu; zstd -dc {} | tar -x -p --warning=no-timestamp -C {}", archive.display(), target.display());
    succeeded(&run_tool("sh", &["-c", &script], b""));
    let found = read_tree(&target);
    for item in &items {
        let (kind, mode, modified, content) =
            found.get(&item.path).unwrap_or_else(|| panic!("{:?}", item.path.escape_ascii()));
        assert_eq!((*kind, *mode), (item.kind, item.mode), "{}", item.path.escape_ascii());
        assert_eq!(content, &item.content);
        if !found.keys().any(|path| path.starts_with(&[&item.path[..], b"/"].concat())) {
            assert_eq!(*modified, item.modified_seconds, "{}", item.path.escape_ascii());
        }
    }
    // The folders of the deep path come without a member of their own.
    assert_eq!(found.len(), items.len() + 2);
}

#[test]
fn zstd_finds_every_frame_sound_and_sha256sum_prints_the_same() {
    let (bytes, sealed) = seal(&many_items(), 10_000, 1);
    succeeded(&run_tool("zstd", &["-t", "-q", "-"], &bytes));
    let (plain, _) = tar_stream(&many_items());
    assert_eq!(succeeded(&run_tool("zstd", &["-dc", "-q"], &bytes)), plain);
    let digest = run_tool("sha256sum", &[], &bytes);
    assert_eq!(String::from_utf8_lossy(succeeded(&digest)), format!("{}  -\n", sealed.sha256));
}

#[test]
fn tar_lists_sizes_of_over_eight_gibibytes() {
    let mut stream = Vec::new();
    let size_bytes = (8 << 30) + 12_345;
    let big = TarMember { path: b"big", kind: MemberKind::File, mode: 0o600, modified_seconds: 0, size_bytes };
    big.append_header(&mut stream).unwrap();
    // tar meets the end of its input before the content's; what it says of the header is what counts.
    let listed = run_tool("tar", &["-tvf", "-"], &stream);
    let text = String::from_utf8_lossy(&listed.stdout);
    assert!(text.contains(" 8589946937 ") && text.contains("-rw------- 0/0"), "{text}");
}

#[test]
fn the_seek_table_is_what_the_seekable_format_says() {
    let items = many_items();
    let (bytes, sealed) = seal(&items, 10_000, 3);
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let end = bytes.len();
    assert_eq!(u32_at(end - 4), 0x8F92_EAB1);
    assert_eq!(bytes[end - 5], 0, "no checksum flag, no reserved bits");
    let count = u32_at(end - 9) as usize;
    let table = end - 9 - 8 * count - 8;
    assert_eq!(u32_at(table), 0x184D_2A5E);
    assert_eq!(u32_at(table + 4) as usize, end - table - 8);

    // The cumulative sums give the offset of each frame; the zstd tool decodes each alone.
    let reader = open(&bytes).unwrap();
    let (plain, _) = tar_stream(&items);
    let (mut compressed_at, mut plain_at) = (0, 0);
    let mut data_frames = 0;
    for entry in 0..count {
        let at = table + 8 + 8 * entry;
        let (compressed, size) = (u32_at(at) as usize, u32_at(at + 4) as usize);
        let frame = &bytes[compressed_at..compressed_at + compressed];
        let decoded = run_tool("zstd", &["-dc", "-q"], frame);
        assert_eq!(succeeded(&decoded), &plain[plain_at..plain_at + size]);
        if size > 0 {
            assert_eq!(frame[..4], [0x28, 0xB5, 0x2F, 0xFD]);
            let ours = (reader.seek_table().compressed_range(entry), reader.seek_table().plain_range(entry));
            let theirs =
                (compressed_at as u64..(compressed_at + compressed) as u64, plain_at as u64..(plain_at + size) as u64);
            assert_eq!(ours, theirs);
            data_frames += 1;
        } else {
            assert_eq!(frame[..4], 0x184D_2A51u32.to_le_bytes());
        }
        compressed_at += compressed;
        plain_at += size;
    }
    assert_eq!(compressed_at, table);
    assert_eq!(plain_at, plain.len());
    assert_eq!(data_frames, sealed.frames);
}
