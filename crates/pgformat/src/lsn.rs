use crate::FormatError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Addresses one byte of the write-ahead log. Prints as PostgreSQL does: `X/X` (upstream `pg_lsn.c`).
/// Serializes as that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

/// Numbers one line of history of a cluster; never assume 1. Serializes as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimelineId(pub u32);

/// Identifies a cluster: the number that `initdb` drew. Serializes as decimal text (it exceeds JSON's safe integers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SystemIdentifier(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 as u32)
    }
}

impl FromStr for Lsn {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let bad = || FormatError::FormatText { what: "LSN", text: text.to_owned() };
        let half = |digits: &str| -> Result<u64, FormatError> {
            let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
            if !hexadecimal || digits.is_empty() || digits.len() > 8 {
                return Err(bad());
            }
            u64::from_str_radix(digits, 16).map_err(|_| bad())
        };
        let (high, low) = text.split_once('/').ok_or_else(bad)?;
        Ok(Lsn(half(high)? << 32 | half(low)?))
    }
}

impl fmt::Display for TimelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for SystemIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for SystemIdentifier {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let bad = || FormatError::FormatText { what: "system identifier", text: text.to_owned() };
        text.parse().map(SystemIdentifier).map_err(|_| bad())
    }
}

/// Serializes a type through its `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(Lsn);
serde_as_text!(SystemIdentifier);
