//! The fuzz targets' bodies, driven without a fuzzer: by arbitrary bytes, and by damaged fixtures, which get further.

#[path = "../support/fuzz_bodies.rs"]
mod fuzz_bodies;

use crate::fixture;
use crate::wal_crafter::{WalCrafter, geometry};
use pgformat::{MajorVersion, SystemIdentifier, TimelineId};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes of a fixture with up to four of them replaced, removed or added.
fn damaged(names: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edits = vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8), 0..4);
    (proptest::sample::select(names), edits).prop_map(|(name, edits)| {
        let mut bytes = fixture(name);
        for (at, value, edit) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = value,
                1 => bytes.insert(at, value),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

/// What follows the first page's header in a log of records of some lengths, with up to three bytes changed.
fn damaged_wal() -> impl Strategy<Value = Vec<u8>> {
    let edits = vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3);
    (vec(29..2500_usize, 1..8), edits).prop_map(|(lengths, edits)| {
        // The body tells version and page size by the first two bytes, which are the first record's length here.
        let [first, second, ..] = lengths[0].to_le_bytes();
        let version = MajorVersion::ALL[usize::from(first) % 5];
        let mut crafter = WalCrafter::new(geometry(version, 1024 << (second % 7)), 3);
        crafter.timeline = TimelineId(9);
        crafter.geometry.system_identifier = SystemIdentifier(77);
        for length in lengths {
            crafter.record_of(length);
        }
        let mut bytes = crafter.bytes.split_off(40);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

/// Entries of a block reference table that may be right: a few chunks of a few blocks.
fn entries() -> impl Strategy<Value = Vec<u8>> {
    let chunk = vec(any::<u16>(), 0..4);
    let entry = (vec(1..3_u32, 3), 0..4_u32, 0..9_u32, vec(chunk, 0..4), 0..9_u32);
    vec(entry, 0..4).prop_map(|entries| {
        let mut bytes = Vec::new();
        for (locator, fork, limit, chunks, wrong) in entries {
            let count = chunks.len() as u32 + u32::from(wrong == 0);
            let numbers = locator.iter().chain([&fork, &limit, &count]);
            bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
            bytes.extend(chunks.iter().flat_map(|chunk| (chunk.len() as u16).to_le_bytes()));
            bytes.extend(chunks.iter().flatten().flat_map(|offset| offset.to_le_bytes()));
        }
        bytes
    })
}

/// Paths put together from the words that the parsers know.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&str] = &[
        "base",
        "global",
        "pg_tblspc",
        "PG_17_202406281",
        "pg_wal",
        "pg_notify",
        "pgsql_tmp",
        "postmaster.pid",
        "5",
        "16384",
        "0",
        "007",
        "4294967295",
        "4294967296",
        "_fsm",
        "_vm",
        "_init",
        "_",
        ".",
        ".1",
        ".0",
        "t3_",
        "t",
        "/",
        "/",
        "/",
        "..",
        "000000010000000000000007",
        "\u{f1}",
    ];
    vec(proptest::sample::select(words), 0..8).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn control_files_of_any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..600)) {
        fuzz_bodies::control_file(&bytes);
    }

    #[test]
    fn damaged_control_files_are_read_or_refused(
        bytes in damaged(&["pg_control_14_running_minimal", "pg_control_15_standby", "pg_control_18_running"])
    ) {
        fuzz_bodies::control_file(&bytes);
    }

    #[test]
    fn labels_of_any_text_are_read_or_refused(text in "\\PC*") {
        fuzz_bodies::backup_label(text.as_bytes());
    }

    #[test]
    fn damaged_labels_are_read_or_refused(bytes in damaged(&["backup_label_15", "backup_label_18"])) {
        fuzz_bodies::backup_label(&bytes);
    }

    #[test]
    fn tablespace_maps_of_any_text_are_read_or_refused(text in "([0-9]{1,4} [a/ \\\\\n\r]{0,9}\n){0,4}[a\\\\]?") {
        fuzz_bodies::backup_label(text.as_bytes());
    }

    #[test]
    fn wal_of_any_bytes_is_read_or_refused(bytes in vec(any::<u8>(), 0..600)) {
        fuzz_bodies::wal(&bytes);
    }

    #[test]
    fn wal_of_small_numbers_is_read_or_refused(bytes in vec(prop_oneof![0..5_u8, 250..=255_u8, Just(0x20)], 0..200)) {
        fuzz_bodies::wal(&bytes);
    }

    #[test]
    fn block_references_of_any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        fuzz_bodies::block_references(&bytes);
    }

    #[test]
    fn block_references_of_small_numbers_are_read_or_refused(bytes in entries()) {
        fuzz_bodies::block_references(&bytes);
    }

    #[test]
    fn changes_of_any_records_are_read_or_refused(bytes in vec(any::<u8>(), 0..120)) {
        fuzz_bodies::changed_blocks(&bytes);
    }

    #[test]
    fn changes_of_small_numbers_are_read_or_refused(bytes in vec(prop_oneof![4 => 0..9_u8, 1 => any::<u8>()], 0..90)) {
        fuzz_bodies::changed_blocks(&bytes);
    }

    #[test]
    fn incremental_files_of_any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..100)) {
        fuzz_bodies::incremental_file(&bytes);
    }

    #[test]
    fn incremental_files_of_small_numbers_are_read_or_refused(numbers in vec(0..40_u32, 0..12)) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        fuzz_bodies::incremental_file(&bytes);
    }

    #[test]
    fn paths_of_any_bytes_mean_one_thing(bytes in vec(any::<u8>(), 0..40)) {
        fuzz_bodies::relation_path(&bytes);
    }

    #[test]
    fn paths_of_known_words_mean_one_thing(bytes in path()) {
        fuzz_bodies::relation_path(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pages_of_any_bytes_are_judged(bytes in vec(any::<u8>(), 0..3000)) {
        fuzz_bodies::page(&bytes);
    }

    #[test]
    fn damaged_wal_is_read_or_refused(bytes in damaged_wal()) {
        fuzz_bodies::wal(&bytes);
    }

    #[test]
    fn damaged_pages_are_judged(bytes in damaged(&["page_heap_block_20", "page_fsm_block_2"])) {
        fuzz_bodies::page(&bytes);
    }

    #[test]
    fn manifests_of_any_text_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        fuzz_bodies::backup_manifest(&bytes);
    }

    #[test]
    fn damaged_manifests_are_read_or_refused(bytes in damaged(&["backup_manifest_15", "backup_manifest_18"])) {
        fuzz_bodies::backup_manifest(&bytes);
    }
}
