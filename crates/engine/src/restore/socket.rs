//! Where can a restored server put its socket? Where its configuration says, if its user may write there.

use super::target::Access;
use crate::cluster::{ClusterError, PostgresBinaries, ServerOwner};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// PostgreSQL's own default, open to every user.
const FALLBACK_FOLDER: &str = "/tmp";

/// Returns `None` when the configured folders all serve, else the folder to use instead. A copy on another host often lacks the
/// folder of the source's distribution, and the server would not start for want of it.
///
/// # Errors
/// `ClusterBinaryMissing`; `ClusterProgram` with PostgreSQL's own words when the configuration can't be read.
pub(super) fn folder_for(
    binaries: &PostgresBinaries,
    data_directory: &Path,
    owner: &ServerOwner,
) -> Result<Option<PathBuf>, ClusterError> {
    let folders = configured_folders(binaries, data_directory, owner)?;
    let access = Access::of(owner);
    // An abstract socket (@…) has no folder.
    let serves = |folder: &str| folder.starts_with('@') || access.can_write(Path::new(folder));
    let all_serve = !folders.is_empty() && folders.iter().all(|folder| serves(folder));
    Ok((!all_serve).then(|| PathBuf::from(FALLBACK_FOLDER)))
}

/// Asks PostgreSQL itself, since the configuration may be spread over many files.
fn configured_folders(
    binaries: &PostgresBinaries,
    data_directory: &Path,
    owner: &ServerOwner,
) -> Result<Vec<String>, ClusterError> {
    let program = binaries.program("postgres")?;
    let mut command = Command::new(&program);
    command.arg("-D").arg(data_directory).args(["-C", "unix_socket_directories"]).stdin(Stdio::null()).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.gid(owner.gid).uid(owner.uid);
    }
    let failed = |detail: String| ClusterError::ClusterProgram { program: program.display().to_string(), detail };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let folders = String::from_utf8_lossy(&output.stdout);
    Ok(folders
        .trim()
        .split(',')
        .map(|folder| folder.trim().trim_matches('"').to_owned())
        .filter(|f| !f.is_empty())
        .collect())
}
