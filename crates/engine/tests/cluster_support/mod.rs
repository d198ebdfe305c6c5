//! Throw-away servers for the tests of `cluster/`.
//!
//! Servers are looked for in `$CADENA_TEST_SERVERS/{14,15,16,17,18}/bin` (for root by default /var/cache/cadena/servers), 15 also
//! where Debian puts it. A version that is missing is skipped with a line that says so; `CADENA_TEST_REQUIRE_SERVERS=1` makes
//! that a failure.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stdout, reason = "a test says what it skips")]

use engine::cluster::{Connection, ConnectionSettings};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const VERSIONS: [u32; 5] = [14, 15, 16, 17, 18];

/// Returns the folder of a version's programs, or says that the version is skipped.
pub fn programs(version: u32) -> Option<PathBuf> {
    let servers = std::env::var("CADENA_TEST_SERVERS").unwrap_or_else(|_| {
        let home = std::env::var("HOME").unwrap_or_default();
        if is_root() { "/var/cache/cadena/servers".to_owned() } else { format!("{home}/.cache/cadena/servers") }
    });
    let mut places = vec![PathBuf::from(servers).join(version.to_string()).join("bin")];
    places.push(PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let found = places.iter().find(|place| place.join("postgres").exists()).cloned();
    if found.is_none() {
        let message = format!("no PostgreSQL {version} in {places:?}");
        assert!(std::env::var("CADENA_TEST_REQUIRE_SERVERS").as_deref() != Ok("1"), "{message}");
        println!("SKIPPED: {message}");
    }
    found
}

/// Runs a check against a fresh server of each version that is here.
pub fn on_each_version(check: impl Fn(&mut TestServer)) {
    for version in VERSIONS {
        if let Some(mut server) = TestServer::start(version) {
            println!("PostgreSQL {version}");
            check(&mut server);
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user that runs servers when we are root, which PostgreSQL refuses.
fn owner() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let id = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    is_root().then(|| id("postgres").or_else(|| id("nobody")).expect("a user to run servers"))
}

pub struct TestServer {
    pub version: u32,
    pub port: u16,
    bin: PathBuf,
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

static PORT: AtomicU32 = AtomicU32::new(0);

fn free_port() -> u16 {
    // Held until the answer is known to be another one than before.
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if PORT.swap(u32::from(port), Ordering::Relaxed) != u32::from(port) {
            return port;
        }
    }
}

impl TestServer {
    pub fn start(version: u32) -> Option<Self> {
        let server = Self::init(version, &["--data-checksums"])?;
        server.up();
        Some(server)
    }

    /// Makes a data directory with `trust` for sockets and a password for TCP.
    pub fn init(version: u32, initdb_arguments: &[&str]) -> Option<Self> {
        let server = Self::empty(version)?;
        let mut arguments =
            vec!["-D", "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-A", "trust"];
        arguments.extend_from_slice(initdb_arguments);
        server.init_from_template(&arguments);
        server.write_hba();
        server.configure(
            "fsync = off\nmax_wal_senders = 5\nlisten_addresses = '127.0.0.1'\nshared_buffers = 32MB\nmax_connections = 30\n",
        );
        Some(server)
    }

    /// Runs initdb once for each version and set of arguments, and copies its result afterwards: most of these tests' time would
    /// go into it otherwise. Clusters made so share their system identifier.
    fn init_from_template(&self, arguments: &[&str]) {
        use std::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        (arguments, self.run("postgres", &["--version"])).hash(&mut hasher);
        let name = format!("initdb-{}-{:016x}", self.version, hasher.finish());
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let copy = |from: &Path, to: &Path| {
            let status = Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to).status().unwrap();
            assert!(status.success(), "can't copy {from:?} to {to:?}");
        };
        if template.is_dir() {
            return copy(&template, &self.data());
        }
        self.run("initdb", arguments);
        // Appears in one step; whoever comes second keeps the first one's.
        let unfinished = template.with_extension(format!("{}-{}", std::process::id(), self.port));
        copy(&self.data(), &unfinished);
        if fs::rename(&unfinished, &template).is_err() {
            fs::remove_dir_all(&unfinished).unwrap();
        }
    }

    fn empty(version: u32) -> Option<Self> {
        let bin = programs(version)?;
        let folder = tempfile::Builder::new().prefix("cadena-cluster-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if let Some((uid, gid)) = owner() {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        Some(TestServer { version, port: free_port(), bin, folder, environment: Vec::new() })
    }

    pub fn write_hba(&self) {
        let rules = "local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Adds lines to postgresql.conf.
    pub fn configure(&self, lines: &str) {
        let path = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(lines);
        fs::write(path, text).unwrap();
    }

    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes a folder that the server's user owns.
    pub fn make_folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        if let Some((uid, gid)) = owner() {
            chown(&path, Some(uid), Some(gid)).unwrap();
        }
        path
    }

    pub fn has(&self, program: &str) -> bool {
        self.bin.join(program).exists()
    }

    /// Runs one of the version's programs in the server's folder, as its user.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        self.command(&self.bin.join(program), arguments)
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        if self.environment.iter().any(|(name, _)| name == "LANGUAGE") {
            command.env_remove("LC_ALL");
        }
        command.envs(self.environment.iter().cloned());
        if let Some((uid, gid)) = owner() {
            command.uid(uid).gid(gid);
        }
        let output = command.output().unwrap();
        let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(output.status.success(), "{program:?} {arguments:?}: {shown}{}", log());
        shown
    }

    pub fn up(&self) {
        self.up_with("");
    }
    pub fn up_with(&self, options: &str) {
        let folder = self.folder.path().display();
        let options = format!("-p {} -k {folder} {options}", self.port);
        self.run("pg_ctl", &["-D", "data", "-l", "log", "-w", "-t", "120", "-o", &options, "start"]);
    }
    pub fn down(&self, mode: &str) {
        self.run("pg_ctl", &["-D", "data", "-w", "-t", "120", "-m", mode, "stop"]);
    }

    /// Makes a standby of this server from a copy of its files, and starts both.
    pub fn standby(&self) -> TestServer {
        let mut standby = TestServer::empty(self.version).unwrap();
        standby.environment = self.environment.clone();
        self.down("fast");
        let target = standby.folder.path().join("data").display().to_string();
        self.command(Path::new("/bin/cp"), &["-a", "data", &target]);
        self.up();
        let lines = format!(
            "primary_conninfo = 'host={} port={} user=postgres'\nhot_standby = on\n",
            self.folder.path().display(),
            self.port
        );
        standby.configure(&lines);
        fs::write(standby.data().join("standby.signal"), "").unwrap();
        standby.up();
        standby
    }

    pub fn settings(&self) -> ConnectionSettings {
        self.settings_as("postgres")
    }
    pub fn settings_as(&self, user: &str) -> ConnectionSettings {
        let host = self.folder.path().display().to_string();
        keywords(&[("host", &host), ("port", &self.port.to_string()), ("user", user), ("dbname", "postgres")])
    }
    pub fn tcp_settings(&self, user: &str, password: &str) -> ConnectionSettings {
        keywords(&[
            ("host", "127.0.0.1"),
            ("port", &self.port.to_string()),
            ("user", user),
            ("dbname", "postgres"),
            ("password", password),
        ])
    }
    pub fn connect(&self) -> Connection {
        Connection::connect(&self.settings()).unwrap()
    }

    /// Runs statements as superuser, one by one.
    pub fn sql(&self, statements: &[&str]) {
        let mut connection = self.connect();
        for statement in statements {
            if let Err(error) = connection.query("test", statement, &[]) {
                panic!("{statement}: {error}");
            }
        }
    }
    /// Asks for one value as superuser.
    pub fn value(&self, sql: &str) -> String {
        let answer = self.connect().query("test", sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error}"));
        answer.text(0, 0).unwrap_or_else(|error| panic!("{sql}: {error}")).to_owned()
    }
    /// Waits until a condition holds on this server.
    pub fn wait_until(&self, sql: &str) {
        wait_until(sql, || self.value(&format!("SELECT ({sql})::text")) == "true");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            let mut command = Command::new(self.bin.join("pg_ctl"));
            command.args(["-D", "data", "-w", "-m", "immediate", "stop"]).current_dir(self.folder.path());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            if let Some((uid, gid)) = owner() {
                command.uid(uid).gid(gid);
            }
            let _ = command.status();
        }
    }
}

pub fn keywords(pairs: &[(&str, &str)]) -> ConnectionSettings {
    let keywords = pairs.iter().map(|(keyword, value)| ((*keyword).to_owned(), (*value).to_owned())).collect();
    ConnectionSettings { conninfo: None, keywords }
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Returns an error's key and shows it in full when the key is another.
pub fn assert_key<T>(outcome: Result<T, engine::cluster::ClusterError>, key: &str) -> engine::cluster::ClusterError {
    let error = outcome.err().unwrap_or_else(|| panic!("no error where {key} was expected"));
    let json = serde_json::to_value(&error).unwrap();
    assert_eq!(json["key"], key, "{error}");
    error
}
