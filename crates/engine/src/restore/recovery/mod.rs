//! What must a restored cluster be told before it starts? Recovery settings, WAL, and configuration that the backup lacks.

mod settings;
mod stage;
mod target;

pub(super) use settings::{RecoverySettings, write_missing_config, write_recovery};
pub(super) use stage::write_wal;
pub(super) use target::{SPOOL_FOLDER, restore_command, target_settings};
