//! Which backup does a new one stand on? The newest that can be restored and that this server's history leads on from.

use super::members::BaseMembers;
use crate::cluster::ClusterInfo;
use crate::wal::TimelinePath;
use serde::Serialize;
use serde_json::Value;
use vault::repository::{BackupId, BackupKind, BackupRecord, BackupState, ChainFault, Repository, RepositoryContents};

/// Says why a completed backup is no base. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum BaseRefusal {
    #[error("its archive {object} is missing or has another size")]
    BaseArchive { object: String },
    #[error("its archive {object} can't be read: {detail}")]
    BaseUnreadable { object: String, detail: String },
    #[error("its record {object} can't be read: {detail}")]
    BaseRecord { object: String, detail: String },
    #[error("it ended at {stop_lsn} on timeline {timeline}, which did not lead to timeline {present}")]
    BaseTimeline { timeline: String, stop_lsn: String, present: String },
    #[error("the server's {what} was {then} and is {now}")]
    BaseServer { what: &'static str, then: String, now: String },
    #[error(transparent)]
    #[serde(untagged)]
    Chain(#[from] ChainFault),
}

/// The base, and what was passed over to find it.
pub(crate) struct BaseChoice {
    /// `None`: a FULL has to be taken.
    pub base: Option<(BackupRecord, BaseMembers)>,
    /// A newer backup that should have been the base, and why it can't be.
    pub passed_over: Option<(BackupId, Value)>,
}

/// Looks for the base of a backup of `kind`: of a DIFERENCIAL the newest FULL, of an INCREMENTAL the newest backup. Newest is
/// what reaches furthest in the log; dumps are none of it. One that can't be used is passed over for the next.
///
/// # Errors
/// None of a single backup: those are reasons to pass it over.
pub(crate) fn choose_base(
    repository: &Repository,
    contents: &RepositoryContents,
    kind: BackupKind,
    info: &ClusterInfo,
    path: &TimelinePath,
) -> BaseChoice {
    let fits = |record: &&BackupRecord| {
        record.state == BackupState::Completed
            && record.is_physical()
            && (kind == BackupKind::Incremental || record.kind == BackupKind::Full)
    };
    let mut candidates: Vec<&BackupRecord> = contents.records.iter().filter(fits).collect();
    candidates.sort_by_key(|record| std::cmp::Reverse((record.stop_lsn, record.id)));
    let mut choice = BaseChoice { base: None, passed_over: None };
    for record in candidates {
        match check(repository, contents, record, info, path) {
            Ok(members) => {
                choice.base = Some((record.clone(), members));
                break;
            }
            Err(refusal) => {
                tracing::info!(id = record.id.0, %refusal, "passed over as a base");
                let reason = serde_json::to_value(&refusal).unwrap_or_default();
                choice.passed_over.get_or_insert((record.id, reason));
            }
        }
    }
    // What can't be read may have been the newest. Its folder tells the kind: nobody stands on it unknowingly, nor beside it.
    let base_id = choice.base.as_ref().map_or(BackupId(0), |(record, _)| record.id);
    // What is older than the base reaches further on a timeline that the server left, and is no loss.
    choice.passed_over = choice.passed_over.filter(|(id, _)| *id > base_id);
    let may_fit = |key: &str| kind == BackupKind::Incremental || key.starts_with("full/");
    for unreadable in contents.unreadable.iter().filter(|unreadable| may_fit(&unreadable.key)) {
        if let Some(id) = unreadable.id.filter(|id| *id > base_id) {
            let (object, detail) = (unreadable.key.clone(), unreadable.detail.clone());
            let reason = serde_json::to_value(BaseRefusal::BaseRecord { object, detail }).unwrap_or_default();
            choice.passed_over.get_or_insert((id, reason));
        }
    }
    choice
}

fn check(
    repository: &Repository,
    contents: &RepositoryContents,
    record: &BackupRecord,
    info: &ClusterInfo,
    path: &TimelinePath,
) -> Result<BaseMembers, BaseRefusal> {
    if contents.without_archive.contains(&record.id) {
        return Err(BaseRefusal::BaseArchive { object: record.archive_name.clone() });
    }
    contents.chain(record)?;
    check_server(record, info)?;
    let (Some(timeline), Some(stop_lsn)) = (record.timeline, record.stop_lsn) else {
        let (object, detail) = (record.archive_name.clone(), "its record has no timeline or LSN".to_owned());
        return Err(BaseRefusal::BaseUnreadable { object, detail });
    };
    if !path.holds(timeline, stop_lsn) {
        return Err(BaseRefusal::BaseTimeline {
            timeline: timeline.to_string(),
            stop_lsn: stop_lsn.to_string(),
            present: path.timeline().to_string(),
        });
    }
    let unreadable = |detail: String| BaseRefusal::BaseUnreadable { object: record.archive_name.clone(), detail };
    if record.encryption.is_some() && repository.keys().is_empty() {
        // Whoever only encrypts can't look into the archive.
        let listed = BaseMembers::listed(repository, record).map_err(|error| unreadable(error.to_string()))?;
        if let Some(members) = listed {
            return Ok(members);
        }
    }
    let reader = repository.open_archive(record).map_err(|error| unreadable(error.to_string()))?;
    BaseMembers::read(&reader).map_err(|error| unreadable(error.to_string()))
}

/// Compares what makes blocks of then and of now fit each other. When checksums were switched on, pages that did not change
/// since have none in the base.
fn check_server(record: &BackupRecord, info: &ClusterInfo) -> Result<(), BaseRefusal> {
    let segment = record.wal_segment_size.map_or(0, |size| size.bytes());
    let facts = [
        ("PostgreSQL version", record.postgresql_version.to_string(), info.version.to_string()),
        ("block size", record.block_size_bytes.to_string(), info.block_size_bytes.to_string()),
        ("WAL segment size", segment.to_string(), info.wal_segment_size.bytes().to_string()),
        ("data checksums", record.data_checksums.to_string(), info.data_checksums.to_string()),
    ];
    match facts.into_iter().find(|(_, then, now)| then != now) {
        None => Ok(()),
        Some((what, then, now)) => Err(BaseRefusal::BaseServer { what, then, now }),
    }
}
