//! Plan, raise, use, close: the life of a throw-away cluster.

use super::folder::{Layout, ThrowAwayPlace, Workspace};
use super::settings::{CONFIG, HBA, IDENT, OwnFiles, Wanted, settings};
use super::{ThrowAwayError, config, superuser};
use crate::cluster::{
    BinarySearch, ClusterError, Connection, ConnectionSettings, DatabaseFacts, LocalServer, PostgresBinaries,
    ServerOwner, StartOptions,
};
use crate::restore::only::KeptFolders;
use crate::restore::plan::plan_below;
use crate::restore::start::{LOG_FILE, start_with};
use crate::restore::{
    ArchiveMode, RecoveryRequest, RestoreNote, RestorePlan, RestoreRequest, RestoreSelector, StartRequest,
    StartedServer, TargetAction, apply,
};
use crate::{Cancel, Error, Progress};
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vault::repository::Repository;

/// How long the server may take once it has recovered.
const RESTART_WAIT: Duration = Duration::from_secs(600);
/// Ports are only part of the socket's name in a folder of its own, so any will do.
const PORT: u16 = 5432;

/// What is to be raised, and how.
#[derive(Debug, Clone)]
pub struct ThrowAwayRequest {
    /// The one database that is wanted: of the others no rows are restored, where the backup tells which those are. `None`: all are.
    pub database: Option<String>,
    /// Which backup.
    pub selector: RestoreSelector,
    /// How far recovery goes. Its action and archive mode are not looked at: the server always promotes, and never archives.
    pub recovery: RecoveryRequest,
    /// Where.
    pub place: ThrowAwayPlace,
    /// The user who runs the server; see [`ServerOwner::choose`]. As root without a user `postgres` it is `nobody`.
    pub owner: Option<String>,
    /// Where PostgreSQL's programs may be.
    pub search: BinarySearch,
    /// How many workers write, and how many sessions a parallel dump may open.
    pub jobs: usize,
    /// The number in the socket's name; `None`: any.
    pub port: Option<u16>,
    /// Names of roles that may be superusers there, the likeliest first.
    pub users: Vec<String>,
    /// Whether sessions begin read-only. A guard against slips: a session may say otherwise.
    pub read_only: bool,
    /// How long recovery may take.
    pub wait: Duration,
}

/// What raising would do. Nothing has been written.
#[derive(Debug)]
pub struct ThrowAwayPlan {
    /// The restore into the folder.
    pub restore: RestorePlan,
    request: ThrowAwayRequest,
    layout: Layout,
    owner: ServerOwner,
    binaries: PostgresBinaries,
}

/// A restored cluster that is removed with this.
#[derive(Debug)]
pub struct ThrowAway {
    /// The restore that it came from.
    pub plan: RestorePlan,
    /// Its server and where its recovery ended.
    pub started: StartedServer,
    /// A superuser's name.
    pub superuser: String,
    /// What its user should know.
    pub notes: Vec<RestoreNote>,
    /// `None` once it was closed.
    workspace: Option<Workspace>,
}

impl ThrowAwayPlan {
    /// Makes the plan, with all refusals of [`crate::restore::plan`]: the point, the chain, the WAL, room in the work folder, and
    /// whether the server's user may go there; and finds PostgreSQL's programs.
    ///
    /// # Errors
    /// As [`crate::restore::plan`]; `ClusterBinaryMissing`, `ClusterNoUser`, `ClusterOtherUser`, `ClusterRoot`.
    pub fn make(repository: &Repository, request: ThrowAwayRequest) -> Result<Self, Error> {
        let database = request.database.clone();
        Self::make_for(repository, request, database.as_deref())
    }

    fn make_for(repository: &Repository, request: ThrowAwayRequest, database: Option<&str>) -> Result<Self, Error> {
        let layout = Layout::draw(&request.place);
        let owner = choose_owner(request.owner.as_deref())?;
        let restore_request = RestoreRequest {
            selector: request.selector,
            target: Some(layout.data_directory()),
            tablespaces: Vec::new(),
            owner: ServerOwner::current().is_none().then(|| owner.name.clone()),
            jobs: request.jobs,
            over: false,
            recovery: RecoveryRequest {
                action: TargetAction::Promote,
                archive_mode: ArchiveMode::Off,
                ..request.recovery.clone()
            },
        };
        let restore = plan_below(repository, &restore_request, Some(&layout.tablespaces()), database)?;
        let binaries = request.search.find(restore.survey.control.version)?;
        binaries.program("pg_ctl")?;
        Ok(ThrowAwayPlan { restore, request, layout, owner, binaries })
    }

    /// Returns the version of the cluster.
    pub fn version(&self) -> MajorVersion {
        self.binaries.version
    }

    /// Returns the folder that will hold everything.
    pub fn folder(&self) -> &Path {
        &self.layout.path
    }

    /// Restores the cluster, starts it, waits until its recovery has ended, and finds a superuser.
    ///
    /// # Errors
    /// As [`apply`] and [`crate::restore::start`]; `ThrowAwayFolder`, `ThrowAwayNoSuperuser`. Nothing is left behind, or
    /// `ThrowAwayRemains` says what.
    ///
    /// # Cancellation
    /// Ends with `cancelled`; nothing is left behind.
    pub fn raise(self, repository: &Repository, progress: &dyn Progress, cancel: &Cancel) -> Result<ThrowAway, Error> {
        if self.restore.kept.is_none() {
            return self.raise_whole(repository, progress, cancel);
        }
        let request = self.request.clone();
        match self.raise_whole(repository, progress, cancel) {
            Err(error) if !error.is_cancelled() => {
                // Whatever it was, the whole cluster tells whether it has to do with what was left out.
                tracing::info!(%error, "once more, with all databases");
                Self::make_for(repository, request, None)?.raise_whole(repository, progress, cancel)
            }
            raised => raised,
        }
    }

    fn raise_whole(
        self,
        repository: &Repository,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<ThrowAway, Error> {
        let workspace = Workspace::make(&self.request.place, self.layout.clone(), &self.owner)?;
        match self.raise_in(&workspace, repository, progress, cancel) {
            Ok((started, superuser, notes)) => {
                Ok(ThrowAway { plan: self.restore, started, superuser, notes, workspace: Some(workspace) })
            }
            Err(error) => {
                if let Err(remains) = workspace.remove() {
                    tracing::warn!(%error, "the throw-away cluster failed, and is not gone");
                    return Err(remains.into());
                }
                Err(error)
            }
        }
    }

    fn raise_in(
        &self,
        workspace: &Workspace,
        repository: &Repository,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(StartedServer, String, Vec<RestoreNote>), Error> {
        let outcome = apply(repository, &self.restore, progress, cancel)?;
        let mut notes: Vec<RestoreNote> = self.restore.notes.clone();
        // What a restored cluster's user ought to know does not concern one that is gone in a moment.
        notes
            .extend(outcome.notes.into_iter().filter(|note| matches!(note, RestoreNote::RestoreRemovedRemains { .. })));

        let config = workspace.write("postgresql.conf", CONFIG, &self.owner)?;
        let hba = workspace.write("pg_hba.conf", HBA, &self.owner)?;
        let ident = workspace.write("pg_ident.conf", IDENT, &self.owner)?;
        let files = OwnFiles { config: &config, hba: &hba, ident: &ident };
        let data_directory = workspace.layout.data_directory();
        let folders = self.restore.kept.as_ref().map(|kept| KeptFolders::find(&data_directory, kept)).transpose()?;
        let mut libraries = config::source_libraries(&self.binaries, &data_directory, &self.owner, &config);
        loop {
            let wanted = Wanted {
                control: &self.restore.survey.control,
                libraries: &libraries,
                connections: u32::try_from(self.request.jobs).unwrap_or(u32::MAX / 4),
                read_only: self.request.read_only,
                hollow: self.restore.kept.is_some(),
            };
            let settings = settings(&files, &wanted);
            match start_with(&self.start_request(workspace), &settings, progress, cancel) {
                Ok(started) => {
                    let superuser = self.superuser(&started.server, &settings)?;
                    self.check_kept(&started, &superuser, folders.as_ref())?;
                    return Ok((started, superuser, notes));
                }
                Err(error) => {
                    let Some(place) = absent_library(&error, &libraries) else { return Err(error) };
                    let library = libraries.remove(place);
                    notes.push(RestoreNote::RestoreWithoutLibrary { library });
                }
            }
        }
    }

    /// Makes sure that nothing was left out of the database that is wanted: it may have been made, or got its name, after the backup.
    fn check_kept(&self, started: &StartedServer, superuser: &str, folders: Option<&KeptFolders>) -> Result<(), Error> {
        let (Some(kept), Some(database)) = (&self.restore.kept, &self.request.database) else { return Ok(()) };
        let hollow = |detail: String| ThrowAwayError::ThrowAwayHollow { database: database.clone(), detail };
        if let Some(path) = folders.and_then(KeptFolders::changed) {
            return Err(hollow(format!("{} was made anew", path.display())).into());
        }
        let log = self.layout.data_directory().join(LOG_FILE);
        let bytes = std::fs::read(&log).map_err(|error| super::error::folder_error(&log, error))?;
        if let Some(line) = kept.missed_page(&String::from_utf8_lossy(&bytes)) {
            return Err(hollow(line.to_owned()).into());
        }
        let settings = superuser::connection_settings(&started.server, superuser, "template1");
        let facts = DatabaseFacts::read(&mut Connection::connect(&settings)?, database)?;
        match facts.map(|facts| facts.oid).filter(|oid| !kept.holds(*oid)) {
            Some(oid) => Err(hollow(format!("its OID is {oid}")).into()),
            None => Ok(()),
        }
    }

    fn start_request(&self, workspace: &Workspace) -> StartRequest {
        StartRequest {
            data_directory: workspace.layout.data_directory(),
            port: self.request.port.unwrap_or(PORT),
            socket_folder: Some(workspace.socket_folder.clone()),
            owner: ServerOwner::current().is_none().then(|| self.owner.name.clone()),
            search: BinarySearch { configured: Some(self.binaries.folder.clone()), ..self.request.search.clone() },
            wait: self.request.wait,
            recovery: self.restore.recovery.clone(),
        }
    }

    /// Finds a superuser's name, if need be with the server down for a moment.
    fn superuser(&self, server: &LocalServer, settings: &[(String, String)]) -> Result<String, Error> {
        if let Some(name) = superuser::find(server, &self.request.users) {
            return Ok(name);
        }
        server.stop(false)?;
        let name = superuser::ask_stopped(server, &self.request.users, settings)?;
        let options = StartOptions {
            port: server.port,
            socket_folder: server.socket_folder.clone(),
            settings: settings.to_vec(),
            log_file: self.layout.file("server.log"),
            wait: RESTART_WAIT,
        };
        LocalServer::start(&server.binaries, &server.data_directory, &server.owner, &options)?;
        Ok(name)
    }
}

impl ThrowAway {
    /// Returns the settings that connect to one of its databases as superuser.
    pub fn connection_settings(&self, dbname: &str) -> ConnectionSettings {
        superuser::connection_settings(&self.started.server, &self.superuser, dbname)
    }

    /// Makes a folder of ours beside it, which goes with it.
    ///
    /// # Errors
    /// `ThrowAwayFolder`.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let path = self.folder().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| super::error::folder_error(&path, error))?;
        Ok(path)
    }

    /// Tells whether the server is still there, as far as its files tell.
    pub fn has_server(&self) -> bool {
        self.started.server.data_directory.join("postmaster.pid").exists()
    }

    /// Returns the folder that holds everything.
    pub fn folder(&self) -> &Path {
        let data_directory = &self.started.server.data_directory;
        data_directory.parent().unwrap_or(data_directory)
    }

    /// Ends the server and removes everything.
    ///
    /// # Errors
    /// `ThrowAwayRemains`; the next sweep tries again.
    pub fn close(mut self) -> Result<(), Error> {
        match self.workspace.take() {
            Some(workspace) => Ok(workspace.remove()?),
            None => Ok(()),
        }
    }
}

impl Drop for ThrowAway {
    /// The way out after an error: there is one to report already, so those of clearing up are only logged.
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take()
            && let Err(error) = workspace.remove()
        {
            tracing::warn!(%error, "a throw-away cluster is left for the next sweep");
        }
    }
}

/// Returns the user that runs servers.
pub(super) fn choose_owner(named: Option<&str>) -> Result<ServerOwner, ClusterError> {
    // Not by the work folder's owner, who need not be anyone that runs servers.
    match ServerOwner::choose(named, Path::new("/")) {
        Err(ClusterError::ClusterRoot {}) if named.is_none() => ServerOwner::named("nobody"),
        chosen => chosen,
    }
}

/// Finds the library that the server could not load at its start (upstream `dfmgr.c`; `lc_messages` is C).
fn absent_library(error: &Error, libraries: &[String]) -> Option<usize> {
    let Error::Cluster(ClusterError::ClusterStart { detail, .. }) = error else { return None };
    let begins = ["FATAL:  could not access file \"", "FATAL:  could not load library \""];
    let named = begins.iter().find_map(|begin| detail.rsplit_once(begin)?.1.split_once('"').map(|(name, _)| name))?;
    let base = |name: &str| name.rsplit('/').next().unwrap_or(name).trim_end_matches(".so").to_owned();
    libraries.iter().position(|library| base(library) == base(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_that_is_not_there_is_found_in_the_servers_last_words() {
        let error = |detail: &str| {
            Error::from(ClusterError::ClusterStart { directory: "/x".to_owned(), detail: detail.to_owned() })
        };
        let libraries = ["pg_stat_statements".to_owned(), "pg_cron".to_owned()];
        let of = |detail: &str| absent_library(&error(detail), &libraries);
        assert_eq!(of("x FATAL:  could not access file \"pg_cron\": No such file or directory"), Some(1));
        assert_eq!(of("FATAL:  could not load library \"/usr/lib/pg_cron.so\": undefined symbol"), Some(1));
        assert_eq!(of("FATAL:  could not access file \"other\": No such file or directory"), None);
        assert_eq!(of("FATAL:  lock file exists"), None);
    }
}
