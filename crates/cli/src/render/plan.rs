//! Restore plans and their outcome.

use super::{backup_table, facts, units};
use crate::locale::Locale;
use cadena::restore::{RestoreOutcome, RestorePlan};
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
    if let Some(owner) = &plan.owner {
        pairs.push((locale.say("plan-owner"), owner.name.clone()));
    }
    text.push('\n');
    text.push_str(&facts(&pairs));
    text
}

/// Writes what a restore did.
pub fn restored_text(outcome: &RestoreOutcome, locale: &Locale) -> String {
    let language = locale.language();
    let rate = outcome.written_bytes as f64 / outcome.seconds.max(0.001);
    locale.say_with(
        "restore-done",
        &[
            ("files", outcome.files.into()),
            ("size", units::size(outcome.written_bytes, language).into()),
            ("duration", units::duration(outcome.seconds, language).into()),
            ("rate", units::size(rate as u64, language).into()),
        ],
    )
}
