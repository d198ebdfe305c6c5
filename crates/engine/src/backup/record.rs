use super::options::BackupOptions;
use super::seal::Sealer;
use super::wal_members::WalRange;
use crate::Error;
use crate::cluster::{BackupStart, ClusterInfo};
use crate::journal::error_value;
use crate::reader::WalkNotes;
use serde_json::json;
use vault::archive::SealedArchive;
use vault::repository::{
    BackupId, BackupMethod, BackupRecord, BackupSlot, BackupState, CorruptPage, RECORD_VERSION, RecordBase,
    RecordEncryption, RecordTablespace,
};

/// How many corrupt pages a record names; the others are counted.
const NAMED_PAGES: usize = 1_000;

/// Makes the record of a backup that begins: everything that is known before the first byte is read.
pub(super) fn opened(
    slot: &BackupSlot,
    info: &ClusterInfo,
    options: &BackupOptions,
    label: &str,
    started_at: jiff::Timestamp,
) -> BackupRecord {
    BackupRecord {
        record_version: RECORD_VERSION,
        id: slot.id(),
        kind: slot.name().kind,
        base_id: None,
        base: None,
        archive_name: format!("{}.backup", slot.name().stem),
        state: BackupState::InProgress,
        started_at,
        finished_at: None,
        scheduled_for: None,
        label: label.to_owned(),
        system_identifier: info.system_identifier,
        postgresql_version: info.version,
        server_version: info.server_version.clone(),
        from_standby: info.in_recovery,
        start_lsn: None,
        stop_lsn: None,
        timeline: None,
        block_size_bytes: info.block_size_bytes,
        wal_segment_size: Some(info.wal_segment_size),
        data_checksums: info.data_checksums,
        plain_bytes: 0,
        archive_bytes: 0,
        sha256: None,
        files: 0,
        encryption: None,
        compression_level: options.compression_level,
        reader: String::new(),
        changes_found_by: None,
        changes_passed_over: Vec::new(),
        merged_from: Vec::new(),
        method: Default::default(),
        logical: None,
        tablespaces: info
            .tablespaces
            .iter()
            .map(|tablespace| RecordTablespace {
                oid: tablespace.oid,
                name: tablespace.name.clone(),
                location: tablespace.location.clone(),
            })
            .collect(),
        corrupt_pages: Vec::new(),
        corrupt_pages_total: 0,
        warnings: Vec::new(),
        tool_version: options.tool_version.clone(),
        error: None,
    }
}

/// Makes the record that of a logical backup, which knows no place in the log.
pub(super) fn make_logical(record: &mut BackupRecord) {
    record.method = BackupMethod::Logical;
    record.record_version = record.version();
    record.reader = "pg_dump".to_owned();
}

/// Enters the base: what it was when this backup began.
pub(super) fn stand_on(record: &mut BackupRecord, base: Option<&BackupRecord>) {
    record.base_id = base.map(|base| base.id);
    record.base = base.and_then(|base| {
        let (start_lsn, timeline, sha256) = (base.start_lsn?, base.timeline?, base.sha256.clone()?);
        Some(RecordBase { start_lsn, timeline, sha256 })
    });
}

/// Makes the record of a FULL that is put together from a chain: all that tells of the cluster is the newest link's.
pub(super) fn merged(
    slot: &BackupSlot,
    newest: &BackupRecord,
    merged_from: Vec<BackupId>,
    options: &BackupOptions,
    started_at: jiff::Timestamp,
) -> BackupRecord {
    BackupRecord {
        record_version: RECORD_VERSION,
        id: slot.id(),
        kind: slot.name().kind,
        base_id: None,
        base: None,
        archive_name: slot.name().archive_file_name(),
        state: BackupState::InProgress,
        started_at,
        finished_at: None,
        scheduled_for: None,
        label: options.label.clone().unwrap_or_else(|| newest.label.clone()),
        archive_bytes: 0,
        sha256: None,
        encryption: None,
        compression_level: options.compression_level,
        reader: "merge".to_owned(),
        changes_found_by: None,
        changes_passed_over: Vec::new(),
        merged_from,
        corrupt_pages: Vec::new(),
        corrupt_pages_total: 0,
        warnings: Vec::new(),
        tool_version: options.tool_version.clone(),
        error: None,
        ..newest.clone()
    }
}

/// Enters the pages that any link of a merged chain found damaged: which of them were replaced since is not known.
pub(super) fn enter_damage_of(record: &mut BackupRecord, chain: &[BackupRecord]) {
    for page in chain.iter().flat_map(|link| &link.corrupt_pages) {
        let same = |known: &CorruptPage| (&known.file, known.block) == (&page.file, page.block);
        if !record.corrupt_pages.iter().any(same) {
            record.corrupt_pages.push(page.clone());
        }
    }
    let most = chain.iter().map(|link| link.corrupt_pages_total).max().unwrap_or(0);
    record.corrupt_pages_total = most.max(record.corrupt_pages.len() as u64);
    record.corrupt_pages.truncate(NAMED_PAGES);
    warn_of_damage(record);
}

fn warn_of_damage(record: &mut BackupRecord) {
    if let (Some(first), total @ 1..) = (record.corrupt_pages.first(), record.corrupt_pages_total) {
        let (file, block) = (first.file.clone(), first.block);
        record.warnings.push(json!({ "key": "warning-corrupt-pages", "pages": total, "file": file, "block": block }));
    }
}

/// Enters what the sealed archive settled; the record is then COMPLETADO and ready for the commit.
pub(super) fn seal(record: &mut BackupRecord, sealed: &SealedArchive) {
    record.state = BackupState::Completed;
    record.finished_at = Some(jiff::Timestamp::now());
    record.archive_bytes = sealed.size_bytes;
    record.sha256 = Some(sealed.sha256.clone());
    let recipients = sealed.encryption.as_ref().map(|encryption| encryption.recipients.clone());
    record.encryption = recipients.map(|recipients| RecordEncryption { recipients });
    record.record_version = record.version();
}

/// The same for a backup of a server, with the WAL that belongs to it.
pub(super) fn complete(record: &mut BackupRecord, sealed: &SealedArchive, range: WalRange) {
    seal(record, sealed);
    record.start_lsn = Some(range.start_lsn);
    record.stop_lsn = Some(range.stop_lsn);
    record.timeline = Some(range.stop_timeline);
}

/// Enters what the copy found.
pub(super) fn enter_copied(record: &mut BackupRecord, sealer: &Sealer) {
    record.plain_bytes = sealer.content_bytes;
    record.files = sealer.files;
    record.corrupt_pages = sealer.pages.corrupt.clone();
    record.corrupt_pages_total = sealer.pages.corrupt_total;
    warn_of_damage(record);
}

/// Ends the record of a backup that failed.
pub(super) fn fail(record: &mut BackupRecord, error: &Error) {
    record.state = BackupState::Failed;
    record.finished_at = Some(jiff::Timestamp::now());
    record.archive_bytes = 0;
    record.sha256 = None;
    record.error = Some(error_value(error));
}

/// Names what the user should know though the backup is whole.
pub(super) fn warn(record: &mut BackupRecord, start: &BackupStart, notes: WalkNotes) {
    if let Some(refusal) = &start.slot_refusal {
        record.warnings.push(json!({ "key": "warning-no-slot", "cause": refusal }));
    }
    for (key, paths) in [("warning-followed-links", notes.followed_links), ("warning-left-out", notes.left_out)] {
        if let Some(first) = paths.first() {
            record.warnings.push(json!({ "key": key, "count": paths.len(), "path": first }));
        }
    }
}
