use super::layout::BackupName;
use super::{BackupId, BackupKind, BackupMethod, RemovedBackup, RepositoryError};
use serde::{Deserialize, Serialize};

/// What the holder of the lock does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunningWork {
    /// It makes a backup.
    #[default]
    Backup,
    /// It removes backups: `id` stays 0 and `archive_name` empty, and `kind` says nothing.
    Cleanup,
    /// It brings backups from a replica; the rest is as in a cleanup.
    Pull,
}

impl RunningWork {
    /// Returns the word in the holder's text: `backup`, `cleanup`, `pull`.
    pub fn word(self) -> &'static str {
        match self {
            RunningWork::Backup => "backup",
            RunningWork::Cleanup => "cleanup",
            RunningWork::Pull => "pull",
        }
    }

    fn is_backup(&self) -> bool {
        *self == RunningWork::Backup
    }
}

/// What the holder of the lock writes about itself, so that others can say who works, and the next one can sweep up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningBackup {
    /// What it does. Absent in the text of a backup.
    #[serde(default, skip_serializing_if = "RunningWork::is_backup")]
    pub work: RunningWork,
    /// 0 until an id has been reserved, a moment after the lock was taken.
    pub id: BackupId,
    /// What is being made.
    pub kind: BackupKind,
    /// What it is made of. Absent in the text of a physical backup.
    #[serde(default, skip_serializing_if = "BackupMethod::is_physical")]
    pub method: BackupMethod,
    /// File name without folder; empty until one has been reserved.
    pub archive_name: String,
    /// When the lock was asked for.
    pub started_at: jiff::Timestamp,
    /// The name of the holder's host.
    pub host: String,
    /// The holder's process id there.
    pub pid: u32,
    /// What makes the backup, such as `cadena 0.1.0`.
    pub tool_version: String,
}

impl RunningBackup {
    /// Describes a backup of this process that has neither id nor name yet.
    pub(super) fn of_this_process(kind: BackupKind, started_at: jiff::Timestamp) -> Self {
        RunningBackup {
            work: RunningWork::Backup,
            id: BackupId(0),
            kind,
            method: BackupMethod::Physical,
            archive_name: String::new(),
            started_at,
            host: crate::storage::host_name(),
            pid: std::process::id(),
            tool_version: concat!("cadena ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Describes a cleanup of this process.
    pub(super) fn cleanup_of_this_process(started_at: jiff::Timestamp) -> Self {
        RunningBackup { work: RunningWork::Cleanup, ..Self::of_this_process(BackupKind::Full, started_at) }
    }

    /// Describes a process that brings backups from elsewhere.
    pub(super) fn pull_of_this_process(started_at: jiff::Timestamp) -> Self {
        RunningBackup { work: RunningWork::Pull, ..Self::of_this_process(BackupKind::Full, started_at) }
    }

    /// Returns what a record says of a backup whose process died.
    pub fn interruption(&self) -> RepositoryError {
        RepositoryError::BackupInterrupted { host: self.host.clone(), pid: self.pid }
    }

    /// Returns the reserved name; `None` before one is reserved, and for a text that names no archive of its kind.
    pub(super) fn name(&self) -> Option<BackupName> {
        BackupName::of_archive(&self.archive_name).filter(|name| name.kind == self.kind)
    }
}

/// The text beside the lock: the holder, and the dead ones before it that nobody has swept up after yet.
///
/// Taking the lock replaces a dead holder's text, so the new text carries the dead one on until its left-overs are gone:
/// a taker that dies while it sweeps loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HolderNote {
    #[serde(flatten)]
    pub running: RunningBackup,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unswept: Vec<RunningBackup>,
    /// What this holder, or a dead one before it, has begun to remove. Filled only where a lock is a lease: a holder that was taken
    /// for dead may go on removing, so whoever takes over has to end it before anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removing: Vec<RemovedBackup>,
}

impl HolderNote {
    /// Makes the note of a new holder from what a dead one left.
    ///
    /// A text that can't be read names nobody; its left-overs are then reported as orphans, and never removed.
    pub fn after(running: &RunningBackup, left: Option<&[u8]>) -> Self {
        let (mut unswept, mut removing) = (Vec::new(), Vec::new());
        if let Some(dead) = left.and_then(Self::read) {
            unswept = dead.unswept;
            removing = dead.removing;
            unswept.push(dead.running);
            unswept.retain(|dead| dead.name().is_some());
            unswept.dedup();
        }
        HolderNote { running: running.clone(), unswept, removing }
    }

    /// Makes the note of a holder who has nothing to carry on.
    pub fn of(running: RunningBackup) -> Self {
        HolderNote { running, unswept: Vec::new(), removing: Vec::new() }
    }

    /// Reads a note, or nothing from what is none.
    pub fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Returns the text.
    pub fn text(&self) -> Vec<u8> {
        // Strings, numbers and timestamps only: this can't fail, and an empty note would name nobody.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Returns every backup that the note names.
    pub fn named(&self) -> impl Iterator<Item = &RunningBackup> {
        self.unswept.iter().chain([&self.running]).filter(|named| named.name().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: u64, archive_name: &str) -> RunningBackup {
        let mut holder = RunningBackup::of_this_process(BackupKind::Full, jiff::Timestamp::UNIX_EPOCH);
        holder.id = BackupId(id);
        holder.archive_name = archive_name.to_owned();
        holder
    }

    #[test]
    fn a_note_is_a_running_backup_with_the_unswept_beside_it() {
        let note = HolderNote::of(holder(7, "full_20261104_010203.backup"));
        let read: RunningBackup = serde_json::from_slice(&note.text()).unwrap();
        assert_eq!(read, note.running);
        assert_eq!(HolderNote::read(&note.text()).unwrap(), note);
    }

    #[test]
    fn the_dead_are_carried_on_until_they_are_swept() {
        let first = HolderNote::of(holder(1, "full_20261104_010203.backup"));
        // The second died while it swept, before it had an id or a name: it left nothing itself.
        let second = HolderNote::after(&holder(0, ""), Some(&first.text()));
        assert_eq!(second.unswept, std::slice::from_ref(&first.running));
        let third = HolderNote::after(&holder(0, ""), Some(&second.text()));
        assert_eq!(third.unswept, std::slice::from_ref(&first.running));
        assert_eq!(third.named().collect::<Vec<_>>(), [&first.running]);
    }

    #[test]
    fn a_cleanup_says_so_and_leaves_nothing_to_sweep() {
        let cleanup = RunningBackup::cleanup_of_this_process(jiff::Timestamp::UNIX_EPOCH);
        let text = HolderNote::of(cleanup.clone()).text();
        assert!(String::from_utf8(text.clone()).unwrap().contains("\"work\":\"cleanup\""));
        assert_eq!(HolderNote::read(&text).unwrap().running, cleanup);
        assert!(HolderNote::after(&holder(0, ""), Some(&text)).unswept.is_empty());
        // A backup's text is what it always was.
        let text = HolderNote::of(holder(1, "")).text();
        assert!(!String::from_utf8(text).unwrap().contains("work"));
    }

    #[test]
    fn a_text_that_names_no_archive_of_ours_names_nobody() {
        for name in ["", "../../etc/passwd", "full_20261104_010203.json", "dif_20261104_010203.backup", "x/y.backup"] {
            let left = HolderNote::of(holder(1, name)).text();
            assert!(HolderNote::after(&holder(0, ""), Some(&left)).unswept.is_empty(), "{name}");
        }
        assert!(HolderNote::after(&holder(0, ""), Some(b"\xff garbage")).unswept.is_empty());
    }
}
