//! How does a restored cluster start? Watched through its own files until recovery has ended, and where it ought to.

use super::error::target_error;
use super::point::is_past_page_header;
use super::recovery::SPOOL_FOLDER;
use super::socket::folder_for;
use super::{RecoveryPlan, RestoreError, TargetAction};
use crate::cluster::{
    BinarySearch, ClusterError, Connection, LocalServer, PostgresBinaries, ServerOwner, StartOptions, replay_state,
};
use crate::pipeline::PipelineError;
use crate::{Cancel, Error, Phase, Progress};
use pgformat::control_file::{CONTROL_FILE_PATH, ClusterState, ControlFile};
use pgformat::timeline_history::parse_history;
use pgformat::wal::SummaryTime;
use pgformat::wal_segment::{history_file_name, parse_history_file_name};
use pgformat::{Lsn, TimelineId};
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
    /// Where recovery is to end, and what the server does there ([`super::RestorePlan::recovery`]); `None`: with the backup.
    pub recovery: Option<RecoveryPlan>,
}

/// A restored cluster whose recovery has ended.
#[derive(Debug, Clone)]
pub struct StartedServer {
    /// The server; it stays up when this is dropped.
    pub server: LocalServer,
    /// Whether it runs: not when it was to stop at its target.
    pub running: bool,
    /// Where recovery ended; `None` when a server that does not write can't be asked.
    pub recovered_lsn: Option<Lsn>,
    /// The timeline that it writes now; `None` when it does not write.
    pub timeline: Option<TimelineId>,
    /// The last transaction that is there, when the log after the backup has one.
    pub last_commit: Option<SummaryTime>,
    /// Wall time, recovery included.
    pub seconds: f64,
}

/// The file in the data directory that takes the server's output until its own logging begins.
pub(super) const LOG_FILE: &str = "cadena-start.log";
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
    start_with(request, &[], progress, cancel)
}

/// The same with further settings on the command line.
pub(super) fn start_with(
    request: &StartRequest,
    settings: &[(String, String)],
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<StartedServer, Error> {
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
        settings: std::iter::once(("data_directory".to_owned(), directory.display().to_string()))
            .chain(settings.iter().cloned())
            .collect(),
        log_file: directory.join(LOG_FILE),
        wait: request.wait,
    };
    let action = request.recovery.as_ref().map_or(TargetAction::Promote, |recovery| recovery.action);
    let starting = start_cancellably(&binaries, directory, &owner, &options, cancel);
    let (server, end) = match starting {
        // It may have stopped by itself before anybody was let in, which pg_ctl takes for a failure.
        Err(error) if action == TargetAction::Shutdown && !error.is_cancelled() => {
            let server = described(&binaries, directory, &owner, &options);
            if has_stopped_in_recovery(directory) { (server, End::default()) } else { return Err(error) }
        }
        started => {
            let server = started?;
            let log_file = &options.log_file;
            let ended = match action {
                TargetAction::Promote => wait_until_ready(&server, log_file, deadline, cancel),
                TargetAction::Pause => wait_until_paused(&server, log_file, deadline, cancel),
                TargetAction::Shutdown => wait_until_stopped(&server, log_file, deadline, cancel),
            };
            match ended {
                Ok(end) => (server, end),
                Err(error) if error.is_cancelled() => {
                    server.stop(false)?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
    };
    if let Some(recovery) = &request.recovery {
        check_end(&server, recovery, end.recovered_lsn, control.wal_block_size_bytes)?;
    }
    if action == TargetAction::Promote {
        // What was fetched ahead and not needed; a fetch that is still at work cleans nothing up.
        let _ = std::fs::remove_dir_all(directory.join(SPOOL_FOLDER));
    }
    Ok(StartedServer {
        server,
        running: action != TargetAction::Shutdown,
        recovered_lsn: end.recovered_lsn,
        timeline: end.timeline,
        last_commit: request.recovery.as_ref().and_then(|recovery| recovery.last_commit),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// How recovery ended, as far as that can be seen.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    recovered_lsn: Option<Lsn>,
    timeline: Option<TimelineId>,
}

/// Refuses a recovery that ended elsewhere than it was to; the server is stopped, so that nobody writes into what is not what they
/// asked for.
fn check_end(
    server: &LocalServer,
    recovery: &RecoveryPlan,
    recovered: Option<Lsn>,
    block_size_bytes: u32,
) -> Result<(), Error> {
    let Some(recovered) = recovered else { return Ok(()) };
    let expected = recovery.stop_lsn;
    if recovered == expected || is_past_page_header(recovered, expected, block_size_bytes) {
        return Ok(());
    }
    server.stop(false)?;
    Err(RestoreError::RestoreEndedShort {
        directory: server.data_directory.display().to_string(),
        expected_lsn: expected.to_string(),
        recovered_lsn: recovered.to_string(),
    }
    .into())
}

fn described(
    binaries: &PostgresBinaries,
    directory: &Path,
    owner: &ServerOwner,
    options: &StartOptions,
) -> LocalServer {
    LocalServer {
        binaries: binaries.clone(),
        data_directory: directory.to_owned(),
        owner: owner.clone(),
        port: options.port,
        socket_folder: options.socket_folder.clone(),
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
    let starting = described(binaries, directory, owner, options);
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

/// Looks again and again until `ended` says so; fails when the server ends before or time is up.
fn wait_for(
    server: &LocalServer,
    log_file: &Path,
    deadline: Instant,
    cancel: &Cancel,
    ended: &mut dyn FnMut(Option<&PostmasterStatus>) -> Option<End>,
) -> Result<End, Error> {
    loop {
        cancel.check()?;
        let failed = |what: &str| ClusterError::ClusterStart {
            directory: server.data_directory.display().to_string(),
            detail: format!("{what}\n{}", log_tail(log_file)).trim_end().to_owned(),
        };
        // Before the question, so that a server that ends in between is asked once more.
        let status = postmaster_status(&server.data_directory);
        let gone = match &status {
            Some(status) => !is_alive(status.pid),
            // Else the file is short for a moment, while it is rewritten.
            None => !server.data_directory.join("postmaster.pid").exists(),
        };
        if let Some(end) = ended(status.as_ref().filter(|_| !gone)) {
            return Ok(end);
        }
        if gone {
            return Err(failed("the server ended during recovery").into());
        }
        if Instant::now() >= deadline {
            return Err(failed("recovery has not ended in time; the server goes on with it").into());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Waits until the server writes.
fn wait_until_ready(server: &LocalServer, log_file: &Path, deadline: Instant, cancel: &Cancel) -> Result<End, Error> {
    let directory = &server.data_directory;
    wait_for(server, log_file, deadline, cancel, &mut |status| {
        let ready = status.is_some_and(|status| status.word == "ready") && has_left_recovery(directory);
        ready.then(|| new_timeline(directory))
    })
}

/// Waits until the server stands still at its target. One that does not let us in counts as soon as it lets others in: that it stops
/// at its target or ends with an error is its own doing.
fn wait_until_paused(server: &LocalServer, log_file: &Path, deadline: Instant, cancel: &Cancel) -> Result<End, Error> {
    let mut connection: Option<Connection> = None;
    wait_for(server, log_file, deadline, cancel, &mut |status| {
        status.filter(|status| status.word == "ready")?;
        let asked = match connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::connect(&server.connection_settings("postgres")),
        };
        let Ok(mut asked) = asked else { return Some(End::default()) };
        match replay_state(&mut asked) {
            Ok(Some(state)) if !state.paused => {
                connection = Some(asked);
                None
            }
            Ok(Some(state)) => Some(End { recovered_lsn: state.replayed_lsn, timeline: None }),
            Ok(None) => Some(new_timeline(&server.data_directory)),
            Err(_) => None,
        }
    })
}

/// Waits until the server has stopped by itself.
fn wait_until_stopped(server: &LocalServer, log_file: &Path, deadline: Instant, cancel: &Cancel) -> Result<End, Error> {
    wait_for(server, log_file, deadline, cancel, &mut |status| {
        (status.is_none() && has_stopped_in_recovery(&server.data_directory)).then(End::default)
    })
}

/// Tells whether the server reached its target and stopped there: after a failure the control file says that it was recovering.
fn has_stopped_in_recovery(data_directory: &Path) -> bool {
    let bytes = std::fs::read(data_directory.join(CONTROL_FILE_PATH)).unwrap_or_default();
    let stopped = ControlFile::parse(&bytes).is_ok_and(|control| control.state == ClusterState::ShutDownedInRecovery);
    stopped && !data_directory.join("postmaster.pid").exists()
}

/// Reads where recovery ended from the history that the server wrote when it began its own timeline: the newest of all, since it
/// takes the number after the newest (upstream `timeline.c`).
fn new_timeline(data_directory: &Path) -> End {
    let files = std::fs::read_dir(data_directory.join("pg_wal")).into_iter().flatten().flatten();
    let newest = files.filter_map(|file| parse_history_file_name(file.file_name().to_str()?)).max();
    let Some(timeline) = newest else { return End::default() };
    let path = data_directory.join("pg_wal").join(history_file_name(timeline));
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let entries = parse_history(&text).unwrap_or_default();
    End { recovered_lsn: entries.last().map(|entry| entry.switch_lsn), timeline: Some(timeline) }
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
