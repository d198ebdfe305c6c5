//! What do programs say that we did not write?
//!
//! Each oracle returns what the program said against us as an error, so that a test can also ask for a complaint.

use crate::cluster::{TestCluster, run_checked};
use crate::versions::{client_program, own_program, server_owner};
use engine::cluster::ServerOwner;
use pgformat::MajorVersion;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a program as the servers' user.
fn ask<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Result<String, String> {
    let mut command = server_owner().command(program);
    let output =
        command.args(arguments).stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(said)
    } else {
        Err(format!("{} ended with {}:\n{said}", program.display(), output.status))
    }
}

/// Reads the major version of a data directory from its PG_VERSION.
///
/// # Panics
/// When there is none, or it is not supported.
pub fn version_of(data_directory: &Path) -> MajorVersion {
    let path = data_directory.join("PG_VERSION");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let number: u32 = text.trim().parse().unwrap_or_else(|_| panic!("{}: {text:?}", path.display()));
    MajorVersion::try_from(number).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns a program that reads the control file of `version`. The packages of 14 and 16 have none, but the file's layout is that
/// of 15 (upstream pg_control.h: `PG_CONTROL_VERSION` is 1300 from 13 to 16), which has all programs.
fn control_file_program(version: MajorVersion, name: &str) -> PathBuf {
    own_program(version, name)
        .or_else(|| own_program(MajorVersion::V15, name).filter(|_| version <= MajorVersion::V16))
        .unwrap_or_else(|| panic!("no {name} that reads a control file of {version}: run scripts/setup-servers"))
}

/// Checks a backup against its backup_manifest, WAL included where the version has its own pg_waldump. The program of 15 knows
/// only version 1 of the manifest.
///
/// # Errors
/// What pg_verifybackup says.
pub fn pg_verifybackup(directory: &Path) -> Result<String, String> {
    let version = version_of(directory);
    match own_program(version, "pg_verifybackup") {
        Some(program) => ask(&program, [directory.as_os_str()]),
        // Another version's pg_waldump cannot read this WAL.
        None => ask(&client_program("pg_verifybackup"), [OsStr::new("-n"), directory.as_os_str()]),
    }
}

/// Checks every heap and index of every database of a running cluster against each other. Prepared transactions are committed first:
/// their locks would hold the check up, for ever.
///
/// # Errors
/// What pg_amcheck says.
pub fn pg_amcheck(cluster: &TestCluster) -> Result<String, String> {
    cluster.commit_prepared_transactions();
    // Whatever else holds a lock makes it fail rather than wait.
    let conninfo = format!("{} options='-c lock_timeout=60s'", cluster.conninfo("postgres"));
    // Damage is told on the output, with exit status 2.
    ask(
        &client_program("pg_amcheck"),
        ["--all", "--install-missing", "--heapallindexed", "--parent-check", "--jobs=2", "--maintenance-db", &conninfo],
    )
}

/// Checks the checksum of every page of a cluster that was shut down cleanly, and returns how many there are.
///
/// # Errors
/// What pg_checksums says: bad pages, checksums off, not shut down.
pub fn check_all_pages(data_directory: &Path) -> Result<u64, String> {
    let said = pg_checksums(data_directory, "--check")?;
    let blocks = said.lines().find_map(|line| line.strip_prefix("Blocks scanned:")).map(str::trim);
    blocks.and_then(|number| number.parse().ok()).ok_or_else(|| format!("pg_checksums did not count: {said}"))
}

/// Switches the page checksums of a cluster that was shut down cleanly on or off.
///
/// # Errors
/// What pg_checksums says.
pub fn switch_checksums(data_directory: &Path, on: bool) -> Result<(), String> {
    pg_checksums(data_directory, if on { "--enable" } else { "--disable" }).map(drop)
}

fn pg_checksums(data_directory: &Path, what: &str) -> Result<String, String> {
    let version = version_of(data_directory);
    let program = control_file_program(version, "pg_checksums");
    let foreign = own_program(version, "pg_checksums").is_none();
    let links = if foreign { link_tablespaces_for_15(data_directory) } else { Vec::new() };
    let said = ask(&program, [OsStr::new(what), OsStr::new("-D"), data_directory.as_os_str()]);
    for link in links {
        fs::remove_file(&link).map_err(|error| format!("{}: {error}", link.display()))?;
    }
    said
}

/// Gives each tablespace's folder the name under which a program of 15 looks for it (upstream relpath.h,
/// `TABLESPACE_VERSION_DIRECTORY`), beside its true one, and returns the links.
fn link_tablespaces_for_15(data_directory: &Path) -> Vec<PathBuf> {
    let listing = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path()).collect()
    };
    let own_prefix = format!("PG_{}_", version_of(data_directory));
    let mut links = Vec::new();
    for tablespace in listing(&data_directory.join("pg_tblspc")) {
        for folder in listing(&tablespace) {
            let Some(name) = folder.file_name().filter(|name| name.to_string_lossy().starts_with(&own_prefix)) else {
                continue;
            };
            let link = tablespace.join("PG_15_202209061");
            symlink(name, &link).unwrap_or_else(|error| panic!("{}: {error}", link.display()));
            links.push(link);
        }
    }
    links
}

/// Reads the control file: the lines of pg_controldata, name to value.
///
/// # Errors
/// What pg_controldata says, a wrong CRC among it.
pub fn pg_controldata(data_directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let program = control_file_program(version_of(data_directory), "pg_controldata");
    let said = ask(&program, [OsStr::new("-D"), data_directory.as_os_str()])?;
    // Up to 15 in capitals on the output, later in small letters on the error output.
    if said.to_ascii_lowercase().contains("warning: ") {
        return Err(said);
    }
    let pairs = said.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}

/// Returns what `sha256sum` prints for a file.
///
/// # Panics
/// When it fails.
pub fn sha256sum(file: &Path) -> String {
    let said = run_checked(Command::new("sha256sum").arg("--").arg(file));
    // A name with a backslash or newline makes sha256sum put a backslash before the line.
    said.trim_start_matches('\\').split_whitespace().next().unwrap_or_default().to_owned()
}

/// Unpacks an archive into a new folder as its documentation says anybody can: `zstd -dc ARCHIVE | tar x`. The folder then belongs
/// to the servers' user, ready to start.
///
/// # Errors
/// What zstd or tar say.
pub fn extract_with_public_tools(archive: &Path, directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    let mut zstd = Command::new("zstd")
        .args(["-q", "-dc"])
        .arg(archive)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("zstd: {error}"))?;
    let stream = zstd.stdout.take().ok_or("zstd has no output")?;
    let tar = Command::new("tar")
        .args(["-x", "-p", "-f", "-", "-C"])
        .arg(directory)
        .stdin(stream)
        .output()
        .map_err(|error| format!("tar: {error}"))?;
    let zstd = zstd.wait_with_output().map_err(|error| format!("zstd: {error}"))?;
    for (name, status, errors) in [("zstd", zstd.status, &zstd.stderr), ("tar", tar.status, &tar.stderr)] {
        // tar also reports, without failing, members that it changed on the way (a leading /, say).
        if !status.success() || !errors.is_empty() {
            return Err(format!("{name} ended with {status}: {}", String::from_utf8_lossy(errors)));
        }
    }
    give_to_server(directory);
    Ok(())
}

/// Gives a tree to the servers' user when we are root, and makes it private as a data directory has to be.
///
/// # Panics
/// When that fails.
pub fn give_to_server(directory: &Path) {
    let owner = server_owner();
    if ServerOwner::current().is_none() {
        run_checked(
            Command::new("chown").args(["-R", "-h"]).arg(format!("{}:{}", owner.uid, owner.gid)).arg(directory),
        );
    }
    run_checked(Command::new("chmod").arg("0700").arg(directory));
}
