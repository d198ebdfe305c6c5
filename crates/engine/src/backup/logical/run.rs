use super::description::{DATABASE_FILE, DATABASES_FOLDER, DatabaseDescription, GLOBALS_FILE, folder_of};
use super::parts::{PartCutter, PartRun};
use crate::backup::error::BackupError;
use crate::backup::options::BackupOptions;
use crate::backup::pack::{Packer, RunShape};
use crate::backup::produce::run_bytes;
use crate::backup::record;
use crate::backup::run::{BackupOutcome, check_same_cluster};
use crate::backup::seal::{Sealer, spool_error};
use crate::backup::wal_members::MemberDefaults;
use crate::backup::work::{Encoded, LargeMember, ReadyMember};
use crate::cluster::{
    BinarySearch, ClientPrograms, ClusterInfo, Connection, ConnectionSettings, LiveServer, Program, Snapshot, probe,
};
use crate::journal::{self, Reserved};
use crate::pipeline::{BufferPool, Flow, RateLimit, run_ordered};
use crate::{Cancel, Error, Phase, Progress};
use serde_json::json;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Instant;
use vault::archive::{END_OF_TAR_BYTES, SealedArchive, frame_size_for};
use vault::repository::{
    BackupKind, BackupMethod, BackupRecord, BackupSlot, LogicalContents, LogicalDatabase, Repository,
};
use vault::storage::PutStream;

/// What is to be dumped.
#[derive(Debug, Clone, Default)]
pub struct LogicalRequest {
    /// The databases; none named: every one that accepts connections and is no template.
    pub databases: Vec<String>,
    /// Where PostgreSQL's programs may be.
    pub search: BinarySearch,
}

/// Takes a logical FULL and commits it: a dump of each database, and the globals. It needs a login that may read the databases, and
/// neither files nor replication of the server.
///
/// # Errors
/// `BackupOption` for a value out of range; `BackupUnknownDatabase`, `BackupNoDatabase`; `ClusterBinaryMissing` without a pg_dump that
/// knows the server; `RepositoryForeign` for another cluster's repository; `RepositoryBusy`; `ClusterProgram` with what pg_dump said; and
/// those of the server and the storage. Whatever ends it, no half-made archive stays behind, and once an id was taken a FALLIDO record
/// tells what happened.
/// # Cancellation
/// Ends with `cancelled`; pg_dump is ended, the partial archive is removed and a FALLIDO record left.
pub fn run_logical(
    settings: &ConnectionSettings,
    repository: &Repository,
    request: &LogicalRequest,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BackupOutcome, Error> {
    let mut reserved = None;
    let result = attempt(settings, repository, request, options, progress, cancel, &mut reserved);
    match &result {
        Ok(outcome) => journal::backup_completed(repository, &outcome.record, outcome.seconds),
        Err(error) => {
            let what = (BackupKind::Full, BackupMethod::Logical);
            journal::backup_failed(repository, what, reserved.as_ref(), error);
        }
    }
    result
}

/// Takes the backup; `reserved` tells, also of one that fails, which id and name it had.
fn attempt(
    settings: &ConnectionSettings,
    repository: &Repository,
    request: &LogicalRequest,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
    reserved: &mut Option<Reserved>,
) -> Result<BackupOutcome, Error> {
    let begin = Instant::now();
    options.check()?;
    let mut live = LiveServer::connect(settings, &[])?;
    let info = probe(&mut Connection::connect(live.settings())?)?;
    check_same_cluster(repository, &info)?;
    let databases = choose_databases(&mut live, &request.databases)?;
    let programs = request.search.find_clients(info.version, info.version)?;
    programs.dump_all()?;
    cancel.check()?;

    let now = jiff::Zoned::new(jiff::Timestamp::now(), options.time_zone.clone());
    let mut slot = repository.begin_logical(&now)?;
    let label = options.label.clone().unwrap_or_else(|| format!("cadena {}", slot.name().stem));
    let mut record = record::opened(&slot, &info, options, &label, now.timestamp());
    record::make_logical(&mut record);
    *reserved = Some(Reserved { id: record.id, archive_name: record.archive_name.clone() });
    journal::backup_started(repository, &record);
    progress.reserved(record.id.0, &record.archive_name);

    let run = Run {
        options,
        programs: &programs,
        frame_bytes: frame_size_for(info.size_bytes.unwrap_or(0)) as usize,
        defaults: MemberDefaults::now(),
        rate: RateLimit::new(options.max_rate_bytes),
        progress,
        cancel,
    };
    let outcome = run.take(&mut live, &info, &databases, &mut slot, &mut record).and_then(|sealed| {
        progress.phase(Phase::Committing, None);
        cancel.check()?;
        Ok(sealed)
    });
    match outcome {
        Ok((sealed, archive)) => {
            slot.commit(archive, &sealed, &record)?;
            Ok(BackupOutcome { record, seconds: begin.elapsed().as_secs_f64() })
        }
        Err(error) => {
            record::fail(&mut record, &error);
            if let Err(second) = slot.fail(&record) {
                tracing::error!(error = %second, "the failed backup could not be recorded");
            }
            Err(error)
        }
    }
}

/// Returns the databases that were asked for, each once, or all that there are to dump.
fn choose_databases(live: &mut LiveServer, wanted: &[String]) -> Result<Vec<String>, Error> {
    if wanted.is_empty() {
        let all = live.dumpable_databases()?;
        return if all.is_empty() { Err(BackupError::BackupNoDatabase {}.into()) } else { Ok(all) };
    }
    let mut chosen: Vec<String> = Vec::new();
    for database in wanted {
        if !live.has_database(database)? {
            let (database, known) = (database.clone(), live.databases()?.join(", "));
            return Err(BackupError::BackupUnknownDatabase { database, known }.into());
        }
        if !chosen.contains(database) {
            chosen.push(database.clone());
        }
    }
    Ok(chosen)
}

/// A piece of the archive.
enum Work {
    Ready(Vec<ReadyMember>),
    Part(PartRun),
    End,
}

/// What one run works with.
struct Run<'a> {
    options: &'a BackupOptions,
    programs: &'a ClientPrograms,
    frame_bytes: usize,
    defaults: MemberDefaults,
    rate: RateLimit,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Run<'_> {
    /// Globals, then one database after the other, then the end.
    fn take(
        &self,
        live: &mut LiveServer,
        info: &ClusterInfo,
        databases: &[String],
        slot: &mut BackupSlot,
        record: &mut BackupRecord,
    ) -> Result<(SealedArchive, Box<dyn PutStream>), Error> {
        let flow = self.flow();
        let buffers = BufferPool::new(2 * flow.window);
        let mut sealer = Sealer::without_manifest(slot.begin_archive()?, buffers.clone());
        self.progress.phase(Phase::Dumping, None);
        let role_passwords = live.may_read_passwords()?;
        if !role_passwords {
            record.warnings.push(json!({ "key": "warning-logical-no-passwords", "role": info.role }));
        }
        self.globals(live, role_passwords, &buffers, &mut sealer, record)?;
        self.ready(vec![self.defaults.folder(DATABASES_FOLDER)], &buffers, &mut sealer)?;
        let mut dumped = Vec::new();
        for database in databases {
            dumped.push(self.database(&live.settings_for(database), database, &buffers, &mut sealer, record)?);
        }
        let mut end = Some(Work::End);
        self.through_workers(|| Ok(end.take()), &buffers, &mut sealer)?;
        record::enter_copied(record, &sealer);
        record.logical =
            Some(LogicalContents { dump_version: self.programs.version, role_passwords, databases: dumped });
        let (sealed, archive) = sealer.finish()?;
        record::seal(record, &sealed);
        Ok((sealed, archive))
    }

    /// Roles, tablespaces and the like: small enough to be kept in a file without a name until their size is known.
    fn globals(
        &self,
        live: &LiveServer,
        role_passwords: bool,
        buffers: &BufferPool,
        sealer: &mut Sealer,
        record: &mut BackupRecord,
    ) -> Result<(), Error> {
        let folder = &self.options.temporary_folder;
        let failed = |error: std::io::Error| spool_error(folder, &error);
        let mut file = tempfile::tempfile_in(folder).map_err(failed)?;
        let mut program = Program::new(&self.programs.dump_all()?, &live.settings().for_client()?);
        // The name in the connection string is not looked at.
        program.arguments(["--globals-only".to_owned(), format!("--database={}", live.present_database())]);
        program.arguments((!role_passwords).then_some("--no-role-passwords"));
        let said = program.run_into(&file, self.cancel)?.warnings()?;
        warn_of(record, "pg_dumpall", "-", said);
        let size_bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let member = Arc::new(LargeMember {
            path: GLOBALS_FILE.as_bytes().to_vec(),
            mode: self.defaults.file_mode,
            modified_seconds: self.defaults.modified_seconds,
            size_bytes,
        });
        let mut offset = 0;
        let produce = || {
            let length = (size_bytes - offset).min(run_bytes(self.frame_bytes)) as usize;
            if length == 0 {
                return Ok(None);
            }
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes).map_err(|error| spool_error(folder, &error))?;
            let run = GlobalsRun { offset, bytes };
            offset += length as u64;
            Ok(Some(run))
        };
        self.run_through(produce, buffers, sealer, |packer, run: GlobalsRun, encoded| {
            let (length, piece_bytes) = (run.bytes.len(), self.frame_bytes);
            let shape = RunShape { member: member.clone(), offset: run.offset, length, piece_bytes };
            packer.run(shape, |done, buffer: &mut [u8], _| copy(&run.bytes[done..], buffer), encoded)
        })
    }

    fn database(
        &self,
        settings: &ConnectionSettings,
        name: &str,
        buffers: &BufferPool,
        sealer: &mut Sealer,
        record: &mut BackupRecord,
    ) -> Result<LogicalDatabase, Error> {
        // Held until the dump has ended: pg_dump shares it.
        let snapshot = Snapshot::take(settings)?;
        let folder = folder_of(name, snapshot.facts.oid);
        let path = format!("{DATABASES_FOLDER}/{folder}");
        let mut description = serde_json::to_vec_pretty(&DatabaseDescription::of(&snapshot))
            .map_err(|error| spool_error(&self.options.temporary_folder, &error.into()))?;
        description.push(b'\n');
        let members =
            vec![self.defaults.folder(&path), self.defaults.file(&format!("{path}/{DATABASE_FILE}"), description)];
        self.ready(members, buffers, sealer)?;

        let mut program = Program::new(&self.programs.dump(), &settings.for_client()?);
        program.arguments(["--format=custom", "--compress=0"]);
        program.arguments([format!("--snapshot={}", snapshot.id)]);
        let run_bytes = run_bytes(self.frame_bytes) as usize;
        let program = program.start_reading()?;
        let mut parts = PartCutter::new(program, &path, run_bytes, self.defaults, &self.rate, self.cancel);
        self.through_workers(|| Ok(parts.next()?.map(Work::Part)), buffers, sealer)?;
        let PartCutter { program, parts, dump_bytes, .. } = parts;
        // The end of its output is the end of the dump only if it says so.
        warn_of(record, "pg_dump", name, program.finish(self.cancel)?.warnings()?);
        let (oid, snapshot_at) = (snapshot.facts.oid, snapshot.at);
        Ok(LogicalDatabase { oid, name: name.to_owned(), folder, snapshot_at, dump_bytes, parts })
    }

    fn ready(&self, members: Vec<ReadyMember>, buffers: &BufferPool, sealer: &mut Sealer) -> Result<(), Error> {
        let mut members = Some(members);
        self.through_workers(|| Ok(members.take().map(Work::Ready)), buffers, sealer)
    }

    fn flow(&self) -> Flow {
        Flow { jobs: self.options.jobs, window: 4 * self.options.jobs }
    }

    fn through_workers(
        &self,
        produce: impl FnMut() -> Result<Option<Work>, Error> + Send,
        buffers: &BufferPool,
        sealer: &mut Sealer,
    ) -> Result<(), Error> {
        self.run_through(produce, buffers, sealer, |packer, work, encoded| match work {
            Work::Ready(members) => packer.ready(&members, encoded),
            Work::Part(PartRun { member, bytes, offset, length }) => {
                let shape = RunShape { member, offset: offset as u64, length, piece_bytes: self.frame_bytes };
                packer.run(shape, |done, buffer: &mut [u8], _| copy(&bytes[offset + done..], buffer), encoded)
            }
            Work::End => packer.raw(&[0; END_OF_TAR_BYTES], encoded),
        })
    }

    fn run_through<T: Send>(
        &self,
        produce: impl FnMut() -> Result<Option<T>, Error> + Send,
        buffers: &BufferPool,
        sealer: &mut Sealer,
        pack: impl Fn(&mut Packer, T, &mut Encoded) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let make_worker = || {
            let mut packer = Packer::new(self.frame_bytes, self.options.compression_level)?;
            let pack = &pack;
            Ok(move |work| {
                self.cancel.check()?;
                let mut encoded = Encoded { compressed: buffers.take(), ..Encoded::default() };
                packer.begin();
                pack(&mut packer, work, &mut encoded)?;
                Ok(encoded)
            })
        };
        run_ordered(self.flow(), self.cancel, produce, make_worker, |encoded: Encoded| {
            self.progress.advance(encoded.content_bytes);
            sealer.take(encoded)
        })
    }
}

/// A piece of the globals.
struct GlobalsRun {
    offset: u64,
    bytes: Vec<u8>,
}

fn copy(from: &[u8], buffer: &mut [u8]) -> Result<(), Error> {
    buffer.copy_from_slice(&from[..buffer.len()]);
    Ok(())
}

/// Enters what a program said although it succeeded.
fn warn_of(record: &mut BackupRecord, program: &str, database: &str, said: String) {
    if !said.is_empty() {
        let warning = json!({ "key": "warning-logical-said", "program": program, "database": database, "said": said });
        record.warnings.push(warning);
    }
}
