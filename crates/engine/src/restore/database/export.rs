//! `pg_dump -F c` of a database as it was at any point, or as it is now.

use super::dump_source::DumpSource;
use super::restore::look;
use super::{DatabaseError, DumpParts};
use crate::cluster::{BinarySearch, ClientConnection, ClientPrograms, ConnectionSettings, LiveServer, Program};
use crate::restore::{ThrowAway, ThrowAwayPlan, ThrowAwayRequest};
use crate::{Cancel, Error, Phase, Progress};
use pgformat::{Lsn, MajorVersion};
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vault::repository::{BackupId, Repository};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// The database.
    pub database: String,
    /// The file; it must not exist.
    pub file: PathBuf,
    /// Definitions, rows, or both.
    pub parts: DumpParts,
    /// Only these tables, in pg_dump's own words (`--table`).
    pub tables: Vec<String>,
    /// Only these schemas (`--schema`).
    pub schemas: Vec<String>,
    /// Where PostgreSQL's programs may be.
    pub search: BinarySearch,
}

/// What an export did.
#[derive(Debug, Clone, Serialize)]
pub struct ExportOutcome {
    /// The database.
    pub database: String,
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub file_bytes: u64,
    /// The version of pg_dump; a pg_restore of that version or a later one reads it.
    pub program_version: MajorVersion,
    /// The backups that were applied; none for a live server.
    pub backups: Vec<BackupId>,
    /// Where recovery ended; `None` for a live server.
    pub end_lsn: Option<Lsn>,
    /// Wall time.
    pub seconds: f64,
    /// What its user should know.
    pub warnings: Vec<Value>,
}

/// Dumps a database into a file in PostgreSQL's custom format; of a logical backup, copies its dump. The file has its name only once it is whole, and is its owner's only.
///
/// # Errors
/// `DatabaseFile`, `DatabaseUnknown`, `DatabaseDumpWhole`, `ClusterBinaryMissing`, `ClusterProgram`, those of the throw-away cluster and of
/// the archive. No file is left.
///
/// # Cancellation
/// Ends with `cancelled`; no file is left.
pub fn export_database(
    repository: &Repository,
    point: &ThrowAwayRequest,
    request: &ExportRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ExportOutcome, Error> {
    let started = Instant::now();
    if let Some(dump) = DumpSource::find(repository, point, &request.database)? {
        return export_dump(&dump, request, started, progress, cancel);
    }
    let point = ThrowAwayRequest { database: Some(request.database.clone()), ..point.clone() };
    let plan = ThrowAwayPlan::make(repository, point)?;
    let programs = request.search.find_clients(plan.version(), plan.version())?;
    let file = PartialFile::make(&request.file)?;
    let throw_away = plan.raise(repository, progress, cancel)?;
    let warnings = look(&throw_away, &request.database, &[], &[])?.warnings;
    progress.phase(Phase::Dumping, None);
    let connection: ClientConnection = throw_away.connection_settings(&request.database).for_client()?;
    dump(Program::alone(&programs.dump(), &connection), request, &file, cancel)?;
    let outcome = outcome(request, &programs, Some(&throw_away), warnings);
    throw_away.close()?;
    let file_bytes = file.finish()?;
    Ok(ExportOutcome { file_bytes, seconds: started.elapsed().as_secs_f64(), ..outcome })
}

/// Copies the dump of a logical backup, byte for byte.
fn export_dump(
    dump: &DumpSource,
    request: &ExportRequest,
    started: Instant,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ExportOutcome, Error> {
    if request.parts != DumpParts::All || !request.tables.is_empty() || !request.schemas.is_empty() {
        let (id, database) = (dump.record.id.to_string(), request.database.clone());
        return Err(DatabaseError::DatabaseDumpWhole { id, database }.into());
    }
    let file = PartialFile::make(&request.file)?;
    progress.phase(Phase::Dumping, Some(dump.database.dump_bytes));
    let mut open =
        std::fs::File::options().write(true).open(&file.partial).map_err(|error| file_error(&request.file, &error))?;
    dump.write_to(&mut open, &request.file, progress, cancel)?;
    let file_bytes = file.finish()?;
    Ok(ExportOutcome {
        database: request.database.clone(),
        file: request.file.clone(),
        file_bytes,
        program_version: dump.dump_version,
        backups: vec![dump.record.id],
        end_lsn: None,
        seconds: started.elapsed().as_secs_f64(),
        warnings: Vec::new(),
    })
}

/// The same of a server as it is now.
///
/// # Errors
/// `DatabaseFile`, `DatabaseUnknown`, `ClusterBinaryMissing`, `ClusterProgram`, those of the connection. No file is left.
///
/// # Cancellation
/// Ends with `cancelled`; no file is left.
pub fn export_live(
    settings: &ConnectionSettings,
    request: &ExportRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ExportOutcome, Error> {
    let started = Instant::now();
    let mut live = LiveServer::connect(settings, &[])?;
    if !live.has_database(&request.database)? {
        let known = live.databases()?.join(", ");
        return Err(DatabaseError::DatabaseUnknown { database: request.database.clone(), known }.into());
    }
    let programs = request.search.find_clients(live.version, live.version)?;
    let file = PartialFile::make(&request.file)?;
    progress.phase(Phase::Dumping, None);
    let connection = live.settings_for(&request.database).for_client()?;
    dump(Program::new(&programs.dump(), &connection), request, &file, cancel)?;
    let outcome = outcome(request, &programs, None, Vec::new());
    let file_bytes = file.finish()?;
    Ok(ExportOutcome { file_bytes, seconds: started.elapsed().as_secs_f64(), ..outcome })
}

fn outcome(
    request: &ExportRequest,
    programs: &ClientPrograms,
    throw_away: Option<&ThrowAway>,
    warnings: Vec<Value>,
) -> ExportOutcome {
    let backups = throw_away.map(|throw_away| throw_away.plan.backups.iter().map(|backup| backup.id).collect());
    ExportOutcome {
        database: request.database.clone(),
        file: request.file.clone(),
        file_bytes: 0,
        program_version: programs.version,
        backups: backups.unwrap_or_default(),
        end_lsn: throw_away.and_then(|throw_away| throw_away.started.recovered_lsn),
        seconds: 0.0,
        warnings,
    }
}

fn dump(mut program: Program, request: &ExportRequest, file: &PartialFile, cancel: &Cancel) -> Result<(), Error> {
    program.arguments(["--format=custom"]);
    program.arguments([std::ffi::OsStr::new("--file"), file.partial.as_os_str()]);
    program.arguments(match request.parts {
        DumpParts::All => None,
        DumpParts::Schema => Some("--schema-only"),
        DumpParts::Data => Some("--data-only"),
    });
    program.arguments(request.tables.iter().map(|table| format!("--table={table}")));
    program.arguments(request.schemas.iter().map(|schema| format!("--schema={schema}")));
    program.run(cancel)?.check()
}

/// A file that gets its name when it is whole, and goes when it does not become so.
struct PartialFile {
    partial: PathBuf,
    file: PathBuf,
    finished: bool,
}

impl PartialFile {
    fn make(file: &Path) -> Result<Self, DatabaseError> {
        if file.symlink_metadata().is_ok() {
            let (file, cause) = (file.display().to_string(), "it exists".to_owned());
            return Err(DatabaseError::DatabaseFile { file, cause });
        }
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let partial = file.with_file_name(name);
        let made = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&partial);
        made.map_err(|error| file_error(file, &error))?;
        Ok(PartialFile { partial, file: file.to_owned(), finished: false })
    }

    /// Gives it its name, for good on disk; returns its size. A file that has come by that name meanwhile stays.
    fn finish(mut self) -> Result<u64, DatabaseError> {
        let named = || -> io::Result<u64> {
            let dump = std::fs::File::open(&self.partial)?;
            dump.sync_all()?;
            std::fs::hard_link(&self.partial, &self.file).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                // Not every file system has links.
                _ => std::fs::rename(&self.partial, &self.file),
            })?;
            let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::File::open(folder)?.sync_all()?;
            Ok(dump.metadata()?.len())
        };
        let size = named().map_err(|error| file_error(&self.file, &error))?;
        if self.partial.symlink_metadata().is_ok() {
            std::fs::remove_file(&self.partial).map_err(|error| file_error(&self.partial, &error))?;
        }
        self.finished = true;
        Ok(size)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = std::fs::remove_file(&self.partial)
        {
            tracing::warn!(%error, file = %self.partial.display(), "an unfinished export is left");
        }
    }
}

pub(super) fn file_error(file: &Path, error: &io::Error) -> DatabaseError {
    DatabaseError::DatabaseFile { file: file.display().to_string(), cause: error.to_string() }
}
