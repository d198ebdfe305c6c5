//! Which backups stay, and why?

use super::plan::{BackupVerdict, RetentionReason};
use super::wal::ended_before;
use super::{Policy, RetentionView};
use crate::wal::TimelinePath;
use jiff::Zoned;
use pgformat::TimelineId;
use std::collections::{BTreeMap, BTreeSet};
use vault::repository::{BackupId, BackupKind, BackupName, BackupRecord, BackupState, archive_key};

/// Judges every backup, in order of their ids.
pub(super) fn judge(view: &RetentionView, policy: &Policy, now: &Zoned) -> Vec<BackupVerdict> {
    let records = &view.contents.records;
    let restorable = view.contents.restorable();
    let mut reasons: BTreeMap<BackupId, RetentionReason> = BTreeMap::new();
    // The first reason counts; each is enough.
    let mut keep = |id: BackupId, reason: RetentionReason| {
        reasons.entry(id).or_insert(reason);
    };
    for record in records {
        let first_day = policy.first_day(record, now.date());
        if record.started_at.to_zoned(now.time_zone().clone()).date() >= first_day {
            keep(record.id, RetentionReason::RetentionInPeriod { day: first_day.to_string() });
        }
    }
    let sound: Vec<&BackupRecord> = records.iter().filter(|record| restorable.contains(&record.id)).collect();
    if let Some(newest) = sound.last() {
        keep(newest.id, RetentionReason::RetentionNewest {});
    }
    // It counts by itself: a dump stands for no cluster, and so displaces none of the chains.
    let is_logical = |record: &&BackupRecord| {
        record.state == BackupState::Completed
            && !record.is_physical()
            && !view.contents.without_archive.contains(&record.id)
    };
    if let Some(newest) = records.iter().rev().find(is_logical) {
        keep(newest.id, RetentionReason::RetentionNewestLogical {});
    }
    let fulls = sound.iter().rev().filter(|record| record.kind == BackupKind::Full);
    for full in fulls.take(policy.min_chains as usize) {
        keep(full.id, RetentionReason::RetentionChain { min_chains: policy.min_chains });
    }
    for path in present_paths(view, &sound) {
        let here = newest_first(&path, &sound);
        // Of a DIFERENCIAL, and of an INCREMENTAL.
        let of_differential = here.iter().find(|record| record.kind == BackupKind::Full);
        for record in of_differential.into_iter().chain(here.first()) {
            keep(record.id, RetentionReason::RetentionNextBase {});
        }
        // Without it the days up to the next backup would be out of reach, whatever WAL there is. While none is old enough, the
        // oldest reaches furthest back.
        let Some(day) = policy.first_wal_day(now) else { continue };
        let old_enough = here.iter().find(|record| ended_before(record, day, now));
        if let Some(record) = old_enough.or(here.last()) {
            keep(record.id, RetentionReason::RetentionWalBase { days: policy.wal_days() });
        }
    }
    for record in records {
        let doubtful = view.contents.unreadable.iter().find(|doubtful| doubtful.may_stand_on(record.id));
        if let Some(doubtful) = doubtful.filter(|_| record.state == BackupState::Completed && record.is_physical()) {
            keep(record.id, RetentionReason::RetentionDoubt { object: doubtful.key.clone() });
        }
        let archive = BackupName::of_archive(&record.archive_name).map(|name| archive_key(&name));
        if let Some(object) = archive.filter(|key| view.contents.orphan_archives.contains(key)) {
            keep(record.id, RetentionReason::RetentionOrphanBeside { object });
        }
    }
    keep_bases(records, &mut reasons);
    records.iter().map(|record| verdict(record, reasons.remove(&record.id), policy, now)).collect()
}

/// Returns the ways to the timelines on which the server may be now: the newest, that of the receiver, that of the newest backup.
fn present_paths(view: &RetentionView, sound: &[&BackupRecord]) -> Vec<TimelinePath> {
    let archived = view.wal.contents.timelines.keys().chain(view.wal.histories.keys()).copied();
    let newest_timeline = archived.chain(sound.iter().filter_map(|record| record.timeline)).max();
    let receiving = view.wal.receiver.map(|(timeline, _)| timeline);
    let last_backed_up = sound.last().and_then(|record| record.timeline);
    let present: BTreeSet<TimelineId> = [newest_timeline, receiving, last_backed_up].into_iter().flatten().collect();
    let ancestors = |timeline: &TimelineId| view.wal.histories.get(timeline).map_or(&[][..], Vec::as_slice);
    present.into_iter().map(|timeline| TimelinePath::new(timeline, ancestors(&timeline))).collect()
}

/// Returns the backups that lead into a path, that which reaches furthest in the log first, as when a base is chosen.
fn newest_first<'a>(path: &TimelinePath, sound: &[&'a BackupRecord]) -> Vec<&'a BackupRecord> {
    let leads_here = |record: &BackupRecord| match (record.timeline, record.stop_lsn) {
        (Some(timeline), Some(stop_lsn)) => path.holds(timeline, stop_lsn),
        _ => false,
    };
    let mut here: Vec<&BackupRecord> = sound.iter().copied().filter(|record| leads_here(record)).collect();
    here.sort_by_key(|record| std::cmp::Reverse((record.stop_lsn, record.id)));
    here
}

/// Adds all that the kept ones stand on. What is broken already is not broken further.
fn keep_bases(records: &[BackupRecord], reasons: &mut BTreeMap<BackupId, RetentionReason>) {
    // A base has a lower id than what stands on it: one pass from the newest on finds them all.
    for record in records.iter().rev() {
        // A failed one has nothing that stands on anything.
        if record.state != BackupState::Completed || !reasons.contains_key(&record.id) {
            continue;
        }
        if let Some(base_id) = record.base_id {
            reasons.entry(base_id).or_insert(RetentionReason::RetentionBase { id: record.id.0 });
        }
    }
}

fn verdict(record: &BackupRecord, reason: Option<RetentionReason>, policy: &Policy, now: &Zoned) -> BackupVerdict {
    let stays = reason.is_some();
    let expired = || RetentionReason::RetentionExpired { day: policy.first_day(record, now.date()).to_string() };
    BackupVerdict {
        id: record.id,
        kind: record.kind,
        method: record.method,
        state: record.state,
        archive_name: record.archive_name.clone(),
        started_at: record.started_at,
        archive_bytes: record.archive_bytes,
        stays,
        reason: reason.unwrap_or_else(expired),
    }
}
