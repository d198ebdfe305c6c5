//! Random histories of a repository: what the plan keeps is held against a model that was written without looking at the plan.

mod retention_support;

use engine::retention::{Policy, RetentionPlan, RetentionView, WalRetention, plan};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use proptest::prelude::*;
use retention_support::*;
use std::collections::BTreeSet;
use vault::repository::{BackupId, BackupKind, BackupMethod, BackupRecord, BackupState};

/// Zones with daylight saving time, one of them at midnight, and one that once left out a day.
const ZONES: [&str; 5] = ["UTC", "America/Argentina/Buenos_Aires", "Europe/Madrid", "America/Santiago", "Pacific/Apia"];

fn kind() -> impl Strategy<Value = BackupKind> {
    prop_oneof![1 => Just(BackupKind::Full), 1 => Just(BackupKind::Differential), 3 => Just(BackupKind::Incremental)]
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..1_000_usize;
    prop_oneof![
        8 => (30..40_000_u32).prop_map(|minutes| Step::Wait { minutes }),
        6 => (0..4 * SEGMENT).prop_map(|bytes| Step::Write { bytes }),
        12 => (kind(), 1..2 * SEGMENT, 1..2_000_u32).prop_map(|(kind, bytes, minutes)| Step::BackUp { kind, bytes, minutes }),
        2 => (kind(), prop::bool::weighted(0.1)).prop_map(|(kind, orphan)| Step::Fail { kind, orphan }),
        2 => (1..500_u32).prop_map(|minutes| Step::Dump { minutes }),
        1 => which.clone().prop_map(|which| Step::Merge { which }),
        1 => (which.clone(), 0..3 * SEGMENT).prop_map(|(which, bytes)| Step::Rewind { which, bytes }),
        1 => (-40..40_i32).prop_map(|days| Step::SetClock { days }),
        1 => (0..3 * SEGMENT).prop_map(|behind| Step::Receive { behind }),
    ]
}

/// What happens once in a while, after all else: most histories are sound.
fn harm() -> impl Strategy<Value = Step> {
    let which = 0..1_000_usize;
    prop_oneof![
        (which.clone(), any::<bool>()).prop_map(|(which, knows_id)| Step::Damage { which, knows_id }),
        which.clone().prop_map(|which| Step::LoseArchive { which }),
        which.clone().prop_map(|which| Step::LoseHistory { which }),
        which.prop_map(|which| Step::LoseSegment { which }),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let wal = prop_oneof![2 => Just(WalRetention::WithBackups), 3 => (0..60_u32).prop_map(WalRetention::Days)];
    (0..14_u32, 0..12_u32, 0..20_u32, 1..5_u32, wal).prop_map(|(full, differential, incremental, chains, wal)| Policy {
        name: "random".to_owned(),
        full_months: full,
        differential_weeks: differential,
        incremental_days: incremental,
        min_chains: chains,
        wal,
    })
}

prop_compose! {
    fn history()(
        steps in prop::collection::vec(step(), 5..70),
        harms in prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(harm(), 1..4)],
    ) -> World {
        let mut world = World::new();
        steps.iter().chain(&harms).for_each(|step| world.take(step));
        world
    }
}

/// How many days a date is from a fixed one (the days of the Gregorian calendar, counted).
fn day_number(date: Date) -> i64 {
    let (year, month) = (i64::from(date.year()), i64::from(date.month()));
    let (year, month) = if month <= 2 { (year - 1, month + 12) } else { (year, month) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * (month - 3) + 2) / 5
        + i64::from(date.day())
}

/// Whether a day is not earlier than today some months ago.
fn within_months(date: Date, today: Date, months: u32) -> bool {
    let month_of = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
    let first_month = month_of(today) - i64::from(months);
    // A day that the earlier month lacks counts as its last.
    month_of(date) > first_month || month_of(date) == first_month && date.day() >= today.day().min(date.days_in_month())
}

/// The model's own judgement.
struct Model<'a> {
    world: &'a World,
    policy: &'a Policy,
    now: &'a Zoned,
}

impl Model<'_> {
    fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.now.time_zone().clone()).date()
    }

    fn is_in_period(&self, record: &BackupRecord) -> bool {
        let (day, today) = (self.day(record.started_at), self.now.date());
        let age_days = day_number(today) - day_number(day);
        match (record.state, record.kind) {
            (BackupState::Completed, BackupKind::Full) => within_months(day, today, self.policy.full_months),
            (BackupState::Completed, BackupKind::Incremental) => age_days <= i64::from(self.policy.incremental_days),
            _ => age_days <= 7 * i64::from(self.policy.differential_weeks),
        }
    }

    /// Whether it had ended before the days of which every instant shall be reachable.
    fn is_before_wal_days(&self, record: &BackupRecord) -> bool {
        let WalRetention::Days(days) = self.policy.wal else { return false };
        day_number(self.now.date()) - day_number(self.day(record.finished_at.unwrap())) > i64::from(days)
    }

    fn is_forgotten(&self, timeline: u32) -> bool {
        timeline > 1 && self.world.lost_histories.contains(&timeline)
    }

    fn way(&self, timeline: u32) -> Vec<(u32, u64, u64)> {
        self.world.way(timeline, self.is_forgotten(timeline))
    }

    fn restorable(&self) -> Vec<&BackupRecord> {
        self.world.records.iter().filter(|record| self.world.is_restorable(record)).collect()
    }

    /// The timelines on which the server may be, as far as the repository shows.
    fn present(&self) -> BTreeSet<u32> {
        let restorable = self.restorable();
        let with_segments = self.world.segments.iter().map(|(timeline, _)| *timeline);
        let with_history =
            self.world.timelines.keys().copied().filter(|timeline| *timeline > 1 && !self.is_forgotten(*timeline));
        let with_backups = restorable.iter().map(|record| record.timeline.unwrap().0);
        let newest = with_segments.chain(with_history).chain(with_backups).max();
        let last = restorable.iter().max_by_key(|record| record.id).map(|record| record.timeline.unwrap().0);
        newest.into_iter().chain(last).chain(self.world.receiver.map(|(timeline, _)| timeline)).collect()
    }

    /// From which backup every instant of the days is reached on the way to a timeline.
    fn wal_base(&self, timeline: u32) -> Option<&BackupRecord> {
        let way = self.way(timeline);
        let mut here = self.restorable();
        here.retain(|record| World::lies_on(&way, record, record.stop_lsn));
        here.sort_by_key(|record| (record.stop_lsn, record.id));
        let old_enough = here.iter().rev().find(|record| self.is_before_wal_days(record));
        old_enough.or(here.first()).copied().filter(|_| self.policy.wal != WalRetention::WithBackups)
    }

    fn kept(&self) -> BTreeSet<BackupId> {
        let records = &self.world.records;
        let restorable = self.restorable();
        let mut kept: BTreeSet<BackupId> =
            records.iter().filter(|record| self.is_in_period(record)).map(|record| record.id).collect();
        let mut by_id = restorable.clone();
        by_id.sort_by_key(|record| std::cmp::Reverse(record.id));
        kept.extend(by_id.first().map(|record| record.id));
        let dumps = records.iter().filter(|record| record.method == BackupMethod::Logical);
        let mut dumps = dumps.filter(|record| !self.world.without_archive.contains(&record.id));
        kept.extend(dumps.next_back().map(|record| record.id));
        let fulls = by_id.iter().filter(|record| record.kind == BackupKind::Full);
        kept.extend(fulls.take(self.policy.min_chains as usize).map(|record| record.id));
        for timeline in self.present() {
            let way = self.way(timeline);
            let mut here: Vec<&&BackupRecord> =
                restorable.iter().filter(|record| World::lies_on(&way, record, record.stop_lsn)).collect();
            here.sort_by_key(|record| std::cmp::Reverse((record.stop_lsn, record.id)));
            kept.extend(here.first().map(|record| record.id));
            kept.extend(here.iter().find(|record| record.kind == BackupKind::Full).map(|record| record.id));
            kept.extend(self.wal_base(timeline).map(|record| record.id));
        }
        for doubtful in self.world.unreadable.iter().filter(|doubtful| !doubtful.key.starts_with("full/")) {
            let of_files = |record: &&BackupRecord| record.method == BackupMethod::Physical;
            let older = records.iter().filter(|record| record.state == BackupState::Completed).filter(of_files);
            let older = older.filter(|record| doubtful.id.is_none_or(|id| record.id < id));
            kept.extend(older.map(|record| record.id));
        }
        let beside = |record: &&BackupRecord| self.world.orphans.iter().any(|key| key.ends_with(&record.archive_name));
        kept.extend(records.iter().filter(beside).map(|record| record.id));
        // What they stand on, until nothing more comes up.
        loop {
            let bases = records.iter().filter(|record| kept.contains(&record.id)).filter_map(|record| record.base_id);
            let more: Vec<BackupId> = bases.filter(|base| !kept.contains(base)).collect();
            let present = |base: &BackupId| records.iter().any(|record| record.id == *base);
            let more: Vec<BackupId> = more.into_iter().filter(present).collect();
            if more.is_empty() {
                return kept;
            }
            kept.extend(more);
        }
    }

    /// The first address that is needed along a way; `None` when no kept backup leads into it.
    fn needed_from(&self, kept: &BTreeSet<BackupId>, way: &[(u32, u64, u64)], by_days: bool) -> Option<u64> {
        let here: Vec<&BackupRecord> = self
            .world
            .records
            .iter()
            .filter(|record| kept.contains(&record.id) && record.state == BackupState::Completed)
            .filter(|record| World::lies_on(way, record, record.start_lsn))
            .collect();
        let start = |record: &&&BackupRecord| record.start_lsn.unwrap().0;
        let old_enough = here.iter().filter(|record| {
            by_days
                && self.world.is_restorable(record)
                && World::lies_on(way, record, record.stop_lsn)
                && self.is_before_wal_days(record)
        });
        let from = old_enough.map(|record| start(&record)).max();
        from.or_else(|| here.iter().map(|record| start(&record)).min())
    }

    /// Whether a recovery could go through any byte of some segments of a timeline.
    fn is_needed(&self, kept: &BTreeSet<BackupId>, timeline: u32, first: u64, last: u64, by_days: bool) -> bool {
        self.world.timelines.keys().any(|to| {
            let way = self.way(*to);
            let Some((_, entered_at, left_at)) = way.iter().find(|(on, ..)| *on == timeline) else { return false };
            let Some(from) = self.needed_from(kept, &way, by_days) else { return false };
            // The file with the first byte is read whole, and so is that of a switch, on either timeline.
            let begins = from.max(*entered_at) / SEGMENT * SEGMENT;
            from < *left_at && (first..=last).any(|number| number * SEGMENT >= begins && number * SEGMENT < *left_at)
        })
    }

    fn stays(&self, kept: &BTreeSet<BackupId>, timeline: u32, number: u64) -> bool {
        let newest = self.world.segments.iter().max() == Some(&(timeline, number));
        let received = self.world.receiver.is_some_and(|(on, lsn)| on == timeline && number + 4 >= lsn / SEGMENT);
        newest
            || received
            || self.is_forgotten(timeline)
            || self.keeps_all_wal(kept)
            || self.is_needed(kept, timeline, number, number, true)
    }

    fn keeps_all_wal(&self, kept: &BTreeSet<BackupId>) -> bool {
        let completed = |record: &BackupRecord| {
            record.state == BackupState::Completed
                && record.method == BackupMethod::Physical
                && kept.contains(&record.id)
        };
        !self.world.unreadable.is_empty() || !self.world.records.iter().any(completed)
    }
}

/// Carries a plan out on the view and the world.
fn carry_out(world: &World, plan: &RetentionPlan) -> World {
    let mut after = world.clone();
    let going = plan.going();
    after.records.retain(|record| !going.contains(&record.id));
    after.without_archive.retain(|id| !going.contains(id));
    for segment in going_segments(plan) {
        assert!(after.segments.remove(&segment));
    }
    after
}

fn going_segments(plan: &RetentionPlan) -> BTreeSet<(u32, u64)> {
    let parts = plan.wal.stretches.iter().flat_map(|stretch| &stretch.parts);
    parts.map(|found| (found.segment.timeline.0, found.segment.number)).collect()
}

fn kept_of(plan: &RetentionPlan) -> BTreeSet<BackupId> {
    plan.backups.iter().filter(|verdict| verdict.stays).map(|verdict| verdict.id).collect()
}

fn zoned(at: Timestamp, zone: &str) -> Zoned {
    at.to_zoned(TimeZone::get(zone).unwrap())
}

fn without(view: &RetentionView, plan: &RetentionPlan) -> RetentionView {
    let mut after = view.clone();
    after.wal.summaries.retain(|name| !plan.wal.summary_names.contains(name));
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn exactly_what_the_model_needs_stays(
        world in history(), policy in policy(), later_minutes in 0..600_000_i64, zone in 0..ZONES.len(),
    ) {
        let now = zoned(world.clock() + jiff::SignedDuration::from_mins(later_minutes), ZONES[zone]);
        let view = world.view();
        let plan = plan(&view, &policy, &now);
        let model = Model { world: &world, policy: &policy, now: &now };
        let kept = kept_of(&plan);
        prop_assert_eq!(&kept, &model.kept());

        let going = going_segments(&plan);
        for (timeline, number) in &world.segments {
            let stays = !going.contains(&(*timeline, *number));
            prop_assert_eq!(stays, model.stays(&kept, *timeline, *number), "segment {} of timeline {}", number, timeline);
        }
        for name in &view.wal.summaries {
            let (timeline, first, last) = (name.timeline.0, name.start_lsn.0 / SEGMENT, name.end_lsn.0 / SEGMENT - 1);
            let needed = model.keeps_all_wal(&kept)
                || model.is_forgotten(timeline)
                || model.is_needed(&kept, timeline, first, last, false);
            prop_assert_eq!(!plan.wal.summary_names.contains(name), needed, "{}", name);
        }
        let bytes = going.len() as u64 * 10;
        prop_assert_eq!((plan.wal.segments, plan.wal.bytes), (going.len() as u64, bytes));
        prop_assert_eq!(plan.wal.kept_segments, (world.segments.len() - going.len()) as u64);
    }

    #[test]
    fn twice_is_once_and_what_went_is_never_asked_for_later(
        world in history(), policy in policy(), zone in 0..ZONES.len(),
        first in 0..100_000_i64, wait in 0..100_000_i64, kinds in prop::collection::vec((kind(), 1..5_000_u32), 0..6),
    ) {
        let now = zoned(world.clock() + jiff::SignedDuration::from_mins(first), ZONES[zone]);
        let view = world.view();
        let done = plan(&view, &policy, &now);
        let mut after = carry_out(&world, &done);
        let again = plan(&without(&after.view(), &done), &policy, &now);
        prop_assert!(again.is_empty() || again.wal.segments == 0 && again.going().is_empty(), "{:?}", again);

        // Life goes on, on the same timeline.
        let mut all = world.clone();
        for world in [&mut all, &mut after] {
            world.take(&Step::Wait { minutes: (first + wait) as u32 });
            for (kind, minutes) in &kinds {
                world.take(&Step::BackUp { kind: *kind, bytes: SEGMENT, minutes: *minutes });
            }
        }
        let later = zoned(all.clock(), ZONES[zone]);
        prop_assume!(later.timestamp() >= now.timestamp());
        // Where nothing here tells what the server's timeline stands on, the server still may: then it takes a FULL.
        if world.lost_histories.contains(&world.current) {
            return Ok(());
        }
        if policy.wal == WalRetention::WithBackups {
            // What a first cleanup would keep then, the one before has kept.
            let (of_all, of_rest) = (plan(&all.view(), &policy, &later), plan(&after.view(), &policy, &later));
            let old: BTreeSet<BackupId> = world.records.iter().map(|record| record.id).collect();
            let needed: BTreeSet<BackupId> = kept_of(&of_all).intersection(&old).copied().collect();
            let lost: Vec<_> = needed.intersection(&done.going()).copied().collect();
            prop_assert!(lost.is_empty(), "needed later: {:?}", lost);
            prop_assert_eq!(kept_of(&of_all), kept_of(&of_rest));
            // Without a single backup all WAL stays, needed or not.
            let model = Model { world: &all, policy: &policy, now: &later };
            if model.keeps_all_wal(&kept_of(&of_all)) && world.unreadable.is_empty() {
                return Ok(());
            }
            let stays: BTreeSet<_> = going_segments(&done).difference(&going_segments(&of_all)).copied().collect();
            prop_assert!(stays.is_empty(), "segments needed later: {:?}", stays);
        } else {
            // It reaches as far back as without the cleanup before, and all the log from there on is left.
            let of = |world| Model { world, policy: &policy, now: &later };
            let (of_all, of_rest) = (of(&all), of(&after));
            let start = |model: &Model<'_>| model.wal_base(all.current).map(|record| record.start_lsn.unwrap().0);
            let (from_all, from_rest) = (start(&of_all), start(&of_rest));
            prop_assert_eq!(from_all.is_some(), from_rest.is_some());
            prop_assert!(from_rest <= from_all, "{:?} {:?}", from_rest, from_all);
            for (timeline, entered_at, left_at) in of_all.way(all.current) {
                let from = from_rest.unwrap_or(u64::MAX);
                let begins = from.max(entered_at) / SEGMENT;
                let lost = going_segments(&done).into_iter().find(|(on, number)| {
                    from < left_at && *on == timeline && *number >= begins && number * SEGMENT < left_at
                });
                prop_assert_eq!(lost, None, "the log from {:?} on", from_rest);
            }
        }
    }
}
