//! PostgreSQL's own load generator, of the newest version at hand: it drives older servers too.

use crate::cluster::{TestCluster, run_checked};
use crate::versions::{client_program, server_owner};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

/// A running pgbench in its own database. Dropping it ends it; [`Pgbench::stop`] also tells whether all went well.
pub struct Pgbench {
    child: Child,
    errors: File,
}

impl Pgbench {
    /// Makes pgbench's tables in a database of their own; `scale` 1 is about 15 MB.
    ///
    /// # Panics
    /// When that fails.
    pub fn initialize(cluster: &TestCluster, dbname: &str, scale: u32) {
        cluster.sql(&format!("CREATE DATABASE {dbname}"));
        let mut command = server_owner().command(client_program("pgbench"));
        run_checked(command.args(["-i", "-q", "-s", &scale.to_string(), &cluster.conninfo(dbname)]));
    }

    /// Starts `clients` connections that run pgbench's own transactions as fast as they can.
    ///
    /// # Panics
    /// When pgbench can't be run.
    pub fn start(cluster: &TestCluster, dbname: &str, clients: u32) -> Self {
        let errors = tempfile::tempfile().unwrap_or_else(|error| panic!("{error}"));
        let error_output = errors.try_clone().unwrap_or_else(|error| panic!("{error}"));
        let mut command = server_owner().command(client_program("pgbench"));
        // Much longer than any test; it is ended by stop().
        command.args(["-n", "-T", "86400", "-c", &clients.to_string(), &cluster.conninfo(dbname)]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(error_output).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("pgbench: {error}")), errors }
    }

    /// Returns how many transactions pgbench's own table counts.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn transactions(cluster: &TestCluster, dbname: &str) -> u64 {
        let text = cluster.sql_in(dbname, "SELECT count(*) FROM pgbench_history");
        text.parse().unwrap_or_else(|_| panic!("count(*) is {text:?}"))
    }

    /// Tells whether it has ended by itself.
    ///
    /// # Panics
    /// When the operating system does not tell.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap_or_else(|error| panic!("{error}")).is_some()
    }

    /// Ends it.
    ///
    /// # Panics
    /// When it had ended by itself, or one of its clients had.
    pub fn stop(mut self) {
        let early = self.child.try_wait().unwrap_or_else(|error| panic!("{error}"));
        interrupt(&self.child);
        let status = self.child.wait().unwrap_or_else(|error| panic!("{error}"));
        let mut errors = String::new();
        self.errors
            .rewind()
            .and_then(|()| self.errors.read_to_string(&mut errors))
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(
            early.is_none() && status.signal() == Some(Signal::INT.as_raw()),
            "pgbench ended with {status}: {errors}"
        );
        // It goes on when one of several clients gives up.
        assert!(!errors.contains("aborted"), "{errors}");
    }
}

/// Sends SIGINT, at which pgbench has the default conduct: it dies.
fn interrupt(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::INT);
    }
}

impl Drop for Pgbench {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            interrupt(&self.child);
            let _ = self.child.wait();
        }
    }
}
