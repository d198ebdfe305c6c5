//! Which chains can be put together? Every path from a FULL, over at most one DIFERENCIAL, to an INCREMENTAL that nothing stands on.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use vault::repository::{BackupId, BackupKind, BackupRecord, BackupState, RepositoryContents};

/// One row of `backup_chain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ChainRow {
    pub id: u64,
    pub full_backup_id: u64,
    pub diferencial_id: Option<u64>,
    pub incremental_ids: Vec<u64>,
    pub fecha_ultima_actualizacion: jiff::Timestamp,
}

/// A path: the FULL first.
type Path = Vec<BackupRecord>;

/// Returns the rows, by id.
///
/// A path's id is that of its root: the DIFERENCIAL, or the FULL without one. Where two increments stand on the same backup (a damaged
/// one was passed over), the path to the newest increment keeps that id, and each other one has the id of the first increment that
/// is its own. So the ids depend on nothing but the repository, and none comes twice.
pub(super) fn chain_rows(contents: &RepositoryContents) -> Vec<ChainRow> {
    let usable: BTreeMap<BackupId, &BackupRecord> = usable(contents).map(|record| (record.id, record)).collect();
    let bases: BTreeSet<BackupId> = usable.values().filter_map(|record| record.base_id).collect();
    let is_tip = |record: &BackupRecord| record.kind != BackupKind::Incremental || !bases.contains(&record.id);
    let mut tips: Vec<&BackupRecord> = usable.values().copied().filter(|record| is_tip(record)).collect();
    let mut by_root: BTreeMap<BackupId, Vec<Path>> = BTreeMap::new();
    while let Some(tip) = tips.pop() {
        match contents.chain(tip) {
            Ok(path) => by_root.entry(root_of(&path)).or_default().push(path),
            // A link is broken; what lies before it may still be whole.
            Err(_) => tips.extend(tip.base_id.and_then(|base| usable.get(&base))),
        }
    }
    let mut rows: Vec<ChainRow> = by_root.into_values().flat_map(rows_of_root).collect();
    rows.sort_by_key(|row| row.id);
    rows
}

/// Returns the completed backups that have their archive.
fn usable(contents: &RepositoryContents) -> impl Iterator<Item = &BackupRecord> {
    contents
        .records
        .iter()
        .filter(|record| record.state == BackupState::Completed && !contents.without_archive.contains(&record.id))
}

/// Returns the last backup of a path that is no INCREMENTAL.
fn root_of(path: &Path) -> BackupId {
    let root = path.iter().rev().find(|record| record.kind != BackupKind::Incremental);
    root.or(path.first()).map_or(BackupId(0), |record| record.id)
}

/// Makes the rows of all paths with one root, the newest first; what is the beginning of another path is no path of its own.
fn rows_of_root(mut paths: Vec<Path>) -> Vec<ChainRow> {
    paths.sort_by_key(|path| std::cmp::Reverse(path.last().map(|record| record.id)));
    let mut taken: BTreeSet<BackupId> = BTreeSet::new();
    let mut rows = Vec::new();
    for path in paths {
        let own = path.iter().find(|record| record.kind == BackupKind::Incremental && !taken.contains(&record.id));
        let id = match own {
            // The first one, which may be the root alone.
            _ if rows.is_empty() => root_of(&path),
            Some(own) => own.id,
            None => continue,
        };
        taken.extend(path.iter().map(|record| record.id));
        rows.extend(row(id, &path));
    }
    rows
}

fn row(id: BackupId, path: &Path) -> Option<ChainRow> {
    let (full, newest) = (path.first()?, path.last()?);
    let differential = path.iter().find(|record| record.kind == BackupKind::Differential);
    let increments = path.iter().filter(|record| record.kind == BackupKind::Incremental);
    Some(ChainRow {
        id: id.0,
        full_backup_id: full.id.0,
        diferencial_id: differential.map(|record| record.id.0),
        incremental_ids: increments.map(|record| record.id.0).collect(),
        fecha_ultima_actualizacion: super::rows::instant(newest.finished_at.unwrap_or(newest.started_at)),
    })
}
