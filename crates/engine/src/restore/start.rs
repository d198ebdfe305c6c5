use crate::cluster::{BinarySearch, LocalServer};
use crate::{Cancel, Error, Progress};
use std::path::PathBuf;
use std::time::Duration;

/// How a restored cluster is to be started.
#[derive(Debug, Clone)]
pub struct StartRequest {
    pub data_directory: PathBuf,
    pub port: u16,
    pub socket_folder: Option<PathBuf>,
    pub owner: Option<String>,
    pub search: BinarySearch,
    pub wait: Duration,
}

/// A restored cluster that accepts connections.
#[derive(Debug, Clone)]
pub struct StartedServer {
    pub server: LocalServer,
    pub seconds: f64,
}

/// Starts a restored cluster and waits until recovery has ended and it accepts connections.
pub fn start(request: &StartRequest, progress: &dyn Progress, cancel: &Cancel) -> Result<StartedServer, Error> {
    let _ = (request, progress, cancel);
    todo!()
}
