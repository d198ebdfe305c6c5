use crate::app::Session;
use crate::failure::Failure;
use crate::render::{described, problem_of};
use fluent_bundle::FluentValue;
use serde::Serialize;
use serde_json::Value;

/// Says how a precondition stands. The later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    Ok,
    /// Backups work; something is less good than it could be.
    Warn,
    /// Backups do not work.
    Fail,
}

/// One precondition.
#[derive(Debug, Serialize)]
pub struct CheckItem {
    /// What was looked at.
    pub key: String,
    pub state: CheckState,
    pub message: String,
    pub remedy: Option<String>,
}

/// Collects checks in the order in which they were made.
pub struct Checklist<'a> {
    session: &'a Session,
    items: Vec<CheckItem>,
}

impl<'a> Checklist<'a> {
    /// Starts an empty list.
    pub fn new(session: &'a Session) -> Self {
        Checklist { session, items: Vec::new() }
    }

    /// Returns what the checks work with.
    pub fn session(&self) -> &'a Session {
        self.session
    }

    /// Adds a check with the message of `key` and, when it has one, the remedy of `key-remedy`.
    pub fn add(&mut self, state: CheckState, key: &str, values: &[(&str, FluentValue<'_>)]) {
        let locale = &self.session.locale;
        self.items.push(CheckItem {
            key: key.to_owned(),
            state,
            message: locale.text(key, values),
            remedy: locale.try_text(&format!("{key}-remedy"), values),
        });
    }

    /// Adds a check that ended with an error: its sentence and its remedy.
    pub fn add_failure(&mut self, state: CheckState, key: &str, failure: &Failure) {
        let problem = problem_of(failure, &self.session.locale, self.session.zone());
        self.items.push(CheckItem { key: key.to_owned(), state, message: problem.message, remedy: problem.remedy });
    }

    /// Adds what the library found, `{"key": …}`: its sentence and, if it has one, its remedy.
    pub fn add_finding(&mut self, state: CheckState, key: &str, finding: &Value) {
        let (locale, zone) = (&self.session.locale, self.session.zone());
        let remedy = format!("{}-remedy", finding["key"].as_str().unwrap_or_default());
        let arguments = finding.as_object().cloned().unwrap_or_default();
        self.items.push(CheckItem {
            key: key.to_owned(),
            state,
            message: described(finding, locale, zone),
            remedy: locale.try_described(&remedy, &arguments, zone),
        });
    }

    /// Returns the checks.
    pub fn into_items(self) -> Vec<CheckItem> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_state_is_the_greatest() {
        assert!(CheckState::Ok < CheckState::Warn && CheckState::Warn < CheckState::Fail);
    }
}
