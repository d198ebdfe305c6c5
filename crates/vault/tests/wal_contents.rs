//! What lies under `wal/`: ours, others', and what the rest of the repository makes of it.

mod wal_support;

use pgformat::{Lsn, TimelineId, WalSegment};
use std::fs;
use vault::repository::BackupKind;
use vault::wal::{SealOutcome, SegmentForm, WalGap};
use wal_support::*;

fn on_timeline(timeline: u32, number: u64) -> WalSegment {
    WalSegment { timeline: TimelineId(timeline), number }
}

fn gap(timeline: u32, from_lsn: u64, to_lsn: u64) -> WalGap {
    WalGap {
        timeline: TimelineId(timeline),
        from_lsn: Lsn(from_lsn),
        to_lsn: Lsn(to_lsn),
        noticed_at: "2026-11-24T06:00:00Z".parse().unwrap(),
        cause: serde_json::json!({"key": "slot-lost", "slot": "cadena"}),
    }
}

#[test]
fn one_listing_shows_segments_histories_and_gaps() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let own = *archive.geometry();
    assert!(archive.contents().unwrap().timelines.is_empty());
    for number in [9, 10, 4096] {
        seal(&archive, on_timeline(1, number), &whole_segment(own, number, 1)).unwrap();
    }
    let mut crafter = WalCrafter::new(own, 11);
    crafter.record_of(500);
    archive.put_partial(on_timeline(1, 11), &crafter.bytes).unwrap();
    seal(&archive, on_timeline(0xAB, 12), &whole_segment(own, 12, 1)).unwrap();
    archive.put_history(TimelineId(2), b"1\t0/B00000\tno recovery target specified\n").unwrap();
    let (later, earlier) = (gap(1, 0x10_0000_0000, 0x10_0010_0000), gap(1, 0xC0_0000, 0xD0_0000));
    archive.put_gap(&later).unwrap();
    archive.put_gap(&earlier).unwrap();

    let contents = archive.contents().unwrap();
    let timelines: Vec<u32> = contents.timelines.keys().map(|timeline| timeline.0).collect();
    assert_eq!(timelines, [1, 2, 0xAB]);
    let first = &contents.timelines[&TimelineId(1)];
    let forms: Vec<_> = first.segments.iter().map(|(number, found)| (*number, found.form)).collect();
    let (sealed, partial) = (SegmentForm::Sealed, SegmentForm::Partial);
    assert_eq!(forms, [(9, sealed), (10, sealed), (11, partial), (4096, sealed)]);
    assert!(first.history.is_none());
    for (number, found) in &first.segments {
        assert_eq!(found.segment, on_timeline(1, *number));
        assert_eq!(archive.find(found.segment).unwrap().as_ref(), Some(found));
    }
    let second = &contents.timelines[&TimelineId(2)];
    assert!(second.segments.is_empty());
    assert_eq!(second.history.as_ref().unwrap()[0].switch_lsn, Lsn(0xB0_0000));
    assert_eq!(contents.gaps, [earlier, later]);
    assert_eq!(contents.foreign, Vec::<String>::new());
}

#[test]
fn other_names_are_reported_and_never_touched() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let bytes = whole_segment(*archive.geometry(), 9, 1);
    seal(&archive, segment(9), &bytes).unwrap();
    let foreign = [
        "wal/00000001/000000010000000000000009",
        "wal/00000001/000000010000000000000009.age",
        "wal/00000001/000000010000000100001000.zst",
        "wal/00000001/00000002.history",
        "wal/00000001/notes/todo.txt",
        "wal/000000010000000000000009.zst",
        "wal/00000002/000000010000000000000009.zst",
        "wal/gaps/README",
        "wal/notes.txt",
    ];
    let reserved = ["wal/receiver", "wal/summaries/00000001/x"];
    for name in foreign.iter().chain(&reserved) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let contents = archive.contents().unwrap();
    assert_eq!(contents.foreign, foreign);
    assert_eq!(contents.timelines.keys().collect::<Vec<_>>(), [&TimelineId(1)]);
    assert_eq!(contents.timelines[&TimelineId(1)].segments.len(), 1);
    assert_eq!(archive.find(segment(9)).unwrap().unwrap().form, SegmentForm::Sealed);

    seal(&archive, segment(9), &bytes).unwrap();
    archive.put_partial(segment(9), &bytes).unwrap();
    archive.remove_partial(segment(9)).unwrap();
    archive.sweep(segment(9)).unwrap();
    for name in foreign.iter().chain(&reserved) {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), *name);
    }
}

#[test]
fn a_history_is_kept_once_and_never_replaced() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let text = b"1\t0/5000128\tno recovery target specified\n\n2\t0/7000000\tbefore 2026-11-24 00:00:00+00\n";
    assert_eq!(archive.history(TimelineId(3)).unwrap(), None);
    assert_eq!(archive.put_history(TimelineId(3), text).unwrap(), SealOutcome::Archived);
    assert_eq!(archive.put_history(TimelineId(3), text).unwrap(), SealOutcome::AlreadyThere);
    let refusal = archive.put_history(TimelineId(3), b"1\t0/5000128\tno recovery target specified\n");
    assert_eq!(key(refusal), "wal-history-conflict");
    assert_eq!(archive.history(TimelineId(3)).unwrap().unwrap(), text);
    assert_eq!(fs::read(folder.path().join("wal/00000003/00000003.history")).unwrap(), text);
    for bad in [&b""[..], b"# nothing\n", b"3\t0/5000128\tself\n", b"4\t0/5000128\tlater\n", b"1\n", b"1\t0/1\t\xff\n"]
    {
        assert_eq!(key(archive.put_history(TimelineId(3), bad)), "format-text", "{}", bad.escape_ascii());
        assert_eq!(key(archive.put_history(TimelineId(2), b"2\t0/1\tx\n")), "format-text");
    }
    assert_eq!(archive.history(TimelineId(2)).unwrap(), None);
    fs::write(folder.path().join("wal/00000003/00000003.history"), "rubbish").unwrap();
    assert_eq!(key(archive.contents()), "wal-unreadable");
}

#[test]
fn a_gap_is_noted_once() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let first = gap(2, 0x900000, 0xA00000);
    archive.put_gap(&first).unwrap();
    archive.put_gap(&gap(2, 0x900000, 0xB00000)).unwrap();
    assert_eq!(archive.contents().unwrap().gaps, [first]);
    let path = folder.path().join("wal/gaps/00000002-0000000000900000.json");
    fs::rename(&path, folder.path().join("wal/gaps/00000002-0000000000A00000.json")).unwrap();
    assert_eq!(key(archive.contents()), "wal-unreadable");
    fs::write(folder.path().join("wal/gaps/00000002-0000000000A00000.json"), "{}").unwrap();
    assert_eq!(key(archive.contents()), "wal-unreadable");
}

#[test]
fn backups_do_not_see_the_wal_and_do_not_sweep_it() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    seal(&archive, segment(9), &whole_segment(*archive.geometry(), 9, 1)).unwrap();
    let mut sealer = archive.seal(segment(10), 1, 2).unwrap();
    sealer.write(&whole_segment(*archive.geometry(), 10, 1)).unwrap();
    let before = wal_files(folder.path());
    assert_eq!(before.len(), 2, "{before:?}");

    let repository = repository(folder.path());
    let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    // A backup whose process died, and the next one, which sweeps up after it.
    let slot = repository.begin_backup(BackupKind::Full, &now).unwrap();
    drop(slot);
    let slot = repository.begin_backup(BackupKind::Full, &now).unwrap();
    drop(slot);
    let contents = repository.contents().unwrap();
    assert!(contents.unreadable.is_empty() && contents.orphan_archives.is_empty());
    assert_eq!(contents.records.len(), 2);
    assert_eq!(wal_files(folder.path()), before);
    assert_eq!(sealer.finish().unwrap(), SealOutcome::Archived);
}
