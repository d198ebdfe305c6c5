//! What the services answer. In Rust the names are English; serialized, they are the description's.

use engine::Error;
use engine::restore::DatabaseOutcome;
use jiff::Timestamp;
use pgformat::Lsn;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use vault::repository::{BackupId, BackupKind, BackupRecord};

/// How a backup ended.
#[derive(Debug, Serialize)]
pub struct BackupResult {
    /// Whether it is COMPLETADO.
    #[serde(rename = "exitoso")]
    pub succeeded: bool,
    /// What happened, in English; [`Self::error`] is for programs.
    #[serde(rename = "mensaje")]
    pub message: String,
    /// Its number; `None` when it failed before it had one.
    #[serde(rename = "backup_id")]
    pub id: Option<BackupId>,
    /// What was taken; a FULL when there was nothing to stand on.
    #[serde(rename = "tipo_backup")]
    pub kind: BackupKind,
    /// The archive's file name.
    #[serde(rename = "archivo")]
    pub archive_name: Option<String>,
    /// Its SHA-256, as `sha256sum` prints it.
    #[serde(rename = "checksum")]
    pub sha256: Option<String>,
    /// Its size.
    #[serde(rename = "tamano_bytes")]
    pub archive_bytes: u64,
    /// Where the WAL that it needs begins.
    #[serde(rename = "lsn_inicio")]
    pub start_lsn: Option<Lsn>,
    /// Where that ends.
    #[serde(rename = "lsn_final")]
    pub stop_lsn: Option<Lsn>,
    /// Wall time.
    #[serde(rename = "tiempo_segundos")]
    pub seconds: f64,
    /// What the backup's record warns of.
    #[serde(rename = "avisos")]
    pub warnings: Vec<Value>,
    /// Why it failed.
    #[serde(serialize_with = "error_form")]
    pub error: Option<Error>,
}

/// How a restore ended.
#[derive(Debug, Serialize)]
pub struct RestoreResult {
    /// Whether everything asked for was done.
    #[serde(rename = "exitoso")]
    pub succeeded: bool,
    /// What happened, in English; [`Self::error`] is for programs.
    #[serde(rename = "mensaje")]
    pub message: String,
    /// The backups that were put together, the FULL first.
    #[serde(rename = "backups_aplicados")]
    pub backups_applied: Vec<BackupId>,
    /// Wall time, recovery included when the cluster was started.
    #[serde(rename = "tiempo_segundos")]
    pub seconds: f64,
    /// Where recovery ended, or will when the cluster is started.
    #[serde(rename = "lsn_final")]
    pub end_lsn: Option<Lsn>,
    /// Where the cluster is.
    #[serde(rename = "destino")]
    pub directory: PathBuf,
    /// The port on which it answers, when it was started.
    #[serde(rename = "puerto")]
    pub port: Option<u16>,
    /// Why it failed.
    #[serde(serialize_with = "error_form")]
    pub error: Option<Error>,
}

/// How the restore of one database ended.
#[derive(Debug, Serialize)]
pub struct DatabaseResult {
    /// Whether the database is there, whole.
    #[serde(rename = "exitoso")]
    pub succeeded: bool,
    /// What happened, in English; [`Self::error`] is for programs.
    #[serde(rename = "mensaje")]
    pub message: String,
    /// Its new name.
    #[serde(rename = "base_de_datos")]
    pub name: String,
    /// The backups that were applied, the FULL first.
    #[serde(rename = "backups_aplicados")]
    pub backups_applied: Vec<BackupId>,
    /// Wall time.
    #[serde(rename = "tiempo_segundos")]
    pub seconds: f64,
    /// Where recovery ended.
    #[serde(rename = "lsn_final")]
    pub end_lsn: Option<Lsn>,
    /// How many tables it has.
    #[serde(rename = "tablas")]
    pub tables: u64,
    /// What its user should know: `{"key": …, arguments}` each.
    #[serde(rename = "avisos")]
    pub warnings: Vec<Value>,
    /// Why it failed.
    #[serde(serialize_with = "error_form")]
    pub error: Option<Error>,
}

/// What a restore would apply.
#[derive(Debug, Clone, Serialize)]
pub struct RestorePreview {
    /// How many backups.
    #[serde(rename = "cantidad_backups")]
    pub backup_count: usize,
    /// Their archives together, in MiB.
    #[serde(rename = "tamano_total_mb")]
    pub total_mb: f64,
    /// What would be written, in MiB.
    #[serde(rename = "tamano_a_escribir_mb")]
    pub written_mb: f64,
    /// The backups, the FULL first.
    pub backups: Vec<PreviewedBackup>,
    /// The first byte of WAL that would not be replayed.
    #[serde(rename = "lsn_final")]
    pub end_lsn: Option<Lsn>,
    /// Segments of WAL needed from the archive.
    #[serde(rename = "segmentos_wal")]
    pub wal_segments: u64,
}

/// One backup of a preview.
#[derive(Debug, Clone, Serialize)]
pub struct PreviewedBackup {
    /// Its number.
    pub id: BackupId,
    /// Its kind.
    #[serde(rename = "tipo")]
    pub kind: BackupKind,
    /// Its archive's file name.
    #[serde(rename = "archivo")]
    pub archive_name: String,
    /// When it began.
    #[serde(rename = "fecha")]
    pub started_at: Timestamp,
    /// Its archive's size in MiB.
    #[serde(rename = "tamano_mb")]
    pub size_mb: f64,
}

/// Whether a backup and all that it stands on are whole.
#[derive(Debug, Clone, Serialize)]
pub struct ChainValidation {
    /// Whether all is.
    #[serde(rename = "valido")]
    pub valid: bool,
    /// Each check.
    #[serde(rename = "validaciones")]
    pub checks: Vec<ChainCheck>,
}

/// One check of a chain.
#[derive(Debug, Clone, Serialize)]
pub struct ChainCheck {
    /// `CADENA`, `ARCHIVO` or `CHECKSUM`.
    #[serde(rename = "tipo")]
    pub kind: &'static str,
    /// Which backup; the one asked about for the chain as a whole.
    pub backup_id: BackupId,
    /// Whether it passed.
    #[serde(rename = "valido")]
    pub valid: bool,
    /// What was found, in English.
    #[serde(rename = "mensaje")]
    pub message: String,
}

/// How the system is.
#[derive(Debug, Clone, Serialize)]
pub struct StatusSummary {
    /// Count and size by kind, under the seed's words; the whole stands under `_total`.
    #[serde(rename = "estadisticas")]
    pub statistics: TypeStatistics,
    /// What takes how much room.
    #[serde(rename = "espacio_uso")]
    pub space: SpaceUsage,
    /// What can be restored, the newest first.
    #[serde(rename = "puntos_restauracion")]
    pub restore_points: Vec<RestorePoint>,
    /// What somebody should look at: `{"key": …, arguments}` each.
    #[serde(rename = "atencion")]
    pub attention: Vec<Value>,
}

/// Count and size by kind.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TypeStatistics {
    /// By the seed's words.
    #[serde(flatten)]
    pub by_kind: BTreeMap<String, TotalStatistics>,
    /// All together.
    #[serde(rename = "_total")]
    pub total: TotalStatistics,
}

/// Count and size.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TotalStatistics {
    /// How many archives.
    #[serde(rename = "cantidad")]
    pub count: u64,
    /// In MiB.
    #[serde(rename = "tamano_mb")]
    pub size_mb: f64,
    /// In GiB.
    #[serde(rename = "tamano_gb")]
    pub size_gb: f64,
}

/// Room by what takes it.
#[derive(Debug, Clone, Serialize)]
pub struct SpaceUsage {
    /// By the seed's words for kinds of backup, and `WAL`.
    #[serde(flatten)]
    pub by_kind: BTreeMap<String, UsedSpace>,
    /// All together.
    pub total: UsedSpace,
    /// What is free; `None` where there is no bound.
    #[serde(rename = "libre")]
    pub free: Option<UsedSpace>,
}

/// An amount of room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct UsedSpace {
    /// In bytes.
    pub bytes: u64,
    /// In GiB.
    pub gb: f64,
}

/// A backup whose end can be restored; every instant after it, too, up to `until`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestorePoint {
    /// The backup's end.
    #[serde(rename = "fecha")]
    pub at: Timestamp,
    /// The last instant that its WAL leads to; `None` when none is archived.
    #[serde(rename = "hasta")]
    pub until: Option<Timestamp>,
    /// The backup.
    pub backup_id: BackupId,
    /// How many backups a restore to it puts together.
    #[serde(rename = "cantidad_backups")]
    pub backup_count: usize,
}

impl BackupResult {
    /// Tells of a backup that is complete.
    pub(super) fn completed(record: BackupRecord, seconds: f64) -> Self {
        BackupResult {
            succeeded: true,
            message: format!("{} backup {} completed: {}", record.kind.word(), record.id, record.archive_name),
            id: Some(record.id),
            kind: record.kind,
            archive_name: Some(record.archive_name),
            sha256: record.sha256,
            archive_bytes: record.archive_bytes,
            start_lsn: record.start_lsn,
            stop_lsn: record.stop_lsn,
            seconds,
            warnings: record.warnings,
            error: None,
        }
    }

    /// Tells of a backup that failed.
    pub(super) fn failed(kind: BackupKind, id: Option<BackupId>, seconds: f64, error: Error) -> Self {
        BackupResult {
            succeeded: false,
            message: error.to_string(),
            id,
            kind,
            archive_name: None,
            sha256: None,
            archive_bytes: 0,
            start_lsn: None,
            stop_lsn: None,
            seconds,
            warnings: Vec::new(),
            error: Some(error),
        }
    }
}

impl DatabaseResult {
    pub(super) fn of(name: &str, done: Result<DatabaseOutcome, Error>, seconds: f64) -> Self {
        let mut result = DatabaseResult {
            succeeded: done.is_ok(),
            message: String::new(),
            name: name.to_owned(),
            backups_applied: Vec::new(),
            seconds,
            end_lsn: None,
            tables: 0,
            warnings: Vec::new(),
            error: None,
        };
        match done {
            Ok(outcome) => {
                result.message = format!("database {} restored as {name}: {} tables", outcome.database, outcome.tables);
                result.backups_applied = outcome.backups;
                result.end_lsn = outcome.end_lsn;
                result.tables = outcome.tables;
                result.warnings = outcome.warnings;
            }
            Err(error) => {
                result.message = error.to_string();
                result.error = Some(error);
            }
        }
        result
    }
}

impl PreviewedBackup {
    pub(super) fn of(record: &BackupRecord) -> Self {
        PreviewedBackup {
            id: record.id,
            kind: record.kind,
            archive_name: record.archive_name.clone(),
            started_at: record.started_at,
            size_mb: mebibytes(record.archive_bytes),
        }
    }
}

impl TotalStatistics {
    pub(super) fn of(count: u64, bytes: u64) -> Self {
        TotalStatistics { count, size_mb: mebibytes(bytes), size_gb: gibibytes(bytes) }
    }
}

impl From<u64> for UsedSpace {
    fn from(bytes: u64) -> Self {
        UsedSpace { bytes, gb: gibibytes(bytes) }
    }
}

/// Returns MiB, to the hundredth.
pub(super) fn mebibytes(bytes: u64) -> f64 {
    hundredths(bytes as f64 / f64::from(1 << 20))
}

fn gibibytes(bytes: u64) -> f64 {
    hundredths(bytes as f64 / f64::from(1 << 30))
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Serializes an error as records keep it.
pub(super) fn error_form<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    error.serialize(serializer)
}
