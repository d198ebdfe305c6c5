//! How do the files get written? One thread goes through the outputs of the chain, makes directories and hands out runs; workers
//! decode frames and write, each output byte once.

use super::direct::{AlignedBuffer, PartWriter};
use super::durable::sync_file;
use super::layout::Layout;
use super::rewrite::{RewriteCounts, Rewriter};
use super::split::{Destination, LayeredSplitter, PieceSource, Run, SharedFile, Splitter, WholeContent, WholeFile};
use super::survey::SIGNAL_FILES;
use super::tree::{Tree, TreeWriter};
use crate::chain::{Chain, ChainReader, LABEL_PATH, OutputContent, OutputMember};
use crate::pipeline::PipelineError;
use crate::restore::RestoreError;
use crate::restore::error::write_error;
use crate::restore::only::KeptDatabases;
use crate::restore::{MARKER_FILE, RestoreNote};
use crate::{Cancel, Error, Progress};
use crossbeam_channel::{Receiver, bounded};
use pgformat::control_file::CONTROL_FILE_PATH;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What `pg_verifybackup` asks for.
pub(crate) const MANIFEST_PATH: &[u8] = b"backup_manifest";

/// Writes every output but pg_control, backup_label and signal files. What the newest archive of a chain says of its own members in
/// backup_manifest is true of no file of the cluster, so that is left out as well. With `over`, files that are there are compared
/// and made right.
///
/// # Errors
/// The first worker's.
pub(crate) fn write_members(
    chain: &Chain,
    layout: &Layout,
    tree: &Tree,
    (over, kept): (Option<&RewriteCounts>, Option<&KeptDatabases>),
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Vec<RestoreNote>, Error> {
    let outcome = Outcome::default();
    let notes = std::thread::scope(|scope| {
        let (sender, receiver) = bounded::<Run>(jobs);
        for _ in 0..jobs {
            let receiver = receiver.clone();
            let worker = Worker { chain, tree, over, progress, cancel, outcome: &outcome };
            scope.spawn(move || worker.work(&receiver));
        }
        // Only workers hold it now: when the last one is gone, sending fails instead of waiting for ever.
        drop(receiver);
        let mut emit = |run| {
            cancel.check()?;
            // All workers are gone: the first of them has told why.
            sender
                .send(run)
                .map_err(|_| Error::from(PipelineError::WorkerPanicked { detail: "no worker left".to_owned() }))
        };
        // If a worker failed before, its error stays: what the distributor saw is only the consequence.
        distribute(chain, layout, (tree, kept), &mut emit).map_err(|error| outcome.fail(error)).unwrap_or_default()
    });
    outcome.into_result()?;
    Ok(notes)
}

/// Goes through the outputs, makes directories and hands out the files.
fn distribute(
    chain: &Chain,
    layout: &Layout,
    (tree, kept): (&Tree, Option<&KeptDatabases>),
    emit: &mut dyn FnMut(Run) -> Result<(), Error>,
) -> Result<Vec<RestoreNote>, Error> {
    let mut notes = Vec::new();
    let mut writer = TreeWriter::new(tree);
    let mut whole = Splitter::new(chain.newest().reader.seek_table());
    let mut layered = LayeredSplitter::new(chain);
    let is_alone = chain.links().len() == 1;
    for output in chain.outputs()? {
        let output = output?;
        let location = layout.locate(&output.path)?;
        let place = (location.root, location.path);
        if kept.is_some_and(|kept| kept.leaves_out(&output.path)) && !matches!(output.content, OutputContent::Directory)
        {
            make_hollow(&output, place, tree, &mut writer)?;
            continue;
        }
        match &output.content {
            OutputContent::Directory => writer.make_directory(location.root, location.path)?,
            OutputContent::Layered(file) => layered.add_file(file, place, (tree, &mut writer), emit)?,
            OutputContent::Whole { content_offset, crc32c } => match treatment(&output.path, is_alone) {
                Treatment::Leave => {}
                Treatment::Tell(signal) => {
                    notes.push(RestoreNote::RestoreDroppedSignal { file: signal.to_owned() });
                }
                Treatment::Write => {
                    let (content_offset, crc32c, size_bytes) = (*content_offset, *crc32c, output.size_bytes);
                    let content = WholeContent { content_offset, size_bytes, crc32c };
                    whole.add_file(&content, place, (tree, &mut writer), emit)?;
                }
            },
        }
    }
    whole.finish(emit)?;
    layered.finish(emit)?;
    Ok(notes)
}

/// Makes a file of its length that takes no room: recovery finds each block there, and no block has to be made to reach another one.
fn make_hollow(
    output: &OutputMember,
    (root, path): (usize, &[u8]),
    tree: &Tree,
    writer: &mut TreeWriter<'_>,
) -> Result<(), RestoreError> {
    let file = writer.create_file(root, path)?;
    file.set_len(output.size_bytes).map_err(|error| write_error(&tree.full_path(root, path), error))
}

/// What becomes of a whole file.
enum Treatment {
    Write,
    /// Somebody else writes it, or nobody.
    Leave,
    /// A signal file, which is left out.
    Tell(&'static str),
}

fn treatment(path: &[u8], is_alone: bool) -> Treatment {
    if let Some(signal) = SIGNAL_FILES.into_iter().find(|signal| signal.as_bytes() == path) {
        return Treatment::Tell(signal);
    }
    let left = [CONTROL_FILE_PATH, MARKER_FILE, LABEL_PATH].iter().any(|left| left.as_bytes() == path);
    if left || !is_alone && path == MANIFEST_PATH { Treatment::Leave } else { Treatment::Write }
}

/// The first error, and the sign for all workers to stop.
#[derive(Default)]
struct Outcome {
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Outcome {
    fn fail(&self, error: Error) {
        self.failed.store(true, Ordering::Release);
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn into_result(self) -> Result<(), Error> {
        self.error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

struct Worker<'a> {
    chain: &'a Chain,
    tree: &'a Tree,
    over: Option<&'a RewriteCounts>,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    outcome: &'a Outcome,
}

impl Worker<'_> {
    fn work(&self, runs: &Receiver<Run>) {
        // A panic must not end in a restore that looks complete, nor in an abort: it is an error like others.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.write_runs(runs)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.outcome.fail(error),
            Err(panic) => {
                let detail = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let detail = detail.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                self.outcome.fail(PipelineError::WorkerPanicked { detail }.into());
            }
        }
    }

    fn write_runs(&self, runs: &Receiver<Run>) -> Result<(), Error> {
        let mut reader = self.chain.reader()?;
        let mut writer = TreeWriter::new(self.tree);
        let mut buffer = AlignedBuffer::new();
        let mut found = Vec::new();
        for run in runs {
            for piece in run.pieces {
                if self.outcome.failed.load(Ordering::Acquire) {
                    return Ok(());
                }
                self.cancel.check()?;
                match piece.destination {
                    Destination::Whole(file) => match self.over {
                        None => self.write_whole(&file, &piece.source, &mut reader, &mut writer)?,
                        Some(counts) => {
                            self.rewrite_whole(&file, &piece.source, &mut reader, &mut writer, (counts, &mut found))?;
                        }
                    },
                    Destination::Part { file, offset } => match self.over.zip(file.existing()) {
                        None => {
                            self.write_part(&file, offset, &piece.source, &mut reader, &mut buffer)?;
                            if let Some(counts) = self.over {
                                counts.written_bytes.fetch_add(piece.source.size_bytes(), Ordering::Relaxed);
                            }
                        }
                        Some((counts, (existing, path, old_bytes))) => {
                            let place = (offset, old_bytes);
                            let mut part = Rewriter::new((existing, path), place, counts, &mut found);
                            let crc = self.read(&piece.source, &mut reader, &mut |bytes| part.write(bytes))?;
                            file.finish_part(offset, piece.source.size_bytes(), crc)?;
                        }
                    },
                }
            }
        }
        Ok(())
    }

    /// Gives a piece's bytes to `take`, and returns their CRC-32C.
    fn read(
        &self,
        source: &PieceSource,
        reader: &mut ChainReader<'_>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), RestoreError>,
    ) -> Result<u32, Error> {
        let mut crc = 0;
        let mut each = |bytes: &[u8]| {
            self.cancel.check()?;
            // Nobody has one of a layered file to compare with.
            if matches!(source, PieceSource::Plain(_)) {
                crc = crc32c::crc32c_append(crc, bytes);
            }
            take(bytes)?;
            self.progress.advance(bytes.len() as u64);
            Ok::<(), Error>(())
        };
        match source {
            PieceSource::Plain(plain) => reader.read_plain(self.chain.links().len() - 1, plain.clone(), &mut each)?,
            PieceSource::Layered(file, range) => reader.read_layered(file, range.clone(), &mut each)?,
        }
        Ok(crc)
    }

    fn write_whole(
        &self,
        whole: &WholeFile,
        source: &PieceSource,
        reader: &mut ChainReader<'_>,
        writer: &mut TreeWriter<'_>,
    ) -> Result<(), Error> {
        let path = || self.tree.full_path(whole.root, &whole.path);
        let mut file: File = writer.create_file(whole.root, &whole.path)?;
        let crc =
            self.read(source, reader, &mut |bytes| file.write_all(bytes).map_err(|error| write_error(&path(), error)))?;
        if whole.crc32c.is_some_and(|wanted| crc != wanted) {
            return Err(RestoreError::RestoreContent { path: path().display().to_string() }.into());
        }
        Ok(sync_file(&file, source.size_bytes()).map_err(|error| write_error(&path(), error))?)
    }

    /// Makes a file right that may be there already.
    fn rewrite_whole(
        &self,
        whole: &WholeFile,
        source: &PieceSource,
        reader: &mut ChainReader<'_>,
        writer: &mut TreeWriter<'_>,
        (counts, found): (&RewriteCounts, &mut Vec<u8>),
    ) -> Result<(), Error> {
        let opened = writer.open_file(whole.root, &whole.path)?;
        let path = self.tree.full_path(whole.root, &whole.path);
        let (size_bytes, old_bytes) = (source.size_bytes(), opened.old_bytes.unwrap_or(0));
        let mut rewriter = Rewriter::new((&opened.file, &path), (0, old_bytes), counts, found);
        let crc = self.read(source, reader, &mut |bytes| rewriter.write(bytes))?;
        let has_written = rewriter.has_written();
        if whole.crc32c.is_some_and(|wanted| crc != wanted) {
            return Err(RestoreError::RestoreContent { path: path.display().to_string() }.into());
        }
        if old_bytes > size_bytes {
            opened.file.set_len(size_bytes).map_err(|error| write_error(&path, error))?;
        }
        if has_written {
            sync_file(&opened.file, size_bytes).map_err(|error| write_error(&path, error))?;
        }
        Ok(())
    }

    fn write_part(
        &self,
        file: &Arc<SharedFile>,
        offset: u64,
        source: &PieceSource,
        reader: &mut ChainReader<'_>,
        buffer: &mut AlignedBuffer,
    ) -> Result<(), Error> {
        let mut part = PartWriter::new(file, buffer, offset);
        let crc = self.read(source, reader, &mut |bytes| part.write(bytes))?;
        part.finish()?;
        Ok(file.finish_part(offset, source.size_bytes(), crc)?)
    }
}
