//! Writers that keep a cluster busy while something is done to it.

mod pgbench;
mod statements;

use crate::cluster::TestCluster;
use crate::sql::PsqlSession;
pub use pgbench::Pgbench;
use statements::Kind;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The database that the writers write to; made when it does not exist.
const DATABASE: &str = "workload";
/// Writers that finish no round in this time have stopped working.
const ROUND_WAIT: Duration = Duration::from_secs(120);

/// Says what the writers do.
#[derive(Debug, Clone)]
pub struct WorkloadOptions {
    /// Rows inserted, updated, deleted; TOAST, sequences, large objects, a savepoint rolled back.
    pub rows: bool,
    /// Tables and indexes created, dropped, truncated, rewritten; temporary and unlogged tables; tablespaces, if any.
    pub definitions: bool,
    /// Databases created by both strategies, written to, renamed and dropped.
    pub databases: bool,
    /// Prepared transactions, where the server allows them.
    pub prepared_transactions: bool,
}

impl Default for WorkloadOptions {
    fn default() -> Self {
        Self { rows: true, definitions: true, databases: true, prepared_transactions: true }
    }
}

/// What the writers have done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadReport {
    /// Statements executed, by kind of writer.
    pub statements: BTreeMap<&'static str, u64>,
    /// Rounds finished, by kind of writer.
    pub rounds: BTreeMap<&'static str, u64>,
}

impl WorkloadReport {
    /// Returns how many statements were executed.
    pub fn total_statements(&self) -> u64 {
        self.statements.values().sum()
    }
}

/// What writers and their owner share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    report: WorkloadReport,
    failure: Option<String>,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        // A writer that panicked while it held the lock has failed; its panic surfaces in join().
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Writers at work, each on its own connection. Dropping it stops them; [`Workload::stop`] also tells whether all went well.
pub struct Workload {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    kinds: Vec<&'static str>,
}

impl Workload {
    /// Prepares the tables and starts the writers.
    ///
    /// # Panics
    /// When the tables can't be made.
    pub fn start(cluster: &TestCluster, options: &WorkloadOptions) -> Self {
        let exists = cluster.sql(&format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"));
        if exists.is_empty() {
            cluster.sql(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0"));
        }
        let prepared = cluster.sql_scalar::<u32>("SELECT current_setting('max_prepared_transactions')") > 0;
        let tablespace = cluster.tablespaces().into_iter().next().map(|(name, _)| name);
        let kinds = [
            (options.rows, Kind::Rows),
            (options.definitions, Kind::Definitions { tablespace }),
            (options.databases, Kind::Databases { version: cluster.version() }),
            (options.prepared_transactions && prepared, Kind::Prepared),
        ];
        let shared = Arc::new(Shared::default());
        let mut workload = Self { shared, threads: Vec::new(), kinds: Vec::new() };
        for (_, kind) in kinds.into_iter().filter(|(wanted, _)| *wanted) {
            cluster.sql_in(DATABASE, kind.preparation());
            let (shared, session) = (Arc::clone(&workload.shared), cluster.session(DATABASE));
            workload.kinds.push(kind.name());
            workload.threads.push(std::thread::spawn(move || write_until_stopped(&kind, session, &shared)));
        }
        workload
    }

    /// Waits until every writer has finished `rounds` more rounds: then it surely wrote meanwhile.
    ///
    /// # Panics
    /// When a writer has failed, or makes no progress.
    pub fn wait_for_rounds(&self, rounds: u64) {
        let deadline = Instant::now() + ROUND_WAIT;
        let count = |progress: &Progress, kind| progress.report.rounds.get(kind).copied().unwrap_or(0);
        let mut progress = self.shared.progress();
        let wanted: Vec<(&str, u64)> =
            self.kinds.iter().map(|kind| (*kind, count(&progress, *kind) + rounds)).collect();
        while !wanted.iter().all(|(kind, number)| count(&progress, kind) >= *number) {
            if let Some(failure) = &progress.failure {
                panic!("{failure}");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "a writer is stuck: {:?}", progress.report);
            progress = match self.shared.changed.wait_timeout(progress, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Returns what was done so far.
    pub fn report(&self) -> WorkloadReport {
        self.shared.progress().report.clone()
    }

    /// Stops the writers, each at the end of its round, with no prepared transaction left open but one that only inserted.
    ///
    /// # Panics
    /// When a statement failed, or a writer did nothing at all.
    pub fn stop(mut self) -> WorkloadReport {
        self.end();
        let progress = self.shared.progress();
        if let Some(failure) = &progress.failure {
            panic!("{failure}");
        }
        let report = progress.report.clone();
        drop(progress);
        let idle: Vec<_> = self.kinds.iter().filter(|kind| !report.rounds.contains_key(*kind)).collect();
        assert!(idle.is_empty(), "these writers finished no round: {idle:?}");
        report
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.progress().failure.get_or_insert_with(|| "a writer panicked".to_owned());
            }
        }
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.end();
    }
}

fn write_until_stopped(kind: &Kind, mut session: PsqlSession, shared: &Shared) {
    let mut round = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let statements = kind.round(round);
        for statement in &statements {
            if let Err(failure) = session.run(statement) {
                let mut progress = shared.progress();
                progress
                    .failure
                    .get_or_insert(format!("writer {}, round {round}: {statement}\n{failure}", kind.name()));
                shared.changed.notify_all();
                return;
            }
            *shared.progress().report.statements.entry(kind.name()).or_default() += 1;
        }
        round += 1;
        *shared.progress().report.rounds.entry(kind.name()).or_default() += 1;
        shared.changed.notify_all();
    }
}
