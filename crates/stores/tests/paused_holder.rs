//! Whoever holds the lock may be paused, or cut off, for longer than its lease, and go on later: nothing is lost by it, and nothing
//! that is there can't be restored. Here it is cut off by a proxy, at each step, while another takes over.

#[path = "../../vault/tests/repository_common/mod.rs"]
mod repository_common;
mod support;

use repository_common::{at, back_up, completed, description, sealed, write_archive};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{fresh_prefix, s3};
use testkit::stores::{FaultProxy, ProxyFault, S3Server};
use vault::repository::{BackupId, BackupKind, BackupState, Repository, RepositoryError};
use vault::storage::{LockAttempt, LockGuard, LockHolder, StorageError};

const OPTIONS: &[(&str, &str)] = &[("lease_seconds", "2"), ("give_up_seconds", "2"), ("timeout_seconds", "5")];
/// Longer than the lease, and what a taker watches.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two hosts and a bucket; the first can be cut off.
struct Scene {
    _server: S3Server,
    proxy: FaultProxy,
    is_cut: Arc<AtomicBool>,
    first: Repository,
    second: Repository,
}

fn scene() -> Option<Scene> {
    let server = S3Server::start()?;
    let proxy = FaultProxy::to(server.port());
    let is_cut = Arc::new(AtomicBool::new(false));
    cut_when(&proxy, &is_cut);
    let prefix = fresh_prefix();
    let first = Repository::create(s3(&proxy.endpoint(), &prefix, OPTIONS), &description()).unwrap();
    let second = Repository::open(s3(&server.endpoint(), &prefix, OPTIONS)).unwrap();
    Some(Scene { _server: server, proxy, is_cut, first, second })
}

fn cut_when(proxy: &FaultProxy, is_cut: &Arc<AtomicBool>) {
    let is_cut = Arc::clone(is_cut);
    proxy.set(move |_, _| if is_cut.load(Ordering::SeqCst) { ProxyFault::ResetBefore } else { ProxyFault::None });
}

impl Scene {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    fn heal(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

/// Waits until the lease of a holder that is cut off has run out, and does what is to be done under the lock.
fn once_free<T>(mut attempt: impl FnMut() -> Result<T, RepositoryError>) -> T {
    let begin = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(RepositoryError::RepositoryBusy { .. }) => assert!(begin.elapsed() < PATIENCE, "it never becomes free"),
            Err(error) => panic!("{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What must hold at any time: every record can be read, every COMPLETADO has its archive, and so has what it stands on.
fn assert_sound(repository: &Repository, when: &str) {
    let contents = repository.contents().unwrap();
    assert!(contents.unreadable.is_empty(), "{when}: {:?}", contents.unreadable);
    assert!(contents.without_archive.is_empty(), "{when}: {:?}", contents.without_archive);
    let ids: BTreeSet<BackupId> = contents.records.iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), contents.records.len(), "{when}: an id twice");
    for record in contents.records.iter().filter(|record| record.state == BackupState::Completed) {
        assert!(record.base_id.is_none_or(|base| ids.contains(&base)), "{when}: {} stands on nothing", record.id);
        repository.open_archive_object(record).unwrap_or_else(|error| panic!("{when}: {error}"));
    }
}

fn state_of(repository: &Repository, id: BackupId) -> BackupState {
    repository.record(id).unwrap().state
}

#[test]
fn a_backup_that_was_cut_off_before_its_record_is_failed_and_says_so() {
    let Some(scene) = scene() else { return };
    let mut slot = scene.first.begin_backup(BackupKind::Full, &at("2026-11-24T00:00:00")).unwrap();
    let content = support::content(60_000);
    let stream = write_archive(&mut slot, &content).unwrap();
    let (id, record) = (slot.id(), completed(&slot, &content));
    scene.cut();
    let second = once_free(|| back_up(&scene.second, BackupKind::Full, &at("2026-11-24T00:00:00"), b"another"));
    assert_eq!(state_of(&scene.second, id), BackupState::Failed);
    scene.heal();
    let refused = slot.commit(stream, &sealed(&content), &record).unwrap_err();
    assert!(matches!(&refused, RepositoryError::Storage(StorageError::StorageLockLost { .. })), "{refused}");
    assert_sound(&scene.second, "after the first came back");
    assert_eq!(state_of(&scene.second, second), BackupState::Completed);
    assert_eq!(state_of(&scene.second, id), BackupState::Failed);
    let archive = format!("full/{}", scene.second.record(id).unwrap().archive_name);
    assert_eq!(scene.second.storage().size_bytes(&archive).unwrap(), None, "the late archive stays");
}

#[test]
fn a_backup_that_was_cut_off_before_it_had_a_name_draws_no_id_twice() {
    let Some(scene) = scene() else { return };
    // Cut off between the draw of an id and its entry beside the lock: the draw itself is the last that passes.
    let is_cut = Arc::clone(&scene.is_cut);
    scene.proxy.set(move |line, _| {
        if line.starts_with("PUT ") && line.contains("sequence.json") {
            is_cut.store(true, Ordering::SeqCst);
            return ProxyFault::None;
        }
        if is_cut.load(Ordering::SeqCst) { ProxyFault::ResetBefore } else { ProxyFault::None }
    });
    let refused = scene.first.begin_backup(BackupKind::Full, &at("2026-11-24T00:00:00")).err().expect("cut off");
    assert!(matches!(&refused, RepositoryError::Storage(StorageError::StorageUnreachable { .. })), "{refused}");
    let ids: Vec<_> = (0..2)
        .map(|_| once_free(|| back_up(&scene.second, BackupKind::Full, &at("2026-11-24T00:00:00"), b"x")))
        .collect();
    assert_eq!(ids, [BackupId(2), BackupId(3)]);
    scene.heal();
    assert_sound(&scene.second, "after a draw that was broken off");
}

#[test]
fn a_record_whose_answer_is_lost_is_a_backup() {
    let Some(scene) = scene() else { return };
    let is_first = AtomicBool::new(true);
    scene.proxy.set(move |line, _| {
        let is_record = line.starts_with("PUT ") && line.contains("full_") && line.contains(".json");
        if is_record && is_first.swap(false, Ordering::SeqCst) { ProxyFault::ResetAfter } else { ProxyFault::None }
    });
    let id = back_up(&scene.first, BackupKind::Full, &at("2026-11-24T00:00:00"), b"content").unwrap();
    assert_eq!(state_of(&scene.second, id), BackupState::Completed);
    // Every answer of the record is lost, and then the network: the record counts once it can be asked for.
    let (is_cut, calls) = (Arc::clone(&scene.is_cut), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    scene.proxy.set(move |line, _| {
        let is_record = line.contains("inc_") && line.contains(".json") && !line.starts_with("GET");
        if is_record && counted.fetch_add(1, Ordering::SeqCst) < 3 {
            return ProxyFault::ResetAfter;
        }
        if is_cut.load(Ordering::SeqCst) { ProxyFault::ResetBefore } else { ProxyFault::None }
    });
    let id = back_up(&scene.first, BackupKind::Incremental, &at("2026-11-24T01:00:00"), b"more").unwrap();
    assert!(calls.load(Ordering::SeqCst) >= 3);
    assert_eq!(state_of(&scene.second, id), BackupState::Completed);
    assert_sound(&scene.second, "after lost answers");
}

#[test]
fn a_cleanup_that_was_cut_off_harms_no_backup_that_came_after_it() {
    let Some(scene) = scene() else { return };
    for (kind, hour) in [(BackupKind::Full, 0), (BackupKind::Incremental, 1), (BackupKind::Incremental, 2)] {
        back_up(&scene.second, kind, &at(&format!("2026-11-24T0{hour}:00:00")), b"content").unwrap();
    }
    let mut cleanup = scene.first.begin_cleanup(jiff::Timestamp::now()).unwrap();
    let going = BTreeSet::from([BackupId(2), BackupId(3)]);
    let mut taken_over = None;
    let outcome = cleanup.remove(&going, &mut |record| {
        if record.id == BackupId(3) {
            // It has one more to remove; somebody else takes over, and would take the next increment on that one.
            scene.cut();
            taken_over = Some(once_free(|| scene.second.begin_backup(BackupKind::Full, &at("2026-11-24T03:00:00"))));
            scene.heal();
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(&outcome, Err(RepositoryError::Storage(StorageError::StorageLockLost { .. }))), "{outcome:?}");
    let mut slot = taken_over.expect("the removal was asked");
    // What was named is gone: nothing can stand on it.
    let left: Vec<BackupId> = scene.second.contents().unwrap().records.iter().map(|record| record.id).collect();
    assert_eq!(left, [BackupId(1)]);
    drop(cleanup);
    let record = completed(&slot, b"full");
    let stream = write_archive(&mut slot, b"full").unwrap();
    slot.commit(stream, &sealed(b"full"), &record).unwrap();
    assert_sound(&scene.second, "after the cleanup came back");
}

#[test]
fn a_lease_that_is_renewed_is_never_taken_over_whatever_the_clocks_say() {
    let Some(scene) = scene() else { return };
    let (mut guard, _) = take(&scene.second, "first");
    for skew in [3600, -3600] {
        scene.proxy.set(move |_, _| ProxyFault::SkewDate(skew));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            let attempt = scene.first.storage().try_lock("lock", &|_| b"second".to_vec()).unwrap();
            let LockAttempt::Held { holder } = attempt else { panic!("taken over with a clock off by {skew} s") };
            assert_eq!(holder, b"first");
        }
    }
    guard.confirm().unwrap();
    guard.release().unwrap();
    assert_eq!(scene.second.storage().lock_holder("lock").unwrap(), LockHolder::Nobody);
}

#[test]
fn a_lease_that_ran_out_is_taken_over_and_its_old_holder_refuses_to_go_on() {
    for skew in [0, -3600] {
        let Some(scene) = scene() else { return };
        let (mut guard, _) = take(&scene.first, "first");
        scene.cut();
        let watched = FaultProxy::to(scene._server.port());
        watched.set(move |_, _| if skew == 0 { ProxyFault::None } else { ProxyFault::SkewDate(skew) });
        let begin = Instant::now();
        let other = s3(&watched.endpoint(), &prefix_of(&scene.second), OPTIONS);
        let left = loop {
            match other.try_lock("lock", &|_| b"second".to_vec()).unwrap() {
                LockAttempt::Acquired { guard: _guard, left_by_dead_holder } => break left_by_dead_holder,
                LockAttempt::Held { .. } => assert!(begin.elapsed() < PATIENCE),
            }
        };
        assert_eq!(left.as_deref(), Some(&b"first"[..]));
        assert!(begin.elapsed() >= Duration::from_millis(1500), "taken over after {:?}", begin.elapsed());
        scene.heal();
        for outcome in [guard.confirm(), guard.update_holder(b"still me"), guard.confirm()] {
            assert!(matches!(outcome, Err(StorageError::StorageLockLost { .. })), "{outcome:?}");
        }
        assert!(guard.release().is_err());
    }
}

fn take(repository: &Repository, holder: &str) -> (Box<dyn LockGuard>, Option<Vec<u8>>) {
    vault::storage::conformance::take_lock(repository.storage().as_ref(), "lock", holder)
}

fn prefix_of(repository: &Repository) -> String {
    let place = repository.storage().describe();
    place.trim_start_matches(&format!("s3://{}/", S3Server::BUCKET)).to_owned()
}

#[test]
fn events_of_many_hosts_are_all_there_each_with_an_id_of_its_own() {
    use vault::journal::{EventLevel, Journal, NewEvent};
    let Some(scene) = scene() else { return };
    let event = |number: usize| NewEvent::new(EventLevel::Info, "check", None, serde_json::json!({ "number": number }));
    std::thread::scope(|scope| {
        for (host, repository) in [&scene.first, &scene.second, &scene.first].into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..8 {
                    let journal = Journal::of(repository);
                    // Two months at once, as on the last of a month.
                    let time = if number % 2 == 0 { "2026-11-30T23:59:59Z" } else { "2026-12-01T00:00:00Z" };
                    journal.append(time.parse().unwrap(), event(host * 100 + number)).unwrap();
                }
            });
        }
    });
    let reading = Journal::of(&scene.second).read_after(0).unwrap();
    let ids: BTreeSet<u64> = reading.events.iter().map(|event| event.id).collect();
    let numbers: BTreeSet<u64> = reading.events.iter().filter_map(|event| event.details["number"].as_u64()).collect();
    assert_eq!((reading.events.len(), ids.len(), numbers.len(), reading.unreadable_lines), (24, 24, 24, 0));
}
