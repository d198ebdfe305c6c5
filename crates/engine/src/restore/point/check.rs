//! Is every segment that recovery needs whole? Asked before the first byte is written.

use super::refusal;
use super::search::Nearest;
use super::work::{NeededSegment, RecoveryWork};
use crate::restore::WalDelivery;
use crate::wal::read_until;
use crate::{Cancel, Error, Progress};
use pgformat::Lsn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use vault::repository::Repository;
use vault::wal::{WalArchive, WalArchiveError};

/// Reads every segment that the archive must give, on `jobs` threads, and holds it against its checksum.
///
/// # Errors
/// `RestoreWalDamaged` for the first damaged one, with what can be reached before it; `WalMissing`; storage errors; `cancelled`.
pub(in crate::restore) fn check_segments(
    repository: &Repository,
    work: &RecoveryWork,
    delivery: WalDelivery,
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), Error> {
    let needed: Vec<&NeededSegment> = work.needed(delivery).collect();
    let Some(first) = needed.first() else { return Ok(()) };
    let missing = |needed: &NeededSegment| WalArchiveError::WalMissing {
        segment: needed.segment.file_name(work.segment_size),
        storage: repository.storage().describe(),
    };
    let archive = WalArchive::open(repository)?.ok_or_else(|| missing(first))?;
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let failures: Mutex<Vec<(usize, Error)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, needed.len()) {
            scope.spawn(|| {
                let mut bytes = Vec::new();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(needed) = needed.get(place) else { return };
                    if failed.load(Ordering::Acquire) {
                        return;
                    }
                    let checked = cancel.check().map_err(Error::from).and_then(|()| {
                        let read = read_until(&archive, needed.segment, None, &mut bytes)?;
                        progress.advance(bytes.len() as u64);
                        read.map(|_| ()).ok_or_else(|| missing(needed).into())
                    });
                    if let Err(error) = checked {
                        failed.store(true, Ordering::Release);
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push((place, error));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failures.into_iter().min_by_key(|(place, _)| *place) {
        None => Ok(()),
        Some((place, error)) => Err(refusal::damaged(error, |_| before(&archive, work.base_lsn, &needed[..place]))),
    }
}

/// Finds what the segments before the damaged one lead to.
fn before(archive: &WalArchive, base_lsn: Lsn, whole: &[&NeededSegment]) -> Nearest {
    let mut nearest = Nearest::default();
    for needed in whole {
        let Ok(summary) = archive.summary(needed.segment) else { break };
        let end: Option<Lsn> = summary.records_end_lsn;
        end.into_iter().filter(|end| *end > base_lsn).for_each(|end| nearest.earlier(summary.latest_time, end));
    }
    nearest
}
