//! Are the catalogues whole? Both languages have the same messages with the same variables, every error of the library has
//! a sentence and a remedy, and every message that the code asks for exists.

use super::{Catalogue, ENGLISH, Language, Locale, SPANISH};
use crate::args::needed_keys;
use fluent_bundle::FluentResource;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A message's name and the variables that it uses.
type Messages = BTreeMap<String, BTreeSet<String>>;

fn messages(catalogue: &Catalogue) -> Messages {
    let mut found = Messages::new();
    for (file, content) in catalogue {
        if let Err((_, errors)) = FluentResource::try_new((*content).to_owned()) {
            panic!("{file}: {errors:?}");
        }
        let mut current = String::new();
        for line in content.lines().filter(|line| !line.starts_with('#')) {
            if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| is_key(key)) {
                current = key.to_owned();
                assert!(found.insert(current.clone(), BTreeSet::new()).is_none(), "{file}: {key} stands twice");
            }
            for part in line.split('$').skip(1) {
                let name: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                found.entry(current.clone()).or_default().insert(name);
            }
        }
    }
    found
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Returns every Rust source below the workspace's crates.
fn sources() -> Vec<(PathBuf, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![crates];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push((path, text));
            }
        }
    }
    found
}

/// Collects key and fields of every variant of the error enums: those that serialize with `tag = "key"` and whose variants
/// carry `#[error(…)]`.
fn error_variants() -> Messages {
    tagged_enums(|body| body.contains("#[error("))
}

/// The same for the enums of findings, which are no errors.
fn finding_variants() -> Messages {
    tagged_enums(|body| !body.contains("#[error("))
}

fn tagged_enums(wanted: impl Fn(&str) -> bool) -> Messages {
    let mut found = Messages::new();
    for (_, text) in sources().iter().filter(|(path, _)| !path.ends_with("parity.rs")) {
        let enums = text.split("#[serde(tag = \"key\"").skip(1).filter_map(|rest| rest.split_once("pub enum "));
        for (_, rest) in enums {
            let body = rest.split_once("\n}").map_or(rest, |(body, _)| body);
            if wanted(body) {
                found.extend(variants(body));
            }
        }
    }
    found
}

fn variants(body: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    let mut fields: Option<(String, BTreeSet<String>)> = None;
    for line in body.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('#')) {
        let opens = line.split_once(" {").filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()));
        let inner = match opens {
            Some((name, inner)) if name.chars().all(|c| c.is_ascii_alphanumeric()) => {
                fields = Some((kebab_case(name), BTreeSet::new()));
                inner
            }
            _ => line,
        };
        let Some((_, names)) = &mut fields else { continue };
        for field in inner.trim_end_matches(['}', ',', ' ']).split(", ") {
            if let Some((name, _)) = field.split_once(": ") {
                names.insert(name.trim().to_owned());
            }
        }
        if inner.trim_end_matches(',').ends_with('}') {
            found.extend(fields.take());
        }
    }
    found
}

fn kebab_case(name: &str) -> String {
    let mut key = String::new();
    for (position, character) in name.chars().enumerate() {
        if character.is_ascii_uppercase() && position > 0 {
            key.push('-');
        }
        key.push(character.to_ascii_lowercase());
    }
    key
}

/// Collects string literals in the workspace's sources that look like a key with one of `prefixes`.
fn literals(prefixes: &[&str], within: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in sources() {
        if !path.to_string_lossy().contains(within) || path.ends_with("parity.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for literal in code.split('"').filter(|text| is_key(text)) {
            if prefixes.iter().any(|prefix| literal.starts_with(prefix)) {
                found.insert(literal.to_owned());
            }
        }
    }
    found
}

/// Returns the names of all messages but help.
fn all_keys() -> BTreeSet<String> {
    ENGLISH.iter().map(|(name, _)| *name).filter(|name| *name != "help.ftl").flat_map(keys_of).collect()
}

/// Returns the names of the messages about errors.
fn error_keys() -> BTreeSet<String> {
    all_keys().into_iter().filter(|key| key.starts_with("error-")).collect()
}

/// Returns the keys of what the libraries report besides errors: findings, warnings, missing privileges, events of the journal.
fn reported_keys() -> BTreeSet<String> {
    let mut found: BTreeSet<String> = finding_variants().into_keys().collect();
    for room in ["/engine/src/", "/service/src/", "/vault/src/"] {
        found.extend(literals(&["warning-", "privilege-"], room));
    }
    found.extend(event_literals());
    // What stands for a gap within another message.
    found.insert("wal-gap".to_owned());
    found
}

/// Collects the names of events: the first string in each call that makes one.
fn event_literals() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| path.to_string_lossy().contains("/src/")) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in code.split("NewEvent::new(").skip(1) {
            let name = call.split('"').nth(1).filter(|name| is_key(name));
            found.insert(name.unwrap_or_else(|| panic!("{}: an event without a name", path.display())).to_owned());
        }
    }
    found
}

/// Returns the names of one file's messages.
fn keys_of(file: &str) -> BTreeSet<String> {
    let content = ENGLISH.iter().find(|(name, _)| *name == file).map(|(_, content)| *content).unwrap_or_default();
    let keys = content.lines().filter_map(|line| line.split_once(" =")).map(|(key, _)| key.to_owned());
    keys.filter(|key| is_key(key)).collect()
}

fn keys(messages: &Messages) -> BTreeSet<String> {
    messages.keys().cloned().collect()
}

fn assert_same(what: &str, have: &BTreeSet<String>, need: &BTreeSet<String>) {
    let missing: Vec<_> = need.difference(have).collect();
    let surplus: Vec<_> = have.difference(need).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{what}: missing {missing:#?}, surplus {surplus:#?}");
}

#[test]
fn both_languages_have_the_same_messages_with_the_same_variables() {
    let (english, spanish) = (messages(ENGLISH), messages(SPANISH));
    assert_same("Spanish", &keys(&spanish), &keys(&english));
    for (key, variables) in &english {
        assert_eq!(spanish.get(key), Some(variables), "variables of {key}");
    }
}

#[test]
fn every_error_has_a_sentence_and_a_remedy_and_none_is_left_over() {
    let errors = error_variants();
    assert!(errors.len() > 50, "the scan of the sources finds too little: {}", errors.len());
    let mut need = BTreeSet::from(["error-unknown".to_owned(), "error-unknown-remedy".to_owned()]);
    for key in errors.keys() {
        need.insert(format!("error-{key}"));
        need.insert(format!("error-{key}-remedy"));
    }
    assert_same("errors", &error_keys(), &need);
}

#[test]
fn a_sentence_uses_only_arguments_that_the_error_has() {
    let errors = error_variants();
    for (key, variables) in messages(ENGLISH) {
        let Some(name) = key.strip_prefix("error-") else { continue };
        let fields = errors.get(name.strip_suffix("-remedy").unwrap_or(name)).cloned().unwrap_or_default();
        let unknown: Vec<_> = variables.difference(&fields).collect();
        assert!(unknown.is_empty(), "{key} uses {unknown:?}, the error has {fields:?}");
    }
}

#[test]
fn every_sentence_tells_all_that_the_error_holds() {
    let english = messages(ENGLISH);
    for (key, fields) in error_variants() {
        let of = |key: String| english.get(&key).cloned().unwrap_or_default();
        let told: BTreeSet<String> = &of(format!("error-{key}")) | &of(format!("error-{key}-remedy"));
        let untold: Vec<_> = fields.difference(&told).collect();
        assert!(untold.is_empty(), "error-{key} leaves out {untold:?}");
    }
}

#[test]
fn every_error_that_has_an_exit_code_of_its_own_exists() {
    use crate::exit::{BUSY_KEYS, DAMAGE_KEYS, REFUSAL_KEYS, USAGE_KEYS};
    let errors = error_variants();
    for key in BUSY_KEYS.iter().chain(DAMAGE_KEYS).chain(REFUSAL_KEYS).chain(USAGE_KEYS) {
        assert!(errors.contains_key(*key), "{key} is no error's key");
    }
}

#[test]
fn every_help_text_is_there_and_none_is_left_over() {
    let frame = ["help-heading-", "help-value-options", "help-after"];
    let mut have = keys_of("help.ftl");
    have.retain(|key| !frame.iter().any(|prefix| key.starts_with(prefix)));
    assert_same("help", &have, &needed_keys().into_iter().collect());
}

#[test]
fn everything_that_the_libraries_report_has_a_sentence_with_its_variables() {
    let missing: Vec<_> = reported_keys().difference(&all_keys()).cloned().collect();
    assert!(missing.is_empty(), "missing {missing:#?}");
    let english = messages(ENGLISH);
    for (key, fields) in finding_variants() {
        let of = |key: String| english.get(&key).cloned().unwrap_or_default();
        assert_eq!(&of(key.clone()) | &of(format!("{key}-remedy")), fields, "variables of {key}");
    }
}

#[test]
fn every_message_that_the_code_asks_for_exists_and_none_is_left_over() {
    let reported = reported_keys();
    let mut have = all_keys();
    have.retain(|key| !key.starts_with("error-"));
    // What the libraries report has another test; it may have a remedy, as a check has one under the name of the check.
    have.retain(|key| !reported.contains(key.trim_end_matches("-remedy")));
    have.retain(|key| !(key.starts_with("check-") && key.ends_with("-remedy")));
    let families: BTreeSet<String> =
        have.iter().filter_map(|key| key.split_once('-')).map(|(family, _)| format!("{family}-")).collect();
    let prefixes: Vec<&str> = families.iter().map(String::as_str).collect();
    let mut need = literals(&prefixes, "/cli/src/");
    // Words of the same form that are no messages: error keys, folder names, options.
    let errors = error_variants();
    need.retain(|key| have.contains(key) || !is_other_literal(key, &errors, &reported));
    assert_same("messages", &have, &need);
}

fn is_other_literal(key: &str, errors: &Messages, reported: &BTreeSet<String>) -> bool {
    errors.contains_key(key)
        || reported.contains(key.trim_end_matches("-remedy"))
        || ["restore-", "demo-", "config-", "usage-", "cadena-demo-", "help-", "error-"].contains(&key)
}

#[test]
fn every_message_can_be_formatted() {
    for (language, catalogue) in [(Language::English, ENGLISH), (Language::Spanish, SPANISH)] {
        let locale = Locale::new(language);
        for (key, variables) in messages(catalogue) {
            let arguments: Vec<_> = variables.iter().map(|name| (name.as_str(), 2.into())).collect();
            let text = locale.try_text(&key, &arguments).unwrap_or_default();
            assert!(!text.is_empty() && !text.contains("{"), "{key}: {text}");
        }
    }
}
