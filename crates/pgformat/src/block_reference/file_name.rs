use crate::{FormatError, Lsn, TimelineId};
use std::fmt;
use std::str::FromStr;

/// What the name of a file in `pg_wal/summaries` says: the half-open stretch of the log that it tells of (upstream
/// `walsummary.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SummaryFileName {
    /// On which timeline.
    pub timeline: TimelineId,
    /// From there on.
    pub start_lsn: Lsn,
    /// Up to there.
    pub end_lsn: Lsn,
}

impl fmt::Display for SummaryFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}{:016X}{:016X}.summary", self.timeline.0, self.start_lsn.0, self.end_lsn.0)
    }
}

impl FromStr for SummaryFileName {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let bad = || FormatError::FormatText { what: "WAL summary's name", text: text.to_owned() };
        let digits = text.strip_suffix(".summary").ok_or_else(bad)?;
        let upper = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if digits.len() != 40 || !digits.bytes().all(upper) {
            return Err(bad());
        }
        let number = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| bad());
        Ok(SummaryFileName {
            timeline: TimelineId(number(&digits[..8])? as u32),
            start_lsn: Lsn(number(&digits[8..24])?),
            end_lsn: Lsn(number(&digits[24..])?),
        })
    }
}
