//! What must be known before the command line can be parsed? Its language (help and errors are translated), the
//! configuration that may set it, and whether errors are to be JSON.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a first look at the arguments finds. Wrong values are left for the real parser to report.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Prescan {
    pub lang: Option<String>,
    pub config: Option<PathBuf>,
    pub json: bool,
}

impl Prescan {
    /// Looks through the arguments, the program's name left out; stops at `--`.
    pub fn of(arguments: &[OsString]) -> Self {
        let mut found = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.to_str() {
                Some("--") => break,
                Some("--json") => found.json = true,
                Some("--lang") => found.lang = rest.next().and_then(|value| value.to_str()).map(str::to_owned),
                Some("--config") => found.config = rest.next().map(PathBuf::from),
                Some(text) => {
                    if let Some(value) = text.strip_prefix("--lang=") {
                        found.lang = Some(value.to_owned());
                    } else if let Some(value) = text.strip_prefix("--config=") {
                        found.config = Some(value.into());
                    }
                }
                None => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(arguments: &[&str]) -> Prescan {
        Prescan::of(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn finds_language_configuration_and_json_in_both_spellings() {
        let wanted = Prescan { lang: Some("es".into()), config: Some("a.toml".into()), json: true };
        assert_eq!(scan(&["full", "--lang", "es", "--json", "--config=a.toml"]), wanted);
        assert_eq!(scan(&["--lang=es", "--config", "a.toml", "full", "--json"]), wanted);
    }

    #[test]
    fn looks_at_nothing_after_two_dashes() {
        assert_eq!(scan(&["--", "--json", "--lang=es"]), Prescan::default());
        assert_eq!(scan(&["--lang"]), Prescan::default());
    }
}
