use super::process::{ServerProcess, python, python_program};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};

/// A server that speaks Google Drive's version 3, as far as it is used. It is ours, not Google's; that it is true to what Google's own
/// client for Python expects is a test.
pub struct DriveServer {
    _process: ServerProcess,
    port: u16,
    folder: tempfile::TempDir,
}

const PROGRAM: &str = include_str!("drive_server.py");
const CLIENT: &str = include_str!("drive_client.py");

impl DriveServer {
    /// A folder in a person's own Drive.
    pub const MY_ROOT: &'static str = "root-mine";
    /// A folder in a shared drive.
    pub const SHARED_ROOT: &'static str = "root-shared";

    /// Starts one with two empty folders; `None`, and a word about it, when it is not installed here.
    ///
    /// # Panics
    /// When it does not start, or is missing and required.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let mut command = python_program(PROGRAM)?;
        command.arg(folder.path());
        let mut process = ServerProcess::start(&mut command);
        let line = process.first_line();
        let port = line.parse().unwrap_or_else(|_| panic!("no port: {line}"));
        Some(DriveServer { _process: process, port, folder })
    }

    /// Returns where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the credentials that it takes: `service`, `user`, or, for a login, `client`.
    ///
    /// # Panics
    /// When there are none of that name.
    pub fn credentials(&self, name: &str) -> String {
        let path = self.folder.path().join(format!("{name}.json"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Says what goes wrong from now on (see drive_server.py), and forgets which requests came.
    ///
    /// # Panics
    /// When the server can't be reached.
    pub fn rules(&self, rules: &Value) {
        self.control("rules", rules);
    }

    /// Changes how long tokens last (`lifetime`), the quota (`limit`) or the longest page (`page`).
    ///
    /// # Panics
    /// When the server can't be reached.
    pub fn options(&self, options: &Value) {
        self.control("options", options);
    }

    /// Makes a file or folder, as somebody else would.
    ///
    /// # Panics
    /// When the server can't be reached.
    pub fn add(&self, file: &Value) {
        self.control("add", file);
    }

    /// Returns what is there: `files`, `sessions`, `tokens`, and in `log` the requests that came.
    ///
    /// # Panics
    /// When the server can't be reached.
    pub fn state(&self) -> Value {
        self.control("state", &Value::Null)
    }

    /// Lets Google's own client make the calls that ours makes.
    ///
    /// # Panics
    /// When it can't be run.
    pub fn run_googles_client(&self) -> Output {
        let mut command = Command::new(python().expect("the server runs, so its Python is there"));
        command.arg("-c").arg(CLIENT).arg(self.endpoint()).arg(self.folder.path().join("service.json"));
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    fn control(&self, what: &str, content: &Value) -> Value {
        let body = content.to_string();
        let head = format!(
            "POST /fake/{what} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = String::new();
        let asked = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        asked.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (head, content) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}: {answer}"));
        assert!(head.starts_with("HTTP/1.1 200"), "{what}: {answer}");
        serde_json::from_str(content).unwrap_or_else(|error| panic!("{what}: {error}: {content}"))
    }
}
