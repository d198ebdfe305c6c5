//! `[catalog]`: is the catalog in the database kept up to date, and in which words?

use crate::locale::Language;
use clap::ValueEnum;

/// `[catalog] enabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CatalogUse {
    /// Where there is one.
    Auto,
    /// Always; one that is not there is told.
    On,
    /// Never.
    Off,
}

/// What the file says of the catalog, or the defaults.
#[derive(Debug, Clone)]
pub struct CatalogConfig {
    pub enabled: CatalogUse,
    /// Of the sentences in it, whoever runs the program: two runs must write the same. Its columns' names and words are Spanish.
    pub language: Language,
}

impl Default for CatalogConfig {
    fn default() -> Self {
        CatalogConfig { enabled: CatalogUse::Auto, language: Language::Spanish }
    }
}
