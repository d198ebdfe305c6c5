//! What is missing between the segments that are here, and why?

use super::{Coverage, Holder, KnownWal, TimelinePath, WindowFinding, WindowGap};
use crate::Error;
use pgformat::{Lsn, TimelineId, WalSegment};
use std::collections::BTreeMap;
use vault::wal::{WalArchiveError, WalContents};

/// Segments in the archive that can't be used, with the reason.
pub(super) type Damaged = BTreeMap<WalSegment, String>;

/// How many threads read trailers.
const READERS: usize = 4;

/// Returns the archive's contents without the segments that can't be used, and those.
///
/// # Errors
/// Storage errors.
pub(super) fn sound_contents(known: &KnownWal) -> Result<(WalContents, Damaged), Error> {
    let all: Vec<WalSegment> = known
        .contents
        .timelines
        .iter()
        .flat_map(|(timeline, found)| found.segments.keys().map(|&number| WalSegment { timeline: *timeline, number }))
        .collect();
    let part = all.len().div_ceil(READERS).max(1);
    let judged: Vec<Result<Vec<(WalSegment, Option<String>)>, Error>> = std::thread::scope(|scope| {
        let readers: Vec<_> = all.chunks(part).map(|part| scope.spawn(move || judge(known, part))).collect();
        let ended = readers.into_iter().map(|reader| reader.join());
        ended.map(|result| result.unwrap_or_else(|_| Err(worker_panicked()))).collect()
    });
    let mut contents = known.contents.clone();
    let mut damaged = Damaged::new();
    for judged in judged {
        for (segment, detail) in judged? {
            if let Some(found) = contents.timelines.get_mut(&segment.timeline) {
                found.segments.remove(&segment.number);
            }
            damaged.extend(detail.map(|detail| (segment, detail)));
        }
    }
    Ok((contents, damaged))
}

fn worker_panicked() -> Error {
    crate::pipeline::PipelineError::WorkerPanicked { detail: "reading trailers of WAL segments".to_owned() }.into()
}

/// Returns the segments that are not fit for use; without a reason when they are gone by now.
fn judge(known: &KnownWal, segments: &[WalSegment]) -> Result<Vec<(WalSegment, Option<String>)>, Error> {
    let mut unfit = Vec::new();
    for &segment in segments {
        match known.summary(segment) {
            Ok(_) => {}
            Err(WalArchiveError::WalMissing { .. }) => unfit.push((segment, None)),
            Err(WalArchiveError::WalDamaged { detail, .. }) => unfit.push((segment, Some(detail))),
            Err(error @ WalArchiveError::WalNewer { .. }) => unfit.push((segment, Some(error.to_string()))),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(unfit)
}

/// Finds the gaps along a path, and adds those that are new.
///
/// # Errors
/// Storage errors.
pub(super) fn add_gaps(
    known: &KnownWal,
    contents: &WalContents,
    damaged: &Damaged,
    path: &TimelinePath,
    gaps: &mut BTreeMap<(TimelineId, Lsn), WindowGap>,
) -> Result<(), Error> {
    let Some(size) = known.segment_size() else { return Ok(()) };
    let coverage = Coverage { contents, path, size, base: None };
    let numbers = coverage.archived();
    for (&number, &next) in numbers.iter().zip(numbers.iter().skip(1)) {
        let Some(piece) = coverage.piece(number) else { continue };
        let partial = piece.holder == Holder::Partial && !coverage.is_whole(piece.segment);
        let from_lsn = if let Some(cut) = piece.cut_lsn {
            cut
        } else if partial {
            let start = piece.segment.start_lsn(size);
            known.summary(piece.segment)?.records_end_lsn.unwrap_or(start)
        } else {
            piece.segment.end_lsn(size)
        };
        let to_lsn = Lsn(next * size.bytes());
        if from_lsn >= to_lsn {
            continue;
        }
        let missing = from_lsn.0 / size.bytes();
        let timeline = path.candidates(missing, size).next().map_or(path.timeline(), |part| part.timeline);
        let name = |number| WalSegment { timeline, number }.file_name(size);
        let bad = damaged.iter().find(|(segment, _)| {
            (missing..next).contains(&segment.number) && path.parts().iter().any(|p| p.timeline == segment.timeline)
        });
        let noted = known.contents.gaps.iter().find(|gap| {
            gap.from_lsn < to_lsn && gap.to_lsn > from_lsn && path.parts().iter().any(|p| p.timeline == gap.timeline)
        });
        let cause = match (noted, bad) {
            (_, Some((segment, detail))) => {
                let (segment, detail) = (segment.file_name(size), detail.clone());
                WindowFinding::GapSegmentDamaged { segment, detail }.value()
            }
            (Some(gap), None) => gap.cause.clone(),
            (None, None) if partial && next == number + 1 => {
                WindowFinding::GapSegmentPartial { segment: name(number) }.value()
            }
            (None, None) => WindowFinding::GapSegmentsMissing { first: name(missing), last: name(next - 1) }.value(),
        };
        gaps.entry((timeline, from_lsn)).or_insert(WindowGap { timeline, from_lsn, to_lsn, cause });
    }
    Ok(())
}
