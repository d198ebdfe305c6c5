//! The beginnings of segments: received and torn, brought by an archiver at the end of a timeline, and sealed at last.

mod wal_support;

use pgformat::wal::WalGeometry;
use pgformat::{Lsn, SystemIdentifier};
use std::fs;
use std::path::{Path, PathBuf};
use vault::wal::{SealOutcome, SegmentForm};
use wal_support::*;

/// A segment that has records up to somewhere in its middle; the crafter knows where each ends.
fn half_segment(geometry: WalGeometry) -> WalCrafter {
    let mut crafter = WalCrafter::new(geometry, 9);
    commit(&mut crafter, 1_000_000);
    for length in [100, 9_000, 20_000, 64, 5_000] {
        crafter.record_of(length);
    }
    commit(&mut crafter, 2_000_000);
    crafter
}

fn end_of(crafter: &WalCrafter, record: usize) -> Lsn {
    crafter.records[record].end_lsn
}

/// What a server's file holds: the log so far, and then what a recycled segment left.
fn with_stale_rest(crafter: &WalCrafter) -> Vec<u8> {
    let mut file = whole_segment(crafter.geometry, 5, 77);
    file[..crafter.bytes.len()].copy_from_slice(&crafter.bytes);
    file
}

fn partial_path(folder: &Path) -> PathBuf {
    folder.join("wal/00000001/000000010000000000000009.partial")
}

#[test]
fn a_partial_segment_grows_and_is_gone_on_with_after_a_restart() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let whole = whole_segment(*archive.geometry(), 9, 1);
    let start = Lsn(9 << 20);
    let mut partial = archive.open_partial(segment(9)).unwrap();
    assert_eq!((partial.segment(), partial.file_end(), partial.valid_end().unwrap()), (segment(9), start, start));
    for piece in [0..8192, 8192..100_000] {
        partial.write(Lsn(start.0 + piece.start as u64), &whole[piece]).unwrap();
        partial.sync().unwrap();
    }
    // Written once more, as after a failed sync.
    partial.write(Lsn(start.0 + 50_000), &whole[50_000..100_000]).unwrap();
    drop(partial);

    let found = archive.find(segment(9)).unwrap().unwrap();
    assert_eq!((found.form, found.size_bytes), (SegmentForm::Partial, 100_000));
    let mut partial = archive.open_partial(segment(9)).unwrap();
    assert_eq!(partial.file_end(), Lsn(start.0 + 100_000));
    assert!(partial.read().unwrap() == whole[..100_000]);
    let valid = partial.valid_end().unwrap();
    assert!(valid > start && valid <= partial.file_end(), "{valid}");
    let from = (valid.0 - start.0) as usize;
    partial.write(valid, &whole[from..]).unwrap();
    partial.sync().unwrap();
    drop(partial);
    let mut partial = archive.open_partial(segment(9)).unwrap();
    assert_eq!(partial.valid_end().unwrap(), Lsn(10 << 20));

    // Nothing outside of the segment, and no holes.
    for (lsn, bytes) in
        [(Lsn(10 << 20), &[1][..]), (Lsn(start.0 - 1), &[1]), (Lsn(u64::MAX), &[1]), (start, &[0; (1 << 20) + 1])]
    {
        assert_eq!(key(partial.write(lsn, bytes)), "wal-invalid", "{} bytes at {lsn}", bytes.len());
    }
    let sealed = seal(&archive, segment(9), &partial.read().unwrap()).unwrap();
    assert_eq!(sealed, SealOutcome::Archived);
    archive.remove_partial(segment(9)).unwrap();
    archive.remove_partial(segment(9)).unwrap();
    assert_eq!(wal_files(folder.path()), ["wal/00000001/000000010000000000000009.zst"]);
    let hole = archive.open_partial(segment(10)).unwrap().write(Lsn((10 << 20) + 1), &[1]);
    assert_eq!(key(hole), "storage-short");
}

#[test]
fn a_torn_write_ends_the_valid_part_at_the_last_whole_record() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let crafter = half_segment(*archive.geometry());
    let start = crafter.start;
    // Each end of a torn file, and what is valid of it; then the same length with zeros or rubbish to the end.
    for record in 0..crafter.records.len() - 1 {
        let (end, next) = (end_of(&crafter, record), end_of(&crafter, record + 1));
        for cut in [end.0, end.0 + 8, next.0 - 17] {
            let kept = (cut - start.0) as usize;
            for rest in [vec![], vec![0; 5000], vec![0xA5; 5000]] {
                fs::create_dir_all(partial_path(folder.path()).parent().unwrap()).unwrap();
                fs::write(partial_path(folder.path()), [&crafter.bytes[..kept], &rest].concat()).unwrap();
                assert_eq!(archive.open_partial(segment(9)).unwrap().valid_end().unwrap(), end, "cut at {}", Lsn(cut));
                let mut read = vec![1];
                assert_eq!(archive.read_partial(segment(9), &mut read).unwrap(), end);
                assert_eq!(read.len(), 1 << 20);
                let valid = (end.0 - start.0) as usize;
                assert!(read[..valid] == crafter.bytes[..valid]);
                assert!(read[valid..].iter().all(|byte| *byte == 0));
            }
        }
    }
    let summary = archive.summary(segment(9)).unwrap();
    assert_eq!(summary.transactions, 1);
}

#[test]
fn a_last_record_that_crosses_into_the_next_segment_makes_all_of_it_valid() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let mut crafter = WalCrafter::new(*archive.geometry(), 9);
    crafter.fill_segment(104);
    crafter.record_of(400);
    let mut partial = archive.open_partial(segment(9)).unwrap();
    partial.write(crafter.start, &crafter.bytes[..1 << 20]).unwrap();
    drop(partial);
    let mut read = Vec::new();
    assert_eq!(archive.read_partial(segment(9), &mut read).unwrap(), Lsn(10 << 20));
    assert!(read == crafter.bytes[..1 << 20]);

    // The rest of it is all that the next segment has: replay checks it, so it is handed out, but not trusted to go on from.
    let rest = &crafter.bytes[1 << 20..];
    let mut partial = archive.open_partial(segment(10)).unwrap();
    partial.write(Lsn(10 << 20), rest).unwrap();
    assert_eq!(partial.valid_end().unwrap(), Lsn(10 << 20));
    drop(partial);
    let partial = archive.open_partial(segment(10)).unwrap();
    assert_eq!(partial.valid_end().unwrap(), Lsn(10 << 20));
    let end = archive.read_partial(segment(10), &mut read).unwrap();
    assert_eq!(end, crafter.position());
    assert!(&read[..rest.len()] == rest && read[rest.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_segment_switch_makes_the_rest_valid_whether_it_is_there_or_not() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let mut crafter = half_segment(*archive.geometry());
    let before = crafter.bytes.len();
    crafter.switch(&[0]);
    let mut partial = archive.open_partial(segment(9)).unwrap();
    partial.write(crafter.start, &crafter.bytes[..before + 24]).unwrap();
    drop(partial);
    assert_eq!(archive.open_partial(segment(9)).unwrap().valid_end().unwrap(), Lsn(10 << 20));
    let mut read = Vec::new();
    assert_eq!(archive.read_partial(segment(9), &mut read).unwrap(), Lsn(10 << 20));
    assert!(read == crafter.bytes);
    assert_eq!(archive.put_partial(segment(9), &crafter.bytes).unwrap(), SealOutcome::Archived);
    assert_eq!(fs::read(partial_path(folder.path())).unwrap().len(), 1 << 20);
}

#[test]
fn an_archivers_partial_keeps_the_log_and_not_what_a_recycled_segment_left_behind_it() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let crafter = half_segment(*archive.geometry());
    assert_eq!(archive.put_partial(segment(9), &with_stale_rest(&crafter)).unwrap(), SealOutcome::Archived);
    assert!(fs::read(partial_path(folder.path())).unwrap() == crafter.bytes);
    assert_eq!(archive.put_partial(segment(9), &with_stale_rest(&crafter)).unwrap(), SealOutcome::AlreadyThere);
    // Another server's copy of the same log with other remains behind it is the same.
    let mut zeros = crafter.bytes.clone();
    zeros.resize(1 << 20, 0);
    assert_eq!(archive.put_partial(segment(9), &zeros).unwrap(), SealOutcome::AlreadyThere);
    // Less of it changes nothing.
    let less = &crafter.bytes[..(end_of(&crafter, 2).0 - crafter.start.0) as usize];
    assert_eq!(archive.put_partial(segment(9), less).unwrap(), SealOutcome::AlreadyThere);
    assert!(fs::read(partial_path(folder.path())).unwrap() == crafter.bytes);

    // More of it is added in place: a receiver that has the file open goes on writing into the same one.
    let mut open = archive.open_partial(segment(9)).unwrap();
    let mut longer = half_segment(*archive.geometry());
    longer.record_of(3_000);
    assert_eq!(archive.put_partial(segment(9), &with_stale_rest(&longer)).unwrap(), SealOutcome::Archived);
    open.write(crafter.position(), &longer.bytes[crafter.bytes.len()..]).unwrap();
    open.sync().unwrap();
    assert!(fs::read(partial_path(folder.path())).unwrap() == longer.bytes);
    assert_eq!(wal_files(folder.path()).len(), 1);
}

#[test]
fn what_a_crash_tore_is_mended_by_what_an_archiver_brings() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let crafter = half_segment(*archive.geometry());
    let whole_records = (end_of(&crafter, 3).0 - crafter.start.0) as usize;
    let mut partial = archive.open_partial(segment(9)).unwrap();
    partial.write(crafter.start, &[&crafter.bytes[..whole_records], &[0xA5; 9_000]].concat()).unwrap();
    drop(partial);
    assert_eq!(archive.put_partial(segment(9), &with_stale_rest(&crafter)).unwrap(), SealOutcome::Archived);
    let mut read = Vec::new();
    assert_eq!(archive.read_partial(segment(9), &mut read).unwrap(), crafter.position());
    assert!(read[..crafter.bytes.len()] == crafter.bytes);
}

#[test]
fn a_partial_of_another_log_is_refused_and_changes_nothing() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let own = *archive.geometry();
    let crafter = half_segment(own);
    archive.put_partial(segment(9), &crafter.bytes).unwrap();
    let mut other = WalCrafter::new(own, 9);
    commit(&mut other, 1_000_000);
    other.record_of(101);
    assert_eq!(key(archive.put_partial(segment(9), &other.bytes)), "wal-conflict");
    // The same log up to a place before the end of what is here, and then another: two servers wrote after that.
    let mut forked = half_segment(own);
    let kept = (end_of(&forked, 3).0 - forked.start.0) as usize;
    forked.bytes.truncate(kept);
    forked.previous = forked.records[3].lsn;
    forked.record_of(7_000);
    assert_eq!(key(archive.put_partial(segment(9), &with_stale_rest(&forked))), "wal-conflict");

    let foreign = half_segment(WalGeometry { system_identifier: SystemIdentifier(5), ..own });
    assert_eq!(key(archive.put_partial(segment(9), &foreign.bytes)), "wal-foreign");
    for (what, bad) in [
        ("nothing", vec![]),
        ("zeros", vec![0; 1 << 20]),
        ("another segment", whole_segment(own, 10, 1)),
        ("a page's header alone", crafter.bytes[..40].to_vec()),
        ("a part of the first record", crafter.bytes[..60].to_vec()),
    ] {
        assert_eq!(key(archive.put_partial(segment(9), &bad)), "wal-invalid", "{what}");
        assert_eq!(key(archive.put_partial(segment(7), &bad)), "wal-invalid", "{what}");
    }
    assert!(fs::read(partial_path(folder.path())).unwrap() == crafter.bytes);
    assert_eq!(wal_files(folder.path()).len(), 1);
}

#[test]
fn a_sealed_segment_wins_over_its_partial_one() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let own = *archive.geometry();
    let mut crafter = half_segment(own);
    let half = crafter.bytes.clone();
    archive.put_partial(segment(9), &half).unwrap();
    assert_eq!(archive.summary(segment(9)).unwrap().transactions, 2);
    // All there is of it, so far.
    assert_eq!(key(archive.remove_partial(segment(9))), "wal-missing");
    assert!(fs::read(partial_path(folder.path())).unwrap() == half);

    commit(&mut crafter, 3_000_000);
    crafter.fill_segment(0);
    seal(&archive, segment(9), &crafter.bytes).unwrap();
    assert_eq!(archive.find(segment(9)).unwrap().unwrap().form, SegmentForm::Sealed);
    assert_eq!(archive.summary(segment(9)).unwrap().transactions, 3);
    let contents = archive.contents().unwrap();
    let found = &contents.timelines[&segment(9).timeline].segments;
    assert_eq!(found.values().map(|one| one.form).collect::<Vec<_>>(), [SegmentForm::Sealed]);

    archive.remove_partial(segment(9)).unwrap();
    assert!(!partial_path(folder.path()).exists());
    // An archiver that comes late finds it sealed.
    assert_eq!(archive.put_partial(segment(9), &half).unwrap(), SealOutcome::AlreadyThere);
    let mut other = WalCrafter::new(own, 9);
    other.record_of(101);
    assert_eq!(key(archive.put_partial(segment(9), &other.bytes)), "wal-conflict");
    assert!(!partial_path(folder.path()).exists());
}
