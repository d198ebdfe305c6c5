//! What does a deep validation look at in a logical backup? Every byte of the tar stream, then every dump, by the program that would load it.

use super::ValidationRequest;
use super::deep::{check_tar_stream, enter};
use super::finding::{FindingKind, Findings};
use super::tar_check::{Outcome, TarCheck};
use crate::cluster::{ClientPrograms, ClusterError, Program};
use crate::restore::Dumps;
use crate::{Cancel, Error, Phase, Progress};
use vault::archive::ArchiveReader;
use vault::repository::{BackupRecord, LogicalDatabase};

/// Looks into the archive of a logical backup.
///
/// # Errors
/// `ClusterBinaryMissing`; otherwise only those that keep it from being read: all that is wrong with it becomes a finding.
pub(super) fn inspect_dumps(
    reader: ArchiveReader,
    record: &BackupRecord,
    request: &ValidationRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
    findings: &mut Findings,
) -> Result<Outcome, Error> {
    let version = record.logical.as_ref().map_or(record.postgresql_version, |logical| logical.dump_version);
    let programs = request.search.find_clients(version, version)?;
    progress.phase(Phase::Verifying, Some(2 * reader.seek_table().plain_bytes()));
    let outcome = match TarCheck::new(&reader, None, None) {
        Ok(check) => check_tar_stream(&reader, check, request.jobs, progress, cancel, findings)?,
        Err(error) => {
            enter(error, findings)?;
            return Ok(Outcome { files: 0, pages: 0 });
        }
    };
    let dumps = match Dumps::new(reader, record) {
        Ok(dumps) => dumps,
        Err(error) => {
            enter(error.into(), findings)?;
            return Ok(outcome);
        }
    };
    for database in dumps.databases() {
        if let Err(error) = dumps.description(database) {
            enter(error, findings)?;
        }
        match read_by_pg_restore(&dumps, database, &programs, progress, cancel) {
            Ok(()) => {}
            Err(Error::Cluster(ClusterError::ClusterProgram { detail, .. })) => {
                findings.error(&FindingKind::VerifyDump { database: database.name.clone(), detail });
            }
            Err(error) => enter(error, findings)?,
        }
    }
    Ok(outcome)
}

/// Has pg_restore make SQL of the whole dump, which goes nowhere: it reads the list of contents and all rows.
fn read_by_pg_restore(
    dumps: &Dumps,
    database: &LogicalDatabase,
    programs: &ClientPrograms,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut program = Program::offline(&programs.restore());
    program.arguments(["--format=custom", "--file=-"]);
    let mut program = program.start_writing()?;
    dumps.read(database, cancel, &mut |bytes| {
        progress.advance(bytes.len() as u64);
        program.write(bytes, cancel)
    })?;
    program.finish(cancel)?.check()
}
