//! Removes WAL. What will be missing is noted before it is.

use super::{RetentionPlan, WalStretch};
use crate::wal::WindowFinding;
use crate::{Cancel, Error};
use pgformat::Lsn;
use serde::Serialize;
use serde_json::Value;
use vault::storage::StorageError;
use vault::wal::{WalArchive, WalGap};

/// What was removed of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Trimmed {
    pub segments: u64,
    pub bytes: u64,
    pub summaries: u64,
    pub refused: Option<RefusedWal>,
}

/// Segments that the storage did not let go. They are noted as gone, and the next cleanup tries again.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedWal {
    /// How many.
    pub segments: u64,
    /// What was refused first.
    pub error: StorageError,
}

/// Trims. Each stretch is noted as a gap first, durably: a receiver that begins meanwhile must not take the hole for one that it
/// should mend, and `windows` must not take it for damage.
///
/// # Errors
/// Those of the archive, `Cancelled`; `trimmed` tells what was done until then.
pub(super) fn trim(
    archive: &WalArchive,
    plan: &RetentionPlan,
    policy: &str,
    now: jiff::Timestamp,
    trimmed: &mut Trimmed,
    cancel: &Cancel,
) -> Result<(), Error> {
    let gaps = archive.contents()?.gaps;
    let cause = WindowFinding::GapRemovedByRetention { policy: policy.to_owned() }.value();
    let mut notes: Vec<WalGap> = gaps.iter().filter(|gap| is_ours(gap)).cloned().collect();
    for stretch in &plan.wal.stretches {
        cancel.check()?;
        let note = note_of(stretch, &notes, now, &cause);
        archive.replace_gap(&note)?;
        notes.retain(|known| (known.timeline, known.from_lsn) != (note.timeline, note.from_lsn));
        notes.push(note);
        remove_stretch(archive, stretch, trimmed, cancel)?;
    }
    // What a note of ours holds needs no other note, except by who cleans up between a note and its removal: so here for all.
    for gap in &gaps {
        if notes.iter().any(|note| is_within(gap, note)) {
            archive.remove_gap(gap.timeline, gap.from_lsn)?;
        }
    }
    for name in &plan.wal.summary_names {
        cancel.check()?;
        archive.remove_summary(*name)?;
        trimmed.summaries += 1;
    }
    Ok(())
}

fn remove_stretch(
    archive: &WalArchive,
    stretch: &WalStretch,
    trimmed: &mut Trimmed,
    cancel: &Cancel,
) -> Result<(), Error> {
    for found in &stretch.parts {
        cancel.check()?;
        if let Err(error) = archive.remove_segment(found.segment) {
            note_refusal(error.into(), trimmed)?;
            continue;
        }
        trimmed.segments += 1;
        trimmed.bytes += found.size_bytes;
    }
    Ok(())
}

/// A refusal by the storage is noted; any other error is one.
fn note_refusal(error: Error, trimmed: &mut Trimmed) -> Result<(), Error> {
    match error {
        Error::Storage(error) if error.is_refusal() => {
            trimmed.refused.get_or_insert(RefusedWal { segments: 0, error }).segments += 1;
            Ok(())
        }
        error => Err(error),
    }
}

/// Returns the note of a stretch, joined to those of earlier cleanups that it adjoins or overlaps.
fn note_of(stretch: &WalStretch, notes: &[WalGap], now: jiff::Timestamp, cause: &Value) -> WalGap {
    let mut note = WalGap {
        timeline: stretch.timeline,
        from_lsn: stretch.from_lsn,
        to_lsn: stretch.to_lsn,
        noticed_at: now,
        cause: cause.clone(),
    };
    let mut earlier: Vec<(Lsn, Lsn)> = notes
        .iter()
        .filter(|known| known.timeline == stretch.timeline)
        .map(|known| (known.from_lsn, known.to_lsn))
        .collect();
    earlier.sort_unstable();
    // From the last on: each may bring the next one before it within reach.
    for (from_lsn, to_lsn) in earlier.into_iter().rev() {
        if from_lsn <= note.to_lsn && to_lsn >= note.from_lsn {
            note.from_lsn = note.from_lsn.min(from_lsn);
            note.to_lsn = note.to_lsn.max(to_lsn);
        }
    }
    note
}

fn is_within(gap: &WalGap, note: &WalGap) -> bool {
    let is_itself = gap.from_lsn == note.from_lsn;
    gap.timeline == note.timeline && !is_itself && gap.from_lsn >= note.from_lsn && gap.to_lsn <= note.to_lsn
}

/// Tells whether a gap is what retention removed.
pub(crate) fn is_ours(gap: &WalGap) -> bool {
    gap.cause["key"] == key_of_ours()
}

fn key_of_ours() -> Value {
    let ours = WindowFinding::GapRemovedByRetention { policy: String::new() }.value();
    ours["key"].clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::TimelineId;

    fn gap(timeline: u32, from: u64, to: u64) -> WalGap {
        WalGap {
            timeline: TimelineId(timeline),
            from_lsn: Lsn(from),
            to_lsn: Lsn(to),
            noticed_at: jiff::Timestamp::UNIX_EPOCH,
            cause: Value::Null,
        }
    }

    fn joined(from: u64, to: u64, notes: &[(u64, u64)]) -> (u64, u64) {
        let stretch = WalStretch {
            timeline: TimelineId(1),
            from_lsn: Lsn(from),
            to_lsn: Lsn(to),
            segments: 0,
            bytes: 0,
            parts: Vec::new(),
        };
        let mut notes: Vec<WalGap> = notes.iter().map(|(from, to)| gap(1, *from, *to)).collect();
        notes.push(gap(2, 0, 1000));
        let note = note_of(&stretch, &notes, jiff::Timestamp::UNIX_EPOCH, &Value::Null);
        (note.from_lsn.0, note.to_lsn.0)
    }

    #[test]
    fn a_note_grows_over_those_that_it_adjoins() {
        assert_eq!(joined(30, 50, &[]), (30, 50));
        assert_eq!(joined(30, 50, &[(10, 30)]), (10, 50));
        assert_eq!(joined(30, 50, &[(10, 20), (20, 30), (60, 70)]), (10, 50));
        assert_eq!(joined(30, 50, &[(40, 60)]), (30, 60));
        assert_eq!(joined(30, 50, &[(10, 29)]), (30, 50));
    }

    #[test]
    fn a_note_within_another_is_told_from_the_note_itself() {
        assert!(is_within(&gap(1, 10, 20), &gap(1, 5, 20)));
        for (one, other) in
            [(gap(1, 5, 20), gap(1, 5, 20)), (gap(2, 10, 20), gap(1, 5, 20)), (gap(1, 10, 21), gap(1, 5, 20))]
        {
            assert!(!is_within(&one, &other));
        }
        assert!(is_ours(&WalGap {
            cause: WindowFinding::GapRemovedByRetention { policy: "x".to_owned() }.value(),
            ..gap(1, 1, 2)
        }));
        assert!(!is_ours(&gap(1, 1, 2)));
    }
}
