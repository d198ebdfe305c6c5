//! `[drill]` and `[[drill.assertion]]`: what a drill looks at.

use super::ConfigError;
use super::file::Place;
use super::table::{Table, tables_of, text};
use crate::args::parse_bounded;
use cadena::restore::Assertion;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// The section's name.
pub const DRILL: &str = "drill";
const KEYS: &[&str] = &["amcheck", "assertion"];
const ASSERTION_KEYS: &[&str] = &["name", "database", "sql", "expect", "timeout_seconds"];
const DEFAULT_TIMEOUT_SECONDS: u64 = 300;

/// What a drill looks at beside pages.
#[derive(Debug, Clone)]
pub struct DrillConfig {
    pub amcheck: bool,
    pub assertions: Vec<Assertion>,
}

impl Default for DrillConfig {
    fn default() -> Self {
        DrillConfig { amcheck: true, assertions: Vec::new() }
    }
}

/// Reads `[drill]`.
///
/// # Errors
/// `ConfigUnknownKey`, `ConfigBadValue`, `ConfigMissingKey`, `ConfigNameTwice`.
pub(super) fn take_drill(place: &Place<'_>, value: &Spanned<DeValue<'_>>) -> Result<DrillConfig, ConfigError> {
    let Some(table) = value.get_ref().as_table() else {
        return Err(place.bad_value(DRILL, value, format!("[{DRILL}]")));
    };
    let section = Table { place, section: DRILL, table, offset: value.span().start };
    section.refuse_unknown(KEYS)?;
    let mut config = DrillConfig { amcheck: section.flag("amcheck")?.unwrap_or(true), assertions: Vec::new() };
    let Some(assertions) = table.get("assertion") else { return Ok(config) };
    for one in tables_of(place, "drill.assertion", assertions)? {
        let assertion = take_assertion(&one)?;
        if config.assertions.iter().any(|known| known.name == assertion.name) {
            let (file, line, name) = (place.file(), place.line(one.offset), assertion.name);
            return Err(ConfigError::ConfigNameTwice { file, line, name });
        }
        config.assertions.push(assertion);
    }
    Ok(config)
}

fn take_assertion(table: &Table<'_>) -> Result<Assertion, ConfigError> {
    table.refuse_unknown(ASSERTION_KEYS)?;
    let seconds = table.optional("timeout_seconds", |text| parse_bounded(text, 1, 86_400))?;
    Ok(Assertion {
        name: table.required("name", text)?,
        database: table.required("database", text)?,
        sql: table.required("sql", text)?,
        expect: table.optional("expect", |text| Ok(text.to_owned()))?,
        timeout: Duration::from_secs(seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::FileConfig;
    use std::path::Path;

    #[test]
    fn assertions_are_read_and_what_is_wrong_is_named() {
        let parse = |text: &str| FileConfig::parse(Path::new("cadena.toml"), text).map_err(|error| error.to_string());
        let text = "[drill]\namcheck = false\n[[drill.assertion]]\nname = 'orders'\ndatabase = 'shop'\nsql = 'SELECT true'\n\
            [[drill.assertion]]\nname = 'sum'\ndatabase = 'shop'\nsql = 'SELECT 7'\nexpect = 7\ntimeout_seconds = 5\n";
        let drill = parse(text).unwrap().drill;
        assert!(!drill.amcheck && drill.assertions.len() == 2);
        assert_eq!((drill.assertions[1].expect.as_deref(), drill.assertions[1].timeout.as_secs()), (Some("7"), 5));
        for (text, wanted) in [
            ("[drill]\nassertions = 1", "nearest: assertion"),
            ("[[drill.assertion]]\nname = 'a'\ndatabase = 'b'", "sql is missing in [drill.assertion]"),
            (
                "[[drill.assertion]]\nname = 'a'\ndatabase = 'b'\nsql = 's'\nwant = 1",
                "unknown key want in [drill.assertion]",
            ),
        ] {
            let complaint = parse(text).err().unwrap_or_default();
            assert!(complaint.contains(wanted), "{text}: {complaint}");
        }
    }
}
