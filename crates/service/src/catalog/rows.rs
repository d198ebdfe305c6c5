//! From the repository to rows: what each table is to hold. No database here.

use super::Words;
use engine::replica::{BackupCopies, backup_copies, load_states};
use engine::verify::VALIDATION_EVENT;
use jiff::Timestamp;
use pgformat::WalSegment;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use vault::journal::JournalEvent;
use vault::repository::{
    BackupName, BackupRecord, BackupState, Repository, RepositoryContents, RunningBackup, archive_key,
};

/// What the record holds and the table has a column for; the rest goes into `metadata`.
const COLUMNS_OF_THEIR_OWN: [&str; 11] = [
    "id",
    "kind",
    "base_id",
    "archive_name",
    "state",
    "started_at",
    "finished_at",
    "start_lsn",
    "stop_lsn",
    "archive_bytes",
    "sha256",
];

/// One row of `backup_manifest`, apart from what the catalog's users say of the cloud.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ManifestRow {
    pub id: u64,
    pub tipo_backup: &'static str,
    pub backup_base_id: Option<u64>,
    pub archivo_nombre: String,
    pub archivo_ruta: Option<String>,
    pub fecha_inicio: Timestamp,
    pub fecha_fin: Option<Timestamp>,
    pub tamano_bytes: Option<u64>,
    pub checksum_sha256: Option<String>,
    pub wal_inicio: Option<String>,
    pub wal_fin: Option<String>,
    pub lsn_inicio: Option<String>,
    pub lsn_fin: Option<String>,
    pub estado: &'static str,
    pub error_mensaje: Option<String>,
    pub metadata: Value,
    pub creado_por: String,
}

/// One row of `backup_validation`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ValidationRow {
    pub id: u64,
    pub backup_id: u64,
    pub fecha_validacion: Timestamp,
    pub tipo_validacion: String,
    pub resultado: String,
    pub checksum_calculado: Option<String>,
    pub checksum_esperado: Option<String>,
    pub tiempo_segundos: Option<f64>,
    pub detalles: Value,
    pub validado_por: Option<String>,
}

/// One row of `backup_event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct EventRow {
    pub id: u64,
    pub fecha_hora: Timestamp,
    pub nivel: &'static str,
    pub tipo_evento: String,
    pub backup_id: Option<u64>,
    pub mensaje: String,
    pub detalles: Value,
}

/// Where a copy of a backup is: the columns of `backup_manifest` that tell of the cloud.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CloudRow {
    pub id: u64,
    pub nube_url: String,
    pub nube_proveedor: String,
}

/// Returns the rows of all backups that are whole in a replica; `None` for a repository that never had one.
pub(super) fn cloud_rows(repository: &Repository) -> Result<Option<Vec<CloudRow>>, engine::Error> {
    let states = load_states(repository)?;
    let copies = backup_copies(&states).into_values();
    let row = |copies: BackupCopies| {
        let (nube_proveedor, nube_url) = copies.first?;
        Some(CloudRow { id: copies.id.0, nube_url, nube_proveedor })
    };
    Ok((!states.is_empty()).then(|| copies.filter_map(row).collect()))
}

/// Cuts an instant to microseconds, as PostgreSQL keeps it: it would round, and the row would never equal what it was made from.
pub(super) fn instant(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// Returns the rows of all backups, by id: those with a record, the one that runs, the one whose process died. What can't be read has
/// no row, so that what stands on it shows as a broken chain, which it is.
pub(super) fn manifest_rows(
    repository: &Repository,
    contents: &RepositoryContents,
    words: &dyn Words,
) -> Vec<ManifestRow> {
    let mut rows: Vec<ManifestRow> =
        contents.records.iter().map(|record| of_record(repository, record, words)).collect();
    for row in rows.iter_mut().filter(|row| contents.without_archive.iter().any(|id| id.0 == row.id)) {
        // COMPLETADO means that it can be restored. The record's own state is in the metadata.
        row.metadata["state"] = row.estado.into();
        row.estado = BackupState::Failed.word();
        let name = row.archivo_nombre.as_str();
        row.error_mensaje = Some(words.sentence(&json!({ "key": "warning-archive-gone", "name": name })));
        row.tamano_bytes = None;
    }
    let without_record = [
        contents.running.as_ref().map(|running| of_running(repository, running, None)),
        contents.interrupted.as_ref().map(|dead| {
            let error = serde_json::to_value(dead.interruption()).unwrap_or_default();
            of_running(repository, dead, Some(words.sentence(&error)))
        }),
    ];
    for row in without_record.into_iter().flatten() {
        // Its record may have come between the listing and the reading of the lock.
        if row.id > 0 && rows.iter().all(|other| other.id != row.id && other.archivo_nombre != row.archivo_nombre) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| row.id);
    rows
}

fn of_record(repository: &Repository, record: &BackupRecord, words: &dyn Words) -> ManifestRow {
    let has_archive = record.state == BackupState::Completed;
    let wal = |lsn, segment: fn(_, _, _) -> WalSegment| -> Option<String> {
        let size = record.wal_segment_size?;
        Some(segment(record.timeline?, lsn?, size).file_name(size))
    };
    ManifestRow {
        id: record.id.0,
        tipo_backup: record.kind.word(),
        backup_base_id: record.base_id.map(|base| base.0),
        archivo_nombre: record.archive_name.clone(),
        archivo_ruta: path_of(repository, &record.archive_name).filter(|_| has_archive),
        fecha_inicio: instant(record.started_at),
        fecha_fin: record.finished_at.map(instant),
        tamano_bytes: has_archive.then_some(record.archive_bytes),
        checksum_sha256: record.sha256.clone(),
        wal_inicio: wal(record.start_lsn, WalSegment::containing),
        wal_fin: wal(record.stop_lsn, WalSegment::ending_at),
        lsn_inicio: record.start_lsn.map(|lsn| lsn.to_string()),
        lsn_fin: record.stop_lsn.map(|lsn| lsn.to_string()),
        estado: record.state.word(),
        error_mensaje: record.error.as_ref().map(|error| words.sentence(error)),
        metadata: metadata(record),
        creado_por: record.tool_version.clone(),
    }
}

fn of_running(repository: &Repository, running: &RunningBackup, error: Option<String>) -> ManifestRow {
    let state = if error.is_some() { BackupState::Failed } else { BackupState::InProgress };
    ManifestRow {
        id: running.id.0,
        tipo_backup: running.kind.word(),
        backup_base_id: None,
        archivo_nombre: running.archive_name.clone(),
        archivo_ruta: path_of(repository, &running.archive_name).filter(|_| state == BackupState::InProgress),
        fecha_inicio: instant(running.started_at),
        fecha_fin: None,
        tamano_bytes: None,
        checksum_sha256: None,
        wal_inicio: None,
        wal_fin: None,
        lsn_inicio: None,
        lsn_fin: None,
        estado: state.word(),
        error_mensaje: error,
        metadata: json!({ "host": running.host, "pid": running.pid, "method": running.method }),
        creado_por: running.tool_version.clone(),
    }
}

/// Says where an archive lies: for a local folder, what `sha256sum` takes.
fn path_of(repository: &Repository, archive_name: &str) -> Option<String> {
    let key = archive_key(&BackupName::of_archive(archive_name)?);
    Some(format!("{}/{key}", repository.storage().describe()))
}

fn metadata(record: &BackupRecord) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !COLUMNS_OF_THEIR_OWN.contains(&name.as_str()));
    }
    value
}

/// Returns the rows of all validations of backups that have a row, by id.
pub(super) fn validation_rows(events: &[JournalEvent], backups: &[ManifestRow]) -> Vec<ValidationRow> {
    let known: BTreeSet<u64> = backups.iter().map(|row| row.id).collect();
    events.iter().filter_map(validation).filter(|row| known.contains(&row.backup_id)).collect()
}

fn validation(event: &JournalEvent) -> Option<ValidationRow> {
    if event.event != VALIDATION_EVENT {
        return None;
    }
    let mut details = event.details.clone();
    let mut text = |name: &str| match details.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let digest = |text: Option<String>| text.filter(|text| text.len() == 64);
    let (level, result) = (text("level").unwrap_or_default(), text("result")?);
    let (found, expected) = (digest(text("sha256_found")), digest(text("sha256_expected")));
    let by = text("by");
    let seconds = details.remove("seconds").and_then(|seconds| seconds.as_f64());
    ["EXITOSO", "FALLIDO", "ADVERTENCIA"].contains(&result.as_str()).then(|| ValidationRow {
        id: event.id,
        backup_id: event.backup_id.map_or(0, |id| id.0),
        fecha_validacion: instant(event.at),
        tipo_validacion: match level.as_str() {
            "checksum" => "CHECKSUM".to_owned(),
            "deep" => "PROFUNDA".to_owned(),
            engine::restore::DRILL_LEVEL => "SIMULACRO".to_owned(),
            other => other.to_uppercase(),
        },
        resultado: result,
        checksum_calculado: found,
        checksum_esperado: expected,
        // No validation of this world takes longer than the column holds.
        tiempo_segundos: seconds.filter(|seconds| (0.0..1e8).contains(seconds)),
        detalles: Value::Object(details),
        validado_por: by,
    })
}

/// Makes the row of an event.
pub(super) fn event_row(event: &JournalEvent, words: &dyn Words) -> EventRow {
    let mut what: Map<String, Value> = event.details.clone();
    what.insert("key".to_owned(), event.event.as_str().into());
    EventRow {
        id: event.id,
        fecha_hora: instant(event.at),
        nivel: event.level.word(),
        tipo_evento: event.event.clone(),
        backup_id: event.backup_id.map(|id| id.0),
        mensaje: words.sentence(&Value::Object(what)),
        detalles: Value::Object(event.details.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault::journal::EventLevel;
    use vault::repository::BackupId;

    fn event(id: u64, name: &str, backup_id: Option<u64>, details: Value) -> JournalEvent {
        let details = details.as_object().cloned().unwrap_or_default();
        let at = "2026-11-24T06:04:11.250123999Z".parse().unwrap();
        let backup_id = backup_id.map(BackupId);
        JournalEvent { id, at, level: EventLevel::Info, event: name.to_owned(), backup_id, details }
    }

    fn backup(id: u64) -> ManifestRow {
        ManifestRow {
            id,
            tipo_backup: "FULL",
            backup_base_id: None,
            archivo_nombre: format!("full_20261124_00000{id}.backup"),
            archivo_ruta: None,
            fecha_inicio: Timestamp::UNIX_EPOCH,
            fecha_fin: None,
            tamano_bytes: None,
            checksum_sha256: None,
            wal_inicio: None,
            wal_fin: None,
            lsn_inicio: None,
            lsn_fin: None,
            estado: "COMPLETADO",
            error_mensaje: None,
            metadata: Value::Null,
            creado_por: String::new(),
        }
    }

    #[test]
    fn a_validation_is_taken_apart_and_the_rest_of_it_kept() {
        let details = json!({
            "level": "deep", "result": "FALLIDO", "sha256_found": null, "sha256_expected": "0".repeat(64), "seconds": 1.5,
            "by": "copia@db1", "pages": 7,
        });
        let rows = validation_rows(&[event(3, "validation", Some(1), details)], &[backup(1)]);
        let row = &rows[0];
        assert_eq!(
            (row.id, row.backup_id, row.tipo_validacion.as_str(), row.resultado.as_str()),
            (3, 1, "PROFUNDA", "FALLIDO")
        );
        assert_eq!(
            (row.checksum_calculado.as_deref(), row.checksum_esperado.as_deref()),
            (None, Some(&*"0".repeat(64)))
        );
        assert_eq!((row.tiempo_segundos, row.validado_por.as_deref()), (Some(1.5), Some("copia@db1")));
        assert_eq!(row.detalles, json!({ "pages": 7 }));
        assert_eq!(row.fecha_validacion.to_string(), "2026-11-24T06:04:11.250123Z", "PostgreSQL would round it up");
    }

    #[test]
    fn what_the_table_can_not_hold_is_no_row_of_it() {
        let passed = || json!({ "level": "checksum", "result": "EXITOSO" });
        let events = [
            event(1, "validation", Some(1), json!({ "level": "checksum", "result": "from the future" })),
            event(2, "validation", Some(9), passed()),
            event(3, "validation", None, passed()),
            event(4, "backup-completed", Some(1), passed()),
            event(5, "validation", Some(1), passed()),
        ];
        let rows = validation_rows(&events, &[backup(1), backup(2)]);
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [5]);
    }
}
