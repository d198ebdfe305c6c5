//! The journal: ids that rise, writers that share it, writers that die.

#[path = "repository_common/mod.rs"]
mod common;

use serde_json::json;
use std::io::Write;
use std::process::Command;
use vault::journal::{EventLevel, Journal, NewEvent};
use vault::repository::{BackupId, Repository};

fn event(number: u64) -> NewEvent {
    NewEvent::new(
        EventLevel::Warning,
        "test-event",
        Some(BackupId(number)),
        json!({ "number": number, "text": "á\n\"" }),
    )
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn repository(folder: &std::path::Path) -> Repository {
    common::create(folder)
}

#[test]
fn events_come_back_as_they_were_written_in_the_order_of_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::of(&repository(folder.path()));
    assert!(journal.read_after(0).unwrap().events.is_empty());
    let times = ["2026-10-31T23:59:59.5Z", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "2027-01-01T00:00:00Z"];
    let written: Vec<_> =
        times.iter().zip(1..).map(|(time, number)| journal.append(at(time), event(number)).unwrap()).collect();
    assert_eq!(written.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(journal.read_after(0).unwrap().events, written);
    assert_eq!(journal.read_after(2).unwrap().events, written[2..]);
    assert!(journal.read_after(4).unwrap().events.is_empty());
    let files = std::fs::read_dir(folder.path().join("events")).unwrap().count();
    assert_eq!(files, 3);
}

#[test]
fn a_clock_that_was_set_back_leads_to_no_older_file() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::of(&repository(folder.path()));
    journal.append(at("2026-11-01T00:00:00Z"), event(1)).unwrap();
    journal.append(at("2020-01-01T00:00:00Z"), event(2)).unwrap();
    assert!(!folder.path().join("events/2020-01.jsonl").exists());
    assert_eq!(journal.read_after(1).unwrap().events[0].id, 2);
}

#[test]
fn what_a_writer_left_when_it_died_hides_nothing_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::of(&repository(folder.path()));
    let first = journal.append(at("2026-11-01T00:00:00Z"), event(1)).unwrap();
    let path = folder.path().join("events/2026-11.jsonl");
    let whole = std::fs::read(&path).unwrap();
    // Torn at every byte of a second line.
    let line = String::from_utf8(whole.clone()).unwrap().replace("\"id\":1", "\"id\":2");
    for cut in 1..line.len() {
        let mut torn = whole.clone();
        torn.extend_from_slice(&line.as_bytes()[..cut]);
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(journal.read_after(0).unwrap().unreadable_lines, 0, "it may be being written: {cut}");
        let next = journal.append(at("2026-11-01T00:00:01Z"), event(9)).unwrap();
        let reading = journal.read_after(0).unwrap();
        assert_eq!(reading.events.first(), Some(&first));
        assert_eq!(reading.events.last(), Some(&next));
        // Cut right before its end, the line is an event: then that one counts too, and the next is after it.
        let is_whole = cut == line.len() - 1;
        assert_eq!((next.id, reading.unreadable_lines), if is_whole { (3, 0) } else { (2, 1) }, "{cut}");
        assert!(std::fs::read(&path).unwrap().starts_with(&torn), "nothing was removed");
    }
    // A file that was made, and nothing written into it.
    std::fs::File::create(folder.path().join("events/2026-12.jsonl")).unwrap();
    let last = journal.read_after(0).unwrap().events.last().unwrap().id;
    assert_eq!(journal.append(at("2026-12-01T00:00:00Z"), event(9)).unwrap().id, last + 1);
}

#[test]
fn strange_files_and_lines_are_no_events_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::of(&repository(folder.path()));
    journal.append(at("2026-11-01T00:00:00Z"), event(1)).unwrap();
    std::fs::write(folder.path().join("events/notes.txt"), "mine").unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join("events/2026-11.jsonl")).unwrap();
    file.write_all(b"\xff\xfe\n{\"id\":7}\n[1]\n\n").unwrap();
    let huge = format!("{}\n", "x".repeat(300_000));
    file.write_all(huge.as_bytes()).unwrap();
    assert_eq!(journal.append(at("2026-11-01T00:00:00Z"), event(2)).unwrap().id, 2);
    let reading = journal.read_after(0).unwrap();
    assert_eq!((reading.events.len(), reading.unreadable_lines), (2, 4));
}

/// Not a test of its own: the processes of the next one.
#[test]
fn writer_process() {
    let Some(folder) = std::env::var_os("JOURNAL_TEST_FOLDER") else { return };
    let journal = Journal::of(&repository(folder.as_ref()));
    for number in 1.. {
        journal.append(jiff::Timestamp::now(), event(number)).unwrap();
    }
}

#[test]
fn writers_that_are_killed_share_the_journal_with_the_living() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::of(&repository(folder.path()));
    let spawn = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_process", "--nocapture"])
            .env("JOURNAL_TEST_FOLDER", folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut ours = Vec::new();
    for round in 0..10_u64 {
        let mut children = [spawn(), spawn()];
        // Until both have come to write, which is seen, not waited for.
        let before = journal.read_after(0).unwrap().events.len();
        while journal.read_after(0).unwrap().events.len() < before + 6 {
            ours.push(journal.append(jiff::Timestamp::now(), event(1_000_000 + round)).unwrap());
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let reading = journal.read_after(0).unwrap();
    for event in &ours {
        assert!(reading.events.contains(event), "{event:?} is lost");
    }
    let ids: Vec<_> = reading.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "ids rise by one");
}
