//! Runs the command in a folder and an environment of its own.

#![allow(dead_code, reason = "each test binary uses its own part")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// Reads standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The command, with an empty folder as its present one and nothing of the caller's environment but PATH.
pub struct Cadena {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// With `CADENA_TEST_IDENTITY` (an AGE-SECRET-KEY-1…) and `CADENA_TEST_RECIPIENT` every repository that a test makes is encrypted: most
/// tests hold there as well.
fn encryption() -> Vec<(&'static str, String)> {
    let given = |from: &str, to| Some((to, std::env::var(from).ok()?));
    [given("CADENA_TEST_IDENTITY", "CADENA_IDENTITY"), given("CADENA_TEST_RECIPIENT", "CADENA_RECIPIENTS")]
        .into_iter()
        .flatten()
        .collect()
}

impl Cadena {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        Cadena { folder, variables: Vec::new() }
    }

    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the present folder.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(&path, content).unwrap_or_else(|error| panic!("{error}"));
        path
    }

    /// Lists the present folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap_or_else(|error| panic!("{error}"));
        entries.map(|entry| entry.unwrap_or_else(|error| panic!("{error}")).path()).collect()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cadena"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(encryption());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        let output = self.command(arguments).output().unwrap_or_else(|error| panic!("{error}"));
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
