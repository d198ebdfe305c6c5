//! Which objects of a repository are copied, and what is each?

use vault::repository::{BackupKind, BackupName, DESCRIPTION_KEY, REMOVALS_KEY, SEQUENCE_KEY};

/// What lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// `NAME.backup`.
    Archive(BackupName),
    /// `NAME.json`.
    Record(BackupName),
    /// What else belongs to a backup: `NAME.…`.
    Companion(BackupName),
    /// A whole segment of WAL.
    SealedSegment,
    /// What belongs to a segment: `SEGMENT.…`.
    SegmentCompanion,
    /// The beginning of a segment. It grows, and goes once the segment is sealed.
    PartialSegment,
    /// A history, a description, a summary of changes: written once.
    Constant,
    /// A small object that is replaced now and then: the journal, the note of a gap, the schedule, keys.
    Changing,
}

/// What concerns one storage only: what a cleanup has begun there, what has run, where copies of it are.
const OF_ONE_STORAGE: [&str; 3] = [REMOVALS_KEY, "scheduler.json", "notify.json"];
/// The first id that is free follows from it. Whoever goes on with a copy must not use one again.
const CHANGING: [&str; 4] = [SEQUENCE_KEY, "schedule.json", "retention.json", "encryption.json"];

/// Says what lies under a key; `None` for what is not copied, because it concerns one storage only or is none of ours.
pub(super) fn kind_of(key: &str) -> Option<ObjectKind> {
    if key == DESCRIPTION_KEY || key == "wal/wal.json" {
        return Some(ObjectKind::Constant);
    }
    if CHANGING.contains(&key) {
        return Some(ObjectKind::Changing);
    }
    if OF_ONE_STORAGE.contains(&key) {
        return None;
    }
    let (folder, name) = key.split_once('/')?;
    match folder {
        "wal" => wal_kind(name),
        "events" | "keys" | "drills" => (!name.contains('/')).then_some(ObjectKind::Changing),
        folder => backup_kind(folder, name),
    }
}

fn backup_kind(folder: &str, name: &str) -> Option<ObjectKind> {
    let kind = BackupKind::ALL.into_iter().find(|kind| kind.folder() == folder)?;
    let stem = name.split('.').next().filter(|_| !name.contains('/'))?;
    let backup = BackupName::of_archive(&format!("{stem}.backup")).filter(|backup| backup.kind == kind)?;
    Some(match &name[stem.len()..] {
        ".backup" => ObjectKind::Archive(backup),
        ".json" => ObjectKind::Record(backup),
        _ => ObjectKind::Companion(backup),
    })
}

fn wal_kind(name: &str) -> Option<ObjectKind> {
    let (folder, name) = name.split_once('/')?;
    match folder {
        "gaps" => Some(ObjectKind::Changing),
        "summaries" => Some(ObjectKind::Constant),
        folder if folder.len() == 8 && folder.bytes().all(|byte| byte.is_ascii_hexdigit()) => segment_kind(name),
        _ => None,
    }
}

fn segment_kind(name: &str) -> Option<ObjectKind> {
    let (stem, ending) = name.split_once('.')?;
    if ending == "history" {
        return Some(ObjectKind::Constant);
    }
    if stem.len() != 24 || !stem.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(match ending {
        "zst" | "zst.age" => ObjectKind::SealedSegment,
        "partial" | "partial.pieces" => ObjectKind::PartialSegment,
        _ => ObjectKind::SegmentCompanion,
    })
}

/// Returns `wal/TIMELINE/SEGMENT.` of a segment's object.
pub(super) fn segment_stem(key: &str) -> &str {
    let folder = key.rfind('/').map_or(0, |at| at + 1);
    key[folder..].find('.').map_or(key, |dot| &key[..=folder + dot])
}

/// Tells whether a listing of the repository has only what is copied below this.
pub(super) const PREFIXES: [&str; 7] =
    ["full/", "differential/", "incremental/", "wal/", "events/", "keys/", "drills/"];
/// Single objects that are copied.
pub(super) const SINGLE: [&str; 5] =
    [DESCRIPTION_KEY, SEQUENCE_KEY, "schedule.json", "retention.json", "encryption.json"];

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(key: &str) -> Option<ObjectKind> {
        kind_of(key)
    }

    #[test]
    fn every_object_of_a_repository_is_known() {
        let name = BackupName::of_archive("full_20261124_000000.backup").unwrap();
        assert_eq!(kind("full/full_20261124_000000.backup"), Some(ObjectKind::Archive(name.clone())));
        assert_eq!(kind("full/full_20261124_000000.json"), Some(ObjectKind::Record(name.clone())));
        assert_eq!(kind("full/full_20261124_000000.index"), Some(ObjectKind::Companion(name)));
        let segment = "wal/00000001/000000010000000000000007";
        assert_eq!(kind(&format!("{segment}.zst")), Some(ObjectKind::SealedSegment));
        assert_eq!(kind(&format!("{segment}.zst.age")), Some(ObjectKind::SealedSegment));
        assert_eq!(kind(&format!("{segment}.partial")), Some(ObjectKind::PartialSegment));
        assert_eq!(kind(&format!("{segment}.seal")), Some(ObjectKind::SegmentCompanion));
        assert_eq!(segment_stem(&format!("{segment}.zst.age")), format!("{segment}."));
        assert_eq!(kind("wal/00000002/00000002.history"), Some(ObjectKind::Constant));
        assert_eq!(kind("wal/gaps/00000001-0000000009000000.json"), Some(ObjectKind::Changing));
        assert_eq!(kind("events/2026-11.jsonl"), Some(ObjectKind::Changing));
        for constant in ["cadena.json", "wal/wal.json"] {
            assert_eq!(kind(constant), Some(ObjectKind::Constant));
        }
    }

    #[test]
    fn what_concerns_one_storage_or_is_foreign_stays() {
        for key in [
            "removals.json",
            "scheduler.json",
            "notify.json",
            "replicas/far.json",
            "backup_scheduler.log",
            "full/notes.txt",
            "full/dif_20261124_000000.backup",
            "full/x/full_20261124_000000.backup",
            "wal/receiver",
            "wal/00000001/notes.zst",
            "backups/old.dump",
            "",
        ] {
            assert_eq!(kind(key), None, "{key}");
        }
    }
}
