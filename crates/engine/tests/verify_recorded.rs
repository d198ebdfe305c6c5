//! Validations leave a trace in the journal, and what is due comes first.

mod restore_support;

use engine::verify::{
    DueValidations, ValidationHistory, ValidationLevel, ValidationRequest, ValidationResult, validate_due,
    validate_recorded,
};
use engine::{Cancel, SilentProgress};
use restore_support::*;
use std::time::Duration;
use vault::journal::{EventLevel, Journal};
use vault::repository::{BackupId, BackupRecord, CorruptPage};

const DAY: Duration = Duration::from_secs(86_400);

fn due(again_after: Duration) -> DueValidations {
    let (level, by) = (ValidationLevel::Checksum, "somebody@here".to_owned());
    DueValidations { level, jobs: 1, search: engine::cluster::BinarySearch::default(), again_after, budget: None, by }
}

fn sandbox_with_backups(count: usize) -> (Sandbox, Vec<BackupRecord>) {
    let sandbox = Sandbox::new();
    let records =
        (0..count).map(|_| seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ())).collect();
    (sandbox, records)
}

fn ids(round: &engine::verify::DueRound) -> Vec<BackupId> {
    round.outcomes.iter().map(|(record, _)| record.id).collect()
}

#[test]
fn every_outcome_is_entered_with_what_was_compared() {
    let (sandbox, records) = sandbox_with_backups(2);
    let look = |record| {
        validate_recorded(
            &sandbox.repository,
            record,
            &ValidationRequest::new(ValidationLevel::Deep, 1),
            "a@b",
            &SilentProgress,
            &Cancel::new(),
        )
    };
    look(&records[0]).unwrap();
    let archive = sandbox.archive_path(&records[1]);
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    look(&records[1]).unwrap();

    let events = Journal::of(&sandbox.repository).read_after(0).unwrap().events;
    let of = |record: &BackupRecord| events.iter().rfind(|event| event.backup_id == Some(record.id)).unwrap();
    let (good, bad) = (of(&records[0]), of(&records[1]));
    assert_eq!((good.event.as_str(), good.level), ("validation", EventLevel::Info));
    assert_eq!(good.details["result"], "EXITOSO");
    assert_eq!(good.details["level"], "deep");
    assert_eq!(good.details["by"], "a@b");
    assert_eq!(good.details["sha256_found"].as_str(), records[0].sha256.as_deref());
    assert_eq!(bad.level, EventLevel::Error);
    assert_eq!(bad.details["result"], "FALLIDO");
    assert_ne!(bad.details["sha256_found"], bad.details["sha256_expected"]);
    assert_eq!(bad.details["findings"][0]["what"]["key"], "repository-archive-digest");

    let history = ValidationHistory::read(&sandbox.repository).unwrap();
    assert_eq!(history.last(records[1].id).unwrap().result, ValidationResult::Failed);
}

#[test]
fn a_page_that_was_damaged_in_the_cluster_is_a_warning() {
    let sandbox = Sandbox::new();
    let mut members = cluster_members();
    let (_, content) = members.iter_mut().find(|(path, _)| path == b"base/1/16384").unwrap();
    content.as_mut().unwrap()[7 * BLOCK_BYTES + 5000] ^= 1;
    let page = CorruptPage { file: "base/1/16384".to_owned(), block: 7, found: None, expected: None };
    let record = seal(&sandbox.repository, &members, &Sealing::default(), |record| {
        record.corrupt_pages = vec![page.clone()];
        record.corrupt_pages_total = 1;
    });
    let (level, cancel) = (ValidationLevel::Deep, Cancel::new());
    let report = validate_recorded(
        &sandbox.repository,
        &record,
        &ValidationRequest::new(level, 1),
        "a",
        &SilentProgress,
        &cancel,
    )
    .unwrap();
    assert_eq!(report.result(), ValidationResult::Warned);
    let event = Journal::of(&sandbox.repository).read_after(0).unwrap().events.pop().unwrap();
    assert_eq!((event.level, event.details["result"].as_str()), (EventLevel::Warning, Some("ADVERTENCIA")));
}

#[test]
fn the_never_validated_come_first_then_those_of_long_ago() {
    let (sandbox, records) = sandbox_with_backups(4);
    let repository = &sandbox.repository;
    let now = jiff::Timestamp::now();
    for index in [2, 0] {
        let cancel = Cancel::new();
        validate_recorded(
            repository,
            &records[index],
            &ValidationRequest::new(ValidationLevel::Checksum, 1),
            "a",
            &SilentProgress,
            &cancel,
        )
        .unwrap();
    }
    let id = |index: usize| records[index].id;
    let queue = ValidationHistory::read(repository).unwrap().queue(&repository.contents().unwrap());
    let order: Vec<_> = queue.iter().map(|record| record.id).collect();
    assert_eq!(order, [id(3), id(1), id(2), id(0)]);

    // Within the week only the two that never were; nothing is left for a second round.
    let run = |due: &DueValidations, now| validate_due(repository, due, now, &SilentProgress, &Cancel::new()).unwrap();
    let round = run(&due(7 * DAY), now);
    assert_eq!((ids(&round), round.left), (vec![id(3), id(1)], 0));
    assert!(ids(&run(&due(7 * DAY), now)).is_empty());
    // A week later all, the longest ago first.
    let later = now + jiff::SignedDuration::from_hours(7 * 24);
    assert_eq!(ids(&run(&due(7 * DAY), later)), [id(2), id(0), id(3), id(1)]);
}

#[test]
fn a_round_begins_nothing_after_its_time_is_up_and_goes_on_next_time() {
    let (sandbox, records) = sandbox_with_backups(3);
    let nothing = DueValidations { budget: Some(Duration::ZERO), ..due(7 * DAY) };
    let now = jiff::Timestamp::now();
    let round = validate_due(&sandbox.repository, &nothing, now, &SilentProgress, &Cancel::new()).unwrap();
    assert_eq!((round.outcomes.len(), round.left), (0, records.len()));
}

#[test]
fn a_cancelled_validation_is_not_entered() {
    let (sandbox, records) = sandbox_with_backups(1);
    let cancel = Cancel::new();
    cancel.cancel();
    let level = ValidationLevel::Checksum;
    let outcome = validate_recorded(
        &sandbox.repository,
        &records[0],
        &ValidationRequest::new(level, 1),
        "a",
        &SilentProgress,
        &cancel,
    );
    assert!(outcome.unwrap_err().is_cancelled());
    assert!(ValidationHistory::read(&sandbox.repository).unwrap().last(records[0].id).is_none());
}

#[test]
fn an_archive_that_is_gone_is_a_failed_validation() {
    let (sandbox, records) = sandbox_with_backups(1);
    std::fs::remove_file(sandbox.archive_path(&records[0])).unwrap();
    let cancel = Cancel::new();
    let level = ValidationLevel::Checksum;
    let report = validate_recorded(
        &sandbox.repository,
        &records[0],
        &ValidationRequest::new(level, 1),
        "a",
        &SilentProgress,
        &cancel,
    )
    .unwrap();
    assert_eq!(report.result(), ValidationResult::Failed);
    let history = ValidationHistory::read(&sandbox.repository).unwrap();
    assert_eq!(history.last(records[0].id).unwrap().result, ValidationResult::Failed);
}
