//! How does a chain become a new FULL without the server? Every block is taken from the newest archive that has it, as a restore
//! would, and goes through the same pipeline as a backup's into a new archive.

use super::error::BackupError;
use super::manifest_member::ManifestMember;
use super::options::BackupOptions;
use super::pack::{Packer, RunShape};
use super::produce::run_bytes;
use super::record;
use super::seal::Sealer;
use super::wal_members::MemberDefaults;
use super::work::{Encoded, LargeMember, ReadyMember};
use crate::chain::{Chain, ChainReader, LABEL_LIMIT_BYTES, LABEL_PATH, OutputContent, OutputMember, Outputs};
use crate::journal::{self, Reserved};
use crate::pipeline::{BufferPool, Flow, run_ordered};
use crate::verify::MANIFEST_PATH;
use crate::{Cancel, Error, Phase, Progress};
use pgformat::backup_label::BackupLabel;
use pgformat::backup_manifest::{BackupManifest, ManifestWalRange};
use std::sync::Arc;
use std::time::Instant;
use vault::archive::{END_OF_TAR_BYTES, MemberKind, SealedArchive, TarMember, frame_size_for};
use vault::repository::{BackupId, BackupKind, BackupMethod, BackupRecord, BackupSlot, BackupState, Repository};
use vault::storage::PutStream;

/// How many plain bytes of small files make a piece of work, and how many files at the most.
const WORK_BYTES: u64 = 1 << 20;
const WORK_FILES: usize = 1_024;
/// No manifest is longer: enough for five million files.
const MANIFEST_LIMIT_BYTES: u64 = 1 << 30;

/// What a merge gave.
#[derive(Debug, Clone)]
pub struct MergeOutcome {
    /// The FULL.
    pub record: BackupRecord,
    /// It was there already: nothing was done.
    pub already_there: bool,
    /// Wall time.
    pub seconds: f64,
}

/// Puts the chain of the backup `id` together into a new FULL, which restores to the same and can be the base of backups to come. The
/// server is not asked; the chain stays as it is. A chain that was merged before is not merged again.
///
/// # Errors
/// `BackupMergeAlone` for a FULL; the chain's own; `RepositoryArchiveDigest` before anything is written; `RepositoryBusy`. Whatever ends
/// it, no half-made archive stays behind.
/// # Cancellation
/// Ends with `cancelled`; the partial archive is removed and a FALLIDO record left.
pub fn merge(
    repository: &Repository,
    id: BackupId,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<MergeOutcome, Error> {
    let mut reserved = None;
    let result = attempt(repository, id, options, progress, cancel, &mut reserved);
    match (&result, &reserved) {
        (Ok(outcome), Some(_)) => journal::backup_completed(repository, &outcome.record, outcome.seconds),
        (Err(error), Some(_)) => {
            let what = (BackupKind::Full, BackupMethod::Physical);
            journal::backup_failed(repository, what, reserved.as_ref(), error);
        }
        // Nothing was begun, so nothing changed in the repository.
        (_, None) => {}
    }
    result
}

/// Merges; `reserved` tells, also of one that fails, which id and name it had.
fn attempt(
    repository: &Repository,
    id: BackupId,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
    reserved: &mut Option<Reserved>,
) -> Result<MergeOutcome, Error> {
    let begin = Instant::now();
    options.check()?;
    let records = repository.chain(id)?;
    if records.len() < 2 {
        return Err(BackupError::BackupMergeAlone { id: id.to_string() }.into());
    }
    let ids: Vec<BackupId> = records.iter().map(|record| record.id).collect();
    if let Some(record) = merged_before(repository, &ids)? {
        return Ok(MergeOutcome { record, already_there: true, seconds: begin.elapsed().as_secs_f64() });
    }
    let chain = Chain::open(repository, &records)?;
    chain.check_labels()?;
    chain.check_digests(options.jobs, progress, cancel)?;

    let now = jiff::Zoned::new(jiff::Timestamp::now(), options.time_zone.clone());
    let mut slot = repository.begin_backup(BackupKind::Full, &now)?;
    let newest = &chain.newest().record;
    let mut record = record::merged(&slot, newest, ids, options, now.timestamp());
    *reserved = Some(Reserved { id: record.id, archive_name: record.archive_name.clone() });
    journal::backup_started(repository, &record);
    progress.reserved(record.id.0, &record.archive_name);
    let merge = Merge { chain: &chain, options, progress, cancel };
    let outcome = merge.write(&mut slot, &mut record).and_then(|sealed| {
        progress.phase(Phase::Committing, None);
        cancel.check()?;
        Ok(sealed)
    });
    match outcome {
        Ok((sealed, archive)) => {
            slot.commit(archive, &sealed, &record)?;
            Ok(MergeOutcome { record, already_there: false, seconds: begin.elapsed().as_secs_f64() })
        }
        Err(error) => {
            record::fail(&mut record, &error);
            if let Err(second) = slot.fail(&record) {
                tracing::error!(error = %second, "the failed merge could not be recorded");
            }
            Err(error)
        }
    }
}

/// Finds a FULL that was made of the same chain and is whole.
fn merged_before(repository: &Repository, ids: &[BackupId]) -> Result<Option<BackupRecord>, Error> {
    let contents = repository.contents()?;
    let same = |record: &&BackupRecord| {
        record.state == BackupState::Completed
            && record.merged_from == ids
            && !contents.without_archive.contains(&record.id)
    };
    Ok(contents.records.iter().find(same).cloned())
}

struct Merge<'a> {
    chain: &'a Chain,
    options: &'a BackupOptions,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

/// A piece of the new archive.
enum Work {
    Ready(Vec<ReadyMember>),
    Files(Vec<OutputMember>),
    Run { member: Arc<LargeMember>, output: Arc<OutputMember>, offset: u64, length: usize },
    Manifest { member: Arc<LargeMember>, bytes: Vec<u8>, offset: u64 },
    End,
}

impl Merge<'_> {
    fn write(
        &self,
        slot: &mut BackupSlot,
        record: &mut BackupRecord,
    ) -> Result<(SealedArchive, Box<dyn PutStream>), Error> {
        let (label, ranges) = self.label_and_ranges()?;
        let flow = Flow { jobs: self.options.jobs, window: 4 * self.options.jobs };
        let buffers = BufferPool::new(2 * flow.window);
        let mut sealer = Sealer::new(
            slot.begin_archive()?,
            record.postgresql_version,
            record.system_identifier,
            buffers.clone(),
            &self.options.temporary_folder,
        )?;
        let plain_bytes = self.chain.links()[0].record.plain_bytes;
        let frame_bytes = frame_size_for(plain_bytes) as usize;
        self.progress.phase(Phase::Copying, Some(plain_bytes));

        let mut files = Files::new(self.chain.outputs()?, frame_bytes, label);
        self.through_workers(flow, &buffers, frame_bytes, || files.next(), &mut sealer)?;
        record::enter_copied(record, &sealer);
        let links: Vec<BackupRecord> = self.chain.links().iter().map(|link| link.record.clone()).collect();
        record::enter_damage_of(record, &links);

        let defaults = MemberDefaults::now();
        let manifest = ManifestMember::of(&mut sealer, &ranges, frame_bytes, defaults, &self.options.temporary_folder)?;
        let (member, mut pieces) = manifest.into_parts();
        let mut end = Some(Work::End);
        let produce = || match pieces.next()? {
            Some((offset, bytes)) => Ok(Some(Work::Manifest { member: member.clone(), bytes, offset })),
            None => Ok(end.take()),
        };
        self.through_workers(flow, &buffers, frame_bytes, produce, &mut sealer)?;
        let (sealed, archive) = sealer.finish()?;
        record::seal(record, &sealed);
        Ok((sealed, archive))
    }

    /// The newest label without the lines that say what it stood on, and the WAL that belongs to it.
    fn label_and_ranges(&self) -> Result<(String, Vec<ManifestWalRange>), Error> {
        let newest = self.chain.newest();
        let member = newest.reader.find_member(LABEL_PATH.as_bytes())?;
        let text = newest.reader.read_member(&member, LABEL_LIMIT_BYTES)?;
        let mut label = BackupLabel::parse(&String::from_utf8_lossy(&text))?;
        (label.incremental_from_lsn, label.incremental_from_timeline) = (None, None);
        let record = &newest.record;
        let ranges = match (record.timeline, record.start_lsn, record.stop_lsn) {
            (Some(timeline), Some(start_lsn), Some(end_lsn)) if timeline == label.start_timeline => {
                vec![ManifestWalRange { timeline, start_lsn, end_lsn }]
            }
            // Taken of a standby while its server was promoted: only the manifest tells where.
            _ => {
                let member = newest.reader.find_member(MANIFEST_PATH.as_bytes())?;
                BackupManifest::parse(&newest.reader.read_member(&member, MANIFEST_LIMIT_BYTES)?)?.wal_ranges
            }
        };
        Ok((label.to_string(), ranges))
    }

    fn through_workers(
        &self,
        flow: Flow,
        buffers: &BufferPool,
        frame_bytes: usize,
        produce: impl FnMut() -> Result<Option<Work>, Error> + Send,
        sealer: &mut Sealer,
    ) -> Result<(), Error> {
        let make_worker = || {
            let mut worker = Worker {
                reader: self.chain.reader()?,
                packer: Packer::new(frame_bytes, self.options.compression_level)?,
                content: Vec::new(),
                frame_bytes,
            };
            Ok(move |work| {
                self.cancel.check()?;
                let encoded = Encoded { compressed: buffers.take(), ..Encoded::default() };
                worker.encode(work, encoded)
            })
        };
        run_ordered(flow, self.cancel, produce, make_worker, |encoded: Encoded| {
            self.progress.advance(encoded.content_bytes);
            sealer.take(encoded)
        })
    }
}

/// Cuts what the chain restores to into pieces, in the order of the newest archive.
struct Files<'c> {
    outputs: Outputs<'c>,
    frame_bytes: usize,
    label: String,
    large: Option<(Arc<LargeMember>, Arc<OutputMember>, u64)>,
    /// What did not fit the piece before.
    pending: Option<OutputMember>,
}

impl<'c> Files<'c> {
    fn new(outputs: Outputs<'c>, frame_bytes: usize, label: String) -> Self {
        Files { outputs, frame_bytes, label, large: None, pending: None }
    }

    fn next(&mut self) -> Result<Option<Work>, Error> {
        loop {
            if let Some(work) = self.next_run() {
                return Ok(Some(work));
            }
            let Some(output) = self.next_output()? else { return Ok(None) };
            match &output.content {
                OutputContent::Directory => return self.folders(output).map(Some),
                // Made anew: it lists the new archive's files.
                _ if output.path == MANIFEST_PATH.as_bytes() => {}
                _ if output.path == LABEL_PATH.as_bytes() => return Ok(Some(Work::Ready(vec![self.label(&output)]))),
                _ if output.size_bytes <= self.frame_bytes as u64 => return self.small(output).map(Some),
                _ => {
                    let member = LargeMember {
                        path: output.path.clone(),
                        mode: output.mode,
                        modified_seconds: output.modified_seconds,
                        size_bytes: output.size_bytes,
                    };
                    self.large = Some((Arc::new(member), Arc::new(output), 0));
                }
            }
        }
    }

    fn next_output(&mut self) -> Result<Option<OutputMember>, Error> {
        match self.pending.take() {
            Some(output) => Ok(Some(output)),
            None => self.outputs.next().transpose(),
        }
    }

    fn next_run(&mut self) -> Option<Work> {
        let (member, output, offset) = self.large.take()?;
        let length = (member.size_bytes - offset).min(run_bytes(self.frame_bytes));
        if offset + length < member.size_bytes {
            self.large = Some((member.clone(), output.clone(), offset + length));
        }
        Some(Work::Run { member, output, offset, length: length as usize })
    }

    fn label(&self, output: &OutputMember) -> ReadyMember {
        ReadyMember {
            path: output.path.clone(),
            kind: MemberKind::File,
            mode: output.mode,
            modified_seconds: output.modified_seconds,
            content: self.label.clone().into_bytes(),
        }
    }

    fn folders(&mut self, first: OutputMember) -> Result<Work, Error> {
        let mut members = Vec::new();
        let mut next = Some(first);
        while let Some(output) = next.take() {
            if !matches!(output.content, OutputContent::Directory) {
                self.pending = Some(output);
                break;
            }
            let OutputMember { path, mode, modified_seconds, .. } = output;
            let (kind, content) = (MemberKind::Directory, Vec::new());
            members.push(ReadyMember { path, kind, mode, modified_seconds, content });
            if members.len() < WORK_FILES {
                next = self.outputs.next().transpose()?;
            }
        }
        Ok(Work::Ready(members))
    }

    fn small(&mut self, first: OutputMember) -> Result<Work, Error> {
        let mut bytes = first.size_bytes;
        let mut files = vec![first];
        while files.len() < WORK_FILES {
            let Some(output) = self.outputs.next().transpose()? else { break };
            let is_special = output.path == MANIFEST_PATH.as_bytes() || output.path == LABEL_PATH.as_bytes();
            let is_folder = matches!(output.content, OutputContent::Directory);
            let fits = output.size_bytes <= self.frame_bytes as u64 && bytes + output.size_bytes <= WORK_BYTES;
            if is_special || is_folder || !fits {
                self.pending = Some(output);
                break;
            }
            bytes += output.size_bytes;
            files.push(output);
        }
        Ok(Work::Files(files))
    }
}

/// Reads blocks where they lie, and makes frames of them.
struct Worker<'c> {
    reader: ChainReader<'c>,
    packer: Packer,
    content: Vec<u8>,
    frame_bytes: usize,
}

impl Worker<'_> {
    fn encode(&mut self, work: Work, mut encoded: Encoded) -> Result<Encoded, Error> {
        let Worker { reader, packer, content, frame_bytes } = self;
        packer.begin();
        match work {
            Work::Ready(members) => packer.ready(&members, &mut encoded)?,
            Work::Files(files) => {
                for output in files {
                    content.clear();
                    reader.read::<Error>(&output, 0..output.size_bytes, &mut |bytes| {
                        content.extend_from_slice(bytes);
                        Ok(())
                    })?;
                    let member = TarMember {
                        path: &output.path,
                        kind: MemberKind::File,
                        mode: output.mode,
                        modified_seconds: output.modified_seconds,
                        size_bytes: output.size_bytes,
                    };
                    packer.member(&member, content, &mut encoded)?;
                }
                packer.close(&mut encoded)?;
            }
            Work::Run { member, output, offset, length } => {
                let shape = RunShape { member, offset, length, piece_bytes: *frame_bytes };
                let fill = |done: usize, buffer: &mut [u8], _: &mut Encoded| -> Result<(), Error> {
                    let (from, mut at) = (offset + done as u64, 0);
                    reader.read::<Error>(&output, from..from + buffer.len() as u64, &mut |bytes| {
                        buffer[at..at + bytes.len()].copy_from_slice(bytes);
                        at += bytes.len();
                        Ok(())
                    })
                };
                packer.run(shape, fill, &mut encoded)?;
            }
            Work::Manifest { member, bytes, offset } => {
                let shape = RunShape { member, offset, length: bytes.len(), piece_bytes: *frame_bytes };
                let fill = |done: usize, buffer: &mut [u8], _: &mut Encoded| {
                    buffer.copy_from_slice(&bytes[done..done + buffer.len()]);
                    Ok(())
                };
                packer.run(shape, fill, &mut encoded)?;
            }
            Work::End => packer.raw(&[0; END_OF_TAR_BYTES], &mut encoded)?,
        }
        Ok(encoded)
    }
}
