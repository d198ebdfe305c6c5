//! `cadena status`: what needs attention first; then the backups, what can be restored, the stream of WAL, validation, room.

use super::schedule::schedule;
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{described, facts, health_text};
use cadena::health::{Attention, HealthQuestion, JobDue, RepositoryHealth, health};
use cadena::repository::Repository;
use cadena::scheduler::{Memory, view};
use serde_json::{Value, json};

/// Shows the repository's state.
pub fn run(session: &Session) -> Outcome {
    let repository = open_repository(session)?;
    let health = look(session, &repository, &due(session, &repository)?)?;
    let (locale, zone) = (&session.locale, session.zone());
    let messages: Vec<String> = health.attention.iter().map(|one| attention_text(session, one)).collect();
    let text = || {
        let place = facts(&[(locale.say("init-repository"), health.repository.clone())]);
        format!("{place}{}", health_text(&health, &messages, locale, zone))
    };
    session.screen.result(&with_messages(&health, &messages), text)?;
    Ok(if health.attention.is_empty() { ExitStatus::Success } else { ExitStatus::Warnings })
}

/// Says when the schedule has backups due; nothing when no daemon has ever run it.
fn due(session: &Session, repository: &Repository) -> Result<Vec<JobDue>, Failure> {
    let Some(memory) = Memory::read(repository)? else { return Ok(Vec::new()) };
    let jobs = view(&schedule(session, repository)?, Some(&memory), jiff::Timestamp::now(), 1);
    Ok(JobDue::of(&jobs))
}

/// Looks at everything.
fn look(session: &Session, repository: &Repository, due: &[JobDue]) -> Result<RepositoryHealth, Failure> {
    let settings = &session.settings;
    Ok(health(&HealthQuestion {
        repository,
        connection: Some(&settings.connection),
        slot: &settings.slot,
        max_slot_retained_bytes: settings.max_slot_retained_bytes,
        due,
        now: jiff::Timestamp::now(),
        cancelled: &|| session.cancel.is_cancelled(),
    })?)
}

/// Says what needs a look, and what helps.
pub(super) fn attention_text(session: &Session, attention: &Attention) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let value = serde_json::to_value(attention).unwrap_or_default();
    let text = described(&value, locale, zone);
    // A finding within has its own remedy.
    let finding = &value["finding"];
    let key = format!("{}-remedy", finding["key"].as_str().unwrap_or_default());
    let arguments = finding.as_object().cloned().unwrap_or_default();
    match locale.try_described(&key, &arguments, zone) {
        Some(remedy) => format!("{text} -> {remedy}"),
        None => text,
    }
}

/// Returns the JSON form: what needs a look also has its message and how grave it is.
fn with_messages(health: &RepositoryHealth, messages: &[String]) -> Value {
    let mut value = json!(health);
    for (index, (attention, message)) in health.attention.iter().zip(messages).enumerate() {
        value["attention"][index]["level"] = attention.level().word().into();
        value["attention"][index]["message"] = message.as_str().into();
    }
    value
}
