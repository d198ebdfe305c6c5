//! A real cluster, made for one test and gone with it.

use crate::folder::TestFolder;
use crate::options::ClusterOptions;
use crate::sql::{Address, PsqlSession, SqlFailure};
use crate::versions::{binaries, client_program, own_program, server_owner};
use engine::cluster::{ConnectionSettings, LocalServer, PostgresBinaries, ServerOwner, StartOptions};
use pgformat::{Lsn, MajorVersion, SystemIdentifier};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The database superuser of clusters that we make.
const SUPERUSER: &str = "postgres";
const START_WAIT: Duration = Duration::from_secs(120);

/// A server of one version on this host, reached only over a socket in its own folder. Dropping it stops it and removes
/// what was made for it, also after a panic.
pub struct TestCluster {
    version: MajorVersion,
    server: LocalServer,
    folder: TestFolder,
}

impl TestCluster {
    /// Makes and starts a cluster.
    ///
    /// # Panics
    /// When the version is missing (run scripts/setup-servers) or anything fails.
    pub fn new(version: MajorVersion, options: &ClusterOptions) -> Self {
        let cluster = Self::around(version, None);
        let mut arguments = vec![format!("--username={SUPERUSER}"), "--no-sync".to_owned()];
        arguments.extend(options.wal_segment_mb.map(|megabytes| format!("--wal-segsize={megabytes}")));
        arguments.extend(options.initdb_arguments.iter().cloned());
        cluster.initialize(&arguments, options.checksums);
        append(&cluster.data_directory().join("postgresql.conf"), &options.configuration());
        cluster.start();
        for name in &options.tablespaces {
            let location = cluster.folder.make(&format!("tablespaces/{name}"));
            cluster.sql(&format!("CREATE TABLESPACE {name} LOCATION '{}'", location.display()));
        }
        cluster
    }

    /// Wraps a data directory that exists already, such as a restored one, without starting it. It stays when this is
    /// dropped; its server does not.
    ///
    /// # Panics
    /// When the version is missing.
    pub fn adopt(version: MajorVersion, data_directory: &Path) -> Self {
        Self::around(version, Some(data_directory))
    }

    /// Makes and starts a standby that streams from `primary`, whose tablespaces it keeps in its own folder.
    ///
    /// # Panics
    /// When anything fails.
    pub fn standby_of(primary: &TestCluster) -> Self {
        let standby = Self::around(primary.version, None);
        let mut command = standby.owner().command(client_program("pg_basebackup"));
        command.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", &primary.conninfo("postgres")]);
        command.arg("-D").arg(standby.data_directory());
        for (name, location) in primary.tablespaces() {
            let ours = standby.folder.make(&format!("tablespaces/{name}"));
            command.arg("-T").arg(format!("{}={}", location.display(), ours.display()));
        }
        run_checked(&mut command);
        // -R of a newer pg_basebackup writes options that an older server's libpq does not know.
        let conninfo = primary.conninfo("postgres").replace('\'', "''");
        append(&standby.data_directory().join("postgresql.auto.conf"), &format!("primary_conninfo = '{conninfo}'\n"));
        standby.start();
        standby
    }

    fn around(version: MajorVersion, existing: Option<&Path>) -> Self {
        let Some(binaries) = binaries(version) else {
            panic!("PostgreSQL {version} is missing: run scripts/setup-servers")
        };
        let folder = TestFolder::new();
        let data_directory = existing.map_or_else(|| folder.path().join("data"), Path::to_owned);
        folder.note_server(&data_directory);
        let socket_folder = folder.make("s");
        let server = LocalServer {
            binaries,
            data_directory,
            owner: server_owner(),
            port: free_port(),
            socket_folder: Some(socket_folder),
        };
        Self { version, server, folder }
    }

    fn initialize(&self, arguments: &[String], checksums: bool) {
        if checksums {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let made = LocalServer::init(self.binaries(), self.data_directory(), self.owner(), &arguments);
            made.unwrap_or_else(|error| panic!("{error}"));
            return;
        }
        // Checksums can't be taken back from the product's own initdb call with every version.
        let mut command = self.owner().command(self.program("initdb"));
        command.args(["-E", "UTF8", "--locale=C", "--auth=trust"]).args(arguments).arg("-D").arg(self.data_directory());
        if self.version >= MajorVersion::V18 {
            command.arg("--no-data-checksums");
        }
        run_checked(&mut command);
    }

    // --- what it is ---

    /// Returns its major version.
    pub fn version(&self) -> MajorVersion {
        self.version
    }

    /// Returns the product's own description of the server.
    pub fn server(&self) -> &LocalServer {
        &self.server
    }

    /// Returns the programs of its version.
    pub fn binaries(&self) -> &PostgresBinaries {
        &self.server.binaries
    }

    /// Returns the user that runs it.
    pub fn owner(&self) -> &ServerOwner {
        &self.server.owner
    }

    /// Returns its data directory.
    pub fn data_directory(&self) -> &Path {
        &self.server.data_directory
    }

    /// Returns the folder of its WAL.
    pub fn pg_wal(&self) -> PathBuf {
        self.data_directory().join("pg_wal")
    }

    /// Returns the temporary folder that goes with it.
    pub fn folder(&self) -> &TestFolder {
        &self.folder
    }

    /// Returns the file that its server logs to.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Returns everything that its server has logged.
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    // --- how to reach it ---

    /// Returns the folder of its socket, which is libpq's `host`.
    pub fn socket_folder(&self) -> &Path {
        self.server.socket_folder.as_deref().unwrap_or(Path::new("/"))
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Returns the superuser's name.
    pub fn user(&self) -> &str {
        SUPERUSER
    }

    /// Returns the settings that connect the product to it as superuser.
    pub fn connection_settings(&self, dbname: &str) -> ConnectionSettings {
        let mut settings = self.server.connection_settings(dbname);
        settings.keywords.retain(|(name, _)| name != "user");
        settings.keywords.push(("user".to_owned(), SUPERUSER.to_owned()));
        settings
    }

    /// Returns a libpq keyword string.
    pub fn conninfo(&self, dbname: &str) -> String {
        self.address().conninfo(dbname)
    }

    fn address(&self) -> Address {
        Address { socket_folder: self.socket_folder().to_owned(), port: self.port(), user: SUPERUSER.to_owned() }
    }

    // --- SQL ---

    /// Runs statements in database `postgres` and returns the rows, values divided by `|`.
    ///
    /// # Panics
    /// When one fails.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in("postgres", sql)
    }

    /// Runs statements in one database.
    ///
    /// # Panics
    /// When one fails.
    #[track_caller]
    pub fn sql_in(&self, dbname: &str, sql: &str) -> String {
        self.try_sql(dbname, sql).unwrap_or_else(|failure| panic!("{sql}\n{failure}"))
    }

    /// Runs a statement that returns one value, and parses it.
    ///
    /// # Panics
    /// When it fails or the value does not parse.
    #[track_caller]
    pub fn sql_scalar<T: std::str::FromStr>(&self, sql: &str) -> T {
        let text = self.sql(sql);
        text.parse().unwrap_or_else(|_| panic!("{sql}\nreturned {text:?}"))
    }

    /// Runs statements that may fail.
    ///
    /// # Errors
    /// What the server said.
    pub fn try_sql(&self, dbname: &str, sql: &str) -> Result<String, SqlFailure> {
        self.address().run(dbname, sql)
    }

    /// Opens a connection that stays open.
    ///
    /// # Panics
    /// When psql can't be run.
    pub fn session(&self, dbname: &str) -> PsqlSession {
        PsqlSession::open(&self.address(), dbname).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Opens a connection that stays open, to a server that may be down.
    ///
    /// # Errors
    /// When psql can't be run. That the server does not answer shows with the first statement.
    pub fn try_session(&self, dbname: &str) -> Result<PsqlSession, SqlFailure> {
        PsqlSession::open(&self.address(), dbname)
    }

    /// Returns where the WAL ends now, or on a standby what it has replayed.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn current_lsn(&self) -> Lsn {
        self.sql_scalar(
            "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END",
        )
    }

    /// Returns its system identifier.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn system_identifier(&self) -> SystemIdentifier {
        self.sql_scalar("SELECT system_identifier FROM pg_control_system()")
    }

    /// Returns the tablespaces besides PostgreSQL's own: name and folder.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn tablespaces(&self) -> Vec<(String, PathBuf)> {
        let rows = self.sql(
            "SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> '' ORDER BY 1",
        );
        rows.lines().filter_map(|row| row.split_once('|')).map(|(name, path)| (name.to_owned(), path.into())).collect()
    }

    /// Waits until a standby has replayed up to `lsn`.
    ///
    /// # Panics
    /// When it has not after two minutes.
    pub fn wait_for_replay(&self, lsn: Lsn) {
        self.wait_until(&format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'"));
    }

    /// Waits until a statement returns true.
    ///
    /// # Panics
    /// When it has not after two minutes, or fails.
    pub fn wait_until(&self, condition: &str) {
        if let Err(failure) = self.try_wait_until(condition) {
            panic!("{condition}\n{failure}");
        }
    }

    /// Waits until a statement returns true.
    ///
    /// # Errors
    /// What the server said when the statement fails; that it is still not true after two minutes.
    pub fn try_wait_until(&self, condition: &str) -> Result<(), SqlFailure> {
        let deadline = std::time::Instant::now() + START_WAIT;
        let mut session = PsqlSession::open(&self.address(), "postgres")?;
        while session.run(condition)? != "t" {
            if std::time::Instant::now() > deadline {
                return Err(SqlFailure { message: format!("still not true after {START_WAIT:?}") });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Commits every open prepared transaction, each in its own database.
    ///
    /// # Panics
    /// When that fails.
    pub fn commit_prepared_transactions(&self) {
        for row in self.sql("SELECT database, gid FROM pg_prepared_xacts").lines() {
            if let Some((database, gid)) = row.split_once('|') {
                self.sql_in(database, &format!("COMMIT PREPARED '{}'", gid.replace('\'', "''")));
            }
        }
    }

    // --- its life ---

    /// Starts it.
    ///
    /// # Panics
    /// With the end of the log, when it does not start.
    pub fn start(&self) {
        self.start_with(&[]);
    }

    /// Starts it with further settings on the command line.
    ///
    /// # Panics
    /// With the end of the log, when it does not start.
    pub fn start_with(&self, settings: &[(&str, &str)]) {
        self.try_start_with(settings).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts it, and says why if it does not.
    ///
    /// # Errors
    /// `ClusterStart` with the end of the log.
    pub fn try_start_with(&self, settings: &[(&str, &str)]) -> Result<(), engine::cluster::ClusterError> {
        let options = StartOptions {
            port: self.port(),
            socket_folder: self.server.socket_folder.clone(),
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            log_file: self.log_file(),
            wait: START_WAIT,
        };
        LocalServer::start(self.binaries(), self.data_directory(), self.owner(), &options).map(drop)
    }

    /// Stops it with a checkpoint.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&self) {
        self.server.stop(false).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Stops it at once, as a crash does: the next start recovers.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn crash(&self) {
        self.server.stop(true).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends every process of the server with SIGKILL, as the system does when memory is out: nobody says goodbye.
    ///
    /// # Panics
    /// When it does not run.
    #[cfg(target_os = "linux")]
    pub fn kill(&self) {
        let text = fs::read_to_string(self.data_directory().join("postmaster.pid")).unwrap_or_else(|e| panic!("{e}"));
        let postmaster: i32 = text.lines().next().and_then(|pid| pid.trim().parse().ok()).expect("a process id");
        // Stopped, it makes no child between the list and its end: one that lives on would hold the shared memory.
        let process = rustix::process::Pid::from_raw(postmaster).expect("a process id");
        let _ = rustix::process::kill_process(process, rustix::process::Signal::STOP);
        let mut all = vec![postmaster];
        all.extend(children_of(postmaster));
        for pid in &all {
            // One that has ended by itself meanwhile is as dead as the others.
            let process = rustix::process::Pid::from_raw(*pid).expect("a process id");
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
        let deadline = std::time::Instant::now() + START_WAIT;
        while all.iter().any(|pid| is_alive(*pid)) {
            assert!(std::time::Instant::now() < deadline, "the server survives SIGKILL");
            std::thread::sleep(Duration::from_millis(10));
        }
        // Where nobody waits for orphans a dead postmaster's number stays taken, and the next one takes it for alive.
        let _ = fs::remove_file(self.data_directory().join("postmaster.pid"));
        let _ = fs::remove_file(self.socket_folder().join(format!(".s.PGSQL.{}.lock", self.port())));
    }

    /// Stops and starts it.
    ///
    /// # Panics
    /// When either fails.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Makes a standby a primary.
    ///
    /// # Panics
    /// When it fails.
    pub fn promote(&self) {
        self.server.promote().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Tells whether it runs.
    pub fn is_running(&self) -> bool {
        self.server.is_running().unwrap_or(false)
    }

    /// Adds lines to postgresql.conf and restarts.
    ///
    /// # Panics
    /// When it does not start.
    pub fn reconfigure(&self, settings: &[(&str, &str)]) {
        let lines: String =
            settings.iter().map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''"))).collect();
        append(&self.data_directory().join("postgresql.conf"), &lines);
        self.restart();
    }

    /// Dumps every role, tablespace, database and row of logged tables as SQL: the same for equal clusters (see
    /// [`crate::compare`]). With its own version's pg_dumpall, or the newest one where it has none.
    ///
    /// # Panics
    /// When pg_dumpall fails.
    pub fn dump_all(&self) -> String {
        let program = own_program(self.version, "pg_dumpall").unwrap_or_else(|| client_program("pg_dumpall"));
        let mut command = self.owner().command(&program);
        command.args(["--no-unlogged-table-data", "-d", &self.conninfo("postgres")]);
        // Newer minor versions bracket a dump with a random key, unless they are given one.
        let help = run_checked(self.owner().command(&program).arg("--help"));
        if help.contains("--restrict-key") {
            command.arg("--restrict-key=cadena");
        }
        run_checked(&mut command)
    }

    /// Returns the path of a program of its own version.
    ///
    /// # Panics
    /// When the version's package does not have it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries().program(name).unwrap_or_else(|error| panic!("{error}"))
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- end of the log of {} ---\n{}", self.data_directory().display(), self.log_tail());
        }
        // Not through is_running(), which needs the data directory to be whole: a test may have broken it.
        if self.data_directory().join("postmaster.pid").exists()
            && let Err(error) = self.server.stop(true)
            && self.is_running()
        {
            eprintln!("a server stays behind: {error}");
        }
    }
}

/// Runs a program and returns its output.
///
/// # Panics
/// With what it said, when it fails.
pub(crate) fn run_checked(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Adds text to a file that the server owns.
pub(crate) fn append(path: &Path, text: &str) {
    let mut content = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    content.push_str(text);
    // Written in place, so that it keeps its owner.
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Returns a port that is free now. Only the socket's name depends on it, and each cluster has its own socket folder.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).unwrap_or_else(|error| panic!("no free port: {error}"))
}

/// Returns the processes whose parent is `parent`: the fourth field of `/proc/PID/stat`.
#[cfg(target_os = "linux")]
fn children_of(parent: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| stat_fields(*pid).and_then(|(_, of)| of.parse::<i32>().ok()) == Some(parent)).collect()
}

/// Tells whether a process runs; one that is dead and not yet waited for does not.
#[cfg(target_os = "linux")]
fn is_alive(pid: i32) -> bool {
    stat_fields(pid).is_some_and(|(state, _)| state != "Z")
}

/// Returns a process's state and its parent.
#[cfg(target_os = "linux")]
fn stat_fields(pid: i32) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}
