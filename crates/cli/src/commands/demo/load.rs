//! Writers that never rest while the backup is taken.

use super::error::DemoError;
use crate::failure::Failure;
use cadena::Cancel;
use cadena::cluster::{Connection, ConnectionSettings, LocalServer, SqlParameter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections that write; sql/demo/transaction.sql shares the documents among as many.
pub const WORKERS: u32 = 3;
const SCHEMA: &str = include_str!("../../../sql/demo/schema.sql");
const TRANSACTION: &str = include_str!("../../../sql/demo/transaction.sql");
/// A load that does nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates the tables and their first rows.
pub fn create_tables(server: &LocalServer, cancel: &Cancel) -> Result<(), Failure> {
    let mut connection = Connection::connect(&server.connection_settings("postgres"))?;
    for statement in SCHEMA.split_inclusive(";\n").filter(|statement| !statement.trim().is_empty()) {
        cancel.check()?;
        connection.query("demo schema", statement, &[])?;
    }
    Ok(())
}

/// A running load. Dropped, it stops.
pub struct Load {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    workers: Vec<JoinHandle<Result<(), Failure>>>,
}

impl Load {
    /// Starts the writers, each on its own connection.
    pub fn start(server: &LocalServer) -> Result<Self, Failure> {
        let mut load = Load { stop: Arc::default(), committed: Arc::default(), workers: Vec::new() };
        for worker in 1..=WORKERS {
            let settings = server.connection_settings("postgres");
            let (stop, committed) = (load.stop.clone(), load.committed.clone());
            load.workers.push(std::thread::spawn(move || write(worker, &settings, &stop, &committed)));
        }
        Ok(load)
    }

    /// Waits until `more` transactions have been committed from now on; returns how many there are in all.
    pub fn wait_for(&self, more: u64, cancel: &Cancel) -> Result<u64, Failure> {
        let wanted = self.committed.load(Ordering::Acquire) + more;
        let deadline = Instant::now() + PATIENCE;
        loop {
            cancel.check()?;
            let committed = self.committed.load(Ordering::Acquire);
            if committed >= wanted {
                return Ok(committed);
            }
            if self.workers.iter().any(JoinHandle::is_finished) || Instant::now() > deadline {
                return Err(DemoError::DemoLoad { detail: format!("{committed} < {wanted}") }.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops the writers; returns how many transactions were committed.
    pub fn stop(mut self) -> Result<u64, Failure> {
        self.stop.store(true, Ordering::Release);
        for worker in self.workers.drain(..) {
            let panicked = |_| Failure::from(DemoError::DemoLoad { detail: "panic".to_owned() });
            worker.join().map_err(panicked)??;
        }
        Ok(self.committed.load(Ordering::Acquire))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for worker in self.workers.drain(..) {
            // Dropped after an error, which is the one to report.
            let _ = worker.join();
        }
    }
}

fn write(worker: u32, settings: &ConnectionSettings, stop: &AtomicBool, committed: &AtomicU64) -> Result<(), Failure> {
    let mut connection = Connection::connect(settings)?;
    let worker = worker.to_string();
    for seq in 1u64.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let seq = seq.to_string();
        connection.query("demo load", TRANSACTION, &[SqlParameter::Text(&worker), SqlParameter::Text(&seq)])?;
        committed.fetch_add(1, Ordering::AcqRel);
    }
    Ok(())
}
