//! How is a target refused? With what can be reached nearby.

use super::request::RecoveryTarget;
use super::search::{LogEnd, Nearest};
use crate::Error;
use crate::restore::RestoreError;
use crate::wal::{Coverage, KnownWal, TimelinePath};
use pgformat::{TimelineId, WalSegment};
use vault::wal::WalArchiveError;

/// Names a target in an error.
pub(super) fn target_text(target: &RecoveryTarget) -> String {
    match target {
        RecoveryTarget::BackupEnd => "backup end".to_owned(),
        RecoveryTarget::Latest => "latest".to_owned(),
        RecoveryTarget::Time(time) => time.to_string(),
        RecoveryTarget::Lsn(lsn) => lsn.to_string(),
        RecoveryTarget::Name(name) => name.clone(),
    }
}

/// Lists numbers for an error; `-` when there are none.
pub(super) fn list_text(timelines: &[TimelineId]) -> String {
    let texts: Vec<String> = timelines.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

/// Makes the error for a target that no backup leads to: WAL that is missing in between says so, for it may be found somewhere.
pub(super) fn unreachable(
    known: &KnownWal,
    path: &TimelinePath,
    target: &RecoveryTarget,
    nearest: &Nearest,
    timelines: &[TimelineId],
) -> RestoreError {
    if timelines.is_empty()
        && let Some(end) = nearest.ends
        && let Some(segment) = missing_before_more(known, path, end)
    {
        return RestoreError::RestoreWalMissing {
            segment,
            needed_from: end.lsn,
            target: target_text(target),
            earlier_at: nearest.earlier_at,
            later_at: nearest.later_at,
        };
    }
    RestoreError::RestoreTargetUnreachable {
        target: target_text(target).into(),
        earlier_at: nearest.earlier_at,
        earlier_lsn: nearest.earlier_lsn,
        later_at: nearest.later_at,
        later_lsn: nearest.later_lsn,
        timelines: list_text(timelines).into(),
    }
}

/// Returns the name of the segment at which the log breaks off, if there is more of it afterwards.
fn missing_before_more(known: &KnownWal, path: &TimelinePath, end: LogEnd) -> Option<String> {
    let size = known.segment_size()?;
    let coverage = Coverage { contents: &known.contents, path, size, base: None };
    let more = coverage.archived().into_iter().any(|number| number > end.missing);
    let timeline = path.candidates(end.missing, size).next()?.timeline;
    more.then(|| WalSegment { timeline, number: end.missing }.file_name(size))
}

/// Turns damage that the search came upon into a refusal that names what can be reached before it.
pub(super) fn damaged(error: Error, nearest: impl FnOnce(&str) -> Nearest) -> Error {
    let Error::WalArchive(WalArchiveError::WalDamaged { segment, detail, .. }) = error else { return error };
    let nearest = nearest(&segment);
    let (earlier_at, earlier_lsn) = (nearest.earlier_at, nearest.earlier_lsn);
    RestoreError::RestoreWalDamaged { segment, detail, earlier_at, earlier_lsn }.into()
}
