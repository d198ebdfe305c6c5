use serde::Serialize;

/// Says which bytes or words could not have been written by PostgreSQL, and why.
///
/// Serializes to `{"key": "...", ...arguments}`: the key names the sentence in the message catalogues.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum FormatError {
    /// A text form (LSN, timeline, file name, label line) that does not parse.
    #[error("{what} is not valid: {text:?}")]
    FormatText {
        /// What the text should have been.
        what: &'static str,
        /// The text itself.
        text: String,
    },
    /// A binary structure that is too short, has a bad CRC, or holds an impossible value.
    #[error("{what} is damaged: {detail}")]
    FormatDamaged {
        /// The structure's name.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A structure of a PostgreSQL version outside 14 to 18.
    #[error("{what} {found} is not supported (PostgreSQL 14 to 18 are)")]
    FormatUnsupported {
        /// What the version is of.
        what: &'static str,
        /// The version that was found.
        found: String,
    },
}
