//! Compresses a segment's frames, in place or on several threads, and gives them back in order. Memory: some frames a thread.

use super::WalArchiveError;
use super::trailer::{FRAME_PLAIN_BYTES, SealedFrame};
use crate::archive::{ArchiveError, FrameEncoder};
use crate::repository::RepositoryError;
use crate::storage::StorageError;
use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// More threads than this are never of use: the writer's own work (checking and summing) is the limit long before.
const JOB_LIMIT: usize = 64;

/// Encoders that are not in use. Making one takes longer than compressing a small segment with it.
#[derive(Clone, Default)]
pub(super) struct EncoderPool(Arc<Mutex<Vec<(i32, FrameEncoder)>>>);

impl EncoderPool {
    fn take(&self, level: i32) -> Result<FrameEncoder, ArchiveError> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.iter().position(|(of, _)| *of == level) {
            Some(at) => Ok(idle.swap_remove(at).1),
            None => FrameEncoder::for_wal(level),
        }
    }

    fn give_back(&self, level: i32, encoder: FrameEncoder) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < JOB_LIMIT {
            idle.push((level, encoder));
        }
    }
}

/// A frame on its way, and its place in the segment.
struct Job {
    place: usize,
    plain: Vec<u8>,
    compressed: Vec<u8>,
}

struct Done {
    place: usize,
    plain: Vec<u8>,
    compressed: Result<(Vec<u8>, SealedFrame), ArchiveError>,
}

/// Takes plain frames and hands over compressed ones, in the same order.
pub(super) enum Compressor {
    /// The caller's thread does it: for whoever works on several segments at once. No frame goes from one processor's cache to
    /// another's, and nobody waits.
    Here(Box<Here>),
    /// Other threads do it while the caller's fills the next frame: for one segment that is waited for.
    Threads(Box<Threads>),
}

/// One encoder and its buffers.
pub(super) struct Here {
    level: i32,
    pool: EncoderPool,
    encoder: FrameEncoder,
    plain: Vec<u8>,
    compressed: Vec<u8>,
}

/// Several encoders, each in a thread.
pub(super) struct Threads {
    level: i32,
    pool: EncoderPool,
    /// `None` once no more come.
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    workers: Vec<JoinHandle<FrameEncoder>>,
    /// Done before one that comes before them.
    early: BTreeMap<usize, (Vec<u8>, SealedFrame)>,
    sent: usize,
    handed_over: usize,
    received: usize,
    in_flight_limit: usize,
    idle_plain: Vec<Vec<u8>>,
    idle_compressed: Vec<Vec<u8>>,
}

/// Where compressed frames go.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[u8], SealedFrame) -> Result<(), StorageError>;

impl Compressor {
    /// Makes one of `jobs` threads; with 0 the caller's thread does the work.
    pub(super) fn new(pool: &EncoderPool, level: i32, jobs: usize) -> Result<Self, WalArchiveError> {
        Ok(match jobs {
            0 => Compressor::Here(Box::new(Here::new(pool, level)?)),
            jobs => Compressor::Threads(Box::new(Threads::new(pool, level, jobs)?)),
        })
    }

    /// Returns a buffer of a frame's length for the next one.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let idle = match self {
            Compressor::Here(here) => Some(std::mem::take(&mut here.plain)).filter(|plain| !plain.is_empty()),
            Compressor::Threads(threads) => threads.idle_plain.pop(),
        };
        idle.unwrap_or_else(|| vec![0; FRAME_PLAIN_BYTES])
    }

    /// Takes the next frame, in a buffer that is full, and hands over those that are ready. Waits when too many are on their way.
    pub(super) fn push(&mut self, plain: Vec<u8>, sink: Sink<'_>) -> Result<(), WalArchiveError> {
        match self {
            Compressor::Here(here) => here.push(plain, sink),
            Compressor::Threads(threads) => threads.push(plain, sink),
        }
    }

    /// Hands over all that is left, and ends the threads.
    pub(super) fn finish(self, sink: Sink<'_>) -> Result<(), WalArchiveError> {
        match self {
            Compressor::Here(here) => here.pool.give_back(here.level, here.encoder),
            Compressor::Threads(threads) => threads.finish(sink)?,
        }
        Ok(())
    }
}

impl Here {
    fn new(pool: &EncoderPool, level: i32) -> Result<Self, WalArchiveError> {
        let encoder = pool.take(level).map_err(codec)?;
        Ok(Here { level, pool: pool.clone(), encoder, plain: Vec::new(), compressed: Vec::new() })
    }

    fn push(&mut self, plain: Vec<u8>, sink: Sink<'_>) -> Result<(), WalArchiveError> {
        self.compressed.clear();
        let frame = encode(&mut self.encoder, &plain, &mut self.compressed).map_err(codec)?;
        self.plain = plain;
        Ok(sink(&self.compressed, frame)?)
    }
}

impl Threads {
    fn new(pool: &EncoderPool, level: i32, jobs: usize) -> Result<Self, WalArchiveError> {
        let jobs = jobs.clamp(1, JOB_LIMIT);
        let (job_sender, job_receiver) = mpsc::channel::<Job>();
        let job_receiver = Arc::new(Mutex::new(job_receiver));
        let (done_sender, done) = mpsc::channel();
        let mut workers = Vec::with_capacity(jobs);
        for _ in 0..jobs {
            let encoder = pool.take(level).map_err(codec)?;
            let (jobs, done) = (Arc::clone(&job_receiver), done_sender.clone());
            match std::thread::Builder::new().spawn(move || work(encoder, &jobs, &done)) {
                Ok(worker) => workers.push(worker),
                // The system has no more threads: fewer do.
                Err(_) if !workers.is_empty() => break,
                Err(error) => return Err(StorageError::from_io("", "", "start a thread", &error).into()),
            }
        }
        Ok(Threads {
            level,
            pool: pool.clone(),
            jobs: Some(job_sender),
            done,
            // One at work a thread, and two more: the next one is ready when any of them ends. The buffers are all the
            // memory that there is, and each of their pages costs a fault in a process that lives for one segment.
            in_flight_limit: workers.len() + 2,
            workers,
            early: BTreeMap::new(),
            sent: 0,
            handed_over: 0,
            received: 0,
            idle_plain: Vec::new(),
            idle_compressed: Vec::new(),
        })
    }

    fn push(&mut self, plain: Vec<u8>, sink: Sink<'_>) -> Result<(), WalArchiveError> {
        let compressed = self.idle_compressed.pop().unwrap_or_default();
        let job = Job { place: self.sent, plain, compressed };
        if self.jobs.as_ref().is_none_or(|jobs| jobs.send(job).is_err()) {
            return Err(ended());
        }
        self.sent += 1;
        while let Ok(done) = self.done.try_recv() {
            self.receive(done)?;
        }
        self.hand_over(sink)?;
        while self.sent - self.handed_over >= self.in_flight_limit {
            let done = self.done.recv().map_err(|_| ended())?;
            self.receive(done)?;
            self.hand_over(sink)?;
        }
        Ok(())
    }

    fn finish(mut self, sink: Sink<'_>) -> Result<(), WalArchiveError> {
        // Threads that have nothing more to do end.
        self.jobs = None;
        while self.received < self.sent {
            let done = self.done.recv().map_err(|_| ended())?;
            self.receive(done)?;
            self.hand_over(sink)?;
        }
        for worker in self.workers {
            if let Ok(encoder) = worker.join() {
                self.pool.give_back(self.level, encoder);
            }
        }
        Ok(())
    }

    fn receive(&mut self, done: Done) -> Result<(), WalArchiveError> {
        self.received += 1;
        self.idle_plain.push(done.plain);
        self.early.insert(done.place, done.compressed.map_err(codec)?);
        Ok(())
    }

    fn hand_over(&mut self, sink: Sink<'_>) -> Result<(), WalArchiveError> {
        while let Some((mut compressed, frame)) = self.early.remove(&self.handed_over) {
            sink(&compressed, frame)?;
            self.handed_over += 1;
            compressed.clear();
            self.idle_compressed.push(compressed);
        }
        Ok(())
    }
}

fn work(mut encoder: FrameEncoder, jobs: &Mutex<Receiver<Job>>, done: &Sender<Done>) -> FrameEncoder {
    loop {
        // One of the idle threads waits for the next job, the others for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { place, plain, mut compressed }) = job else { return encoder };
        let encoded = encode(&mut encoder, &plain, &mut compressed).map(|frame| (compressed, frame));
        if done.send(Done { place, plain, compressed: encoded }).is_err() {
            return encoder;
        }
    }
}

fn encode(encoder: &mut FrameEncoder, plain: &[u8], compressed: &mut Vec<u8>) -> Result<SealedFrame, ArchiveError> {
    encoder.encode(plain, compressed)?;
    Ok(SealedFrame { compressed_bytes: compressed.len() as u32, crc32c: crc32c::crc32c(compressed) })
}

pub(super) fn codec(error: ArchiveError) -> WalArchiveError {
    RepositoryError::from(error).into()
}

/// Threads end early only by a panic, and nothing in them panics.
fn ended() -> WalArchiveError {
    codec(ArchiveError::ArchiveMisuse { detail: "a compressing thread ended early".to_owned() })
}
