//! What a server in recovery is given: whole files or none, nothing from the end on, never "not found" for what is damaged.

mod point_support;

use engine::wal::{FetchOutcome, FetchRequest, fetch, prefetch};
use pgformat::{Lsn, MajorVersion};
use point_support::*;
use std::path::PathBuf;
use testkit::is_available;

const SERVED: FetchOutcome = FetchOutcome::Served { prefetched: false };

struct Fetching {
    world: World,
    /// Archived segments, as the server has them.
    names: Vec<String>,
    folder: PathBuf,
}

fn fetching() -> Option<Fetching> {
    if !is_available(MajorVersion::V17) {
        return None;
    }
    let world = World::new(MajorVersion::V17);
    for _ in 0..5 {
        tick(&world.source);
        world.archive();
    }
    let mut names: Vec<String> = std::fs::read_dir(world.folder.path().join("repository/wal/00000001"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".zst").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 5);
    let folder = world.folder.make("fetched");
    Some(Fetching { world, names, folder })
}

impl Fetching {
    fn request(&self, name: &str) -> FetchRequest {
        FetchRequest { name: name.to_owned(), target: self.folder.join("RECOVERYXLOG"), until_lsn: None, spool: None }
    }

    fn fetched(&self) -> Vec<u8> {
        std::fs::read(self.folder.join("RECOVERYXLOG")).unwrap()
    }

    fn original(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.world.source.pg_wal().join(name)).unwrap()
    }

    /// The address where a segment starts.
    fn start(&self, name: &str) -> Lsn {
        Lsn(u64::from_str_radix(&name[16..], 16).unwrap() * SEGMENT_BYTES)
    }
}

#[test]
fn segments_come_as_they_were_and_others_are_not_found() {
    let Some(fetching) = fetching() else { return };
    let repository = &fetching.world.repository;
    for name in &fetching.names {
        assert_eq!(fetch(repository, &fetching.request(name)).unwrap(), SERVED);
        assert!(fetching.fetched() == fetching.original(name), "{name}");
    }
    std::fs::remove_file(fetching.folder.join("RECOVERYXLOG")).unwrap();
    for name in
        ["000000010000000A00000001", "00000002.history", "00000001.history", "nonsense", "00000001000000000000FFFF"]
    {
        assert_eq!(fetch(repository, &fetching.request(name)).unwrap(), FetchOutcome::NotFound, "{name}");
    }
    assert_eq!(std::fs::read_dir(&fetching.folder).unwrap().count(), 0);
}

#[test]
fn damage_is_an_error_and_leaves_nothing_behind() {
    let Some(fetching) = fetching() else { return };
    let name = &fetching.names[2];
    let path = fetching.world.segment_path(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = fetch(&fetching.world.repository, &fetching.request(name)).unwrap_err();
    assert_eq!(error.key(), "wal-damaged");
    assert_eq!(std::fs::read_dir(&fetching.folder).unwrap().count(), 0);
    // Prefetching stops before it.
    let spool = Some(fetching.folder.join("spool"));
    let request = FetchRequest { spool, ..fetching.request(&fetching.names[0]) };
    assert_eq!(prefetch(&fetching.world.repository, &request, 4).unwrap(), 1);
    // An archive that vanished is no end of the log either.
    std::fs::remove_dir_all(fetching.world.folder.path().join("repository/wal")).unwrap();
    assert_eq!(fetch(&fetching.world.repository, &request).unwrap_err().key(), "wal-missing");
}

#[test]
fn nothing_is_served_from_the_end_on() {
    let Some(fetching) = fetching() else { return };
    let repository = &fetching.world.repository;
    let name = &fetching.names[2];
    let start = fetching.start(name);
    let until = |lsn: u64| FetchRequest { until_lsn: Some(Lsn(lsn)), ..fetching.request(name) };
    assert_eq!(fetch(repository, &until(start.0)).unwrap(), FetchOutcome::NotFound);
    assert_eq!(fetch(repository, &until(start.0 + 100)).unwrap(), SERVED);
    let (fetched, original) = (fetching.fetched(), fetching.original(name));
    assert_eq!(fetched.len() as u64, SEGMENT_BYTES);
    assert!(fetched[..100] == original[..100] && fetched[100..].iter().all(|&byte| byte == 0));
    assert_eq!(fetch(repository, &until(start.0 + SEGMENT_BYTES)).unwrap(), SERVED);
    assert!(fetching.fetched() == original);
}

#[test]
fn the_beginning_of_a_segment_is_served_with_zeros_after_it_until_the_whole_is_there() {
    let Some(fetching) = fetching() else { return };
    let source = &fetching.world.source;
    tick(source);
    let end = source.current_lsn();
    let name = source.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
    archive_partial_of(source, &fetching.world.repository, fetching.world.folder.path());
    tick(source);
    assert_eq!(fetch(&fetching.world.repository, &fetching.request(&name)).unwrap(), SERVED);
    let valid = (end.0 - fetching.start(&name).0) as usize;
    let fetched = fetching.fetched();
    assert!(fetched[..valid] == fetching.original(&name)[..valid] && fetched[valid..].iter().all(|&byte| byte == 0));
    fetching.world.archive();
    assert_eq!(fetch(&fetching.world.repository, &fetching.request(&name)).unwrap(), SERVED);
    assert!(fetching.fetched() == fetching.original(&name));
}

#[test]
fn what_was_fetched_ahead_is_used_once_and_old_files_go() {
    let Some(fetching) = fetching() else { return };
    let repository = &fetching.world.repository;
    let spool = fetching.folder.join("spool");
    let names = &fetching.names;
    let request = |name: &str| FetchRequest { spool: Some(spool.clone()), ..fetching.request(name) };
    let in_spool = || {
        let entries = std::fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut found: Vec<String> = entries.filter(|name| name != "lock").collect();
        found.sort();
        found
    };
    assert_eq!(fetch(repository, &request(&names[0])).unwrap(), SERVED);
    assert_eq!(prefetch(repository, &request(&names[0]), 2).unwrap(), 2);
    assert_eq!(in_spool(), names[1..3]);
    assert_eq!(fetch(repository, &request(&names[1])).unwrap(), FetchOutcome::Served { prefetched: true });
    assert!(fetching.fetched() == fetching.original(&names[1]));
    assert_eq!(fetch(repository, &request(&names[1])).unwrap(), SERVED);
    // What lies under another name, or is short, is not served.
    std::fs::write(spool.join(&names[3]), b"short").unwrap();
    std::fs::write(spool.join(format!("{}.draft", names[4])), b"draft").unwrap();
    assert_eq!(fetch(repository, &request(&names[3])).unwrap(), SERVED);
    assert!(fetching.fetched() == fetching.original(&names[3]));
    assert_eq!(prefetch(repository, &request(&names[3]), 1).unwrap(), 1);
    assert_eq!(in_spool(), [names[4].clone()]);
    // Nothing from the end on, and nothing while another process fills it.
    let until = FetchRequest { until_lsn: Some(fetching.start(&names[2])), ..request(&names[0]) };
    assert_eq!(prefetch(repository, &until, 4).unwrap(), 1);
    assert_eq!(in_spool(), [names[1].clone()]);
    let lock = std::fs::File::options().write(true).open(spool.join("lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(prefetch(repository, &request(&names[2]), 4).unwrap(), 0);
}
