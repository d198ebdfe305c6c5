use crate::cluster::ConnectionSettings;
use crate::reader::ReaderChoice;
use crate::{Cancel, Error, Progress};
use vault::repository::{BackupRecord, Repository};

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
}

/// A backup that is COMPLETADO. Warnings (corrupt pages, no slot, …) are in the record.
#[derive(Debug, Clone)]
pub struct BackupOutcome {
    pub record: BackupRecord,
    pub seconds: f64,
}

/// Takes a FULL backup and commits it.
///
/// # Cancellation
/// Ends with `cancelled`; the partial archive is removed and a FALLIDO record left.
pub fn run_full(
    settings: &ConnectionSettings,
    repository: &Repository,
    options: &BackupOptions,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BackupOutcome, Error> {
    let _ = (settings, repository, options, progress, cancel);
    todo!()
}
