//! Which WAL stays? All that a kept backup's recovery could go through; the rest goes.

use super::{Policy, RetentionView, WalListing};
use crate::wal::TimelinePath;
use jiff::Zoned;
use jiff::civil::Date;
use pgformat::block_reference::SummaryFileName;
use pgformat::{Lsn, TimelineId, WalSegment, WalSegmentSize};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use vault::repository::{BackupId, BackupRecord, BackupState};
use vault::wal::ArchivedSegment;

/// How many segments behind the one that it receives a receiver may still be sealing.
const SEALING_SEGMENTS: u64 = 4;

/// What stays and goes of the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct WalPlan {
    /// What goes, by timeline and address; between two of one timeline something stays.
    pub stretches: Vec<WalStretch>,
    /// How many segments go.
    pub segments: u64,
    /// Their size here.
    pub bytes: u64,
    /// How many segments stay.
    pub kept_segments: u64,
    /// Their size here.
    pub kept_bytes: u64,
    /// Summaries of changed blocks that go: of what no kept backup and no later one will ask for.
    pub summaries: u64,
    /// The names of those.
    #[serde(skip)]
    pub summary_names: Vec<SummaryFileName>,
}

/// Segments of one timeline that go, without one between them that stays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WalStretch {
    /// The timeline.
    pub timeline: TimelineId,
    /// The first byte that will be missing.
    pub from_lsn: Lsn,
    /// The first that is here again, or that was not here before.
    pub to_lsn: Lsn,
    /// How many segments of it are here.
    pub segments: u64,
    /// Their size here.
    pub bytes: u64,
    /// Which.
    #[serde(skip)]
    pub parts: Vec<ArchivedSegment>,
}

impl WalPlan {
    /// Tells whether everything stays.
    pub fn is_empty(&self) -> bool {
        self.segments == 0 && self.summaries == 0
    }
}

/// Returns the timelines of which nothing tells where they came from.
pub(super) fn unknown_descents(wal: &WalListing) -> BTreeSet<TimelineId> {
    let archived = wal.contents.timelines.iter().filter(|(_, found)| !found.segments.is_empty());
    let unknown = |timeline: &TimelineId| timeline.0 > 1 && !wal.histories.contains_key(timeline);
    archived.map(|(timeline, _)| *timeline).filter(unknown).collect()
}

/// Decides about segments and summaries.
pub(super) fn plan_wal(view: &RetentionView, policy: &Policy, kept: &BTreeSet<BackupId>, now: &Zoned) -> WalPlan {
    let everything = || WalPlan {
        kept_segments: segments(&view.wal).count() as u64,
        kept_bytes: segments(&view.wal).map(|found| found.size_bytes).sum(),
        ..WalPlan::default()
    };
    // A record that can't be read does not say from where on its backup needs the log.
    let is_doubtful = view.contents.unreadable.iter().any(|unreadable| unreadable.is_of_backup());
    let Some(size) = view.wal.segment_size.filter(|_| !is_doubtful) else { return everything() };
    let bases = bases(view, kept);
    // Before the first backup nobody knows what it will be taken of.
    if bases.is_empty() {
        return everything();
    }
    let needed = Needed::of(view, &bases, policy.first_wal_day(now), now, size);
    let needed_by_any = Needed::of(view, &bases, None, now, size);
    let in_use = InUse::of(&view.wal, size);
    let unknown = unknown_descents(&view.wal);
    let stays =
        |segment: WalSegment| unknown.contains(&segment.timeline) || needed.holds(segment) || in_use.holds(segment);
    let mut plan = WalPlan::default();
    for (timeline, found) in &view.wal.contents.timelines {
        let mut open: Option<WalStretch> = None;
        for (number, archived) in &found.segments {
            let segment = WalSegment { timeline: *timeline, number: *number };
            if stays(segment) {
                plan.kept_segments += 1;
                plan.kept_bytes += archived.size_bytes;
                plan.stretches.extend(open.take().map(|open| WalStretch { to_lsn: segment.start_lsn(size), ..open }));
                continue;
            }
            plan.segments += 1;
            plan.bytes += archived.size_bytes;
            let stretch = open.get_or_insert_with(|| WalStretch {
                timeline: *timeline,
                from_lsn: segment.start_lsn(size),
                to_lsn: segment.end_lsn(size),
                segments: 0,
                bytes: 0,
                parts: Vec::new(),
            });
            stretch.segments += 1;
            stretch.bytes += archived.size_bytes;
            stretch.to_lsn = segment.end_lsn(size);
            stretch.parts.push(archived.clone());
        }
        plan.stretches.extend(open);
    }
    let goes = |name: &&SummaryFileName| {
        !needed_by_any.touches(name.timeline, name.start_lsn, name.end_lsn, size)
            && !is_unknown(&view.wal, name.timeline)
    };
    plan.summary_names = view.wal.summaries.iter().filter(goes).copied().collect();
    plan.summaries = plan.summary_names.len() as u64;
    plan
}

fn is_unknown(wal: &WalListing, timeline: TimelineId) -> bool {
    timeline.0 > 1 && !wal.histories.contains_key(&timeline)
}

fn segments(wal: &WalListing) -> impl Iterator<Item = &ArchivedSegment> {
    wal.contents.timelines.values().flat_map(|timeline| timeline.segments.values())
}

/// A kept backup, as far as the log is concerned.
struct WalBase<'a> {
    record: &'a BackupRecord,
    timeline: TimelineId,
    start_lsn: Lsn,
    /// Whether it can be restored now. One that can't, since something is missing that may come back, keeps its log all the same.
    is_sound: bool,
}

fn bases<'a>(view: &'a RetentionView, kept: &BTreeSet<BackupId>) -> Vec<WalBase<'a>> {
    let restorable = view.contents.restorable();
    let records = view.contents.records.iter();
    let completed = records.filter(|record| record.state == BackupState::Completed && kept.contains(&record.id));
    let base = |record: &'a BackupRecord| {
        let (timeline, start_lsn) = (record.timeline?, record.start_lsn?);
        Some(WalBase { record, timeline, start_lsn, is_sound: restorable.contains(&record.id) })
    };
    completed.filter_map(base).collect()
}

/// Tells whether a backup had ended before a day began.
pub(super) fn ended_before(record: &BackupRecord, day: Date, now: &Zoned) -> bool {
    record.finished_at.is_some_and(|at| at.to_zoned(now.time_zone().clone()).date() < day)
}

/// For each timeline the numbers of the segments that recovery could go through: first and last of each stretch.
#[derive(Default)]
struct Needed {
    stretches: BTreeMap<TimelineId, Vec<(u64, u64)>>,
}

impl Needed {
    /// Goes along the way to each timeline, from where the log is needed on: from the oldest backup that leads there; or, when only
    /// the time from `first_day` on counts, from the newest that had ended before that day.
    fn of(
        view: &RetentionView,
        bases: &[WalBase<'_>],
        first_day: Option<Date>,
        now: &Zoned,
        size: WalSegmentSize,
    ) -> Self {
        let archived = view.wal.contents.timelines.keys().chain(view.wal.histories.keys()).copied();
        let timelines: BTreeSet<TimelineId> = archived.chain(bases.iter().map(|base| base.timeline)).collect();
        let mut needed = Needed::default();
        for timeline in timelines {
            let path = TimelinePath::new(timeline, view.wal.histories.get(&timeline).map_or(&[], Vec::as_slice));
            // One that started before the way left its timeline: whether it ended in time, too, is not worth a doubt.
            let leads_here = |base: &&WalBase<'_>| path.holds(base.timeline, base.start_lsn);
            let on_path = || bases.iter().filter(leads_here);
            let newest = first_day.and_then(|day| {
                // Here it matters: what ended behind the place where the way left its timeline leads nowhere on this way.
                let leads_on = |base: &&WalBase<'_>| {
                    let stop_lsn = base.record.stop_lsn;
                    base.is_sound && stop_lsn.is_some_and(|stop_lsn| path.holds(base.timeline, stop_lsn))
                };
                let old = on_path().filter(leads_on).filter(|base| ended_before(base.record, day, now));
                old.map(|base| base.start_lsn).max()
            });
            if let Some(from) = newest.or_else(|| on_path().map(|base| base.start_lsn).min()) {
                needed.add(&path, from, size);
            }
        }
        needed
    }

    fn add(&mut self, path: &TimelinePath, from: Lsn, size: WalSegmentSize) {
        // What was left before is behind us.
        for part in path.parts().iter().filter(|part| part.end_lsn.is_none_or(|end| end > from)) {
            let first = from.0.max(part.begin_lsn.0) / size.bytes();
            let last = part.end_lsn.map_or(u64::MAX, |end| end.0.saturating_sub(1) / size.bytes());
            if first <= last {
                self.stretches.entry(part.timeline).or_default().push((first, last));
            }
        }
    }

    fn holds(&self, segment: WalSegment) -> bool {
        let stretches = self.stretches.get(&segment.timeline);
        stretches.is_some_and(|all| all.iter().any(|(first, last)| (*first..=*last).contains(&segment.number)))
    }

    /// Tells whether anything between two addresses is needed.
    fn touches(&self, timeline: TimelineId, start: Lsn, end: Lsn, size: WalSegmentSize) -> bool {
        let (first, last) = (start.0 / size.bytes(), end.0.saturating_sub(1) / size.bytes());
        let stretches = self.stretches.get(&timeline);
        stretches.is_some_and(|all| all.iter().any(|stretch| first <= stretch.1 && last >= stretch.0))
    }
}

/// What somebody is writing, or would go on from.
struct InUse {
    newest: Option<WalSegment>,
    /// From there on.
    received: Option<WalSegment>,
}

impl InUse {
    fn of(wal: &WalListing, size: WalSegmentSize) -> Self {
        let newest = wal.contents.timelines.iter().filter_map(|(timeline, found)| {
            found.segments.keys().last().map(|number| WalSegment { timeline: *timeline, number: *number })
        });
        let received = wal.receiver.map(|(timeline, lsn)| {
            let present = WalSegment::containing(timeline, lsn, size).number;
            WalSegment { timeline, number: present.saturating_sub(SEALING_SEGMENTS) }
        });
        InUse { newest: newest.max(), received }
    }

    fn holds(&self, segment: WalSegment) -> bool {
        let received = self.received.filter(|from| from.timeline == segment.timeline);
        self.newest == Some(segment) || received.is_some_and(|from| segment.number >= from.number)
    }
}
