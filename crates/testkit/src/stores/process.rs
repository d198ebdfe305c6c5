use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with its value.
pub(super) struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        ServerProcess { child }
    }

    /// Reads the first line that the server prints.
    pub fn first_line(&mut self) -> String {
        let out = self.child.stdout.take().unwrap_or_else(|| panic!("the server's output is not ours"));
        let mut line = String::new();
        let mut reader = BufReader::new(out);
        reader.read_line(&mut line).unwrap_or_else(|error| panic!("the server said nothing: {error}"));
        assert!(!line.trim().is_empty(), "the server ended at once: {:?}", self.child.wait());
        line.trim().to_owned()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until something listens on a port.
    pub fn wait_for(&mut self, port: u16) {
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended: {status}");
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "nothing listens on {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait().map(|_| ()));
        if let Err(error) = killed {
            eprintln!("a server of the test kit could not be ended: {error}");
        }
    }
}

/// Returns the Python that has the stores' servers. When it is missing, the test fails if `CADENA_TEST_REQUIRE_SERVERS=1`, and
/// otherwise a line that cannot be overlooked goes to the error output.
///
/// # Panics
/// When it is missing and required.
pub(super) fn python() -> Option<PathBuf> {
    installed("stores/bin/python")
        .or_else(|| missing("the servers of the stores are missing: run scripts/setup-servers"))
}

/// Returns where something lies that scripts/setup-servers installs.
pub(super) fn installed(path: &str) -> Option<PathBuf> {
    let mut folders = vec![PathBuf::from("/var/cache/cadena/servers")];
    if let Some(home) = std::env::var_os("HOME") {
        folders.push(PathBuf::from(home).join(".cache/cadena/servers"));
    }
    if let Some(folder) = std::env::var_os("CADENA_TEST_SERVERS") {
        folders.insert(0, folder.into());
    }
    folders.into_iter().map(|folder| folder.join(path)).find(|path| path.exists())
}

/// Speaks up for what is missing, and gives nothing in its place.
///
/// # Panics
/// When servers are required.
pub(super) fn missing<T>(message: &str) -> Option<T> {
    crate::versions::skip(message);
    None
}

/// Returns a command that runs a Python program of ours, silent but for its first line; `None` when there is no Python, as
/// [`python`] says.
pub(super) fn python_program(source: &str) -> Option<Command> {
    let mut command = Command::new(python()?);
    command.arg("-c").arg(source).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    Some(command)
}

/// Returns a port that is free now.
pub(super) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("no port: {error}"));
    listener.local_addr().unwrap_or_else(|error| panic!("no port: {error}")).port()
}
