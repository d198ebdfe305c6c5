//! Summarizes what is being received, in the background: neither a commit nor the stream waits for it. What is lost here by an
//! error or for lack of time is made out of the archive when a backup needs it.

use crate::Error;
use crate::pipeline::PipelineError;
use crate::wal::changes::SummaryMaker;
use pgformat::{Lsn, TimelineId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use vault::wal::WalArchive;

/// What may wait to be summarized. When it is more, the rest of the segment goes by unsummarized.
const WAITING_BYTES: usize = 16 << 20;

/// The background thread and its queue.
pub(super) struct Summarizing {
    /// `None` once no more come.
    queue: Option<Sender<Message>>,
    waiting_bytes: Arc<AtomicUsize>,
    timeline: TimelineId,
    segment_bytes: u64,
    /// Whether bytes go by until the next segment begins.
    passes: bool,
    worker: Option<JoinHandle<()>>,
}

enum Message {
    Begin(TimelineId, Lsn),
    Bytes(Vec<u8>),
}

impl Summarizing {
    pub(super) fn start(archive: &WalArchive, block_size_bytes: u32) -> Result<Self, Error> {
        let (queue, messages) = mpsc::channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let (archive, waiting) = (archive.clone(), Arc::clone(&waiting_bytes));
        let segment_bytes = archive.geometry().segment_size.bytes();
        let worker = std::thread::Builder::new()
            .name("wal-summaries".to_owned())
            .spawn(move || work(&archive, block_size_bytes, &messages, &waiting))
            .map_err(|error| PipelineError::WorkerPanicked { detail: format!("no thread: {error}") })?;
        Ok(Summarizing {
            queue: Some(queue),
            waiting_bytes,
            timeline: TimelineId(0),
            segment_bytes,
            passes: true,
            worker: Some(worker),
        })
    }

    /// Begins anew at a segment's start.
    pub(super) fn begin(&mut self, timeline: TimelineId) {
        self.timeline = timeline;
        self.passes = true;
    }

    /// Takes the bytes that follow. Never waits.
    pub(super) fn take(&mut self, lsn: Lsn, bytes: &[u8]) {
        let mut rest = bytes;
        if self.passes {
            let until_next = (self.segment_bytes - lsn.0 % self.segment_bytes) % self.segment_bytes;
            let Some((_, from_start)) = usize::try_from(until_next).ok().and_then(|at| bytes.split_at_checked(at))
            else {
                return;
            };
            if from_start.is_empty() {
                return;
            }
            rest = from_start;
            self.passes = false;
            self.send(Message::Begin(self.timeline, Lsn(lsn.0 + until_next)));
        }
        if self.waiting_bytes.load(Ordering::Relaxed) + rest.len() > WAITING_BYTES {
            tracing::info!("WAL comes faster than it is summarized; the segment with {lsn} is left for later");
            self.passes = true;
            return;
        }
        self.waiting_bytes.fetch_add(rest.len(), Ordering::Relaxed);
        self.send(Message::Bytes(rest.to_vec()));
    }

    fn send(&mut self, message: Message) {
        if self.queue.as_ref().is_some_and(|queue| queue.send(message).is_err()) {
            tracing::warn!("the thread that summarizes WAL is gone; what comes is summarized when it is needed");
            self.queue = None;
        }
    }
}

impl Drop for Summarizing {
    fn drop(&mut self) {
        // Whoever takes the receiver's lock next must find nobody at work here.
        self.queue = None;
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            tracing::warn!("the thread that summarizes WAL panicked");
        }
    }
}

fn work(archive: &WalArchive, block_size_bytes: u32, messages: &Receiver<Message>, waiting_bytes: &AtomicUsize) {
    let mut maker: Option<SummaryMaker> = None;
    for message in messages {
        match message {
            Message::Begin(timeline, lsn) => {
                maker = Some(SummaryMaker::new(*archive.geometry(), block_size_bytes, timeline, lsn));
            }
            Message::Bytes(bytes) => {
                let fed = maker.as_mut().map(|maker| {
                    maker.feed(&bytes, &mut |name, table| {
                        if let Err(error) = archive.put_summary(name, &table) {
                            tracing::warn!("the summary {name} can't be kept: {error}");
                        }
                    })
                });
                waiting_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                if let Some(Err(error)) = fed {
                    // Who receives it meets the same error, unless it has refused the bytes already.
                    tracing::warn!("received WAL can't be summarized: {error}");
                    maker = None;
                }
            }
        }
    }
}
