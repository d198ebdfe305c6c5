//! `cadena replica`: copies of the repository elsewhere.

mod cleanup;
mod list;
mod pull;
mod push;
mod verify;

pub use push::push_after_backup;

use super::Outcome;
use crate::app::Session;
use crate::args::{ReplicaCommand, ReplicaOptions};
use crate::config::ReplicaConfig;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use cadena::replica::{ReplicaLink, ReplicaStep, forget_replica};
use cadena::repository::Repository;
use cadena::retention::{PolicyChoice, settle_policy};
use cadena::{Phase, Progress};
use serde::Serialize;
use std::sync::Mutex;

/// What can't be done with replicas, because of what was typed or configured.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum ReplicaUseError {
    #[error("there is no replica {name}; known: {known}")]
    UsageReplicaUnknown { name: String, known: String },
    #[error("no replica is configured")]
    UsageNoReplica {},
    #[error("this command would write, and the replica {name} is only read")]
    UsageFromReplica { name: String },
    #[error("the replica {name} is still configured")]
    UsageReplicaConfigured { name: String },
}

/// Does what was asked for.
pub fn run(session: &Session, options: &ReplicaOptions) -> Outcome {
    match &options.command {
        ReplicaCommand::List => list::run(session),
        ReplicaCommand::Push(options) => push::run(session, options),
        ReplicaCommand::Pull(options) => pull::run(session, options),
        ReplicaCommand::Verify(options) => verify::run(session, options),
        ReplicaCommand::Cleanup(options) => cleanup::run(session, options),
        ReplicaCommand::Forget(options) => {
            let name = options.name.clone();
            if session.settings.replicas.iter().any(|replica| replica.name == name) {
                return Err(ReplicaUseError::UsageReplicaConfigured { name }.into());
            }
            let repository = super::open_repository(session)?;
            forget_replica(&repository, &name)?;
            session.screen.result(&serde_json::json!({ "forgotten": name }), || {
                session.locale.say_with("replica-forgotten", &[("replica", name.as_str().into())]) + "\n"
            })?;
            Ok(ExitStatus::Success)
        }
    }
}

/// Finds one replica by its name.
pub fn named<'a>(session: &'a Session, name: &str) -> Result<&'a ReplicaConfig, ReplicaUseError> {
    let replicas = &session.settings.replicas;
    replicas.iter().find(|replica| replica.name == name).ok_or_else(|| {
        let known: Vec<&str> = replicas.iter().map(|replica| replica.name.as_str()).collect();
        match known.is_empty() {
            true => ReplicaUseError::UsageNoReplica {},
            false => ReplicaUseError::UsageReplicaUnknown { name: name.to_owned(), known: known.join(", ") },
        }
    })
}

/// Returns those that were named, or all.
fn chosen<'a>(session: &'a Session, names: &[String]) -> Result<Vec<&'a ReplicaConfig>, ReplicaUseError> {
    if !names.is_empty() {
        return names.iter().map(|name| named(session, name)).collect();
    }
    match session.settings.replicas.is_empty() {
        true => Err(ReplicaUseError::UsageNoReplica {}),
        false => Ok(session.settings.replicas.iter().collect()),
    }
}

/// Returns the policy of the repository.
fn repository_policy(session: &Session, repository: &Repository) -> Result<PolicyChoice, Failure> {
    let catalog = super::catalog_hook::ask_for_policy(session)?;
    Ok(settle_policy(repository, &catalog, session.settings.retention.as_ref(), None)?)
}

/// Returns the policy that a replica follows; `None`: nothing goes.
fn policy_of(config: &ReplicaConfig, repository: &PolicyChoice) -> Option<PolicyChoice> {
    let replica = config.retention();
    let policy = replica.policy(&repository.policy)?.clone();
    Some(PolicyChoice { policy, source: repository.source })
}

/// Works with a replica, and leaves word of how that went.
fn with_link<T>(
    session: &Session,
    repository: &Repository,
    config: &ReplicaConfig,
    work: impl FnOnce(&ReplicaLink) -> Result<T, cadena::Error>,
) -> Result<T, Failure> {
    let link = ReplicaLink::begin(repository, &config.open(&session.settings.monitoring.environment)?.replica)?;
    let result = work(&link);
    if !result.as_ref().is_err_and(cadena::Error::is_cancelled) {
        link.note_outcome("command", result.as_ref().err());
    }
    link.finish();
    Ok(result?)
}

/// Shows bytes as they go.
struct Steps<'a> {
    progress: &'a dyn Progress,
    total_bytes: Mutex<u64>,
}

impl<'a> Steps<'a> {
    fn new(progress: &'a dyn Progress) -> Self {
        Steps { progress, total_bytes: Mutex::new(0) }
    }

    fn take(&self, step: ReplicaStep) {
        match step {
            ReplicaStep::ReplicaSending { bytes, .. } => self.progress.phase(Phase::Sending, Some(bytes)),
            ReplicaStep::ReplicaSent { bytes } => {
                self.progress.advance(bytes);
                if let Ok(mut total) = self.total_bytes.lock() {
                    *total += bytes;
                }
            }
        }
    }
}
