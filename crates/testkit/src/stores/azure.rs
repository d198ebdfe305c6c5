use super::process::{ServerProcess, installed, missing};
use std::process::{Command, Stdio};

/// Azurite, Microsoft's emulator of Azure Blob, with one container, in memory.
pub struct AzureServer {
    _process: ServerProcess,
    port: u16,
}

impl AzureServer {
    /// The storage account.
    pub const ACCOUNT: &'static str = "cuenta";
    /// Its key.
    pub const KEY: &'static str = "bGxhdmUgZGUgbGEgY3VlbnRhIGRlIHBydWViYQ==";
    /// The container's name.
    pub const CONTAINER: &'static str = "copias";

    /// Starts one; `None`, and a word about it, when it is not installed here.
    ///
    /// # Panics
    /// When it does not start, or is missing and required.
    pub fn start() -> Option<Self> {
        let modules = installed("azurite/node_modules")
            .or_else(|| missing("the server of Azure Blob is missing: run scripts/setup-servers"))?;
        let mut command = Command::new("node");
        command.arg("-e").arg(include_str!("azure_server.js")).args([Self::ACCOUNT, Self::KEY, Self::CONTAINER]);
        command.env("NODE_PATH", modules).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = ServerProcess::start(&mut command);
        let line = process.first_line();
        let port = line.parse().unwrap_or_else(|_| panic!("the server of Azure Blob said {line:?}"));
        Some(AzureServer { _process: process, port })
    }

    /// Returns where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address of its account, as the option `endpoint` takes it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, Self::ACCOUNT)
    }

    /// Returns the address of a prefix in its container.
    pub fn url(&self, prefix: &str) -> String {
        format!("azblob://{}/{prefix}?account={}&endpoint={}", Self::CONTAINER, Self::ACCOUNT, self.endpoint())
    }
}
