//! What must a restored cluster be told before it starts? Recovery settings, and configuration that the backup lacks.

mod settings;

pub(super) use settings::{write_missing_config, write_recovery};
