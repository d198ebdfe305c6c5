//! Takes any bytes for an archive. A seed of sound archives is needed to get far: see `archive_index` for the parsers behind
//! the checksums.
#![no_main]

mod archive_walk;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // All that matters is that it comes back.
    let _ = archive_walk::walk(bytes.to_vec());
});
