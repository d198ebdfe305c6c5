//! A writer that is at work while a backup is taken.

use super::prng::Prng;
use super::world::World;
use crate::cluster::TestCluster;
use pgformat::MajorVersion;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The table that only this writer uses.
pub(super) const PREPARATION: &str = "CREATE TABLE meanwhile (id bigint, note text); CREATE INDEX meanwhile_id ON meanwhile (id); \
     INSERT INTO meanwhile SELECT n, md5(n::text) FROM generate_series(1, 3000) n";
/// A writer that finishes no round in this time has stopped working.
const ROUND_WAIT: Duration = Duration::from_secs(60);

/// Returns statements for the writer; `{n}` stands for the round.
pub(super) fn statements(world: &World, random: &mut Prng) -> Vec<String> {
    let strategy = if world.version >= MajorVersion::V15 { " STRATEGY wal_log" } else { "" };
    let all = [
        "INSERT INTO meanwhile SELECT n, md5('{n}-' || n) FROM generate_series(1, 500) n",
        "UPDATE meanwhile SET note = 'round {n}' WHERE id % 50 = {n} % 50",
        "DELETE FROM meanwhile WHERE id > 2500; VACUUM meanwhile",
        "VACUUM FULL meanwhile",
        "BEGIN; TRUNCATE meanwhile; INSERT INTO meanwhile SELECT n, 'filled {n}' FROM generate_series(1, 3000) n; COMMIT",
        "CREATE TABLE made_{n} AS SELECT n, md5(n::text) AS note FROM generate_series(1, 2000) n; \
         CREATE INDEX ON made_{n} USING gist (int8range(n, n + 5)); DROP TABLE made_{n}",
        "CREATE TABLE short_lived AS SELECT n FROM generate_series(1, 5000) n; DELETE FROM short_lived WHERE n > 10; \
         VACUUM short_lived; DROP TABLE short_lived",
        "BEGIN; CREATE TABLE undone_{n} AS SELECT n FROM generate_series(1, 2000) n; ROLLBACK",
        "CHECKPOINT",
        "SELECT pg_switch_wal()",
        "VACUUM FULL pg_class",
        "CREATE DATABASE made_meanwhile TEMPLATE template0STRATEGY; DROP DATABASE made_meanwhile WITH (FORCE)",
    ];
    let count = random.between(2, 5);
    (0..count).map(|_| random.pick(&all).replace("STRATEGY", strategy)).collect()
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    rounds: Mutex<(u64, Option<String>)>,
    changed: Condvar,
}

/// The writer at work. Dropping it stops it; [`Meanwhile::stop`] also tells whether all went well.
pub struct Meanwhile {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Meanwhile {
    /// Starts it and waits until it has done everything once: then it surely writes.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn start(cluster: &TestCluster, statements: &[String]) -> Self {
        // Names of one writer must not be those of the one before it.
        static ROUND: AtomicU64 = AtomicU64::new(1);
        let shared = Arc::new(Shared::default());
        let (mut session, statements) = (cluster.session("postgres"), statements.to_vec());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    let number = ROUND.fetch_add(1, Ordering::Relaxed).to_string();
                    let failure = statements.iter().find_map(|statement| {
                        let statement = statement.replace("{n}", &number);
                        session.run(&statement).err().map(|failure| format!("{statement}\n{failure}"))
                    });
                    let mut rounds = shared.rounds.lock().expect("no panic");
                    rounds.0 += 1;
                    rounds.1 = failure;
                    shared.changed.notify_all();
                    if rounds.1.is_some() {
                        return;
                    }
                }
            }
        });
        let writer = Self { shared, thread: Some(thread) };
        writer.wait_for_a_round();
        writer
    }

    fn wait_for_a_round(&self) {
        let deadline = Instant::now() + ROUND_WAIT;
        let mut rounds = self.shared.rounds.lock().expect("no panic");
        while rounds.0 == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the writer is stuck");
            rounds = self.shared.changed.wait_timeout(rounds, left).expect("no panic").0;
        }
        if let Some(failure) = &rounds.1 {
            panic!("the writer failed: {failure}");
        }
    }

    /// Stops it at the end of a round, and returns how many there were.
    ///
    /// # Panics
    /// When a statement failed.
    pub fn stop(mut self) -> u64 {
        self.end();
        let rounds = self.shared.rounds.lock().expect("no panic");
        if let Some(failure) = &rounds.1 {
            panic!("the writer failed: {failure}");
        }
        rounds.0
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its failures are told; a panic of its own would have poisoned the lock.
            let _ = thread.join();
        }
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.end();
    }
}
