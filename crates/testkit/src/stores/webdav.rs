use super::process::{ServerProcess, free_port, python_program};
use std::path::Path;

/// A WebDAV server over a folder, for a user with a password.
pub struct WebDavServer {
    _process: ServerProcess,
    port: u16,
    _folder: tempfile::TempDir,
}

const PROGRAM: &str = r#"
import sys
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp
port, folder = int(sys.argv[1]), sys.argv[2]
app = WsgiDAVApp({
    "provider_mapping": {"/": folder},
    "simple_dc": {"user_mapping": {"*": {"respaldo": {"password": "secreto"}}}},
    "verbose": 0,
    "logging": {"enable": False, "enable_loggers": []},
})
server = wsgi.Server(("127.0.0.1", port), app)
server.prepare()
print(port, flush=True)
server.serve()
"#;

impl WebDavServer {
    /// The user that it takes.
    pub const USER: &'static str = "respaldo";
    /// That user's password.
    pub const PASSWORD: &'static str = "secreto";

    /// Starts one over an empty folder; `None`, and a word about it, when it is not installed here.
    ///
    /// # Panics
    /// When it does not start, or is missing and required.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let port = free_port();
        let mut command = python_program(PROGRAM)?;
        command.arg(port.to_string()).arg(folder.path());
        let mut process = ServerProcess::start(&mut command);
        process.first_line();
        process.wait_for(port);
        Some(WebDavServer { _process: process, port, _folder: folder })
    }

    /// Returns where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder that it serves.
    pub fn folder(&self) -> &Path {
        self._folder.path()
    }

    /// Returns the address of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("webdav://{}@127.0.0.1:{}/{path}", Self::USER, self.port)
    }
}
