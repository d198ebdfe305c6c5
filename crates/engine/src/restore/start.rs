use super::error::target_error;
use super::socket::folder_for;
use crate::cluster::{BinarySearch, ClusterError, LocalServer, PostgresBinaries, ServerOwner, StartOptions};
use crate::pipeline::PipelineError;
use crate::{Cancel, Error, Phase, Progress};
use pgformat::control_file::{CONTROL_FILE_PATH, ClusterState, ControlFile};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How a restored cluster is to be started.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The restored data directory; absolute.
    pub data_directory: PathBuf,
    /// The port it is to listen on.
    pub port: u16,
    /// `None`: where the configuration says, or /tmp when its user can't write there.
    pub socket_folder: Option<PathBuf>,
    /// The user who runs it; see [`ServerOwner::choose`].
    pub owner: Option<String>,
    /// Where PostgreSQL's programs may be.
    pub search: BinarySearch,
    /// How long it may take until it accepts writes, recovery included.
    pub wait: Duration,
}

/// A restored cluster that accepts connections.
#[derive(Debug, Clone)]
pub struct StartedServer {
    /// The server; it stays up when this is dropped.
    pub server: LocalServer,
    /// Wall time, recovery included.
    pub seconds: f64,
}

/// The file in the data directory that takes the server's output until its own logging begins.
const LOG_FILE: &str = "cadena-start.log";
/// How much of the log's end goes into an error.
const LOG_TAIL_BYTES: u64 = 4096;
/// How often postmaster.pid is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Starts a restored cluster and waits until recovery has ended and it accepts connections that may write.
///
/// The server's own files are watched rather than a connection, since nobody knows yet whom the restored pg_hba.conf lets in:
/// `postmaster.pid` reads `ready` when connections are taken, which a hot standby already does (upstream `postmaster.c`,
/// `pidfile.h`); the control file says `in production` once recovery has ended (upstream `xlog.c`, `StartupXLOG`). The
/// restored control file says so too, but no longer when connections are taken.
///
/// # Errors
/// `ClusterStart` with the log's end when the server ends or takes longer than `wait`; `ClusterBinaryMissing`; `ClusterRoot`.
///
/// # Cancellation
/// Ends with `cancelled`; a server that was started is stopped again.
pub fn start(request: &StartRequest, progress: &dyn Progress, cancel: &Cancel) -> Result<StartedServer, Error> {
    let started = Instant::now();
    let deadline = started + request.wait;
    let directory = &request.data_directory;
    let control_path = directory.join(CONTROL_FILE_PATH);
    let control =
        ControlFile::parse(&std::fs::read(&control_path).map_err(|error| target_error(&control_path, error))?)?;
    let owner = ServerOwner::choose(request.owner.as_deref(), directory)?;
    let binaries = request.search.find(control.version)?;
    let socket_folder = match &request.socket_folder {
        Some(folder) => Some(folder.clone()),
        None => folder_for(&binaries, directory, &owner)?,
    };
    cancel.check()?;
    progress.phase(Phase::Starting, None);
    let options = StartOptions {
        port: request.port,
        socket_folder,
        // A restored postgresql.conf may name the source's directory: without this, the source itself would be started.
        settings: vec![("data_directory".to_owned(), directory.display().to_string())],
        log_file: directory.join(LOG_FILE),
        wait: request.wait,
    };
    let server = start_cancellably(&binaries, directory, &owner, &options, cancel)?;
    match wait_until_ready(&server, &options.log_file, deadline, cancel) {
        Ok(()) => Ok(StartedServer { server, seconds: started.elapsed().as_secs_f64() }),
        Err(error) if error.is_cancelled() => {
            server.stop(false)?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Starts the server; recovery up to the point where it lets anyone in may take long.
fn start_cancellably(
    binaries: &PostgresBinaries,
    directory: &Path,
    owner: &ServerOwner,
    options: &StartOptions,
    cancel: &Cancel,
) -> Result<LocalServer, Error> {
    let starting = LocalServer {
        binaries: binaries.clone(),
        data_directory: directory.to_owned(),
        owner: owner.clone(),
        port: options.port,
        socket_folder: options.socket_folder.clone(),
    };
    std::thread::scope(|scope| {
        let start = scope.spawn(|| LocalServer::start(binaries, directory, owner, options));
        while !start.is_finished() {
            if cancel.is_cancelled() {
                // Refused until the server has written its postmaster.pid; then start ends, too. Nothing is lost by a crash: the
                // restored files have not served anyone yet.
                let _ = starting.stop(true);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let result =
            start.join().map_err(|_| PipelineError::WorkerPanicked { detail: "starting the server".to_owned() })?;
        if result.is_err() {
            cancel.check()?;
        }
        Ok(result?)
    })
}

/// Waits for the end of recovery.
fn wait_until_ready(server: &LocalServer, log_file: &Path, deadline: Instant, cancel: &Cancel) -> Result<(), Error> {
    loop {
        cancel.check()?;
        let failed = |what: &str| ClusterError::ClusterStart {
            directory: server.data_directory.display().to_string(),
            detail: format!("{what}\n{}", log_tail(log_file)).trim_end().to_owned(),
        };
        match postmaster_status(&server.data_directory) {
            Some(PostmasterStatus { pid, .. }) if !is_alive(pid) => {
                return Err(failed("the server ended during recovery").into());
            }
            Some(status) if status.word == "ready" && has_left_recovery(&server.data_directory) => return Ok(()),
            // Recovery goes on; or the file is short for a moment, while it is rewritten.
            Some(_) => {}
            None if !server.data_directory.join("postmaster.pid").exists() => {
                return Err(failed("the server ended during recovery").into());
            }
            None => {}
        }
        if Instant::now() >= deadline {
            return Err(failed("recovery has not ended in time; the server goes on with it").into());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Tells whether the control file says that the server writes; one that is being written and can't be read says nothing.
fn has_left_recovery(data_directory: &Path) -> bool {
    let bytes = std::fs::read(data_directory.join(CONTROL_FILE_PATH)).unwrap_or_default();
    ControlFile::parse(&bytes).is_ok_and(|control| control.state == ClusterState::InProduction)
}

struct PostmasterStatus {
    pid: i32,
    word: String,
}

/// Reads the process and the status of `postmaster.pid`: its first and eighth lines (upstream `pidfile.h`).
fn postmaster_status(data_directory: &Path) -> Option<PostmasterStatus> {
    let content = std::fs::read_to_string(data_directory.join("postmaster.pid")).ok()?;
    let mut lines = content.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    Some(PostmasterStatus { pid, word: lines.nth(6)?.trim().to_owned() })
}

fn is_alive(pid: i32) -> bool {
    let Some(process) = rustix::process::Pid::from_raw(pid) else { return false };
    !matches!(rustix::process::test_kill_process(process), Err(rustix::io::Errno::SRCH))
}

/// Returns the end of the server's output.
fn log_tail(log_file: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log_file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut tail = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut tail)?;
        Ok(tail)
    };
    match read() {
        Ok(tail) => String::from_utf8_lossy(&tail).into_owned(),
        Err(error) => format!("({} can't be read: {error})", log_file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_status_line_and_nothing_from_a_file_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let write = |content: &str| std::fs::write(folder.path().join("postmaster.pid"), content).unwrap();
        assert!(postmaster_status(folder.path()).is_none());
        write("123\n/data\n1700000000\n5432\n/tmp\n");
        assert!(postmaster_status(folder.path()).is_none());
        write("123\n/data\n1700000000\n5432\n/tmp\nlocalhost\n 5 6\nstandby \n");
        let status = postmaster_status(folder.path()).unwrap();
        assert_eq!((status.pid, status.word.as_str()), (123, "standby"));
        write("123\n/data\n1700000000\n5432\n/tmp\nlocalhost\n 5 6\nready   \n");
        assert_eq!(postmaster_status(folder.path()).unwrap().word, "ready");
    }

    #[test]
    fn the_tail_of_a_long_log_is_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, format!("{}FATAL: the end", "x".repeat(10_000))).unwrap();
        let tail = log_tail(&log);
        assert!(tail.ends_with("FATAL: the end") && tail.len() == 4096);
    }
}
