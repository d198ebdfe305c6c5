//! The users' description of the system names services: backups, restores, and a manager above both. Here they are, under Rust
//! names. Their results serialize with the description's own words (`exitoso`, `mensaje`, `backups_aplicados`, …).
//!
//! Nothing here decides anything: each service calls the rooms below, and gives their answers the described form.

mod backup;
mod cloud;
mod manager;
mod restore;
mod results;
mod settings;

pub use backup::BackupService;
pub use cloud::{CloudStorageService, UploadResult};
pub use manager::BackupManager;
pub use restore::{RestoreInto, RestoreService, StartAt};
pub use results::{
    BackupResult, ChainCheck, ChainValidation, DatabaseResult, PreviewedBackup, RestorePoint, RestorePreview,
    RestoreResult, SpaceUsage, StatusSummary, TotalStatistics, TypeStatistics, UsedSpace,
};
pub use settings::ServiceSettings;
