use super::BackupKind;

/// Names a backup: `full_YYYYMMDD_HHMMSS`, with `_2`, `_3`, … when that second is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName {
    pub kind: BackupKind,
    /// Without folder and ending.
    pub stem: String,
}

impl BackupName {
    /// Makes the name for a local time; `attempt` 1 has no suffix.
    pub fn new(kind: BackupKind, local: jiff::civil::DateTime, attempt: u32) -> Self {
        let _ = (kind, local, attempt);
        todo!()
    }
    /// Reads `full_….backup`, `dif_….json`, … ; anything else is not ours.
    pub fn parse_file_name(file_name: &str) -> Option<Self> {
        let _ = file_name;
        todo!()
    }
}

/// Returns `full/NAME.backup`.
pub fn archive_key(name: &BackupName) -> String {
    let _ = name;
    todo!()
}

/// Returns `full/NAME.json`.
pub fn record_key(name: &BackupName) -> String {
    let _ = name;
    todo!()
}
