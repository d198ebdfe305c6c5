use super::encode::{EncodeSettings, Encoder};
use super::error::BackupError;
use super::external_config::{EXTERNAL_CONFIG_FOLDER, external_config_members};
use super::increment::{
    BaseMembers, ChangedBlocks, ChangesChoice, ChangesFoundBy, FindContext, choose_base, find_changes,
};
use super::manifest_member::ManifestMember;
use super::options::BackupOptions;
use super::produce::FileProducer;
use super::record;
use super::seal::Sealer;
use super::wal_members::{MemberDefaults, WalProducer, WalRange};
use super::work::{FileRun, RunContent, Work};
use crate::cluster::{
    BackupSession, BackupStart, BackupStop, ClusterInfo, Connection, ConnectionSettings, probe, read_file,
};
use crate::journal::{self, Reserved};
use crate::pipeline::{BufferPool, Flow, RateLimit, run_ordered};
use crate::reader::{PageChecker, Source, SourceReader, Walk, WalkNotes, choose_source};
use crate::restore::MARKER_FILE;
use crate::wal::{TimelinePath, compact_summaries};
use crate::{Cancel, Error, Phase, Progress};
use pgformat::control_file::{CONTROL_FILE_PATH, CONTROL_FILE_SIZE, ControlFile};
use pgformat::timeline_history::parse_history;
use pgformat::wal_segment::history_file_name;
use pgformat::{Lsn, TimelineId};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vault::archive::{END_OF_TAR_BYTES, SealedArchive, frame_size_for};
use vault::repository::{BackupKind, BackupMethod, BackupRecord, BackupSlot, BackupState, Repository, RepositoryError};
use vault::storage::PutStream;

/// How often the session between start and stop is asked whether it still lives.
const SESSION_CHECK: Duration = Duration::from_secs(10);
/// How often a torn control file is read again.
const CONTROL_FILE_ATTEMPTS: u32 = 20;

/// What an earlier restore kept aside would come twice, or be another cluster's.
const OWN_NAMES: &[&str] = &[EXTERNAL_CONFIG_FOLDER, MARKER_FILE];
/// A history has one line a promotion.
const HISTORY_LIMIT_BYTES: u64 = 1024 * 1024;

/// A backup that is COMPLETADO. Warnings (corrupt pages, no slot, …) are in the record.
#[derive(Debug, Clone)]
pub struct BackupOutcome {
    pub record: BackupRecord,
    pub seconds: f64,
}

/// What is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupRequest {
    /// FULL; DIFERENCIAL on the newest FULL; INCREMENTAL on the newest backup.
    pub kind: BackupKind,
    /// How changed blocks are found. Of no matter to a FULL.
    pub changes: ChangesChoice,
    /// The due time that the scheduler takes it for, which its record will tell; `None` when somebody asks for it.
    pub scheduled_for: Option<jiff::Timestamp>,
}

impl BackupRequest {
    /// Asks for a FULL.
    pub const FULL: Self = BackupRequest::of(BackupKind::Full);

    /// Asks for a backup of a kind, with its changed blocks found in the best way there is.
    pub const fn of(kind: BackupKind) -> Self {
        BackupRequest { kind, changes: ChangesChoice::Auto, scheduled_for: None }
    }
}

/// Takes a FULL backup and commits it; see [`run_backup`].
///
/// # Errors
/// Those of [`run_backup`].
pub fn run_full(
    settings: &ConnectionSettings,
    repository: &Repository,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BackupOutcome, Error> {
    run_backup(settings, repository, BackupRequest::FULL, options, progress, cancel)
}

/// Takes a backup and commits it. Without a base that can be used it is a FULL, whatever was asked for: the record's kind says so,
/// and its warnings say why.
///
/// # Errors
/// `BackupOption` for a value out of range; `RepositoryForeign` for another cluster's repository; `RepositoryBusy`;
/// `BackupChangesUnknown` when the demanded way can't tell the changed blocks; and those of the server, the files and the
/// storage. Whatever ends it, no half-made archive stays behind, and once an id was taken a FALLIDO record tells what happened.
/// # Cancellation
/// Ends with `cancelled`; the partial archive is removed and a FALLIDO record left.
pub fn run_backup(
    settings: &ConnectionSettings,
    repository: &Repository,
    request: BackupRequest,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BackupOutcome, Error> {
    let mut reserved = None;
    let result = attempt(settings, repository, request, options, progress, cancel, &mut reserved);
    match &result {
        Ok(outcome) => journal::backup_completed(repository, &outcome.record, outcome.seconds),
        Err(error) => {
            journal::backup_failed(repository, (request.kind, BackupMethod::Physical), reserved.as_ref(), error)
        }
    }
    result
}

/// Takes the backup; `reserved` tells, also of one that fails, which id and name it had.
fn attempt(
    settings: &ConnectionSettings,
    repository: &Repository,
    request: BackupRequest,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
    reserved: &mut Option<Reserved>,
) -> Result<BackupOutcome, Error> {
    let begin = Instant::now();
    options.check()?;
    let mut connection = Connection::connect(settings)?;
    let info = probe(&mut connection)?;
    check_same_cluster(repository, &info)?;
    cancel.check()?;

    let (base, warnings) = find_base(repository, request.kind, &info, &mut connection)?;
    let kind = base.as_ref().map_or(BackupKind::Full, |_| request.kind);
    let now = jiff::Zoned::new(jiff::Timestamp::now(), options.time_zone.clone());
    let mut slot = repository.begin_backup(kind, &now)?;
    // Only under the lock can it be told: whoever took it meanwhile has committed, or will not any more.
    if let Err(error) = refuse_taken(repository, request) {
        slot.abandon();
        return Err(error);
    }
    let label = options.label.clone().unwrap_or_else(|| format!("cadena {}", slot.name().stem));
    let mut record = record::opened(&slot, &info, options, &label, now.timestamp());
    record.warnings = warnings;
    record.scheduled_for = request.scheduled_for;
    record::stand_on(&mut record, base.as_ref().map(|base| &base.record));
    *reserved = Some(Reserved { id: record.id, archive_name: record.archive_name.clone() });
    journal::backup_started(repository, &record);
    progress.reserved(record.id.0, &record.archive_name);

    let run = Run { settings, repository, changes: request.changes, options, info: &info, progress, cancel };
    let outcome = run.take(connection, base, &mut slot, &mut record).and_then(|(sealed, archive)| {
        progress.phase(Phase::Committing, None);
        cancel.check()?;
        Ok((sealed, archive))
    });
    match outcome {
        Ok((sealed, archive)) => {
            slot.commit(archive, &sealed, &record)?;
            if record.changes_found_by.as_deref() == Some(ChangesFoundBy::Wal.word()) {
                compact(repository, cancel);
            }
            Ok(BackupOutcome { record, seconds: begin.elapsed().as_secs_f64() })
        }
        Err(error) => {
            record::fail(&mut record, &error);
            if let Err(second) = slot.fail(&record) {
                // The first error is the one that the user must mend; this one only says that no record tells of it.
                tracing::error!(error = %second, "the failed backup could not be recorded");
            }
            Err(error)
        }
    }
}

/// Refuses to take for the schedule what is there already.
fn refuse_taken(repository: &Repository, request: BackupRequest) -> Result<(), Error> {
    let Some(at) = request.scheduled_for else { return Ok(()) };
    let is_it = |record: &&BackupRecord| {
        record.state == BackupState::Completed && record.scheduled_for == Some(at) && record.kind == request.kind
    };
    match repository.contents()?.records.iter().find(is_it) {
        None => Ok(()),
        Some(record) => {
            let (id, kind, scheduled_for) = (record.id.to_string(), request.kind.word(), at.to_string());
            Err(BackupError::BackupTaken { id, kind, scheduled_for }.into())
        }
    }
}

/// Makes few long summaries of many short ones: nobody will ask for what changed since a point between two backups. That it fails
/// costs time later, and nothing else.
fn compact(repository: &Repository, cancel: &Cancel) {
    let compacted = repository.contents().map_err(Error::from).and_then(|contents| {
        let completed = contents.records.iter().filter(|record| record.state == BackupState::Completed);
        let borders: Vec<Lsn> = completed.filter_map(|record| record.start_lsn).collect();
        compact_summaries(repository, &borders, cancel)
    });
    match compacted {
        Ok(compacted) => tracing::debug!(?compacted, "summaries compacted"),
        Err(error) => tracing::warn!(%error, "the summaries could not be compacted"),
    }
}

/// The backup that another one stands on.
struct Base {
    record: BackupRecord,
    members: BaseMembers,
    /// The timelines that lead to the server's.
    path: TimelinePath,
}

/// Finds the base that a backup of `kind` wants, and what the user should know about the choice.
fn find_base(
    repository: &Repository,
    kind: BackupKind,
    info: &ClusterInfo,
    connection: &mut Connection,
) -> Result<(Option<Base>, Vec<Value>), Error> {
    if kind == BackupKind::Full {
        return Ok((None, Vec::new()));
    }
    let path = timeline_path(info.timeline, connection)?;
    let choice = choose_base(repository, &repository.contents()?, kind, info, &path);
    let warning = match (&choice.base, choice.passed_over) {
        (Some(_), None) => None,
        (Some((base, _)), Some((id, reason))) => {
            Some(json!({ "key": "warning-base-passed-over", "id": id, "base": base.id, "reason": reason }))
        }
        (None, Some((id, reason))) => {
            Some(json!({ "key": "warning-full-instead", "wanted": kind, "id": id, "reason": reason }))
        }
        (None, None) => Some(json!({ "key": "warning-full-instead-first", "wanted": kind })),
    };
    let base = choice.base.map(|(record, members)| Base { record, members, path });
    Ok((base, warning.into_iter().collect()))
}

/// Asks the server which timelines led to its own.
fn timeline_path(timeline: TimelineId, connection: &mut Connection) -> Result<TimelinePath, Error> {
    if timeline.0 == 1 {
        return Ok(TimelinePath::new(timeline, &[]));
    }
    let name = format!("pg_wal/{}", history_file_name(timeline));
    let text = read_file(connection, &name, HISTORY_LIMIT_BYTES)?.unwrap_or_default();
    Ok(TimelinePath::new(timeline, &parse_history(&String::from_utf8_lossy(&text))?))
}

/// What one run works with.
struct Run<'a> {
    settings: &'a ConnectionSettings,
    repository: &'a Repository,
    changes: ChangesChoice,
    options: &'a BackupOptions,
    info: &'a ClusterInfo,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Run<'_> {
    /// From the backup's start on the server to the sealed archive.
    fn take(
        &self,
        mut connection: Connection,
        base: Option<Base>,
        slot: &mut BackupSlot,
        record: &mut BackupRecord,
    ) -> Result<(SealedArchive, Box<dyn PutStream>), Error> {
        let source = choose_source(self.settings, &mut connection, self.info, self.options.reader)?;
        drop(connection);
        record.reader = source.name().to_owned();

        self.progress.phase(Phase::Checkpoint, None);
        let (mut session, start) = self.start_session(&record.label)?;
        record.start_lsn = Some(start.start_lsn);
        let on = base.as_ref().map(|base| (base.record.clone(), base.path.timeline_at(start.start_lsn)));
        let changed =
            base.map(|base| self.changed_blocks(base, start.start_lsn, source.as_ref(), record)).transpose()?;

        let buffers = BufferPool::new(2 * self.flow().window);
        let mut sealer = Sealer::new(
            slot.begin_archive()?,
            self.info.version,
            self.info.system_identifier,
            buffers.clone(),
            &self.options.temporary_folder,
        )?;
        let copy = Copy::new(self, source.as_ref(), changed.as_ref(), buffers);

        let expected_bytes = if changed.is_some() { None } else { self.info.size_bytes };
        self.progress.phase(Phase::Copying, expected_bytes);
        let notes = copy.data_files(&mut session, &mut sealer, record)?;
        copy.control_file(&mut sealer)?;
        let mut stop = session.stop(&|| self.cancel.is_cancelled())?;
        if let Some((base, timeline)) = &on {
            stop_on(&mut stop, base, *timeline)?;
        }

        self.progress.phase(Phase::CollectingWal, None);
        let range = WalRange {
            start_lsn: stop.label.start_lsn,
            stop_lsn: stop.stop_lsn,
            start_timeline: stop.timeline,
            stop_timeline: stop.stop_timeline,
            segment_size: self.info.wal_segment_size,
        };
        let wal = WalProducer::new(&stop, range, self.info.version, copy.frame_bytes, copy.defaults);
        copy.wal(wal, range, &mut sealer)?;
        // The WAL is in the archive: the server may recycle it now.
        drop(session);
        record::enter_copied(record, &sealer);
        record::warn(record, &start, notes);

        copy.manifest(range, &mut sealer)?;
        let (sealed, archive) = sealer.finish()?;
        record::complete(record, &sealed, range);
        Ok((sealed, archive))
    }

    /// Tells what changed from the base's start to this backup's.
    fn changed_blocks(
        &self,
        base: Base,
        start_lsn: Lsn,
        source: &dyn Source,
        record: &mut BackupRecord,
    ) -> Result<ChangedBlocks, Error> {
        // Whoever removes backups waits for the lock, which is ours by now.
        if self.repository.open_archive_object(&base.record).is_err() {
            return Err(BackupError::BackupBaseGone { id: base.record.id.to_string() }.into());
        }
        let base_lsn = base.record.start_lsn.unwrap_or(Lsn(0));
        if start_lsn < base_lsn {
            let (start_lsn, base_lsn) = (start_lsn.to_string(), base_lsn.to_string());
            return Err(BackupError::BackupBeforeBase { start_lsn, base_lsn }.into());
        }
        let context = FindContext {
            settings: self.settings,
            repository: self.repository,
            info: self.info,
            path: &base.path,
            source,
            own_names: OWN_NAMES,
            jobs: self.options.jobs,
            max_rate_bytes: self.options.max_rate_bytes,
            progress: self.progress,
            cancel: self.cancel,
        };
        let (changed, passed_over) = find_changes(&context, self.changes, &base.record, base.members, start_lsn)?;
        record.changes_found_by = Some(changed.found_by.word().to_owned());
        record.changes_passed_over = passed_over;
        Ok(changed)
    }

    fn start_session(&self, label: &str) -> Result<(BackupSession, BackupStart), Error> {
        let cancelled = || self.cancel.is_cancelled();
        let fast = self.options.fast_checkpoint;
        Ok(BackupSession::start(self.settings, self.info, label, fast, &cancelled)?)
    }

    fn flow(&self) -> Flow {
        // Four finished megabytes a worker may wait for their turn; that is also what bounds the memory.
        Flow { jobs: self.options.jobs, window: 4 * self.options.jobs }
    }
}

/// Copies the parts of a backup through the pipeline, one after the other.
struct Copy<'a> {
    run: &'a Run<'a>,
    source: &'a dyn Source,
    changed: Option<&'a ChangedBlocks>,
    frame_bytes: usize,
    defaults: MemberDefaults,
    rate: RateLimit,
    buffers: BufferPool,
}

impl<'a> Copy<'a> {
    fn new(run: &'a Run<'a>, source: &'a dyn Source, changed: Option<&'a ChangedBlocks>, buffers: BufferPool) -> Self {
        let frame_bytes = frame_size_for(run.info.size_bytes.unwrap_or(0)) as usize;
        let defaults = MemberDefaults::now();
        Copy { run, source, changed, frame_bytes, defaults, rate: RateLimit::new(run.options.max_rate_bytes), buffers }
    }

    /// Everything but the control file, while the session is watched.
    fn data_files(
        &self,
        session: &mut BackupSession,
        sealer: &mut Sealer,
        record: &mut BackupRecord,
    ) -> Result<WalkNotes, Error> {
        let mut reader = self.source.reader()?;
        let (external, warnings) =
            external_config_members(&self.run.info.external_config_files, reader.as_mut(), self.defaults);
        record.warnings.extend(warnings);
        let mut external = (!external.is_empty()).then_some(external);
        let walk = Walk::new(self.run.info.version, OWN_NAMES);
        let (mode, now) = (self.defaults.folder_mode, self.defaults.modified_seconds);
        let mut files = FileProducer::new(walk, self.frame_bytes, mode, now, self.changed);
        let mut checked = Instant::now();
        let produce = || match external.take() {
            Some(members) => Ok(Some(Work::Ready(members))),
            None => files.next(reader.as_mut()),
        };
        self.through_workers(produce, sealer, &mut || {
            if checked.elapsed() >= SESSION_CHECK {
                session.check()?;
                checked = Instant::now();
            }
            Ok(())
        })?;
        Ok(files.into_notes())
    }

    /// The control file, last of the cluster's own files: on a standby its minimum recovery point must cover all that was
    /// copied before it. A read may see it half written; its CRC tells.
    fn control_file(&self, sealer: &mut Sealer) -> Result<(), Error> {
        let mut reader = self.source.reader()?;
        let content = read_control_file(reader.as_mut(), self.run.cancel)?;
        let mut member = Some(self.defaults.file(CONTROL_FILE_PATH, content));
        let produce = || Ok(member.take().map(|member| Work::Ready(vec![member])));
        self.through_workers(produce, sealer, &mut || Ok(()))
    }

    fn wal(&self, mut wal: WalProducer, range: WalRange, sealer: &mut Sealer) -> Result<(), Error> {
        let mut reader = self.source.reader()?;
        self.through_workers(|| wal.next(range, reader.as_mut()), sealer, &mut || Ok(()))
    }

    /// PostgreSQL's manifest of all that came before, and the end of the tar stream.
    fn manifest(&self, range: WalRange, sealer: &mut Sealer) -> Result<(), Error> {
        let ranges = range.manifest_ranges(self.source.reader()?.as_mut())?;
        let folder = &self.run.options.temporary_folder;
        let manifest = ManifestMember::of(sealer, &ranges, self.frame_bytes, self.defaults, folder)?;
        let (member, mut pieces) = manifest.into_parts();
        let mut end = Some(Work::Raw(vec![0; END_OF_TAR_BYTES]));
        let produce = move || {
            let Some((offset, bytes)) = pieces.next()? else { return Ok(end.take()) };
            let length = bytes.len();
            Ok(Some(Work::Run(FileRun { member: member.clone(), content: RunContent::Bytes(bytes), offset, length })))
        };
        self.through_workers(produce, sealer, &mut || Ok(()))
    }

    fn through_workers(
        &self,
        produce: impl FnMut() -> Result<Option<Work>, Error> + Send,
        sealer: &mut Sealer,
        meanwhile: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let info = self.run.info;
        let settings = EncodeSettings {
            frame_bytes: self.frame_bytes,
            compression_level: self.run.options.compression_level,
            pages: PageChecker {
                block_size_bytes: info.block_size_bytes as usize,
                relation_segment_blocks: info.relation_segment_blocks,
                checksums_enabled: info.data_checksums,
            },
            rate: &self.rate,
            cancel: self.run.cancel,
            buffers: self.buffers.clone(),
        };
        let make_worker = || {
            let mut encoder = Encoder::new(&settings, self.source.reader()?)?;
            Ok(move |work| encoder.encode(work))
        };
        run_ordered(self.run.flow(), self.run.cancel, produce, make_worker, |encoded| {
            self.run.progress.advance(encoded.content_bytes);
            sealer.take(encoded)?;
            meanwhile()
        })
    }
}

/// Makes the label say which backup this one stands on, as that of a server's own incremental backup does (upstream
/// `xlogbackup.c`): servers since 17 then refuse to start from these files alone.
fn stop_on(stop: &mut BackupStop, base: &BackupRecord, timeline: TimelineId) -> Result<(), BackupError> {
    if stop.timeline != timeline {
        let (expected, found) = (timeline.0, stop.timeline.0);
        return Err(BackupError::BackupTimelineChanged { expected, found });
    }
    stop.label.incremental_from_lsn = base.start_lsn;
    stop.label.incremental_from_timeline = base.timeline;
    stop.label_text = stop.label.to_string();
    Ok(())
}

fn read_control_file(reader: &mut dyn SourceReader, cancel: &Cancel) -> Result<Vec<u8>, Error> {
    let mut detail = String::new();
    for _ in 0..CONTROL_FILE_ATTEMPTS {
        cancel.check()?;
        let mut content = Vec::new();
        let mut each = |_, found: Option<crate::reader::FileContent<'_>>| {
            content = found.map(|found| found.bytes.to_vec()).unwrap_or_default();
            Ok(())
        };
        reader.read_files(&[CONTROL_FILE_PATH.as_bytes()], CONTROL_FILE_SIZE, &mut each)?;
        match ControlFile::parse(&content) {
            Ok(_) => return Ok(content),
            Err(error) => detail = error.to_string(),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(BackupError::BackupControlFile { detail }.into())
}

/// Refuses a repository of another cluster.
pub(super) fn check_same_cluster(repository: &Repository, info: &ClusterInfo) -> Result<(), RepositoryError> {
    let description = repository.description();
    if description.system_identifier == info.system_identifier {
        return Ok(());
    }
    Err(RepositoryError::RepositoryForeign {
        storage: repository.storage().describe(),
        found: description.system_identifier.to_string(),
        wanted: info.system_identifier.to_string(),
    })
}
