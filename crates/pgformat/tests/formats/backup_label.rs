use crate::fixture_text;
use pgformat::backup_label::{BackupLabel, format_tablespace_map, parse_tablespace_map, without_incremental_lines};
use pgformat::{FormatError, Lsn, TimelineId};
use proptest::prelude::*;

const INCREMENTAL: &str = "INCREMENTAL FROM LSN: 0/1000028\nINCREMENTAL FROM TLI: 2\n";

#[test]
fn reads_what_the_server_wrote() {
    let text = fixture_text("backup_label_15");
    let label = BackupLabel::parse(&text).unwrap();
    assert_eq!(label.start_lsn, Lsn(0x0200_0028));
    assert_eq!(label.start_wal_file, "000000030000000000000002");
    assert_eq!(label.checkpoint_lsn, Lsn(0x0200_0060));
    assert_eq!((label.backup_method.as_str(), label.backup_from.as_str()), ("streamed", "primary"));
    assert_eq!(
        (label.start_time.as_str(), label.label.as_str()),
        ("2026-11-24 04:06:57 UTC", "pg_basebackup base backup")
    );
    assert_eq!(label.start_timeline, TimelineId(3));
    assert_eq!((label.incremental_from_lsn, label.incremental_from_timeline), (None, None));
    assert_eq!(label.to_string(), text);
}

#[test]
fn reads_an_incremental_backups_label() {
    let text = fixture_text("backup_label_18") + INCREMENTAL;
    let label = BackupLabel::parse(&text).unwrap();
    assert_eq!(label.incremental_from_lsn, Some(Lsn(0x0100_0028)));
    assert_eq!(label.incremental_from_timeline, Some(TimelineId(2)));
    assert_eq!(label.to_string(), text);
}

#[test]
fn a_label_may_hold_lines_that_look_like_others() {
    let words = "uno\nSTART TIMELINE: 9\nLABEL: dos\n";
    let text = fixture_text("backup_label_15").replace("pg_basebackup base backup", words);
    let label = BackupLabel::parse(&text).unwrap();
    assert_eq!((label.label.as_str(), label.start_timeline), (words, TimelineId(3)));
    assert_eq!(label.to_string(), text);
}

#[test]
fn names_the_line_that_is_missing_or_malformed() {
    let text = fixture_text("backup_label_15") + INCREMENTAL;
    let lines: Vec<&str> = text.lines().collect();
    for missing in 0..lines.len() {
        let without: String =
            lines.iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, line)| format!("{line}\n")).collect();
        let FormatError::FormatText { what, text } = BackupLabel::parse(&without).unwrap_err() else { panic!() };
        let name = lines[missing].split(':').next().unwrap();
        assert_eq!(what, "backup_label");
        assert!(text.starts_with(name), "{text} names another line than {name}");
    }
    for (good, bad) in [
        ("START WAL LOCATION: 0/2000028", "START WAL LOCATION: 0-2000028"),
        ("(file 000000030000000000000002)", "(file ../../etc/passwd)"),
        ("(file 000000030000000000000002)", "(file 000000030000000000000002"),
        ("START TIMELINE: 3", "START TIMELINE: 0"),
        ("START TIMELINE: 3", "START TIMELINE: +3"),
        ("INCREMENTAL FROM TLI: 2\n", "INCREMENTAL FROM TLI: 2"),
        ("INCREMENTAL FROM TLI: 2\n", "INCREMENTAL FROM TLI: 2\nmore\n"),
        ("CHECKPOINT LOCATION", "checkpoint location"),
    ] {
        assert!(text.contains(good));
        assert!(BackupLabel::parse(&text.replace(good, bad)).is_err(), "{bad}");
    }
    assert!(BackupLabel::parse("").is_err());
}

#[test]
fn undoes_the_escapes_of_a_tablespace_map() {
    let map = "16400 /srv/plain\n16401 /srv/with blank \\\\ and \\\n end\n";
    let expected = vec![(16400, "/srv/plain".to_owned()), (16401, "/srv/with blank \\ and \n end".to_owned())];
    assert_eq!(parse_tablespace_map(map), Ok(expected.clone()));
    assert_eq!(format_tablespace_map(&expected), map);
    assert_eq!(parse_tablespace_map(""), Ok(vec![]));
    assert_eq!(parse_tablespace_map("16400 /srv\r\n"), Ok(vec![(16400, "/srv".to_owned())]));
}

#[test]
fn refuses_a_malformed_or_unfinished_tablespace_map() {
    for map in [
        "16400\n",
        "16400 \n",
        " /srv\n",
        "x /srv\n",
        "+1 /srv\n",
        "0 /srv\n",
        "4294967296 /srv\n",
        "16400 /srv",
        "16400 /srv\\",
        "16400 /srv\n1",
    ] {
        assert!(parse_tablespace_map(map).is_err(), "{map:?}");
    }
}

#[test]
fn without_the_lines_that_name_a_base_every_other_byte_stays() {
    let plain = b"START WAL LOCATION: 0/28 (file 000000010000000000000000)\nLABEL: \xff \nINCREMENTAL FROM LSN: 0/1\nSTART TIMELINE: 1\n";
    let incremental = [plain.as_slice(), b"INCREMENTAL FROM LSN: 0/28\nINCREMENTAL FROM TLI: 1\n"].concat();
    // The user's own words stay, whatever they look like, and need not be UTF-8.
    assert_eq!(without_incremental_lines(&incremental), plain);
    assert_eq!(without_incremental_lines(plain), plain);
    for no_label in [b"".as_slice(), b"INCREMENTAL FROM LSN: 0/1\n", b"\xff\xfe"] {
        assert_eq!(without_incremental_lines(no_label), no_label);
    }
}

proptest! {
    #[test]
    fn a_label_without_a_base_is_that_of_a_full(label in "(\\PC|\n|: ){0,40}", lsn: u64) {
        let full = BackupLabel {
            start_lsn: Lsn(lsn),
            start_wal_file: "000000010000000000000001".to_owned(),
            checkpoint_lsn: Lsn(lsn),
            backup_method: "streamed".to_owned(),
            backup_from: "primary".to_owned(),
            start_time: "2026-11-24 04:06:57 CET".to_owned(),
            label,
            start_timeline: TimelineId(1),
            incremental_from_lsn: None,
            incremental_from_timeline: None,
        };
        let mut incremental = full.clone();
        incremental.incremental_from_lsn = Some(Lsn(lsn));
        incremental.incremental_from_timeline = Some(TimelineId(1));
        prop_assert_eq!(without_incremental_lines(incremental.to_string().as_bytes()), full.to_string().into_bytes());
    }

    #[test]
    fn every_label_reads_back(
        start: u64, checkpoint: u64, timeline in 1_u32.., label in "(\\PC|\n|: ){0,40}",
        incremental in proptest::option::of((any::<u64>(), 1_u32..))
    ) {
        let label = BackupLabel {
            start_lsn: Lsn(start),
            start_wal_file: format!("{timeline:08X}{:016X}", start >> 24),
            checkpoint_lsn: Lsn(checkpoint),
            backup_method: "streamed".to_owned(),
            backup_from: "standby".to_owned(),
            start_time: "2026-11-24 04:06:57 CET".to_owned(),
            label,
            start_timeline: TimelineId(timeline),
            incremental_from_lsn: incremental.map(|(lsn, _)| Lsn(lsn)),
            incremental_from_timeline: incremental.map(|(_, timeline)| TimelineId(timeline)),
        };
        prop_assert_eq!(BackupLabel::parse(&label.to_string()), Ok(label));
    }

    #[test]
    fn every_tablespace_map_reads_back(map in proptest::collection::vec((1_u32.., "[ /a\\\\\n\r\u{f1}]{1,12}"), 0..5)) {
        prop_assert_eq!(parse_tablespace_map(&format_tablespace_map(&map)), Ok(map));
    }
}
