//! Reads which blocks a record changes.
#![no_main]

#[allow(dead_code, reason = "each target calls one of the functions")]
#[path = "../../crates/pgformat/tests/support/fuzz_bodies.rs"]
mod fuzz_bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::changed_blocks(bytes));
