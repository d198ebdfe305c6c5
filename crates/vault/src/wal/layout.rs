//! Which keys hold what.

use pgformat::wal_segment::{history_file_name, parse_history_file_name};
use pgformat::{Lsn, TimelineId, WalSegment, WalSegmentSize};

/// All that concerns WAL lies below this.
pub(super) const WAL_PREFIX: &str = "wal/";
/// The key of the archive's description of itself.
pub(super) const DESCRIPTION_KEY: &str = "wal/wal.json";
/// Summaries of changed blocks lie below this.
pub(super) const SUMMARIES_PREFIX: &str = "wal/summaries/";
/// What lies below these is ours, and no WAL.
const RESERVED: [&str; 2] = ["wal/receiver", SUMMARIES_PREFIX];

const SEALED_ENDING: &str = ".zst";
const PARTIAL_ENDING: &str = ".partial";
/// What a name has behind that when the object is encrypted.
const ENCRYPTED_SEALED_ENDING: &str = ".zst.age";
const ENCRYPTED_PARTIAL_ENDING: &str = ".partial.pieces";

/// Whether an object is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    Plain,
    Encrypted,
}

impl Cover {
    /// The encrypted form counts where both are there.
    pub(super) const BEST_FIRST: [Cover; 2] = [Cover::Encrypted, Cover::Plain];
}

/// What a key below `wal/` stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WalKey {
    Description,
    Sealed(WalSegment, Cover),
    Partial(WalSegment, Cover),
    History(TimelineId),
    Gap(TimelineId, Lsn),
    Reserved,
    Foreign,
}

/// Returns `wal/TIMELINE/SEGMENT.zst`, or `wal/TIMELINE/SEGMENT.zst.age`.
pub(super) fn sealed_key(segment: WalSegment, size: WalSegmentSize, cover: Cover) -> String {
    let ending = match cover {
        Cover::Plain => SEALED_ENDING,
        Cover::Encrypted => ENCRYPTED_SEALED_ENDING,
    };
    format!("{}{}{ending}", folder(segment.timeline), segment.file_name(size))
}

/// Returns `wal/TIMELINE/SEGMENT.partial`, or `wal/TIMELINE/SEGMENT.partial.pieces`.
pub(super) fn partial_key(segment: WalSegment, size: WalSegmentSize, cover: Cover) -> String {
    let ending = match cover {
        Cover::Plain => PARTIAL_ENDING,
        Cover::Encrypted => ENCRYPTED_PARTIAL_ENDING,
    };
    format!("{}{}{ending}", folder(segment.timeline), segment.file_name(size))
}

/// Returns what all forms of a segment begin with.
pub(super) fn segment_prefix(segment: WalSegment, size: WalSegmentSize) -> String {
    format!("{}{}.", folder(segment.timeline), segment.file_name(size))
}

/// Returns `wal/TIMELINE/TIMELINE.history`.
pub(super) fn history_key(timeline: TimelineId) -> String {
    format!("{}{}", folder(timeline), history_file_name(timeline))
}

/// Returns `wal/gaps/TIMELINE-START.json`.
pub(super) fn gap_key(timeline: TimelineId, from_lsn: Lsn) -> String {
    format!("{WAL_PREFIX}gaps/{:08X}-{:016X}.json", timeline.0, from_lsn.0)
}

/// Reads a key. Only the spelling that the functions above make is ours.
pub(super) fn parse(key: &str, size: WalSegmentSize) -> WalKey {
    if key == DESCRIPTION_KEY {
        return WalKey::Description;
    }
    if RESERVED.iter().any(|reserved| key == *reserved || reserved.ends_with('/') && key.starts_with(reserved)) {
        return WalKey::Reserved;
    }
    parse_named(key, size).filter(|named| spelling(named, size).as_deref() == Some(key)).unwrap_or(WalKey::Foreign)
}

fn parse_named(key: &str, size: WalSegmentSize) -> Option<WalKey> {
    let (folder, name) = key.strip_prefix(WAL_PREFIX)?.split_once('/')?;
    if folder == "gaps" {
        let (timeline, from_lsn) = name.strip_suffix(".json")?.split_once('-')?;
        let timeline = u32::from_str_radix(timeline, 16).ok().filter(|timeline| *timeline != 0)?;
        return Some(WalKey::Gap(TimelineId(timeline), Lsn(u64::from_str_radix(from_lsn, 16).ok()?)));
    }
    if let Some(timeline) = parse_history_file_name(name) {
        return Some(WalKey::History(timeline));
    }
    let segment = |stem| WalSegment::parse(stem, size).ok();
    type Form = fn(WalSegment, Cover) -> WalKey;
    let endings: [(&str, Form, Cover); 4] = [
        (SEALED_ENDING, WalKey::Sealed, Cover::Plain),
        (ENCRYPTED_SEALED_ENDING, WalKey::Sealed, Cover::Encrypted),
        (PARTIAL_ENDING, WalKey::Partial, Cover::Plain),
        (ENCRYPTED_PARTIAL_ENDING, WalKey::Partial, Cover::Encrypted),
    ];
    endings.into_iter().find_map(|(ending, form, cover)| Some(form(segment(name.strip_suffix(ending)?)?, cover)))
}

fn spelling(key: &WalKey, size: WalSegmentSize) -> Option<String> {
    match key {
        WalKey::Sealed(segment, cover) => Some(sealed_key(*segment, size, *cover)),
        WalKey::Partial(segment, cover) => Some(partial_key(*segment, size, *cover)),
        WalKey::History(timeline) => Some(history_key(*timeline)),
        WalKey::Gap(timeline, from_lsn) => Some(gap_key(*timeline, *from_lsn)),
        WalKey::Description | WalKey::Reserved | WalKey::Foreign => None,
    }
}

fn folder(timeline: TimelineId) -> String {
    format!("{WAL_PREFIX}{:08X}/", timeline.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(mebibytes: u64) -> WalSegmentSize {
        WalSegmentSize::new(mebibytes << 20).unwrap()
    }

    #[test]
    fn reads_what_it_spells() {
        for mebibytes in [1, 16, 64, 1024] {
            let size = size(mebibytes);
            for (timeline, number) in [(1, 1), (2, 255), (0xABCD_EF01, 70_000), (u32::MAX, 3)] {
                let timeline = TimelineId(timeline);
                let segment = WalSegment { timeline, number };
                for cover in Cover::BEST_FIRST {
                    assert_eq!(parse(&sealed_key(segment, size, cover), size), WalKey::Sealed(segment, cover));
                    assert_eq!(parse(&partial_key(segment, size, cover), size), WalKey::Partial(segment, cover));
                }
                assert_eq!(parse(&history_key(timeline), size), WalKey::History(timeline));
                assert_eq!(parse(&gap_key(timeline, Lsn(number)), size), WalKey::Gap(timeline, Lsn(number)));
            }
        }
        let segment = WalSegment { timeline: TimelineId(10), number: 0x1_0000_0007 / 256 };
        assert_eq!(gap_key(TimelineId(10), Lsn(0x1_0300_0028)), "wal/gaps/0000000A-0000000103000028.json");
        assert!(sealed_key(segment, size(16), Cover::Plain).starts_with("wal/0000000A/0000000A"));
        assert_eq!(parse(DESCRIPTION_KEY, size(16)), WalKey::Description);
    }

    #[test]
    fn takes_every_other_name_for_foreign() {
        for key in [
            "wal/",
            "wal/x",
            "wal/000000010000000000000001.zst",
            "wal/00000002/000000010000000000000001.zst",
            "wal/00000001/000000010000000000000001",
            "wal/00000001/000000010000000000000001.age",
            "wal/00000001/000000010000000000000001.partial.age",
            "wal/00000001/000000010000000000000001.zst.bak",
            "wal/00000001/000000010000000000000001.ZST",
            "wal/00000001/x/000000010000000000000001.zst",
            "wal/00000001/000000010000000000000100.zst",
            "wal/0000000a/0000000a0000000000000001.zst",
            "wal/00000001/00000002.history",
            "wal/00000000/00000000.history",
            "wal/gaps/00000001-0000000001000000",
            "wal/gaps/00000001-1000000.json",
            "wal/gaps/1-0000000001000000.json",
            "wal/gaps/0000000a-0000000001000000.json",
            "wal/gaps/+0000001-0000000001000000.json",
            "wal/gaps/00000000-0000000001000000.json",
            "wal/receiver2",
            "other/00000001/000000010000000000000001.zst",
        ] {
            assert_eq!(parse(key, size(16)), WalKey::Foreign, "{key}");
        }
        for key in ["wal/receiver", "wal/summaries/x/y"] {
            assert_eq!(parse(key, size(16)), WalKey::Reserved, "{key}");
        }
    }
}
