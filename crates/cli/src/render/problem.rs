//! Errors, warnings and findings: from key and arguments to sentence and remedy.

use crate::failure::Failure;
use crate::locale::Locale;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};

/// A problem in the user's language, beside the key and the arguments that programs read.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    pub key: String,
    pub message: String,
    pub remedy: Option<String>,
    #[serde(flatten)]
    pub arguments: Map<String, Value>,
}

/// Describes an error.
pub fn problem_of(failure: &Failure, locale: &Locale, zone: &TimeZone) -> Problem {
    let mut arguments = failure.arguments().clone();
    let key = format!("error-{}", failure.key());
    let message = locale.try_described(&key, &arguments, zone).unwrap_or_else(|| failure.english().to_owned());
    let remedy = locale.try_described(&format!("{key}-remedy"), &arguments, zone);
    // An argument of one of our own names would make the JSON object ambiguous.
    for reserved in ["key", "message", "remedy"] {
        arguments.remove(reserved);
    }
    Problem { key: failure.key().to_owned(), message, remedy, arguments }
}

/// Describes a warning or finding as records and reports hold it: `{"key": …, arguments}`. Unknown keys (of a newer
/// version's record, say) are shown as they are.
pub fn described(what: &Value, locale: &Locale, zone: &TimeZone) -> String {
    let arguments = what.as_object().cloned().unwrap_or_default();
    let key = what["key"].as_str().unwrap_or_default();
    [key.to_owned(), format!("error-{key}")]
        .iter()
        .find_map(|key| locale.try_described(key, &arguments, zone))
        .unwrap_or_else(|| what.to_string())
}

impl Problem {
    /// Writes it as lines for people.
    pub fn text(&self, locale: &Locale) -> String {
        let mut text = locale.say_with("problem-line", &[("message", self.message.as_str().into())]);
        if let Some(remedy) = &self.remedy {
            text.push('\n');
            text.push_str(&locale.say_with("problem-remedy", &[("remedy", remedy.as_str().into())]));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::Language;
    use serde_json::json;

    fn problem(language: Language) -> (Problem, Locale) {
        let locale = Locale::new(language);
        let value = json!({"key": "repository-absent", "storage": "/backups"});
        (problem_of(&Failure::from_value(value, "english".into()), &locale, &TimeZone::UTC), locale)
    }

    #[test]
    fn an_error_is_a_sentence_and_a_remedy() {
        let (found, locale) = problem(Language::English);
        let text = found.text(&locale);
        assert!(text.starts_with("cadena: ") && text.contains("/backups") && text.contains("cadena init"), "{text}");
    }

    #[test]
    fn an_errors_json_holds_key_message_remedy_and_arguments() {
        let (found, _) = problem(Language::Spanish);
        let value = serde_json::to_value(&found).unwrap_or_default();
        assert_eq!(value["key"], "repository-absent");
        assert_eq!(value["storage"], "/backups");
        assert!(value["message"].is_string() && value["remedy"].is_string());
    }

    #[test]
    fn an_unknown_finding_is_shown_as_it_is() {
        let what = json!({"key": "from-the-future", "n": 1});
        let text = described(&what, &Locale::new(Language::English), &TimeZone::UTC);
        assert_eq!(text, what.to_string());
    }
}
