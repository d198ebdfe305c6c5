//! Is every archive the very one that its record describes? Asked before anything is made of them.

use super::links::Chain;
use crate::pipeline::PipelineError;
use crate::{Cancel, Error, Phase, Progress};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use vault::repository::RepositoryError;

impl Chain {
    /// Compares the SHA-256 of every archive with its record's, up to `jobs` archives at a time.
    ///
    /// # Errors
    /// `RepositoryArchiveDigest` for the first of the chain that differs; those of the storage; `cancelled`.
    pub fn check_digests(&self, jobs: usize, progress: &dyn Progress, cancel: &Cancel) -> Result<(), Error> {
        progress.phase(Phase::Verifying, Some(self.links().iter().map(|link| link.reader.size_bytes()).sum()));
        // The FULL, which takes longest, begins.
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let failures: Mutex<Vec<(usize, Error)>> = Mutex::default();
        let work = || {
            while let place = next.fetch_add(1, Ordering::Relaxed)
                && place < self.links().len()
                && !failed.load(Ordering::Acquire)
            {
                if let Err(error) = self.check_digest(place, progress, cancel, &failed) {
                    failed.store(true, Ordering::Release);
                    failures.lock().unwrap_or_else(PoisonError::into_inner).push((place, error));
                }
            }
        };
        let threads = jobs.clamp(1, self.links().len());
        let panicked = std::thread::scope(|scope| {
            // One of them is this thread: a chain of one takes none beside it.
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            work();
            others.into_iter().map(|other| other.join()).any(|joined| joined.is_err())
        });
        let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failures.into_iter().min_by_key(|(place, _)| *place) {
            Some((_, error)) => Err(error),
            None if panicked => Err(PipelineError::WorkerPanicked { detail: "digest".to_owned() }.into()),
            None => Ok(cancel.check()?),
        }
    }

    fn check_digest(
        &self,
        place: usize,
        progress: &dyn Progress,
        cancel: &Cancel,
        failed: &AtomicBool,
    ) -> Result<(), Error> {
        let link = &self.links()[place];
        let found = link.reader.sha256(&mut |bytes| {
            progress.advance(bytes);
            !cancel.is_cancelled() && !failed.load(Ordering::Acquire)
        })?;
        cancel.check()?;
        // Another archive failed: that error is the one to tell.
        let Some(found) = found else { return Ok(()) };
        let recorded = link.record.sha256.clone().unwrap_or_default();
        if found == recorded {
            return Ok(());
        }
        let (id, object) = (link.record.id.to_string(), link.record.archive_name.clone());
        Err(RepositoryError::RepositoryArchiveDigest { id, object, found, recorded }.into())
    }
}
