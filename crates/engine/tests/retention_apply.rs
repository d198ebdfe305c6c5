//! A cleanup of a repository on disk: what goes, what is told of it, and what a death at any step leaves.
#![allow(clippy::print_stdout, clippy::print_stderr)] // how often faults struck

mod repository_support;

use engine::Cancel;
use engine::retention::*;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use pgformat::{TimelineId, WalSegment, WalSegmentSize};
use repository_support::{SEGMENT, back_up, create};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use vault::journal::Journal;
use vault::repository::*;
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::storage::{LocalFolder, Storage};
use vault::wal::WalArchive;

/// What is none of ours, some of it nearly: it must be the same afterwards.
const STRANGERS: [&str; 9] = [
    "backups/full_20250901_000000.backup",
    "backups/nexoryn.dump",
    "full/full_20250901_000000.backup.bak",
    "full/old/full_20250901_000000.json",
    "full/FULL_20250901_000000.json",
    "incremental/inc_20250902_000000_1.backup",
    "wal/00000001/000000010000000000000003.age",
    "wal/00000002/000000010000000000000003.zst",
    "wal/notes.txt",
];

fn size() -> WalSegmentSize {
    WalSegmentSize::new(SEGMENT).unwrap()
}

fn now() -> Zoned {
    "2026-11-24T02:00:00-03:00[America/Argentina/Buenos_Aires]".parse().unwrap()
}

fn choice(wal: WalRetention) -> PolicyChoice {
    PolicyChoice { policy: Policy { wal, ..Policy::standard() }, source: PolicySource::Standard }
}

fn open(folder: &Path) -> Repository {
    Repository::open(Arc::new(LocalFolder::new(folder))).unwrap()
}

/// Eight backups of two timelines, the second of which left the first within segment 8, their WAL but for a gap that a receiver noted, and
/// strangers.
fn make_scene(folder: &Path) {
    let repository = create(folder);
    use BackupKind::{Differential, Full, Incremental};
    let backups = [
        (Full, None, 1, 3, "2025-09-01T00:00:00Z"),
        (Incremental, Some(1), 1, 3, "2025-09-02T00:00:00Z"),
        (Full, None, 1, 5, "2026-06-01T00:00:00Z"),
        (Differential, Some(3), 1, 6, "2026-08-01T00:00:00Z"),
        (Incremental, Some(3), 2, 10, "2026-11-01T00:00:00Z"),
        (Full, None, 2, 12, "2026-11-10T00:00:00Z"),
        (Incremental, Some(6), 2, 15, "2026-11-20T00:00:00Z"),
    ];
    for (kind, base, timeline, segment, started_at) in backups {
        back_up(&repository, kind, base, timeline, segment, started_at.parse().unwrap());
    }
    let started: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    drop(repository.begin_backup(Full, &started.to_zoned(TimeZone::UTC)).unwrap());

    let geometry = json!({"version": 17, "system_identifier": "7", "segment_size": SEGMENT, "block_size_bytes": 8192});
    let wal = json!({"format_version": 1, "geometry": geometry, "created_by": "test"});
    put(folder, "wal/wal.json", &wal.to_string());
    for (timeline, numbers) in [(1, (3..=3).chain(5..=9)), (2, (8..=8).chain(9..=20))] {
        for number in numbers {
            put(folder, &segment_key(timeline, number, "zst"), "sealed");
        }
    }
    put(folder, &segment_key(2, 21, "partial"), "partial");
    put(folder, "wal/00000002/00000002.history", "1\t0/800100\tpromoted\n");
    let gap = json!({"timeline": 1, "from_lsn": "0/400000", "to_lsn": "0/500000", "noticed_at": "2026-01-01T00:00:00Z",
        "cause": {"key": "slot-lost"}});
    put(folder, "wal/gaps/00000001-0000000000400000.json", &gap.to_string());
    for (timeline, from, to) in [(1_u32, 3_u64, 4_u64), (1, 4, 6), (1, 6, 7), (2, 8, 9), (2, 9, 12)] {
        let name = format!("wal/summaries/{timeline:08X}{:016X}{:016X}.summary", from * SEGMENT, to * SEGMENT);
        put(folder, &name, "summary");
    }
    STRANGERS.iter().for_each(|stranger| put(folder, stranger, &format!("others' {stranger}")));
}

fn segment_key(timeline: u32, number: u64, ending: &str) -> String {
    let name = WalSegment { timeline: TimelineId(timeline), number }.file_name(size());
    format!("wal/{timeline:08X}/{name}.{ending}")
}

fn put(folder: &Path, key: &str, content: &str) {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Every file, but for the journal and the locks.
fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if !name.starts_with("events/") && !name.ends_with("cadena-lock") && !name.ends_with("cadena-holder") {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&source, &target);
        } else {
            std::fs::copy(source, target).unwrap();
        }
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn scene() -> tempfile::TempDir {
    let folder = scratch();
    make_scene(folder.path());
    folder
}

fn ids(plan: &RetentionPlan) -> Vec<u64> {
    plan.going().into_iter().map(|id| id.0).collect()
}

/// Which segments of a timeline are here.
fn segments(folder: &Path, timeline: u32) -> Vec<u64> {
    let contents = WalArchive::open(&open(folder)).unwrap().unwrap().contents().unwrap();
    contents.timelines[&TimelineId(timeline)].segments.keys().copied().collect()
}

/// Timeline, beginning and end of each note of a gap, in segments, and the key of its cause.
fn gaps(folder: &Path) -> Vec<(u32, u64, u64, String)> {
    let contents = WalArchive::open(&open(folder)).unwrap().unwrap().contents().unwrap();
    let gap = |gap: &vault::wal::WalGap| {
        let cause = gap.cause["key"].as_str().unwrap().to_owned();
        (gap.timeline.0, gap.from_lsn.0 / SEGMENT, gap.to_lsn.0 / SEGMENT, cause)
    };
    let mut found: Vec<_> = contents.gaps.iter().map(gap).collect();
    found.sort();
    found
}

#[test]
fn what_the_policy_lets_go_goes_with_its_wal_and_the_journal_tells_of_it() {
    let folder = scene();
    let repository = open(folder.path());
    let before = snapshot(folder.path());
    let shown = plan(&look(&repository).unwrap(), &Policy::standard(), &now());
    assert_eq!(snapshot(folder.path()), before, "a plan touches nothing");
    let outcome = apply(&repository, &choice(WalRetention::WithBackups), &now(), &Cancel::new()).unwrap();
    assert_eq!(outcome.plan, shown);
    assert_eq!(ids(&outcome.plan), [1, 2, 4, 5, 8]);
    let present: Vec<u64> = repository.contents().unwrap().records.iter().map(|record| record.id.0).collect();
    assert_eq!(present, [3, 6, 7]);
    assert_eq!(segments(folder.path(), 1), [5, 6, 7, 8, 9]);
    assert_eq!(segments(folder.path(), 2), (8..=21).collect::<Vec<_>>());
    // The receiver's note lies within ours and is gone.
    assert_eq!(gaps(folder.path()), [(1, 3, 5, "gap-removed-by-retention".to_owned())]);

    // Nothing but what the plan names is gone, and nothing else has changed.
    let after = snapshot(folder.path());
    let gone: Vec<&String> = before.keys().filter(|name| !after.contains_key(*name)).collect();
    let wanted = [
        "differential/dif_20260801_000000.backup",
        "differential/dif_20260801_000000.json",
        "full/full_20250901_000000.backup",
        "full/full_20250901_000000.json",
        "full/full_20260101_000000.json",
        "incremental/inc_20250902_000000.backup",
        "incremental/inc_20250902_000000.json",
        "incremental/inc_20261101_000000.backup",
        "incremental/inc_20261101_000000.json",
        "wal/00000001/000000010000000000000003.zst",
        "wal/gaps/00000001-0000000000400000.json",
        "wal/summaries/0000000100000000003000000000000000400000.summary",
    ];
    assert_eq!(gone, wanted);
    let new: Vec<&String> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    assert_eq!(new, ["wal/gaps/00000001-0000000000300000.json"]);
    for (name, content) in after.iter().filter(|(name, _)| before.contains_key(*name)) {
        assert_eq!(Some(content), before.get(name), "{name}");
    }

    let events = Journal::of(&repository).read_after(0).unwrap().events;
    let removed: Vec<_> = events.iter().filter(|event| event.event == "backup-removed").collect();
    let order: Vec<u64> = removed.iter().map(|event| event.backup_id.unwrap().0).collect();
    assert_eq!(order, [8, 5, 4, 2, 1]);
    assert_eq!(removed[1].details["reason"], json!({"key": "retention-expired", "day": "2026-11-17"}));
    let trimmed = events.iter().find(|event| event.event == "wal-trimmed").unwrap();
    assert_eq!((&trimmed.details["segments"], &trimmed.details["summaries"]), (&json!(1), &json!(1)));
    let finished = events.last().unwrap();
    assert_eq!((finished.event.as_str(), &finished.details["backups"]), ("cleanup-finished", &json!(5)));
    let bytes: usize = gone
        .iter()
        .filter(|name| name.ends_with(".backup") || name.ends_with(".zst"))
        .map(|name| before[*name].len())
        .sum();
    assert_eq!(finished.details["freed_bytes"], json!(bytes));

    // A second run changes nothing.
    let again = apply(&repository, &choice(WalRetention::WithBackups), &now(), &Cancel::new()).unwrap();
    assert!(again.plan.is_empty(), "{:?}", again.plan);
    assert_eq!(snapshot(folder.path()), after);
}

#[test]
fn wal_of_some_days_leaves_holes_that_say_why_and_grow() {
    let folder = scene();
    let repository = open(folder.path());
    let outcome = apply(&repository, &choice(WalRetention::Days(7)), &now(), &Cancel::new()).unwrap();
    assert_eq!(ids(&outcome.plan), [1, 2, 4, 5, 8]);
    // Along the second timeline from backup 6 on, which is older than a week; along the first from the only one there.
    assert_eq!(segments(folder.path(), 1), [5, 6, 7, 8, 9]);
    assert_eq!(segments(folder.path(), 2), (12..=21).collect::<Vec<_>>());
    let ours = || "gap-removed-by-retention".to_owned();
    assert_eq!(gaps(folder.path()), [(1, 3, 5, ours()), (2, 8, 12, ours())]);
    // Summaries stay as far back as backups do: they cost next to nothing.
    assert_eq!((outcome.plan.wal.segments, outcome.plan.wal.summaries), (5, 1));

    // Two weeks later it is 7 from which on the log is needed.
    let later = now().checked_add(jiff::Span::new().weeks(2)).unwrap();
    apply(&repository, &choice(WalRetention::Days(7)), &later, &Cancel::new()).unwrap();
    assert_eq!(segments(folder.path(), 2), (15..=21).collect::<Vec<_>>());
    assert_eq!(gaps(folder.path()), [(1, 3, 5, ours()), (2, 8, 15, ours())]);
}

#[test]
fn a_record_that_cant_be_read_keeps_what_it_may_stand_on_and_all_wal() {
    let folder = scene();
    put(folder.path(), "incremental/inc_20261123_000000.json", "{\"record_version\": 9, \"id\": 5}");
    // Two records with id 5 now: neither can be told from the other.
    let repository = open(folder.path());
    let before = snapshot(folder.path());
    let outcome = apply(&repository, &choice(WalRetention::WithBackups), &now(), &Cancel::new()).unwrap();
    assert_eq!(ids(&outcome.plan), [5, 8]);
    assert_eq!((outcome.plan.wal.segments, outcome.plan.wal.summaries), (0, 0));
    let doubts =
        outcome.plan.backups.iter().filter(|verdict| matches!(verdict.reason, RetentionReason::RetentionDoubt { .. }));
    assert_eq!(doubts.map(|verdict| verdict.id.0).collect::<Vec<_>>(), [1, 2, 4]);
    let is_told = |finding: &RetentionFinding| matches!(finding, RetentionFinding::RetentionUnreadableRecord { .. });
    assert!(outcome.plan.findings.iter().any(is_told));
    for (name, content) in before.iter().filter(|(name, _)| name.starts_with("wal/")) {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), *content);
    }
}

#[test]
fn a_cleanup_that_is_cancelled_leaves_all_whole_and_the_next_one_goes_on() {
    let folder = scene();
    let repository = open(folder.path());
    let cancel = Cancel::new();
    cancel.cancel();
    let error = apply(&repository, &choice(WalRetention::WithBackups), &now(), &cancel).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(repository.contents().unwrap().records.len(), 8);
    let outcome = apply(&repository, &choice(WalRetention::WithBackups), &now(), &Cancel::new()).unwrap();
    assert_eq!(ids(&outcome.plan), [1, 2, 4, 5, 8]);
}

#[test]
fn a_backup_that_runs_keeps_a_cleanup_out_and_one_that_came_meanwhile_counts() {
    let folder = scene();
    let repository = open(folder.path());
    let slot = repository.begin_backup(BackupKind::Full, &now()).unwrap();
    let error = apply(&repository, &choice(WalRetention::WithBackups), &now(), &Cancel::new()).unwrap_err();
    assert_eq!(error.key(), "repository-busy");
    drop(slot);
    // Planned before, it would have gone; now something stands on it.
    let shown = plan(&look(&repository).unwrap(), &Policy::standard(), &now());
    assert!(ids(&shown).contains(&5));
    back_up(&repository, BackupKind::Incremental, Some(5), 2, 20, "2026-11-24T04:00:00Z".parse().unwrap());
    let outcome = apply(&repository, &choice(WalRetention::WithBackups), &now(), &Cancel::new()).unwrap();
    assert!(!ids(&outcome.plan).contains(&5));
}

#[test]
fn a_policy_out_of_range_removes_nothing() {
    let folder = scene();
    let repository = open(folder.path());
    let before = snapshot(folder.path());
    let mut wrong = choice(WalRetention::WithBackups);
    wrong.policy.min_chains = 0;
    let error = apply(&repository, &wrong, &now(), &Cancel::new()).unwrap_err();
    assert_eq!(error.key(), "retention-value");
    assert_eq!(snapshot(folder.path()), before);
}

#[test]
fn the_catalogs_policy_is_remembered_until_it_has_none() {
    let folder = scene();
    let repository = open(folder.path());
    let row = PolicyRow::new(Policy { name: "PERSONALIZADA".to_owned(), full_months: 24, ..Policy::standard() });
    let answer = CatalogAnswer::Row(row.clone());
    let at: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    settle_policy(&repository, &answer, None, None).unwrap();
    assert_eq!(load_policy(&repository).unwrap(), None, "asked not to remember");
    assert_eq!(settle_policy(&repository, &answer, None, Some(at)).unwrap().source, PolicySource::Catalog);
    settle_policy(&repository, &answer, None, Some(now().timestamp())).unwrap();
    assert_eq!(load_policy(&repository).unwrap(), Some(LastKnownPolicy { row, known_at: at }));
    let away = settle_policy(&repository, &CatalogAnswer::Away, None, Some(at)).unwrap();
    assert_eq!((away.source, away.policy.full_months), (PolicySource::LastKnown, 24));
    put(folder.path(), RETENTION_KEY, "{");
    let error = settle_policy(&repository, &CatalogAnswer::Away, None, Some(at)).unwrap_err();
    assert_eq!(error.key(), "retention-unreadable");
    settle_policy(&repository, &CatalogAnswer::NoRow, None, Some(at)).unwrap();
    assert_eq!(load_policy(&repository).unwrap(), None);
}

#[test]
fn a_failure_or_a_death_at_any_step_is_made_good_by_the_next_cleanup() {
    let scene = scene();
    let undisturbed = scratch();
    copy(scene.path(), undisturbed.path());
    let days = choice(WalRetention::Days(7));
    apply(&open(undisturbed.path()), &days, &now(), &Cancel::new()).unwrap();
    let wanted = snapshot(undisturbed.path());
    let mut struck = 0;
    for mode in [FaultMode::Fail, FaultMode::Dead, FaultMode::DeadAfterwards] {
        for number in 1.. {
            let folder = scratch();
            copy(scene.path(), folder.path());
            let faulty = Arc::new(FaultyStorage::new(Arc::new(LocalFolder::new(folder.path())), number, mode));
            let opened = Repository::open(Arc::clone(&faulty) as Arc<dyn Storage>);
            let outcome = opened
                .map_err(engine::Error::from)
                .and_then(|repository| apply(&repository, &days, &now(), &Cancel::new()));
            let calls = faulty.calls();
            let Some(call) = calls.get(number - 1) else {
                outcome.unwrap();
                break;
            };
            struck += 1;
            let when = format!("{mode:?} at call {number}, {call}");
            drop(faulty);
            let contents = open(folder.path()).contents().unwrap();
            assert!(contents.orphan_archives.is_empty() && contents.without_archive.is_empty(), "{when}: {contents:?}");
            let completed = contents.records.iter().filter(|record| record.state == BackupState::Completed).count();
            assert_eq!(contents.restorable().len(), completed, "{when}: a chain lost a link");
            // No hole without a note, at no time: a receiver that begins here must not go back for it.
            for timeline in [1, 2] {
                let here = segments(folder.path(), timeline);
                let notes: Vec<_> = gaps(folder.path()).into_iter().filter(|gap| gap.0 == timeline).collect();
                let first = if timeline == 1 { 3 } else { 8 };
                for missing in (first..*here.last().unwrap()).filter(|number| !here.contains(number)) {
                    let is_noted = notes.iter().any(|(_, from, to, _)| (*from..*to).contains(&missing));
                    assert!(is_noted, "{when}: segment {missing} of timeline {timeline}");
                }
            }
            apply(&open(folder.path()), &days, &now(), &Cancel::new())
                .unwrap_or_else(|error| panic!("{when}: {error}"));
            let found = snapshot(folder.path());
            let differs = found.iter().find(|(name, content)| wanted.get(*name) != Some(content)).map(|(name, _)| name);
            let lacks = wanted.keys().find(|name| !found.contains_key(*name));
            assert_eq!((differs, lacks), (None, None), "{when}");
        }
    }
    println!("{struck} faults");
    assert!(struck > 150, "only {struck} faults struck");
}
