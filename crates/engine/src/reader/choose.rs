use super::{LocalSource, ReadError, Source, SqlSource};
use crate::cluster::{self, ClusterError, ClusterInfo, Connection, ConnectionSettings};
use pgformat::control_file::{CONTROL_FILE_PATH, ControlFile};
use serde::Serialize;
use std::path::Path;

/// Says which source is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReaderChoice {
    /// Local when the data directory is readable here and is that of the very server we talk to, else SQL.
    Auto,
    Local,
    Sql,
}

/// The file in which a running server writes its process, start time, port and shared memory (upstream `miscinit.c`).
const LOCK_FILE: &str = "postmaster.pid";

/// Picks the source.
///
/// A folder with the right path and system identifier is not enough for *local*: a standby on this host has both. So the
/// server is asked for its own `postmaster.pid`, and that must be the file that lies here.
///
/// # Errors
/// `ReadNotLocal` with the reason when *local* was demanded and can't be; those of the server.
pub fn choose_source(
    settings: &ConnectionSettings,
    connection: &mut Connection,
    info: &ClusterInfo,
    choice: ReaderChoice,
) -> Result<Box<dyn Source>, ReadError> {
    let sql = || Box::new(SqlSource::new(settings)) as Box<dyn Source>;
    if choice == ReaderChoice::Sql {
        return Ok(sql());
    }
    match (why_not_local(connection, info)?, choice) {
        (None, _) => Ok(Box::new(LocalSource::new(Path::new(&info.data_directory)))),
        (Some(reason), ReaderChoice::Local) => {
            Err(ReadError::ReadNotLocal { directory: info.data_directory.clone(), reason })
        }
        (Some(reason), _) => {
            tracing::info!(reason, "the files are read over SQL");
            Ok(sql())
        }
    }
}

/// Says why the data directory can't be read as a local one, or `None` if it can.
fn why_not_local(connection: &mut Connection, info: &ClusterInfo) -> Result<Option<String>, ReadError> {
    if info.data_directory.is_empty() {
        return Ok(Some("the role may not see data_directory; GRANT pg_read_all_settings lets it".to_owned()));
    }
    let directory = Path::new(&info.data_directory);
    let control = match std::fs::read(directory.join(CONTROL_FILE_PATH)) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Some(format!("{CONTROL_FILE_PATH}: {error}"))),
    };
    // Torn while the server writes it: then the comparison of postmaster.pid decides alone.
    if let Ok(control) = ControlFile::parse(&control)
        && control.system_identifier != info.system_identifier
    {
        return Ok(Some(format!("it belongs to cluster {}", control.system_identifier)));
    }
    let here = match std::fs::read(directory.join(LOCK_FILE)) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Some(format!("{LOCK_FILE}: {error}"))),
    };
    let there = match cluster::read_file(connection, LOCK_FILE, 4096) {
        Ok(there) => there.unwrap_or_default(),
        // Without the right to read files over SQL the identity can't be proved.
        Err(ClusterError::ClusterPrivilege { .. }) => {
            return Ok(Some(
                "the role may not read postmaster.pid over SQL, which proves that it is this server's".into(),
            ));
        }
        Err(error) => return Err(error.into()),
    };
    // The last line is the server's status, which changes while it starts; the rest is settled.
    let settled = |bytes: &[u8]| bytes.splitn(8, |byte| *byte == b'\n').take(7).map(<[u8]>::to_vec).collect::<Vec<_>>();
    Ok((settled(&here) != settled(&there)).then(|| "another server of the same cluster runs in it".to_owned()))
}
