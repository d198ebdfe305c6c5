//! Runs one of PostgreSQL's programs to its end and keeps what it said.

use super::owner::ServerOwner;
use crate::cluster::ClusterError;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// How much of a program's output or of a log goes into an error: enough for the cause, short enough to read.
const TAIL_BYTES: u64 = 4096;

/// What a program said and how it ended.
pub(super) struct Finished {
    pub status: ExitStatus,
    /// The end of its output and error output.
    pub said: String,
}

/// Runs `program` as `owner` and waits for its end.
///
/// Its output goes to a file, not a pipe: `pg_ctl start` leaves a server behind that inherits it, and reading a pipe
/// would last until that server ends.
///
/// # Errors
/// `ClusterProgram` when it can't be run at all.
pub(super) fn run<A: AsRef<OsStr>>(
    owner: &ServerOwner,
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Finished, ClusterError> {
    let cannot = |error: io::Error| failed(program, error.to_string());
    let mut output = tempfile::tempfile().map_err(cannot)?;
    let mut command = owner.command(program);
    command.args(arguments);
    let status = run_into(owner, command, &output)?;
    let said = tail(&mut output, 0).map_err(cannot)?;
    Ok(Finished { status, said })
}

/// Runs a command of `owner` to its end, with both outputs going to the end of `output`.
///
/// # Errors
/// `ClusterProgram` when it can't be run at all.
pub(super) fn run_into(owner: &ServerOwner, mut command: Command, output: &File) -> Result<ExitStatus, ClusterError> {
    let program = PathBuf::from(command.get_program());
    let cannot = |error: io::Error| failed(&program, explain_denied(error.to_string(), owner, &[&program]));
    let (out, err) = (output.try_clone().map_err(cannot)?, output.try_clone().map_err(cannot)?);
    command.stdin(Stdio::null()).stdout(out).stderr(err).status().map_err(cannot)
}

/// Makes the error of a program that failed.
pub(in crate::cluster) fn failed(program: &Path, detail: String) -> ClusterError {
    let name = program.file_name().unwrap_or(program.as_os_str());
    ClusterError::ClusterProgram { program: name.to_string_lossy().into_owned(), detail }
}

/// Adds to `detail` which folder on the way to one of `paths` shuts `owner` out, if one does.
pub(super) fn explain_denied(detail: String, owner: &ServerOwner, paths: &[&Path]) -> String {
    match paths.iter().find_map(|path| owner.first_forbidden_folder(path)) {
        Some(folder) => format!("{detail} (user {} may not enter {})", owner.name, folder.display()),
        None => detail,
    }
}

/// Reads the end of what was written to `file` since `from`.
pub(super) fn tail(file: &mut File, from: u64) -> io::Result<String> {
    let end = file.seek(SeekFrom::End(0))?;
    // A log that was cut meanwhile is read from its beginning.
    let from = if from > end { 0 } else { from };
    file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;

    fn us_or_nobody() -> ServerOwner {
        ServerOwner::current().unwrap_or_else(|| ServerOwner::named("nobody").unwrap())
    }

    #[test]
    fn keeps_both_outputs_and_the_exit_status() {
        let finished = run(&us_or_nobody(), Path::new("/bin/sh"), ["-c", "echo one; echo two >&2; exit 7"]).unwrap();
        assert_eq!(finished.status.code(), Some(7));
        assert_eq!(finished.said, "one\ntwo");
    }

    #[test]
    fn returns_although_a_grandchild_keeps_the_output_open() {
        let started = std::time::Instant::now();
        let finished = run(&us_or_nobody(), Path::new("/bin/sh"), ["-c", "sleep 20 & echo done"]).unwrap();
        assert_eq!(finished.said, "done");
        assert!(started.elapsed().as_secs() < 10);
    }

    #[test]
    fn names_the_program_that_does_not_exist() {
        let error = run(&us_or_nobody(), Path::new("/no/such/initdb"), ["x"]).err().unwrap();
        assert!(matches!(error, ClusterError::ClusterProgram { program, .. } if program == "initdb"));
    }

    #[test]
    fn keeps_only_the_end_of_a_long_log() {
        let mut file = tempfile::tempfile().unwrap();
        for number in 0..10_000 {
            writeln!(file, "line {number}").unwrap();
        }
        let text = tail(&mut file, 0).unwrap();
        assert!(text.len() <= TAIL_BYTES as usize && text.ends_with("line 9999"));
        let before = file.seek(SeekFrom::End(0)).unwrap();
        writeln!(file, "the last").unwrap();
        assert_eq!(tail(&mut file, before).unwrap(), "the last");
        assert!(tail(&mut file, u64::MAX).unwrap().ends_with("the last"));
    }
}
