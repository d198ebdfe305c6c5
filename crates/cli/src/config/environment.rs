//! The environment as a value, so that tests need not change the process's own.

use super::ConfigError;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// A snapshot of the environment variables.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Takes the process's variables.
    pub fn of_process() -> Self {
        Environment { variables: std::env::vars_os().collect() }
    }

    /// Makes one of given pairs.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Environment { variables: pairs.iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// Returns a variable; an empty one counts as absent, as in libpq.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Tells whether a variable is set.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Returns a variable as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from)
    }

    /// Returns a variable as text.
    ///
    /// # Errors
    /// `ConfigBadVariable` when it is not UTF-8; the value is not repeated, it may be a secret.
    pub fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        self.raw(name)
            .map(|value| {
                value.to_str().map(str::to_owned).ok_or_else(|| ConfigError::ConfigBadVariable {
                    variable: name.to_owned(),
                    value: "?".to_owned(),
                    allowed: "UTF-8".to_owned(),
                })
            })
            .transpose()
    }

    /// Reads a variable with a parser whose error is what is allowed.
    ///
    /// # Errors
    /// `ConfigBadVariable`.
    pub fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let bad = |allowed| ConfigError::ConfigBadVariable { variable: name.to_owned(), value: value.clone(), allowed };
        parse(&value).map(Some).map_err(bad)
    }
}
