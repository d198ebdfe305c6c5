use super::process::{ServerProcess, python_program};
use std::io::{Read, Write};
use std::net::TcpStream;

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

    /// Sends a request for an object that nobody signed, which moto does not mind, and returns the head of the answer, in small letters.
    ///
    /// # Panics
    /// When the server can't be reached.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let head = format!(
            "{method} /{}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test/20261124/us-east-1/s3/aws4_request\r\nContent-Length: {}\r\n\r\n{body}",
            Self::BUCKET,
            body.len()
        );
        let mut answer = String::new();
        let asked = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.write_all(head.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        asked.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        answer.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase()
    }

    /// Puts a legal hold on an object, or lifts it.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn hold(&self, path: &str, is_held: bool) {
        let status = if is_held { "ON" } else { "OFF" };
        let body = format!(
            "<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></LegalHold>"
        );
        let answer = self.ask("PUT", &format!("{path}?legal-hold"), &body);
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
    }
}
