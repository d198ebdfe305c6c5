//! How do the files get written? The index is read by one thread that makes directories and hands out runs; workers decode
//! frames and write, each output byte once.

use super::direct::{AlignedBuffer, PartWriter};
use super::durable::sync_file;
use super::layout::Layout;
use super::split::{Destination, Run, SharedFile, Splitter, WholeFile};
use super::survey::SIGNAL_FILES;
use super::tree::{Tree, TreeWriter};
use crate::pipeline::PipelineError;
use crate::restore::RestoreError;
use crate::restore::error::write_error;
use crate::restore::{MARKER_FILE, RestoreNote};
use crate::{Cancel, Error, Progress};
use crossbeam_channel::{Receiver, bounded};
use pgformat::control_file::CONTROL_FILE_PATH;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use vault::archive::{ArchiveReader, FrameDecoder, MemberKind};

/// Writes every member but pg_control and signal files.
///
/// # Errors
/// The first worker's.
pub(crate) fn write_members(
    reader: &ArchiveReader,
    layout: &Layout,
    tree: &Tree,
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Vec<RestoreNote>, Error> {
    let outcome = Outcome::default();
    let notes = std::thread::scope(|scope| {
        let (sender, receiver) = bounded::<Run>(jobs);
        for _ in 0..jobs {
            let receiver = receiver.clone();
            let worker = Worker { reader, tree, progress, cancel, outcome: &outcome };
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
        distribute(reader, layout, tree, &mut emit).map_err(|error| outcome.fail(error)).unwrap_or_default()
    });
    outcome.into_result()?;
    Ok(notes)
}

/// Reads the index, makes directories and hands out the files.
fn distribute(
    reader: &ArchiveReader,
    layout: &Layout,
    tree: &Tree,
    emit: &mut dyn FnMut(Run) -> Result<(), Error>,
) -> Result<Vec<RestoreNote>, Error> {
    let mut notes = Vec::new();
    let mut writer = TreeWriter::new(tree);
    let mut splitter = Splitter::new(reader.seek_table());
    for member in reader.members()? {
        let member = member?;
        let location = layout.locate(&member.path)?;
        if member.kind == MemberKind::Directory {
            writer.make_directory(location.root, location.path)?;
        } else if let Some(signal) = SIGNAL_FILES.into_iter().find(|signal| signal.as_bytes() == member.path) {
            notes.push(RestoreNote::RestoreDroppedSignal { file: signal.to_owned() });
        } else if member.path != CONTROL_FILE_PATH.as_bytes() && member.path != MARKER_FILE.as_bytes() {
            let (place, target) = ((location.root, location.path), (tree, &mut writer));
            splitter.add_file(&member, place, target, emit)?;
        }
    }
    splitter.finish(emit)?;
    Ok(notes)
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
    reader: &'a ArchiveReader,
    tree: &'a Tree,
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
        let mut frames = Frames::new(self.reader)?;
        let mut writer = TreeWriter::new(self.tree);
        let mut buffer = AlignedBuffer::new();
        for run in runs {
            for piece in run.pieces {
                if self.outcome.failed.load(Ordering::Acquire) {
                    return Ok(());
                }
                self.cancel.check()?;
                match piece.destination {
                    Destination::Whole(file) => self.write_whole(&file, piece.plain, &mut frames, &mut writer)?,
                    Destination::Part { file, offset } => {
                        self.write_part(&file, offset, piece.plain, &mut frames, &mut buffer)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn write_whole(
        &self,
        whole: &WholeFile,
        plain: std::ops::Range<u64>,
        frames: &mut Frames<'_>,
        writer: &mut TreeWriter<'_>,
    ) -> Result<(), Error> {
        let path = || self.tree.full_path(whole.root, &whole.path);
        let mut file: File = writer.create_file(whole.root, &whole.path)?;
        let size_bytes = plain.end - plain.start;
        let mut crc = 0;
        frames.for_each(plain, |bytes| {
            self.cancel.check()?;
            crc = crc32c::crc32c_append(crc, bytes);
            file.write_all(bytes).map_err(|error| write_error(&path(), error))?;
            self.progress.advance(bytes.len() as u64);
            Ok(())
        })?;
        if crc != whole.crc32c {
            return Err(RestoreError::RestoreContent { path: path().display().to_string() }.into());
        }
        Ok(sync_file(&file, size_bytes).map_err(|error| write_error(&path(), error))?)
    }

    fn write_part(
        &self,
        file: &Arc<SharedFile>,
        offset: u64,
        plain: std::ops::Range<u64>,
        frames: &mut Frames<'_>,
        buffer: &mut AlignedBuffer,
    ) -> Result<(), Error> {
        let mut crc = 0;
        let length = plain.end - plain.start;
        let mut part = PartWriter::new(file, buffer, offset);
        frames.for_each(plain, |bytes| {
            self.cancel.check()?;
            crc = crc32c::crc32c_append(crc, bytes);
            part.write(bytes)?;
            self.progress.advance(bytes.len() as u64);
            Ok(())
        })?;
        part.finish()?;
        Ok(file.finish_part(offset, length, crc)?)
    }
}

/// Decodes frames, and keeps the last one: small files share it.
struct Frames<'a> {
    reader: &'a ArchiveReader,
    decoder: FrameDecoder,
    scratch: Vec<u8>,
    plain: Vec<u8>,
    decoded: Option<usize>,
}

impl<'a> Frames<'a> {
    fn new(reader: &'a ArchiveReader) -> Result<Self, Error> {
        let decoder = FrameDecoder::new()?;
        Ok(Frames { reader, decoder, scratch: Vec::new(), plain: Vec::new(), decoded: None })
    }

    /// Gives the bytes of a plain range to `take`, frame by frame.
    fn for_each(
        &mut self,
        range: std::ops::Range<u64>,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut position = range.start;
        while position < range.end {
            let beyond = || vault::archive::ArchiveError::ArchiveDamaged {
                offset: self.reader.size_bytes(),
                detail: format!("no frame holds plain byte {position}"),
            };
            let frame = self.reader.seek_table().frame_at(position).ok_or_else(beyond)?;
            let held = self.reader.seek_table().plain_range(frame);
            if self.decoded != Some(frame) {
                self.decoded = None;
                self.reader.read_frame(frame, &mut self.decoder, &mut self.scratch, &mut self.plain)?;
                self.decoded = Some(frame);
            }
            let end = range.end.min(held.end);
            let (from, to) = (usize::try_from(position - held.start), usize::try_from(end - held.start));
            let bytes = from.ok().zip(to.ok()).and_then(|(from, to)| self.plain.get(from..to)).ok_or_else(beyond)?;
            take(bytes)?;
            position = end;
        }
        Ok(())
    }
}
