//! Puts any bytes where index and tar stream are, under sound checksums: what gets past them is parsed.
//!
//! Input: one byte for the number of chunks, two for the length of the index, then index and tar stream.
#![no_main]

mod archive_walk;
#[path = "../../crates/vault/tests/archive_support/handmade.rs"]
#[allow(dead_code)]
mod handmade;

use vault::archive::ArchiveMember;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [chunks, low, high, rest @ ..] = input else { return };
    let index_bytes = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (index, plain) = rest.split_at(index_bytes);
    let mut handmade = handmade::Handmade::new(plain, &[]);
    handmade.chunks = index.chunks(index.len().div_ceil(usize::from(chunks % 4) + 1).max(1)).map(<[u8]>::to_vec).collect();
    // Whole blocks, as the tail wants them, so that the index is reached.
    handmade.frames[0].resize((plain.len() + 1024).next_multiple_of(512), 0);
    for members in 1..=4 {
        handmade.members = members;
        let _ = archive_walk::walk(handmade.bytes());
    }
});
