use engine::verify::{LastValidation, ValidationHistory};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use vault::repository::{BackupId, BackupKind, BackupMethod, BackupRecord, BackupState, RepositoryContents};

/// One completed backup in its place among those that it stands on.
#[derive(Debug, Clone, Serialize)]
pub struct ChainLink {
    /// The backup.
    pub id: BackupId,
    /// Its kind.
    pub kind: BackupKind,
    /// What it is made of.
    pub method: BackupMethod,
    /// What it stands on.
    pub base_id: Option<BackupId>,
    /// How far it is indented below its FULL: an INCREMENTAL stands one step below its FULL or DIFERENCIAL, however many other
    /// INCREMENTALs lie between.
    pub depth: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// Size of its archive.
    pub archive_bytes: u64,
    /// Whether what it stands on is missing, damaged or another backup: then it can't be restored.
    pub broken: bool,
    /// The last time that it was validated.
    pub validation: Option<LastValidation>,
}

/// Puts the completed backups in the order of a tree: each FULL, then what stands on it.
pub(super) fn chain_links(contents: &RepositoryContents, history: &ValidationHistory) -> Vec<ChainLink> {
    let completed: BTreeMap<BackupId, &BackupRecord> = contents
        .records
        .iter()
        .filter(|record| record.state == BackupState::Completed)
        .map(|record| (record.id, record))
        .collect();
    let mut children: BTreeMap<Option<BackupId>, Vec<&BackupRecord>> = BTreeMap::new();
    for record in completed.values() {
        // What stands on something that is not here is shown by itself.
        let base = record.base_id.filter(|base| completed.contains_key(base));
        children.entry(base).or_default().push(record);
    }
    let mut links = Vec::new();
    // The next one to show is at the end.
    let mut waiting: Vec<(&BackupRecord, u64)> = Vec::new();
    let push = |waiting: &mut Vec<_>, of: Option<BackupId>, depth_of: &dyn Fn(&BackupRecord) -> u64| {
        for record in children.get(&of).into_iter().flatten().rev() {
            waiting.push((*record, depth_of(record)));
        }
    };
    push(&mut waiting, None, &|_| 0);
    while let Some((record, depth)) = waiting.pop() {
        links.push(ChainLink {
            id: record.id,
            kind: record.kind,
            method: record.method,
            base_id: record.base_id,
            depth,
            started_at: record.started_at,
            archive_bytes: record.archive_bytes,
            broken: contents.without_archive.contains(&record.id) || contents.chain(record).is_err(),
            validation: history.last(record.id).cloned(),
        });
        let is_run = |child: &BackupRecord| {
            record.kind == BackupKind::Incremental && child.kind == BackupKind::Incremental && record.base_id.is_some()
        };
        push(&mut waiting, Some(record.id), &|child| if is_run(child) { depth } else { depth + 1 });
    }
    links
}
