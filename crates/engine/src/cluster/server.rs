use super::{ClusterError, ConnectionSettings, PostgresBinaries};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The operating-system user that owns a data directory and runs its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOwner {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
}

impl ServerOwner {
    /// Returns the user we are, unless we are root.
    pub fn current() -> Option<Self> {
        todo!()
    }
    /// Looks a user up by name.
    ///
    /// # Errors
    /// `ClusterNoUser`; `ClusterRoot` for root.
    pub fn named(name: &str) -> Result<Self, ClusterError> {
        let _ = name;
        todo!()
    }
    /// Picks who is to own a new data directory: `named`, else we (if not root), else the owner of the existing target
    /// (if not root), else `postgres`.
    ///
    /// # Errors
    /// `ClusterRoot` when none of them is to be had.
    pub fn choose(named: Option<&str>, target: &Path) -> Result<Self, ClusterError> {
        let _ = (named, target);
        todo!()
    }
}

/// How to start a server.
#[derive(Debug, Clone)]
pub struct StartOptions {
    pub port: u16,
    /// Where its socket goes; `None` leaves the configuration's.
    pub socket_folder: Option<PathBuf>,
    /// Settings given on the command line (`-c name=value`).
    pub settings: Vec<(String, String)>,
    pub log_file: PathBuf,
    pub wait: Duration,
}

/// A server that we started on this host. Dropping it leaves the server running.
#[derive(Debug, Clone)]
pub struct LocalServer {
    pub binaries: PostgresBinaries,
    pub data_directory: PathBuf,
    pub owner: ServerOwner,
    pub port: u16,
    pub socket_folder: Option<PathBuf>,
}

impl LocalServer {
    /// Runs initdb (as `owner` when we are root) with `--no-sync`-free defaults, UTF8, trust for the local socket only, checksums on.
    pub fn init(
        binaries: &PostgresBinaries,
        data_directory: &Path,
        owner: &ServerOwner,
        extra_arguments: &[&str],
    ) -> Result<(), ClusterError> {
        let _ = (binaries, data_directory, owner, extra_arguments);
        todo!()
    }
    /// Starts the server with pg_ctl and waits until it accepts connections (reading postmaster.pid's status line; on failure the
    /// end of the log goes into the error).
    pub fn start(
        binaries: &PostgresBinaries,
        data_directory: &Path,
        owner: &ServerOwner,
        options: &StartOptions,
    ) -> Result<Self, ClusterError> {
        let _ = (binaries, data_directory, owner, options);
        todo!()
    }
    /// Stops it: `immediate` is a crash; otherwise fast.
    pub fn stop(&self, immediate: bool) -> Result<(), ClusterError> {
        let _ = immediate;
        todo!()
    }
    /// Returns settings that connect to it over its socket.
    pub fn connection_settings(&self, dbname: &str) -> ConnectionSettings {
        let _ = dbname;
        todo!()
    }
}
