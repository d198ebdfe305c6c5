//! What is said about a wrong command line? clap finds it; the sentence is ours, in the user's language.

use crate::failure::Failure;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde::Serialize;

/// Says what is wrong with a command line. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum UsageError {
    #[error("unexpected argument {argument}; nearest: {nearest}")]
    UsageUnknownArgument { argument: String, nearest: String },
    #[error("unknown command {name}; nearest: {nearest}")]
    UsageUnknownCommand { name: String, nearest: String },
    #[error("{value:?} is no value for {argument}; allowed: {allowed}")]
    UsageBadValue { argument: String, value: String, allowed: String },
    #[error("missing: {arguments}")]
    UsageMissing { arguments: String },
    #[error("{argument} can't be used with {other}")]
    UsageConflict { argument: String, other: String },
    #[error("{detail}")]
    UsageOther { detail: String },
}

impl UsageError {
    /// Says that `name` is no command of `root`.
    pub fn unknown_command(name: &str, root: &clap::Command) -> Self {
        let known = root.get_subcommands().map(clap::Command::get_name);
        UsageError::UsageUnknownCommand { name: name.to_owned(), nearest: crate::config::nearest(name, known) }
    }
}

/// Turns clap's error into ours.
pub fn usage_failure(error: &clap::Error, root: &clap::Command) -> Failure {
    usage_error(error, root).into()
}

fn usage_error(error: &clap::Error, root: &clap::Command) -> UsageError {
    let context = |kind| error.get(kind).map(words).unwrap_or_default();
    let argument = context(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let nearest = context(ContextKind::SuggestedArg);
            let nearest = if nearest.is_empty() { "-".to_owned() } else { nearest };
            UsageError::UsageUnknownArgument { argument, nearest }
        }
        ErrorKind::InvalidSubcommand => UsageError::unknown_command(&context(ContextKind::InvalidSubcommand), root),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let allowed = match std::error::Error::source(error) {
                Some(source) => source.to_string(),
                None => context(ContextKind::ValidValue).replace(", ", " | "),
            };
            // An option without its value.
            let allowed = if allowed.is_empty() { argument.clone() } else { allowed };
            UsageError::UsageBadValue { argument, value: context(ContextKind::InvalidValue), allowed }
        }
        ErrorKind::MissingRequiredArgument => UsageError::UsageMissing { arguments: argument },
        ErrorKind::ArgumentConflict => UsageError::UsageConflict { argument, other: context(ContextKind::PriorArg) },
        _ => UsageError::UsageOther { detail: first_line(error) },
    }
}

fn words(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(all) => all.join(", "),
        other => other.to_string(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
