//! One table of a section that may stand there several times.

use super::ConfigError;
use super::file::Place;
use crate::args::parse_bounded;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One table of `[[section]]`.
pub(super) struct Table<'a> {
    pub place: &'a Place<'a>,
    pub section: &'static str,
    pub table: &'a DeTable<'a>,
    pub offset: usize,
}

/// Returns the tables of `[[section]]`, or the one of `[section]`.
///
/// # Errors
/// `ConfigBadValue` when it is something else.
pub(super) fn tables_of<'a>(
    place: &'a Place<'a>,
    section: &'static str,
    value: &'a Spanned<DeValue<'a>>,
) -> Result<Vec<Table<'a>>, ConfigError> {
    let wrong = || place.bad_value(section, value, format!("[[{section}]]"));
    match value.get_ref() {
        DeValue::Table(table) => Ok(vec![Table { place, section, table, offset: value.span().start }]),
        DeValue::Array(array) => array
            .iter()
            .map(|one| {
                let table = one.get_ref().as_table().ok_or_else(wrong)?;
                Ok(Table { place, section, table, offset: one.span().start })
            })
            .collect(),
        _ => Err(wrong()),
    }
}

/// Takes any text but an empty one.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("\"…\"".to_owned()) } else { Ok(text.to_owned()) }
}

impl Table<'_> {
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub fn missing(&self, name: &str) -> ConfigError {
        let (file, line) = (self.place.file(), self.place.line(self.offset));
        ConfigError::ConfigMissingKey { file, line, section: self.section.to_owned(), name: name.to_owned() }
    }

    /// Complains of a key that can't stand beside others.
    pub fn conflict(&self, name: &str, allowed: &str) -> ConfigError {
        match self.table.get(name) {
            Some(value) => self.place.bad_value(name, value, allowed.to_owned()),
            None => self.missing(name),
        }
    }

    pub fn refuse_unknown(&self, known: &[&str]) -> Result<(), ConfigError> {
        let unknown = self.table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref()));
        unknown.map_or(Ok(()), |(key, _)| {
            Err(self.place.unknown_key(self.section, known, key.get_ref().as_ref(), key.span().start))
        })
    }

    pub fn optional<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, ConfigError> {
        self.table.get(name).map(|value| self.place.parsed(name, value, parse)).transpose()
    }

    pub fn required<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        self.optional(name, parse)?.ok_or_else(|| self.missing(name))
    }

    pub fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, ConfigError> {
        self.optional(name, |text| parse_bounded(text, least, most))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        let flag = |value: &Spanned<DeValue<'_>>| {
            value.get_ref().as_bool().ok_or_else(|| self.place.bad_value(name, value, "true | false".to_owned()))
        };
        self.table.get(name).map(flag).transpose()
    }

    pub fn path(&self, name: &str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.optional(name, text)?.map(|path| self.place.beside_file(&path)))
    }

    /// Reads a list, or a single value for a list of one.
    pub fn list<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let Some(value) = self.table.get(name) else { return Ok(None) };
        match value.get_ref().as_array() {
            Some(array) => {
                array.iter().map(|one| self.place.parsed(name, one, &parse)).collect::<Result<_, _>>().map(Some)
            }
            None => Ok(Some(vec![self.place.parsed(name, value, &parse)?])),
        }
    }
}
