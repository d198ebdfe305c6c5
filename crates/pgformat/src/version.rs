use crate::FormatError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a supported PostgreSQL major version. Serializes as its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum MajorVersion {
    /// PostgreSQL 14.
    V14 = 14,
    /// PostgreSQL 15.
    V15 = 15,
    /// PostgreSQL 16.
    V16 = 16,
    /// PostgreSQL 17.
    V17 = 17,
    /// PostgreSQL 18.
    V18 = 18,
}

impl MajorVersion {
    /// Every supported version, oldest first.
    pub const ALL: [MajorVersion; 5] =
        [MajorVersion::V14, MajorVersion::V15, MajorVersion::V16, MajorVersion::V17, MajorVersion::V18];

    /// Returns the major version as a number, such as 17.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Reads the value of `server_version_num`, such as 170010.
    ///
    /// # Errors
    /// `FormatUnsupported` outside 14 to 18.
    pub fn from_server_version_num(number: u32) -> Result<Self, FormatError> {
        Self::try_from(number / 10_000)
    }
}

impl TryFrom<u32> for MajorVersion {
    type Error = FormatError;

    fn try_from(number: u32) -> Result<Self, FormatError> {
        Self::ALL
            .into_iter()
            .find(|version| version.number() == number)
            .ok_or_else(|| FormatError::FormatUnsupported { what: "PostgreSQL version", found: number.to_string() })
    }
}

impl From<MajorVersion> for u32 {
    fn from(version: MajorVersion) -> u32 {
        version.number()
    }
}

impl fmt::Display for MajorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}
