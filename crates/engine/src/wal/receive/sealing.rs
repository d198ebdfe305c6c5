//! Seals segments that were received live, and publishes those that were compressed on the way, in the background: who waits for a
//! commit must not wait for zstd, and who catches up not for the disk.

use crate::Error;
use crate::pipeline::PipelineError;
use pgformat::{Lsn, WalSegment};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use vault::wal::{WalArchive, WalArchiveError, WrittenSegment};

/// Segments that may wait; then receiving waits as well.
const QUEUE: usize = 2;
/// What is read of a partial file at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What is to be done with a segment.
enum Work {
    /// It is whole in its partial file.
    Seal(WalSegment),
    /// It is written, under a hidden name.
    Publish { segment: WalSegment, written: Box<WrittenSegment>, had_partial: bool },
}

/// The background thread and its queue.
pub(super) struct Sealing {
    /// `None` once no more come.
    queue: Option<SyncSender<Work>>,
    done: Receiver<Result<WalSegment, WalArchiveError>>,
    worker: Option<JoinHandle<()>>,
}

impl Sealing {
    pub(super) fn start(archive: &WalArchive, level: i32, jobs: usize) -> Result<Self, Error> {
        let (queue, works) = mpsc::sync_channel::<Work>(QUEUE);
        let (outcome, done) = mpsc::channel();
        let archive = archive.clone();
        let work = move || {
            for work in works {
                let sealed = match work {
                    Work::Seal(segment) => seal_partial(&archive, segment, level, jobs).map(|()| segment),
                    Work::Publish { segment, written, had_partial } => {
                        publish(&archive, segment, *written, had_partial).map(|()| segment)
                    }
                };
                let failed = sealed.is_err();
                // After a failure the queue closes; what waits in it stays in its partial files.
                if outcome.send(sealed).is_err() || failed {
                    return;
                }
            }
        };
        let worker = std::thread::Builder::new()
            .name("wal-sealing".to_owned())
            .spawn(work)
            .map_err(|error| ended(format!("no thread: {error}")))?;
        Ok(Sealing { queue: Some(queue), done, worker: Some(worker) })
    }

    /// Queues a segment whose partial file is whole and durable. Waits while the queue is full.
    pub(super) fn submit(&mut self, segment: WalSegment) -> Result<(), Error> {
        self.send(Work::Seal(segment))
    }

    /// Queues a segment that is written and has to become durable and visible. Waits while the queue is full.
    pub(super) fn publish(
        &mut self,
        segment: WalSegment,
        written: WrittenSegment,
        had_partial: bool,
    ) -> Result<(), Error> {
        self.send(Work::Publish { segment, written: Box::new(written), had_partial })
    }

    /// Waits for the next one that is done.
    ///
    /// # Errors
    /// What kept it from being sealed.
    pub(super) fn wait(&mut self) -> Result<WalSegment, Error> {
        self.done.recv().map_err(|_| ended("the sealing thread is gone".to_owned()))?.map_err(Error::from)
    }

    fn send(&mut self, work: Work) -> Result<(), Error> {
        if self.queue.as_ref().is_some_and(|queue| queue.send(work).is_ok()) {
            return Ok(());
        }
        self.sealed()?;
        Err(ended("the sealing thread is gone".to_owned()))
    }

    /// Returns the segments that were sealed since it was last asked.
    ///
    /// # Errors
    /// What kept one from being sealed.
    pub(super) fn sealed(&mut self) -> Result<Vec<WalSegment>, Error> {
        self.done.try_iter().map(|outcome| outcome.map_err(Error::from)).collect()
    }

    /// Waits until everything in the queue is sealed.
    ///
    /// # Errors
    /// What kept one from being sealed.
    pub(super) fn finish(&mut self) -> Result<Vec<WalSegment>, Error> {
        self.queue = None;
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            return Err(ended("the sealing thread panicked".to_owned()));
        }
        self.sealed()
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        // Whoever takes the receiver's lock next must find nobody at work here.
        self.queue = None;
        if let Some(worker) = self.worker.take() {
            drop(worker.join());
        }
    }
}

/// Seals a segment from its partial file, which must be whole, and removes that.
pub(super) fn seal_partial(
    archive: &WalArchive,
    segment: WalSegment,
    level: i32,
    jobs: usize,
) -> Result<(), WalArchiveError> {
    let size = archive.geometry().segment_size;
    let partial = archive.open_partial(segment)?;
    let mut sealer = archive.seal(segment, level, jobs)?;
    let mut piece = vec![0; PIECE_BYTES];
    let (mut at, end) = (segment.start_lsn(size), segment.end_lsn(size));
    while at < end {
        // Segments are whole mebibytes.
        partial.read_range(at, &mut piece)?;
        sealer.write(&piece)?;
        at = Lsn(at.0 + PIECE_BYTES as u64);
    }
    sealer.finish()?;
    archive.remove_partial(segment)
}

/// Publishes a segment and makes its name durable. Its partial file, if there was one, is removed then.
fn publish(
    archive: &WalArchive,
    segment: WalSegment,
    written: WrittenSegment,
    had_partial: bool,
) -> Result<(), WalArchiveError> {
    written.publish()?;
    archive.settle(segment)?;
    if had_partial { archive.remove_partial(segment) } else { Ok(()) }
}

fn ended(detail: String) -> Error {
    PipelineError::WorkerPanicked { detail }.into()
}
