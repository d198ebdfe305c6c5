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

/// Returns the completed physical backups that have their archive.
fn usable(contents: &RepositoryContents) -> impl Iterator<Item = &BackupRecord> {
    contents
        .records
        .iter()
        .filter(|record| record.state == BackupState::Completed && record.is_physical())
        .filter(|record| !contents.without_archive.contains(&record.id))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A completed backup: kind by its letter, `base` 0 for none.
    fn record(id: u64, kind: char, base: u64) -> BackupRecord {
        let (kind, prefix) = match kind {
            'F' => ("FULL", "full"),
            'D' => ("DIFERENCIAL", "dif"),
            _ => ("INCREMENTAL", "inc"),
        };
        let lsn = |id: u64| format!("0/{:X}", id << 24);
        let digest = |id: u64| format!("{id:064x}");
        let at = format!("2026-11-{id:02}T00:00:00Z");
        let value = json!({
            "record_version": 1, "id": id, "kind": kind, "base_id": (base > 0).then_some(base),
            "base": (base > 0).then(|| json!({ "start_lsn": lsn(base), "timeline": 1, "sha256": digest(base) })),
            "archive_name": format!("{prefix}_202611{id:02}_000000.backup"), "state": "COMPLETADO",
            "started_at": at, "finished_at": at, "label": "", "system_identifier": "7", "postgresql_version": 17,
            "server_version": "17.10", "from_standby": false, "start_lsn": lsn(id), "stop_lsn": lsn(id), "timeline": 1,
            "block_size_bytes": 8192, "wal_segment_size": 16_777_216, "data_checksums": true, "plain_bytes": 1,
            "archive_bytes": 1, "sha256": digest(id), "files": 1, "compression_level": 1, "reader": "local",
            "changes_found_by": null, "tablespaces": [], "tool_version": "cadena 0.1.0", "error": null,
        });
        serde_json::from_value(value).unwrap()
    }

    fn contents(backups: &[(u64, char, u64)]) -> RepositoryContents {
        let records = backups.iter().map(|(id, kind, base)| record(*id, *kind, *base)).collect();
        RepositoryContents { records, ..RepositoryContents::default() }
    }

    /// Row, FULL, DIFERENCIAL (0: none), INCREMENTALES.
    fn rows(contents: &RepositoryContents) -> Vec<(u64, u64, u64, Vec<u64>)> {
        let row = |row: ChainRow| (row.id, row.full_backup_id, row.diferencial_id.unwrap_or(0), row.incremental_ids);
        chain_rows(contents).into_iter().map(row).collect()
    }

    #[test]
    fn a_full_and_each_differencial_of_it_are_a_chain_each() {
        let backups = [(1, 'F', 0), (2, 'I', 1), (3, 'I', 2), (4, 'D', 1), (5, 'I', 4), (6, 'D', 1), (7, 'F', 0)];
        let wanted = [(1, 1, 0, vec![2, 3]), (4, 1, 4, vec![5]), (6, 1, 6, vec![]), (7, 7, 0, vec![])];
        assert_eq!(rows(&contents(&backups)), wanted);
        let newest = &chain_rows(&contents(&backups))[0];
        assert_eq!(newest.fecha_ultima_actualizacion.to_string(), "2026-11-03T00:00:00Z");
    }

    #[test]
    fn a_branch_has_the_id_of_its_first_own_increment() {
        // 4 was passed over by 5, which stands on 3; 6 goes on from 5, 7 from 4.
        let backups = [(2, 'F', 0), (3, 'I', 2), (4, 'I', 3), (5, 'I', 3), (6, 'I', 5), (7, 'I', 4)];
        assert_eq!(rows(&contents(&backups)), [(2, 2, 0, vec![3, 4, 7]), (5, 2, 0, vec![3, 5, 6])]);
        let three = [(2, 'F', 0), (3, 'I', 2), (4, 'I', 2), (5, 'I', 2)];
        assert_eq!(rows(&contents(&three)), [(2, 2, 0, vec![5]), (3, 2, 0, vec![3]), (4, 2, 0, vec![4])]);
    }

    #[test]
    fn a_chain_ends_where_a_link_is_missing() {
        let backups = [(1, 'F', 0), (2, 'I', 1), (3, 'I', 2), (4, 'I', 3)];
        let mut broken = contents(&backups);
        broken.without_archive.push(BackupId(3));
        assert_eq!(rows(&broken), [(1, 1, 0, vec![2])]);
        let mut lost = contents(&backups);
        lost.records.retain(|record| record.id.0 != 2);
        assert_eq!(rows(&lost), [(1, 1, 0, vec![])]);
        let mut swapped = contents(&backups);
        swapped.records[1].sha256 = Some("f".repeat(64));
        assert_eq!(rows(&swapped), [(1, 1, 0, vec![2])]);
        let mut failed = contents(&backups);
        failed.records[3].state = BackupState::Failed;
        assert_eq!(rows(&failed), [(1, 1, 0, vec![2, 3])]);
    }

    #[test]
    fn a_long_chain_is_one_row() {
        let backups: Vec<_> = (1..=28).map(|id| (id, if id == 1 { 'F' } else { 'I' }, id - 1)).collect();
        assert_eq!(rows(&contents(&backups)), [(1, 1, 0, (2..=28).collect::<Vec<u64>>())]);
    }
}
