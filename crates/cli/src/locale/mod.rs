//! Which words does the user read? Fluent catalogues in Spanish and English, compiled into the program.

mod language;
#[cfg(test)]
mod parity;

pub use language::Language;

use crate::render::units;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// Speaks one language. A value, not a global: two users of one process may differ.
pub struct Locale {
    language: Language,
    /// Read when it is first needed: what is called by a server mostly has nothing to say.
    bundle: OnceLock<FluentBundle<FluentResource>>,
}

/// The catalogues of one language: file name and content.
pub(crate) type Catalogue = [(&'static str, &'static str)];

pub(crate) const ENGLISH: &Catalogue = &[
    ("catalog.ftl", include_str!("../../locale/en/catalog.ftl")),
    ("changes.ftl", include_str!("../../locale/en/changes.ftl")),
    ("database.ftl", include_str!("../../locale/en/database.ftl")),
    ("drive.ftl", include_str!("../../locale/en/drive.ftl")),
    ("drill.ftl", include_str!("../../locale/en/drill.ftl")),
    ("errors.ftl", include_str!("../../locale/en/errors.ftl")),
    ("findings.ftl", include_str!("../../locale/en/findings.ftl")),
    ("help.ftl", include_str!("../../locale/en/help.ftl")),
    ("journal.ftl", include_str!("../../locale/en/journal.ftl")),
    ("messages.ftl", include_str!("../../locale/en/messages.ftl")),
    ("notify.ftl", include_str!("../../locale/en/notify.ftl")),
    ("replica.ftl", include_str!("../../locale/en/replica.ftl")),
    ("restore-chain.ftl", include_str!("../../locale/en/restore-chain.ftl")),
    ("restore-point.ftl", include_str!("../../locale/en/restore-point.ftl")),
    ("retention.ftl", include_str!("../../locale/en/retention.ftl")),
    ("schedule.ftl", include_str!("../../locale/en/schedule.ftl")),
    ("status.ftl", include_str!("../../locale/en/status.ftl")),
    ("stores.ftl", include_str!("../../locale/en/stores.ftl")),
    ("wal-archive.ftl", include_str!("../../locale/en/wal-archive.ftl")),
    ("encryption.ftl", include_str!("../../locale/en/encryption.ftl")),
    ("wal-receive.ftl", include_str!("../../locale/en/wal-receive.ftl")),
];
pub(crate) const SPANISH: &Catalogue = &[
    ("catalog.ftl", include_str!("../../locale/es/catalog.ftl")),
    ("changes.ftl", include_str!("../../locale/es/changes.ftl")),
    ("database.ftl", include_str!("../../locale/es/database.ftl")),
    ("drive.ftl", include_str!("../../locale/es/drive.ftl")),
    ("drill.ftl", include_str!("../../locale/es/drill.ftl")),
    ("errors.ftl", include_str!("../../locale/es/errors.ftl")),
    ("findings.ftl", include_str!("../../locale/es/findings.ftl")),
    ("help.ftl", include_str!("../../locale/es/help.ftl")),
    ("journal.ftl", include_str!("../../locale/es/journal.ftl")),
    ("messages.ftl", include_str!("../../locale/es/messages.ftl")),
    ("notify.ftl", include_str!("../../locale/es/notify.ftl")),
    ("replica.ftl", include_str!("../../locale/es/replica.ftl")),
    ("restore-chain.ftl", include_str!("../../locale/es/restore-chain.ftl")),
    ("restore-point.ftl", include_str!("../../locale/es/restore-point.ftl")),
    ("retention.ftl", include_str!("../../locale/es/retention.ftl")),
    ("schedule.ftl", include_str!("../../locale/es/schedule.ftl")),
    ("status.ftl", include_str!("../../locale/es/status.ftl")),
    ("stores.ftl", include_str!("../../locale/es/stores.ftl")),
    ("wal-archive.ftl", include_str!("../../locale/es/wal-archive.ftl")),
    ("encryption.ftl", include_str!("../../locale/es/encryption.ftl")),
    ("wal-receive.ftl", include_str!("../../locale/es/wal-receive.ftl")),
];

impl Locale {
    /// Speaks `language`.
    pub fn new(language: Language) -> Self {
        Locale { language, bundle: OnceLock::new() }
    }

    /// Returns the catalogues of the language.
    fn bundle(&self) -> &FluentBundle<FluentResource> {
        self.bundle.get_or_init(|| load(self.language))
    }

    /// Returns the language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Returns a message without arguments. The key is a literal: a test checks that it exists.
    pub fn say(&self, key: &str) -> String {
        self.text(key, &[])
    }

    /// Returns a message with arguments. The key is a literal: a test checks that it exists.
    pub fn say_with(&self, key: &str, arguments: &[(&str, FluentValue<'_>)]) -> String {
        self.text(key, arguments)
    }

    /// Returns a message whose key is computed; the key itself when there is none.
    pub fn text(&self, key: &str, arguments: &[(&str, FluentValue<'_>)]) -> String {
        self.try_text(key, arguments).unwrap_or_else(|| key.to_owned())
    }

    /// Returns a message, or `None` when there is none under `key`.
    pub fn try_text(&self, key: &str, arguments: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let pattern = self.bundle().get_message(key)?.value()?;
        let arguments: FluentArgs<'_> = arguments.iter().map(|(name, value)| (*name, value.clone())).collect();
        let mut errors = Vec::new();
        Some(self.bundle().format_pattern(pattern, Some(&arguments), &mut errors).into_owned())
    }

    /// Returns the message of a key with the arguments of its serialized form; sizes and instants are made readable.
    pub fn try_described(
        &self,
        key: &str,
        arguments: &Map<String, Value>,
        zone: &jiff::tz::TimeZone,
    ) -> Option<String> {
        let values: Vec<(&str, FluentValue<'_>)> =
            arguments.iter().map(|(name, value)| (name.as_str(), self.readable(name, value, zone))).collect();
        self.try_text(key, &values)
    }

    fn readable(&self, name: &str, value: &Value, zone: &jiff::tz::TimeZone) -> FluentValue<'static> {
        match value {
            Value::Number(number) if name.ends_with("_bytes") => match number.as_u64() {
                Some(bytes) => units::size(bytes, self.language).into(),
                None => number.to_string().into(),
            },
            Value::Number(number) if name.ends_with("_seconds") => match number.as_f64() {
                Some(seconds) => units::duration(seconds, self.language).into(),
                None => number.to_string().into(),
            },
            // Fluent counts in f64; what it can't hold exactly stays text.
            Value::Number(number) => match number.as_i64().filter(|n| n.unsigned_abs() < 1 << 53) {
                Some(count) => FluentValue::from(count),
                None => number.to_string().into(),
            },
            // An instant that somebody may ask for again.
            Value::String(text) if ["earlier_at", "later_at"].contains(&name) => {
                match text.parse::<jiff::Timestamp>() {
                    Ok(instant) => units::exact_time(instant, zone).into(),
                    Err(_) => text.clone().into(),
                }
            }
            Value::String(text) if name == "since" || name.ends_with("_at") => match text.parse::<jiff::Timestamp>() {
                Ok(instant) => units::local_time(instant, zone).into(),
                Err(_) => text.clone().into(),
            },
            Value::String(text) => text.clone().into(),
            // Messages choose their words for it.
            Value::Null if name.starts_with("earlier_") || name.starts_with("later_") => "none".into(),
            Value::Null => "-".into(),
            // An error or a finding within another, or a gap in the archived WAL: its own sentence.
            Value::Object(inner) => {
                let keys = match inner.get("key").and_then(Value::as_str) {
                    Some(key) => vec![format!("error-{key}"), key.to_owned()],
                    None if inner.contains_key("to_lsn") => vec!["wal-gap".to_owned()],
                    None => Vec::new(),
                };
                let sentence = keys.iter().find_map(|key| self.try_described(key, inner, zone));
                sentence.unwrap_or_else(|| value.to_string()).into()
            }
            other => other.to_string().into(),
        }
    }
}

/// Loads the catalogues of a language.
fn load(language: Language) -> FluentBundle<FluentResource> {
    let mut bundle = FluentBundle::new_concurrent(vec![language.identifier()]);
    // Terminals show Fluent's directional marks as rubbish.
    bundle.set_use_isolating(false);
    let catalogue = match language {
        Language::English => ENGLISH,
        Language::Spanish => SPANISH,
    };
    for (_, content) in catalogue {
        // A catalogue with a bad message still gives its good ones; a test refuses bad ones.
        let resource = FluentResource::try_new((*content).to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn described(language: Language, key: &str, arguments: Value) -> Option<String> {
        let map = arguments.as_object().cloned().unwrap_or_default();
        Locale::new(language).try_described(key, &map, &jiff::tz::TimeZone::UTC)
    }

    #[test]
    fn sizes_and_instants_in_errors_are_readable() {
        let arguments = json!({"directory": "/x", "free_bytes": 1_610_612_736_u64, "needed_bytes": 1_048_576});
        let text = described(Language::Spanish, "error-restore-no-space", arguments).unwrap_or_default();
        assert!(text.contains("1,5 GiB") && text.contains("1,0 MiB"), "{text}");
        let busy = json!({"name": "n", "pid": 7, "host": "h", "since": "2026-11-24T00:00:00Z"});
        let text = described(Language::English, "error-repository-busy", busy).unwrap_or_default();
        assert!(text.contains("2026-11-24 00:00:00"), "{text}");
    }

    #[test]
    fn an_unknown_key_is_told_from_a_message() {
        assert_eq!(described(Language::English, "error-nonsense", json!({})), None);
    }
}
