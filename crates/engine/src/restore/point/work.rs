//! What recovery takes: segments, their order, and how they come to the server.

use super::request::{RecoveryPlan, RecoveryRequest, RecoveryStop, WalDelivery};
use super::search::Stop;
use crate::Error;
use crate::cluster::ServerOwner;
use crate::restore::RestoreError;
use crate::restore::target::Access;
use crate::wal::{Holder, KnownWal, PathLog};
use pgformat::wal::SummaryTime;
use pgformat::{Lsn, TimelineId, WalSegment, WalSegmentSize};
use std::path::Path;
use vault::repository::Repository;
use vault::storage::Exclusion;
use vault::wal::SegmentForm;

/// A segment that recovery takes from the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::restore) struct NeededSegment {
    pub segment: WalSegment,
    /// The backup has a file of this name, too, and it is the lesser one: it ends with the backup.
    pub replaces_own: bool,
    /// The backup has it as well, whole: not needed where WAL is staged.
    pub is_own: bool,
}

/// Everything that apply must know of a recovery with archived WAL.
#[derive(Debug, Clone)]
pub(in crate::restore) struct RecoveryWork {
    /// The backup's end: nothing before it can be reached.
    pub base_lsn: Lsn,
    pub stop_lsn: Lsn,
    pub stop: RecoveryStop,
    /// The record that is replayed last, for a stop at the end of the log.
    pub last_record: Option<Lsn>,
    /// What the server may see: from here on no WAL exists for it.
    pub until_lsn: Lsn,
    pub timelines: Vec<TimelineId>,
    pub last_commit: Option<SummaryTime>,
    pub segments: Vec<NeededSegment>,
    /// The timeline to recover along; `None`: that of the backup, of whose descent nothing is known.
    pub target_timeline: Option<TimelineId>,
    pub segment_size: WalSegmentSize,
    /// A file in the backup is better than the archive's of the same name, which the server would ask for first.
    pub must_stage: bool,
    /// The backup's own file with the end of the log, whose rest must not be replayed.
    pub own_end: Option<WalSegment>,
}

/// Lists what a stop takes.
///
/// # Errors
/// As [`PathLog::walk`].
pub(super) fn work_for(known: &KnownWal, log: &PathLog<'_>, stop: &Stop) -> Result<RecoveryWork, Error> {
    let size = log.geometry().segment_size;
    let last = (stop.needed_until_lsn.0.saturating_sub(1) / size.bytes()).min(log.run.last);
    let own = log.first_segment()..=log.base.last_segment(size);
    let mut segments = Vec::new();
    let mut must_stage = false;
    let mut own_end = None;
    for number in *own.start()..=last {
        let Some(piece) = log.coverage.piece(number) else { continue };
        let has_own = own.contains(&number) && piece.segment.timeline == log.base.timeline;
        if piece.holder == Holder::Base {
            let archived = known.contents.timelines.get(&piece.segment.timeline);
            let form = archived.and_then(|found| found.segments.get(&number)).map(|found| found.form);
            must_stage |= form == Some(SegmentForm::Partial);
            if number == last && stop.how == RecoveryStop::EndOfWal {
                own_end = Some(piece.segment);
            }
            continue;
        }
        let replaces_own = has_own && number == *own.end();
        segments.push(NeededSegment { segment: piece.segment, replaces_own, is_own: has_own && !replaces_own });
    }
    let path = log.coverage.path;
    let until_lsn = match stop.how {
        RecoveryStop::EndOfWal => stop.lsn,
        // The server stops by itself; it is given whole segments, and none that it will not ask for.
        RecoveryStop::BeforeRecord => Lsn((last + 1).saturating_mul(size.bytes())),
    };
    let timeline = path.timeline();
    Ok(RecoveryWork {
        base_lsn: log.base.stop_lsn,
        stop_lsn: stop.lsn,
        stop: stop.how,
        last_record: stop.last_record,
        until_lsn,
        timelines: path.timelines_between(log.base.start_lsn, stop.lsn),
        last_commit: log.last_commit_before(stop.lsn)?,
        segments,
        target_timeline: (timeline.0 == 1 || known.has_history(timeline)).then_some(timeline),
        segment_size: size,
        must_stage,
        own_end,
    })
}

impl RecoveryWork {
    /// Returns what the archive must give, for a delivery.
    pub fn needed(&self, delivery: WalDelivery) -> impl Iterator<Item = &NeededSegment> {
        self.segments.iter().filter(move |needed| delivery != WalDelivery::Stage || !needed.is_own)
    }

    /// Tells it to people.
    pub fn plan(&self, request: &RecoveryRequest, delivery: WalDelivery) -> RecoveryPlan {
        let segments = self.needed(delivery).count() as u64;
        RecoveryPlan {
            timelines: self.timelines.clone(),
            stop_lsn: self.stop_lsn,
            stop: self.stop,
            last_commit: self.last_commit,
            segments,
            wal_bytes: segments * self.segment_size.bytes(),
            delivery,
            action: request.action,
            archive_mode: request.archive_mode,
        }
    }
}

/// Decides how the server gets its WAL.
///
/// # Errors
/// `RestoreFetchUnusable` when it is to fetch and can't.
pub(in crate::restore) fn choose_delivery(
    repository: &Repository,
    request: &RecoveryRequest,
    work: &RecoveryWork,
    owner: Option<&ServerOwner>,
) -> Result<WalDelivery, RestoreError> {
    let program = request.fetch_command.as_ref().and_then(|command| command.first());
    let user = owner.map_or_else(|| "-".to_owned(), |owner| owner.name.clone());
    let refusal = |detail: String| RestoreError::RestoreFetchUnusable { owner: user.clone(), detail };
    let obstacle = match (program, owner) {
        (None, _) => Some(refusal("-".to_owned())),
        (Some(_), None) => None,
        (Some(program), Some(owner)) => {
            let access = Access::of(owner);
            let storage = repository.storage();
            let folders = match storage.exclusion() {
                Exclusion::Kernel => {
                    let folder = Path::new(&storage.describe()).to_owned();
                    vec![folder.join("wal"), folder]
                }
                // What lies elsewhere is no folder that a user could be kept out of.
                Exclusion::Lease => Vec::new(),
            };
            let shut = folders.iter().find_map(|folder| access.barrier(folder));
            let barred = shut.or_else(|| (!access.can_run(Path::new(program))).then(|| program.into()));
            barred.map(|place| refusal(place.display().to_string()))
        }
    };
    // The server's user has no identity, unless whoever asks for it has seen to that.
    let is_encrypted = repository.recipients().is_some() && request.delivery != WalDelivery::Fetch;
    match (request.delivery, obstacle) {
        (WalDelivery::Stage, _) => Ok(WalDelivery::Stage),
        (WalDelivery::Fetch, Some(refusal)) => Err(refusal),
        (_, None) if !work.must_stage && !is_encrypted && !work.segments.is_empty() => Ok(WalDelivery::Fetch),
        _ => Ok(WalDelivery::Stage),
    }
}
