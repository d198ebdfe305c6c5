//! `cadena cleanup`: removes what the retention policy lets go, or shows what that would be.

use super::catalog_hook::{CatalogHook, ask_for_policy};
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::CleanupOptions;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{Align, Table, described, facts, method_name, state_name, units};
use cadena::repository::{RefusedRemoval, RemovedBackup, Repository};
use cadena::retention::{
    CatalogAnswer, CleanupOutcome, Policy, PolicyChoice, PolicySource, RefusedWal, RetentionPlan, WalRetention, apply,
    look, plan, settle_policy,
};
use cadena::storage::StorageError;
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use serde_json::to_value;

/// What a cleanup did, or would do.
#[derive(Serialize)]
struct CleanupReport<'a> {
    dry_run: bool,
    #[serde(flatten)]
    choice: &'a PolicyChoice,
    #[serde(flatten)]
    plan: &'a RetentionPlan,
    /// What an earlier cleanup, which died, had left half removed.
    finished: &'a [RemovedBackup],
    /// What the storage did not let go: it is whole, and the next cleanup tries again.
    refused: &'a [RefusedRemoval],
    refused_wal: Option<&'a RefusedWal>,
    seconds: Option<f64>,
}

/// Cleans up, by the policy that the catalog, the last known one, the configuration or the standard gives.
pub fn run(session: &Session, options: &CleanupOptions) -> Outcome {
    let repository = open_repository(session)?;
    let catalog = ask_for_policy(session)?;
    let outcome = clean_up(session, &repository, &catalog, options);
    if !options.dry_run {
        CatalogHook::new(session, &repository).sync_or_tell();
    }
    outcome
}

/// Does it by what the catalog answered.
fn clean_up(
    session: &Session,
    repository: &Repository,
    catalog: &CatalogAnswer,
    options: &CleanupOptions,
) -> Result<ExitStatus, Failure> {
    let now = Zoned::new(Timestamp::now(), session.zone().clone());
    let remember = (!options.dry_run).then(|| now.timestamp());
    let choice = settle_policy(repository, catalog, session.settings.retention.as_ref(), remember)?;
    let outcome = match options.dry_run {
        true => CleanupOutcome::planned(plan(&look(repository)?, &choice.policy, &now)),
        false => apply(repository, &choice, &now, &session.cancel)?,
    };
    let CleanupOutcome { plan, finished, refused, refused_wal, seconds } = &outcome;
    let report = CleanupReport {
        dry_run: options.dry_run,
        choice: &choice,
        plan,
        finished,
        refused,
        refused_wal: refused_wal.as_ref(),
        seconds: (!options.dry_run).then_some(*seconds),
    };
    session.screen.result(&report, || text(session, &report))?;
    let warned = plan.findings.iter().any(|finding| finding.needs_a_look()) || outcome.is_refused();
    Ok(if warned { ExitStatus::Warnings } else { ExitStatus::Success })
}

fn text(session: &Session, report: &CleanupReport<'_>) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let language = locale.language();
    let plan = report.plan;
    let mut text = facts(&[
        (locale.say("cleanup-policy"), policy_text(session, &report.choice.policy)),
        (locale.say("cleanup-source"), source_text(session, report.choice.source)),
    ]);
    if !plan.backups.is_empty() {
        text.push_str(&format!("\n{}", backups_table(session, plan)));
    }
    let going = plan.backups.iter().filter(|verdict| !verdict.stays).count();
    let backups = [
        ("going", going.into()),
        ("size", units::size(plan.freed_bytes, language).into()),
        ("staying", (plan.backups.len() - going).into()),
    ];
    let wal = [
        ("going", plan.wal.segments.into()),
        ("size", units::size(plan.wal.bytes, language).into()),
        ("staying", plan.wal.kept_segments.into()),
    ];
    let mut totals = vec![
        (locale.say("cleanup-backups"), locale.say_with("cleanup-count", &backups)),
        (locale.say("cleanup-wal"), locale.say_with("cleanup-count", &wal)),
    ];
    if !report.finished.is_empty() {
        let names: Vec<&str> = report.finished.iter().map(|removed| removed.archive_name.as_str()).collect();
        totals.push((locale.say("cleanup-unfinished"), names.join(", ")));
    }
    text.push_str(&format!("\n{}", facts(&totals)));
    for finding in &plan.findings {
        let message = described(&to_value(finding).unwrap_or_default(), locale, zone);
        text.push_str(&(locale.say_with("warning-line", &[("message", message.into())]) + "\n"));
    }
    text.push_str(&refusals_text(session, report.refused, report.refused_wal));
    let last = match (report.dry_run, plan.is_empty()) {
        (_, true) => locale.say("cleanup-nothing"),
        (true, false) => locale.say("cleanup-dry-run"),
        (false, false) => {
            let duration = units::duration(report.seconds.unwrap_or_default(), language);
            let stays = |id| report.refused.iter().any(|one| one.id == id);
            let kept: u64 = plan.backups.iter().filter(|one| stays(one.id)).map(|one| one.archive_bytes).sum();
            let freed = units::size(plan.freed_bytes.saturating_sub(kept) + plan.wal.bytes, language);
            locale.say_with("cleanup-done", &[("size", freed.into()), ("duration", duration.into())])
        }
    };
    text + &last + "\n"
}

/// Says what the storage did not let go, a line each, with the remedy.
pub(super) fn refusals_text(session: &Session, refused: &[RefusedRemoval], wal: Option<&RefusedWal>) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let reason = |error: &StorageError| {
        let value = to_value(error).unwrap_or_default();
        let remedy = format!("error-{}-remedy", value["key"].as_str().unwrap_or_default());
        let remedy = locale.try_described(&remedy, &serde_json::Map::new(), zone).unwrap_or_default();
        format!("{} {remedy}", described(&value, locale, zone)).trim().to_owned()
    };
    let backups = refused.iter().map(|one| match &one.error {
        Some(error) => {
            let values = [("name", one.archive_name.as_str().into()), ("reason", reason(error).into())];
            locale.say_with("cleanup-refused", &values)
        }
        None => locale.say_with("cleanup-refused-base", &[("name", one.archive_name.as_str().into())]),
    });
    let wal = wal.map(|wal| {
        let values = [("count", wal.segments.into()), ("reason", reason(&wal.error).into())];
        locale.say_with("cleanup-refused-wal", &values)
    });
    let lines = backups.chain(wal);
    lines.map(|message| locale.say_with("warning-line", &[("message", message.into())]) + "\n").collect()
}

fn policy_text(session: &Session, policy: &Policy) -> String {
    let locale = &session.locale;
    let values = [
        ("name", policy.name.as_str().into()),
        ("months", policy.full_months.into()),
        ("weeks", policy.differential_weeks.into()),
        ("days", policy.incremental_days.into()),
        ("chains", policy.min_chains.into()),
    ];
    let text = locale.say_with("cleanup-policy-value", &values);
    match policy.wal {
        WalRetention::WithBackups => text,
        WalRetention::Days(days) => {
            format!("{text}; {}", locale.say_with("cleanup-policy-wal", &[("days", days.into())]))
        }
    }
}

fn source_text(session: &Session, source: PolicySource) -> String {
    match source {
        PolicySource::Catalog => session.locale.say("cleanup-source-catalog"),
        PolicySource::LastKnown => session.locale.say("cleanup-source-last-known"),
        PolicySource::File => session.locale.say("cleanup-source-file"),
        PolicySource::Standard => session.locale.say("cleanup-source-standard"),
    }
}

fn backups_table(session: &Session, plan: &RetentionPlan) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let mut table = Table::new(vec![
        (locale.say("column-id"), Align::Right),
        (locale.say("column-kind"), Align::Left),
        (locale.say("column-state"), Align::Left),
        (locale.say("column-started"), Align::Left),
        (locale.say("column-archive"), Align::Right),
        (locale.say("column-verdict"), Align::Left),
        (locale.say("column-reason"), Align::Left),
    ]);
    for verdict in &plan.backups {
        let size = if verdict.archive_bytes == 0 {
            "-".to_owned()
        } else {
            units::size(verdict.archive_bytes, locale.language())
        };
        table.row(vec![
            verdict.id.to_string(),
            method_name(verdict.kind, verdict.method, locale),
            state_name(verdict.state, locale),
            units::local_time(verdict.started_at, zone),
            size,
            if verdict.stays { locale.say("cleanup-stays") } else { locale.say("cleanup-goes") },
            described(&to_value(&verdict.reason).unwrap_or_default(), locale, zone),
        ]);
    }
    table.text()
}
