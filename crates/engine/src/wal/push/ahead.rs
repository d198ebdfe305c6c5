//! The segments behind the one that was asked for: which ones wait, and archiving them on all cores.

use super::PushOptions;
use super::file::SegmentFile;
use crate::Error;
use pgformat::{WalSegment, WalSegmentSize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use vault::wal::{SealOutcome, WalArchive, WalArchiveError, WrittenSegment};

/// Where the server says which files it wants archived (upstream `xlogarchive.c`, `XLogArchiveNotify`), beside them.
const STATUS_FOLDER: &str = "archive_status";

/// Returns the files of the segments right behind `segment`, on the same timeline, that the server has marked as ready, at most
/// `limit`. None when there is no such folder: then it is not pg_wal that they lie in.
///
/// A segment that is marked is whole and never changes again, up to where it is archived (upstream `xlog.c`, `XLogWrite`).
pub(super) fn following(path: &Path, segment: WalSegment, size: WalSegmentSize, limit: usize) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let names = (1..=limit as u64).map_while(|step| {
        let number = segment.number.checked_add(step)?;
        Some(WalSegment { number, ..segment }.file_name(size))
    });
    names
        .take_while(|name| folder.join(STATUS_FOLDER).join(format!("{name}.ready")).is_file())
        .map(|name| folder.join(name))
        .collect()
}

/// Archives segments that nobody has asked for yet.
pub(super) struct Ahead<'a> {
    archive: &'a WalArchive,
    level: i32,
    jobs: usize,
    files: &'a [PathBuf],
    /// The next of the files that nobody works on.
    next: AtomicUsize,
    /// Whether something went wrong: then the rest waits until it is asked for.
    stopped: AtomicBool,
}

impl<'a> Ahead<'a> {
    pub(super) fn of(archive: &'a WalArchive, options: &PushOptions<'_>, files: &'a [PathBuf]) -> Self {
        Ahead {
            archive,
            level: options.level,
            jobs: options.jobs,
            files,
            next: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Publishes the segment that was asked for, by `asked`, while others are read and compressed: each by one thread from
    /// beginning to end, so that its bytes stay in one processor's cache. This thread waits for the disk, for one after the other.
    /// Returns how it went, and how many others were published. Their names are not settled.
    pub(super) fn beside<T>(
        &self,
        asked: impl FnOnce() -> Result<T, WalArchiveError>,
    ) -> (Result<T, WalArchiveError>, usize) {
        let workers = self.jobs.max(1).min(self.files.len());
        if workers == 0 {
            return (asked(), 0);
        }
        // What is written and not published yet waits in its hidden file; few of them, should the disk be slow.
        let (sender, written) = mpsc::sync_channel(workers);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let sender = sender.clone();
                let started = std::thread::Builder::new().spawn_scoped(scope, move || self.work(&sender));
                if let Err(error) = started {
                    tracing::info!("no thread to archive ahead with: {error}");
                }
            }
            drop(sender);
            let asked = asked();
            if asked.is_err() {
                self.stop();
            }
            (asked, self.publish(&written))
        })
    }

    fn work(&self, written: &SyncSender<WrittenSegment>) {
        while !self.stopped.load(Ordering::Relaxed)
            && let Some(path) = self.files.get(self.next.fetch_add(1, Ordering::Relaxed))
        {
            match self.write(path) {
                Ok(Some(segment)) => {
                    if written.send(segment).is_err() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => return self.give_up(path, &error),
            }
        }
    }

    /// Writes one segment; `None` when it is archived already.
    fn write(&self, path: &Path) -> Result<Option<WrittenSegment>, Error> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = SegmentFile::open(path, &name)?;
        // Of another cluster or of other sizes: its own call will say so.
        if file.geometry != *self.archive.geometry() || self.archive.is_sealed(file.segment)? {
            return Ok(None);
        }
        file.write(self.archive, self.level, 0).map(Some)
    }

    fn publish(&self, written: &Receiver<WrittenSegment>) -> usize {
        let mut published = 0;
        for segment in written {
            // After an error, what is written still goes: the room that it takes may be what is missing.
            if self.stopped.load(Ordering::Relaxed) {
                continue;
            }
            match segment.publish() {
                Ok(SealOutcome::Archived) => published += 1,
                Ok(SealOutcome::AlreadyThere) => {}
                Err(error) => {
                    tracing::info!("archiving ahead ended: {error}");
                    self.stop();
                }
            }
        }
        published
    }

    fn give_up(&self, path: &Path, error: &Error) {
        tracing::info!("archiving {} ahead failed: {error}", path.display());
        self.stop();
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
