//! docs/format/archive.md shows a tiny archive byte by byte. It must stay readable for ever.
#![allow(clippy::print_stdout, reason = "one test prints the dump for the document")]

mod archive_support;

use archive_support::*;
use sha2::{Digest, Sha256};

const DOCUMENT: &str = include_str!("../../../docs/format/archive.md");

/// Takes the bytes out of lines such as `00000010: 6162 6300  abc.`, as xxd prints them.
fn dumped_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in DOCUMENT.lines() {
        let Some((offset, rest)) = line.split_once(": ") else { continue };
        let Ok(offset) = usize::from_str_radix(offset, 16) else { continue };
        assert_eq!(offset, bytes.len(), "{line}");
        let digits = rest.split("  ").next().unwrap().replace(' ', "");
        bytes.extend(hex::decode(digits).unwrap());
    }
    bytes
}

fn items() -> Vec<Item> {
    vec![directory("base"), file("PG_VERSION", b"17\n")]
}

#[test]
fn the_archive_in_the_document_reads() {
    let bytes = dumped_bytes();
    assert_eq!(walk(&bytes).unwrap(), items());
    let digest = hex::encode(Sha256::digest(&bytes));
    assert!(DOCUMENT.contains(&digest), "{digest}");
}

/// All but the compressed bytes, which another zstd may choose otherwise, is what the writer writes today.
#[test]
fn the_writer_still_writes_the_archive_in_the_document() {
    let (bytes, _) = seal(&items(), 1 << 20, 1);
    let (ours, documents) = (open(&bytes).unwrap(), open(&dumped_bytes()).unwrap());
    assert!(ours.members().unwrap().map(Result::unwrap).eq(documents.members().unwrap().map(Result::unwrap)));
    assert_eq!(ours.seek_table().plain_range(0), documents.seek_table().plain_range(0));
    assert_eq!(ours.seek_table().frame_count(), documents.seek_table().frame_count());
}

/// Prints the dump, for the document of a new format version:
/// `cargo test -p vault --test archive_document -- --ignored --nocapture`.
#[test]
#[ignore = "prints; checks nothing"]
fn print_the_archive_for_the_document() {
    let (bytes, sealed) = seal(&items(), 1 << 20, 1);
    for (number, line) in bytes.chunks(16).enumerate() {
        let pairs: Vec<String> = line.chunks(2).map(hex::encode).collect();
        let text: String =
            line.iter().map(|&byte| if matches!(byte, 0x20..0x7f) { byte as char } else { '.' }).collect();
        println!("{:08x}: {:39}  {text}", number * 16, pairs.join(" "));
    }
    println!("{}", sealed.sha256);
}
