//! Restore plans and their outcome.

use super::{backup_table, described, facts, units};
use crate::locale::Locale;
use cadena::restore::{RecoveryPlan, RestoreNote, RestoreOutcome, RestorePlan, WalDelivery};
use jiff::tz::TimeZone;

/// Writes what a restore would do.
pub fn plan_text(plan: &RestorePlan, locale: &Locale, zone: &TimeZone) -> String {
    let language = locale.language();
    let mut text = locale.say_with("plan-backups", &[("count", plan.backups.len().into())]);
    text.push('\n');
    text.push_str(&backup_table(&plan.backups, locale, zone));
    let mut pairs = Vec::new();
    if let Some(target) = &plan.target {
        pairs.push((locale.say("plan-target"), target.display().to_string()));
    }
    for tablespace in &plan.tablespaces {
        let places = format!("{} -> {}", tablespace.old_location, tablespace.new_location.display());
        pairs.push((locale.say_with("plan-tablespace", &[("name", tablespace.name.as_str().into())]), places));
    }
    pairs.push((locale.say("plan-files"), plan.files.to_string()));
    pairs.push((locale.say("plan-writes"), units::size(plan.plain_bytes, language)));
    pairs.push((locale.say("plan-reads"), units::size(plan.archive_bytes, language)));
    if let Some(recovery) = &plan.recovery {
        pairs.extend(recovery_pairs(recovery, locale, zone));
    }
    for place in &plan.filesystems {
        let values = [
            ("free", units::size(place.free_bytes, language).into()),
            ("needed", units::size(place.needed_bytes, language).into()),
            ("directory", place.directory.display().to_string().into()),
        ];
        pairs.push((locale.say("plan-space"), locale.say_with("plan-space-value", &values)));
    }
    if let Some(owner) = &plan.owner_name {
        pairs.push((locale.say("plan-owner"), owner.clone()));
    }
    if plan.over {
        pairs.push((locale.say("plan-over"), locale.say("plan-over-value")));
    }
    for directory in &plan.remains {
        pairs.push((locale.say("plan-remains"), directory.display().to_string()));
    }
    text.push('\n');
    text.push_str(&facts(&pairs));
    text + &notes_text(&plan.notes, locale, zone)
}

fn notes_text(notes: &[RestoreNote], locale: &Locale, zone: &TimeZone) -> String {
    let mut text = String::new();
    for note in notes {
        text.push_str("\n  - ");
        text.push_str(&described(&serde_json::to_value(note).unwrap_or_default(), locale, zone));
    }
    text
}

/// Tells where recovery will end, and with what.
fn recovery_pairs(recovery: &RecoveryPlan, locale: &Locale, zone: &TimeZone) -> Vec<(String, String)> {
    let timelines: Vec<String> = recovery.timelines.iter().map(|timeline| timeline.0.to_string()).collect();
    let end = [("lsn", recovery.stop_lsn.to_string().into()), ("timeline", timelines.join(" -> ").into())];
    let wal = [
        ("count", recovery.segments.into()),
        ("size", units::size(recovery.wal_bytes, locale.language()).into()),
        (
            "how",
            match recovery.delivery {
                WalDelivery::Stage => locale.say("plan-wal-stage"),
                WalDelivery::Auto | WalDelivery::Fetch => locale.say("plan-wal-fetch"),
            }
            .into(),
        ),
    ];
    let mut pairs = vec![(locale.say("plan-until"), locale.say_with("plan-until-value", &end))];
    if let Some(commit) = &recovery.last_commit {
        let values = [("time", units::exact_time(commit.time, zone).into()), ("lsn", commit.lsn.to_string().into())];
        pairs.push((locale.say("plan-last-commit"), locale.say_with("plan-last-commit-value", &values)));
    }
    pairs.push((locale.say("plan-wal"), locale.say_with("plan-wal-value", &wal)));
    pairs
}

/// Writes what a restore did.
pub fn restored_text(outcome: &RestoreOutcome, locale: &Locale, zone: &TimeZone) -> String {
    let language = locale.language();
    let rate = outcome.written_bytes as f64 / outcome.seconds.max(0.001);
    let mut values = vec![
        ("files", outcome.files.into()),
        ("size", units::size(outcome.written_bytes, language).into()),
        ("duration", units::duration(outcome.seconds, language).into()),
    ];
    let text = match &outcome.over {
        None => {
            values.push(("rate", units::size(rate as u64, language).into()));
            locale.say_with("restore-done", &values)
        }
        Some(over) => {
            values.push(("compared", units::size(over.compared_bytes, language).into()));
            values.push(("written", units::size(over.written_bytes, language).into()));
            values.push(("removed", over.removed_entries.into()));
            locale.say_with("restore-done-over", &values)
        }
    };
    text + &notes_text(&outcome.notes, locale, zone)
}
