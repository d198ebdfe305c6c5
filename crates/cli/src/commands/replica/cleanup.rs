use super::{chosen, policy_of, repository_policy, with_link};
use crate::app::Session;
use crate::args::ReplicaCleanupOptions;
use crate::commands::catalog_hook::CatalogHook;
use crate::commands::cleanup::refusals_text;
use crate::commands::{Outcome, open_repository};
use crate::exit::ExitStatus;
use crate::render::units;
use cadena::repository::RefusedRemoval;
use cadena::retention::{CleanupOutcome, RefusedWal, RetentionPlan};
use jiff::{Timestamp, Zoned};
use serde::Serialize;

#[derive(Serialize)]
struct Cleaned {
    replica: String,
    dry_run: bool,
    #[serde(flatten)]
    plan: RetentionPlan,
    /// What the replica's storage did not let go: it is whole, and the next cleanup tries again.
    refused: Vec<RefusedRemoval>,
    refused_wal: Option<RefusedWal>,
}

/// Removes from replicas what their policies let go, or shows it.
pub fn run(session: &Session, options: &ReplicaCleanupOptions) -> Outcome {
    let repository = open_repository(session)?;
    let now = Zoned::new(Timestamp::now(), session.zone().clone());
    let policy = repository_policy(session, &repository)?;
    let mut all = Vec::new();
    let mut is_refused = false;
    for config in chosen(session, &options.names)? {
        // One from which nothing goes has nothing to be cleaned.
        let Some(choice) = policy_of(config, &policy) else { continue };
        let outcome = with_link(session, &repository, config, |link| match options.dry_run {
            true => Ok(CleanupOutcome::planned(link.plan_clean(&choice, &now)?)),
            false => link.clean(&choice, &now, &session.cancel),
        })?;
        is_refused |= outcome.is_refused();
        let CleanupOutcome { plan, refused, refused_wal, .. } = outcome;
        all.push(Cleaned { replica: config.name.clone(), dry_run: options.dry_run, plan, refused, refused_wal });
    }
    if !options.dry_run {
        CatalogHook::new(session, &repository).sync_or_tell();
    }
    session.screen.result(&serde_json::json!({ "replicas": all }), || text(session, &all))?;
    Ok(if is_refused { ExitStatus::Warnings } else { ExitStatus::Success })
}

fn text(session: &Session, all: &[Cleaned]) -> String {
    let mut text = String::new();
    for one in all {
        let names: Vec<&str> = one
            .plan
            .backups
            .iter()
            .filter(|verdict| !verdict.stays && one.refused.iter().all(|refused| refused.id != verdict.id))
            .map(|verdict| verdict.archive_name.as_str())
            .collect();
        let values = [
            ("replica", one.replica.as_str().into()),
            ("backups", names.len().into()),
            ("segments", one.plan.wal.segments.into()),
            ("size", units::size(one.plan.freed_bytes + one.plan.wal.bytes, session.locale.language()).into()),
        ];
        let key = if one.dry_run { "replica-would-clean" } else { "replica-cleaned-text" };
        text.push_str(&(session.locale.text(key, &values) + "\n"));
        text.push_str(&refusals_text(session, &one.refused, one.refused_wal.as_ref()));
        names.iter().for_each(|name| text.push_str(&format!("  {name}\n")));
    }
    text
}
