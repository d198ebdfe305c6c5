//! `cadena merge`: puts a chain together into a new FULL, without the server.

use super::catalog_hook::CatalogHook;
use super::{Outcome, open_to_write, remark_warnings, tool_version};
use crate::app::Session;
use crate::args::MergeOptions;
use crate::exit::ExitStatus;
use crate::render::{backup_facts, facts, units};
use cadena::backup::{BackupOptions, MergeOutcome, merge};
use cadena::repository::BackupId;
use serde_json::json;

/// Merges and says what came of it.
pub fn run(session: &Session, options: &MergeOptions) -> Outcome {
    let repository = open_to_write(session)?;
    let id = match options.id {
        Some(id) => BackupId(id),
        None => repository.latest()?.id,
    };
    let settings = &session.settings;
    let backup = BackupOptions {
        reader: settings.reader,
        jobs: options.jobs.unwrap_or(settings.jobs),
        compression_level: options.level.unwrap_or(settings.compression_level),
        max_rate_bytes: None,
        fast_checkpoint: settings.fast_checkpoint,
        label: options.label.clone(),
        tool_version: tool_version(),
        time_zone: settings.time_zone.clone(),
        temporary_folder: std::env::temp_dir(),
    };
    let hook = CatalogHook::new(session, &repository);
    let progress = hook.watch(session.progress());
    let outcome = merge(&repository, id, &backup, &*progress, &session.cancel);
    drop(progress);
    hook.sync_or_tell();
    let outcome = outcome?;
    let value = json!({
        "backup": outcome.record, "already_there": outcome.already_there, "seconds": outcome.seconds,
    });
    session.screen.result(&value, || text(session, &outcome))?;
    let warned = remark_warnings(session, &outcome.record);
    Ok(if warned { ExitStatus::Warnings } else { ExitStatus::Success })
}

fn text(session: &Session, outcome: &MergeOutcome) -> String {
    let locale = &session.locale;
    let chain: Vec<String> = outcome.record.merged_from.iter().map(ToString::to_string).collect();
    let values = [
        ("id", outcome.record.id.to_string().into()),
        ("chain", chain.join(" + ").into()),
        ("duration", units::duration(outcome.seconds, locale.language()).into()),
    ];
    let key = if outcome.already_there { "merge-already" } else { "merge-done" };
    let headline = locale.text(key, &values);
    format!("{headline}\n{}", facts(&backup_facts(&outcome.record, locale, session.zone())))
}
