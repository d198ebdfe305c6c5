use super::process::{ServerProcess, python_program};

/// An S3 server with one bucket, in memory.
pub struct S3Server {
    process: ServerProcess,
    port: u16,
}

impl S3Server {
    /// The bucket's name.
    pub const BUCKET: &'static str = "copias";
    /// The name of the key that it takes.
    pub const ACCESS_KEY: &'static str = "test";
    /// The key.
    pub const SECRET_KEY: &'static str = "test-secret";

    /// Starts one; `None`, and a word about it, when it is not installed here.
    ///
    /// # Panics
    /// When it does not start, or is missing and required.
    pub fn start() -> Option<Self> {
        Self::with_options(&[])
    }

    /// Starts one whose bucket keeps every version of an object.
    ///
    /// # Panics
    /// As [`S3Server::start`].
    pub fn versioned() -> Option<Self> {
        Self::with_options(&["versioned"])
    }

    /// Starts one whose bucket has object lock, and so keeps every version.
    ///
    /// # Panics
    /// As [`S3Server::start`].
    pub fn with_object_lock() -> Option<Self> {
        Self::with_options(&["object-lock"])
    }

    fn with_options(options: &[&str]) -> Option<Self> {
        let mut command = python_program(include_str!("s3_server.py"))?;
        command.arg(Self::BUCKET).args(options);
        let mut process = ServerProcess::start(&mut command);
        let line = process.first_line();
        let port = line.parse().unwrap_or_else(|_| panic!("the S3 server said {line:?}"));
        Some(S3Server { process, port })
    }

    /// Returns where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the id of its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Returns its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the address of a prefix in its bucket, for a client that reaches it at `endpoint`.
    pub fn url(prefix: &str, endpoint: &str) -> String {
        format!("s3://{}/{prefix}?endpoint={endpoint}&region=us-east-1", Self::BUCKET)
    }
}
