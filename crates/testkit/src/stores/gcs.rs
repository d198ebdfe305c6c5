use super::process::{ServerProcess, python_program};

/// A server that speaks Google Cloud Storage, as far as it is used, with one bucket, in memory. It is ours, not Google's.
pub struct GcsServer {
    _process: ServerProcess,
    port: u16,
    folder: tempfile::TempDir,
}

impl GcsServer {
    /// The bucket's name.
    pub const BUCKET: &'static str = "copias";

    /// Starts one; `None`, and a word about it, when it is not installed here.
    ///
    /// # Panics
    /// When it does not start, or is missing and required.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let mut command = python_program(include_str!("gcs_server.py"))?;
        command.arg(folder.path()).arg(Self::BUCKET);
        let mut process = ServerProcess::start(&mut command);
        let line = process.first_line();
        let port = line.parse().unwrap_or_else(|_| panic!("no port: {line}"));
        Some(GcsServer { _process: process, port, folder })
    }

    /// Returns its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the credentials that it takes, `credentials`, or does not, `wrong`.
    ///
    /// # Panics
    /// When there are none of that name.
    pub fn credentials(&self, name: &str) -> String {
        let path = self.folder.path().join(format!("{name}.json"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns the address of a prefix in its bucket.
    pub fn url(&self, prefix: &str) -> String {
        format!("gcs://{}/{prefix}?endpoint={}", Self::BUCKET, self.endpoint())
    }
}
