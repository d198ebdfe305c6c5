//! The demo's folder and servers. Whatever happens, they are gone at the end, unless they are to be kept.

use super::error::DemoError;
use crate::app::Session;
use crate::failure::Failure;
use cadena::cluster::{LocalServer, PostgresBinaries, ServerOwner, StartOptions};
use cadena::pgformat::MajorVersion;
use cadena::restore::{RecoveryPlan, StartRequest, start};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The source's data directory, within the demo's folder.
const SOURCE: &str = "source";
/// The restored data directory, within the demo's folder.
pub const RESTORED: &str = "restored";
/// The data directory that was brought back to an instant, within the demo's folder.
pub const REWOUND: &str = "rewound";
const SOCKETS: &str = "sockets";
/// All servers listen on a socket in a folder of their own only, so no other server can hold these ports.
const SOURCE_PORT: u16 = 54320;
const RESTORED_PORT: u16 = 54321;
const REWOUND_PORT: u16 = 54322;
const START_WAIT: Duration = Duration::from_secs(120);

/// Everything that must be cleared away.
pub struct Stage {
    /// `None` once it was kept or cleared.
    folder: Option<TempDir>,
    path: PathBuf,
    binaries: PostgresBinaries,
    owner: ServerOwner,
    servers: Vec<LocalServer>,
}

impl Stage {
    /// Finds PostgreSQL's newest programs and a user to run them, and makes the folder.
    pub fn build(session: &Session) -> Result<Self, Failure> {
        let binaries = newest_binaries(session)?;
        let parent = std::env::temp_dir();
        let failed = |cause: std::io::Error| folder_error(&parent, &cause);
        let folder = tempfile::Builder::new().prefix("cadena-demo-").tempdir_in(&parent).map_err(failed)?;
        let owner = ServerOwner::choose(None, folder.path())
            .or_else(|error| ServerOwner::named("nobody").map_err(|_| error))?;
        let path = folder.path().to_owned();
        let stage = Stage { folder: Some(folder), path, binaries, owner, servers: Vec::new() };
        stage.give_to_owner(&stage.path)?;
        stage.make_folder(SOCKETS)?;
        Ok(stage)
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Returns a path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the version of the servers.
    pub fn version(&self) -> MajorVersion {
        self.binaries.version
    }

    /// Returns the folder of PostgreSQL's programs.
    pub fn binaries(&self) -> &PostgresBinaries {
        &self.binaries
    }

    /// Returns who runs the servers when it is not us.
    pub fn owner_name(&self) -> Option<String> {
        we_are_root().then(|| self.owner.name.clone())
    }

    /// Returns the servers that run.
    pub fn servers(&self) -> &[LocalServer] {
        &self.servers
    }

    /// Makes the source cluster and starts it.
    pub fn start_source(&mut self, session: &Session) -> Result<LocalServer, Failure> {
        session.cancel.check()?;
        let data_directory = self.path(SOURCE);
        LocalServer::init(&self.binaries, &data_directory, &self.owner, &[])?;
        self.listen_on_sockets_only(&data_directory)?;
        session.cancel.check()?;
        let options = StartOptions {
            port: SOURCE_PORT,
            socket_folder: Some(self.path(SOCKETS)),
            settings: Vec::new(),
            log_file: self.path("source.log"),
            wait: START_WAIT,
        };
        let server = LocalServer::start(&self.binaries, &data_directory, &self.owner, &options)?;
        self.servers.push(server.clone());
        Ok(server)
    }

    /// Starts the restored cluster on another port.
    pub fn start_restored(&mut self, session: &Session) -> Result<LocalServer, Failure> {
        self.start_copy(session, RESTORED, RESTORED_PORT, None)
    }

    /// Starts the cluster that was brought back to an instant, on a third port.
    pub fn start_rewound(&mut self, session: &Session, recovery: Option<RecoveryPlan>) -> Result<LocalServer, Failure> {
        self.start_copy(session, REWOUND, REWOUND_PORT, recovery)
    }

    fn start_copy(
        &mut self,
        session: &Session,
        folder: &str,
        port: u16,
        recovery: Option<RecoveryPlan>,
    ) -> Result<LocalServer, Failure> {
        let mut search = session.settings.binaries.clone();
        search.configured = Some(self.binaries.folder.clone());
        let request = StartRequest {
            data_directory: self.path(folder),
            port,
            socket_folder: Some(self.path(SOCKETS)),
            owner: self.owner_name(),
            search,
            wait: START_WAIT,
            recovery,
        };
        let started = start(&request, &*session.progress(), &session.cancel)?;
        self.servers.push(started.server.clone());
        Ok(started.server)
    }

    /// Leaves folder and servers as they are.
    pub fn keep(mut self) {
        self.servers.clear();
        if let Some(folder) = self.folder.take() {
            // The path is known already; only its removal is called off.
            let _ = folder.keep();
        }
    }

    /// Stops the servers and removes the folder.
    pub fn clear(mut self) -> Result<(), Failure> {
        self.stop_servers()?;
        let failed = |cause: std::io::Error| folder_error(&self.path, &cause);
        self.folder.take().map_or(Ok(()), TempDir::close).map_err(failed)
    }

    fn stop_servers(&mut self) -> Result<(), Failure> {
        while let Some(server) = self.servers.pop() {
            // Nothing in it is worth a shutdown checkpoint, and an immediate stop can't be held up by a client.
            server.stop(true)?;
        }
        Ok(())
    }

    /// What stands in the configuration file is in the backup too, so that the restored server keeps to itself as well.
    fn listen_on_sockets_only(&self, data_directory: &Path) -> Result<(), Failure> {
        let path = data_directory.join("postgresql.conf");
        let append = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new().append(true).open(&path)?;
            file.write_all(b"\nlisten_addresses = ''\n")
        };
        append().map_err(|cause| folder_error(&path, &cause))
    }

    fn make_folder(&self, name: &str) -> Result<(), Failure> {
        let path = self.path(name);
        std::fs::create_dir(&path).map_err(|cause| folder_error(&path, &cause))?;
        self.give_to_owner(&path)
    }

    fn give_to_owner(&self, path: &Path) -> Result<(), Failure> {
        if !we_are_root() {
            return Ok(());
        }
        let (uid, gid) = (self.owner.uid, self.owner.gid);
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(|cause| folder_error(path, &cause))
    }
}

impl Drop for Stage {
    /// The way out after an error: there is one to report already, so those of clearing up are only logged.
    fn drop(&mut self) {
        while let Some(server) = self.servers.pop() {
            if let Err(error) = server.stop(true) {
                tracing::warn!(%error, "a demo server could not be stopped");
            }
        }
    }
}

/// A folder that is named is meant; otherwise the newest version found.
fn newest_binaries(session: &Session) -> Result<PostgresBinaries, Failure> {
    let search = &session.settings.binaries;
    if let Some(named) = search.configured.as_deref().and_then(PostgresBinaries::in_folder) {
        return Ok(named);
    }
    let whole = |found: &PostgresBinaries| found.program("initdb").is_ok() && found.program("pg_ctl").is_ok();
    match search.find_all().into_iter().find(whole) {
        Some(found) => Ok(found),
        // Its error says where was looked.
        None => {
            let found = search.find(MajorVersion::V18)?;
            found.program("initdb")?;
            found.program("pg_ctl")?;
            Ok(found)
        }
    }
}

fn we_are_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn folder_error(folder: &Path, cause: &std::io::Error) -> Failure {
    DemoError::DemoFolder { folder: folder.display().to_string(), cause: cause.to_string() }.into()
}
