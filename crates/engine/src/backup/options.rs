use super::error::BackupError;
use crate::reader::ReaderChoice;
use std::path::PathBuf;

/// The most workers.
const MOST_JOBS: usize = 64;

/// How a backup is to be taken.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    pub reader: ReaderChoice,
    /// Workers, 1 to 64; each may take 16 MiB.
    pub jobs: usize,
    /// zstd level, 1 to 19.
    pub compression_level: i32,
    /// Plain bytes a second at the most.
    pub max_rate_bytes: Option<u64>,
    /// Ask the server for an immediate checkpoint instead of a spread one.
    pub fast_checkpoint: bool,
    pub label: Option<String>,
    /// What the record says made it, such as `cadena 0.1.0`.
    pub tool_version: String,
    /// The zone of the names' local time.
    pub time_zone: jiff::tz::TimeZone,
    /// Where the manifest grows, in a file without a name.
    pub temporary_folder: PathBuf,
}

impl BackupOptions {
    /// Tells whether every value is in its range.
    ///
    /// # Errors
    /// `BackupOption`.
    pub(super) fn check(&self) -> Result<(), BackupError> {
        let bad = |option, value: String, reason: &str| {
            Err(BackupError::BackupOption { option, value, reason: reason.into() })
        };
        if !(1..=MOST_JOBS).contains(&self.jobs) {
            return bad("jobs", self.jobs.to_string(), "1 to 64");
        }
        if !(1..=19).contains(&self.compression_level) {
            return bad("level", self.compression_level.to_string(), "1 to 19");
        }
        if self.max_rate_bytes == Some(0) {
            return bad("max-rate", "0".to_owned(), "at least 1 byte a second");
        }
        Ok(())
    }
}
