use super::{chosen, policy_of, repository_policy, with_link};
use crate::app::Session;
use crate::args::ReplicaCleanupOptions;
use crate::commands::catalog_hook::CatalogHook;
use crate::commands::{Outcome, open_repository};
use crate::exit::ExitStatus;
use crate::render::units;
use cadena::retention::RetentionPlan;
use jiff::{Timestamp, Zoned};
use serde::Serialize;

#[derive(Serialize)]
struct Cleaned {
    replica: String,
    dry_run: bool,
    #[serde(flatten)]
    plan: RetentionPlan,
}

/// Removes from replicas what their policies let go, or shows it.
pub fn run(session: &Session, options: &ReplicaCleanupOptions) -> Outcome {
    let repository = open_repository(session)?;
    let now = Zoned::new(Timestamp::now(), session.zone().clone());
    let policy = repository_policy(session, &repository)?;
    let mut all = Vec::new();
    for config in chosen(session, &options.names)? {
        // One from which nothing goes has nothing to be cleaned.
        let Some(choice) = policy_of(config, &policy) else { continue };
        let plan = with_link(session, &repository, config, |link| match options.dry_run {
            true => link.plan_clean(&choice, &now),
            false => Ok(link.clean(&choice, &now, &session.cancel)?.plan),
        })?;
        all.push(Cleaned { replica: config.name.clone(), dry_run: options.dry_run, plan });
    }
    if !options.dry_run {
        CatalogHook::new(session, &repository).sync_or_tell();
    }
    session.screen.result(&serde_json::json!({ "replicas": all }), || text(session, &all))?;
    Ok(ExitStatus::Success)
}

fn text(session: &Session, all: &[Cleaned]) -> String {
    let mut text = String::new();
    for one in all {
        let names: Vec<&str> = one
            .plan
            .backups
            .iter()
            .filter(|verdict| !verdict.stays)
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
        names.iter().for_each(|name| text.push_str(&format!("  {name}\n")));
    }
    text
}
