//! The users' description, in Rust: each function is one of its snippets. A test runs them all against real servers.
//!
//! ```text
//! BACKUP_DIR=/var/backups/cadena cargo run -p cadena --example daily_life
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it got")]

use cadena::cluster::ConnectionSettings;
use cadena::repository::{BackupId, Repository};
use cadena::scheduler::{Job, JobTime, ScheduleError};
use cadena::services::{
    BackupManager, BackupService, ChainValidation, DatabaseResult, RestoreInto, RestorePreview, RestoreResult,
    RestoreService, ServiceSettings, StatusSummary,
};
use cadena::storage::LocalFolder;
use cadena::{Cancel, Error, SilentProgress};
use std::path::Path;
use std::sync::Arc;

/// The services for a cluster and its repository.
pub fn services(connection: ConnectionSettings, folder: &Path) -> Result<(BackupService, RestoreService), Error> {
    let repository = Repository::open(Arc::new(LocalFolder::new(folder)))?;
    let settings = ServiceSettings::new(connection, repository);
    let backup_service = BackupService::new(&settings);
    let restore_service = RestoreService::new(&backup_service);
    Ok((backup_service, restore_service))
}

/// "Restaurar a una fecha específica".
pub fn restore_to_a_date(
    restore_service: &RestoreService,
    target_date: jiff::Timestamp,
    into: &RestoreInto,
) -> RestoreResult {
    let result = restore_service.restore_to_date(target_date, into, &SilentProgress, &Cancel::new());
    if result.succeeded {
        println!("Restauración exitosa: {}", result.message);
        println!("Backups aplicados: {:?}", result.backups_applied);
        println!("Tiempo: {}s", result.seconds);
    }
    result
}

/// "Previsualizar restauración".
pub fn preview(restore_service: &RestoreService, target_date: jiff::Timestamp) -> Result<RestorePreview, Error> {
    let preview = restore_service.preview_restore(target_date)?;
    println!("Cantidad de backups: {}", preview.backup_count);
    println!("Tamaño total: {} MB", preview.total_mb);
    let archives: Vec<&str> = preview.backups.iter().map(|backup| backup.archive_name.as_str()).collect();
    println!("Backups a aplicar: {archives:?}");
    Ok(preview)
}

/// "Estadísticas del Sistema".
pub fn statistics(manager: &BackupManager) -> Result<StatusSummary, Error> {
    let status = manager.get_status_summary()?;
    let stats = &status.statistics;
    for (kind, info) in &stats.by_kind {
        println!("{kind}: {} archivos, {} MB", info.count, info.size_mb);
    }
    println!("Total: {} archivos, {} GB", stats.total.count, stats.total.size_gb);
    println!("Total: {} GB", status.space.total.gb);
    for point in &status.restore_points {
        println!("{}: {} backups", point.at, point.backup_count);
    }
    Ok(status)
}

/// "Verificar Integridad de Backups".
pub fn validate(restore_service: &RestoreService, backup_id: BackupId) -> Result<ChainValidation, Error> {
    let result = restore_service.validate_backup_chain(backup_id, &SilentProgress, &Cancel::new())?;
    if result.valid {
        println!("Backup válido");
    } else {
        println!("Backup inválido:");
        for check in &result.checks {
            println!("  {}: {}", check.kind, check.message);
        }
    }
    Ok(result)
}

/// "Restaurar desde backup ID específico".
pub fn restore_from_backup_id(manager: &BackupManager, backup_id: BackupId) -> DatabaseResult {
    let result = manager.restore_from_backup_id(backup_id, "nexoryn_tech_restaurado", &SilentProgress, &Cancel::new());
    println!("{}", result.message);
    result
}

/// "Modificar Horarios".
pub fn set_schedules(manager: &BackupManager) -> Result<(), ScheduleError> {
    let at = |hour, minute| JobTime { day: None, weekday: None, hour, minute };
    // Modificar horario de backup FULL (día 1 del mes)
    manager.set_schedule(Job::Full, JobTime { day: Some(1), ..at(0, 0) })?;
    // Modificar horario de backup DIFERENCIAL (domingo)
    manager.set_schedule(Job::Differential, JobTime { weekday: Some(6), ..at(23, 30) })?;
    // Modificar horario de backup INCREMENTAL (diario)
    manager.set_schedule(Job::Incremental, at(23, 0))
}

#[allow(dead_code, reason = "the test that includes this file has a main function of its own")]
fn main() -> Result<(), Error> {
    let folder = std::env::var_os("BACKUP_DIR").unwrap_or_else(|| "backups_incrementales".into());
    let (backups, restores) = services(ConnectionSettings::default(), Path::new(&folder))?;
    let status = statistics(&BackupManager::new(backups.settings()))?;
    if let Some(newest) = status.restore_points.first() {
        validate(&restores, newest.backup_id)?;
        preview(&restores, newest.at)?;
    }
    Ok(())
}
