use super::gather::last_completed;
use super::{KindHealth, Space, WalHealth};
use engine::replica::ReplicaState;
use engine::restore::LastDrills;
use engine::verify::{ValidationHistory, ValidationResult};
use engine::wal::SlotFinding;
use jiff::Timestamp;
use pgformat::Lsn;
use serde::Serialize;
use serde_json::Value;
use vault::journal::EventLevel;
use vault::repository::{BackupId, BackupKind, BackupState, RepositoryContents, RunningBackup};

/// Behind for so long needs a look.
const LAG_SECONDS: u64 = 60;
/// A replica that was last complete longer ago than this, and lacks something, needs a look.
const REPLICA_BEHIND: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Something that somebody should look at. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum Attention {
    /// A completed backup's archive is missing or has another size.
    AttentionArchive { id: BackupId },
    /// A record, or the lock's text, can't be read.
    AttentionUnreadable { object: String, detail: String },
    /// Nothing is backed up.
    AttentionNoBackup {},
    /// The newest attempt failed.
    AttentionFailed { id: BackupId, reason: Value },
    /// The cluster had damaged pages when the newest backup was taken.
    AttentionCorruptPages { id: BackupId, count: u64 },
    /// A backup's process died.
    AttentionInterrupted { name: String, pid: u32, host: String, since: Timestamp },
    /// An archive that no record vouches for.
    AttentionOrphan { object: String },
    /// A backup is overdue.
    AttentionLate { kind: &'static str, since: Timestamp },
    /// The last validation of a backup failed.
    AttentionInvalid { id: BackupId, level: String, validated_at: Timestamp },
    /// The repository's storage is nearly full.
    AttentionSpace { free_bytes: u64, needed_bytes: u64 },
    /// Something is the matter with the slot.
    AttentionSlot { finding: Value },
    /// The receiver's process ended without a word.
    AttentionReceiverDead { pid: u32, host: String, since: Timestamp, lsn: Lsn },
    /// The receiver lives and is not connected.
    AttentionReceiverWaiting { pid: u32, host: String, since: Timestamp, lsn: Lsn },
    /// The archive is behind the server.
    AttentionLag { lag_bytes: u64, lag_seconds: u64 },
    /// The last drill found something wrong.
    AttentionDrillFailed { at: Timestamp, report: String },
    /// A replica can't be reached, or refuses.
    AttentionReplicaFailing { replica: String, since: Timestamp, reason: Value },
    /// A replica lacks what it should have had for some time.
    AttentionReplicaBehind { replica: String, backups: u64, segments: u64 },
    /// Copies in a replica are bad, and were not mended.
    AttentionReplicaBad { replica: String, count: u64, at: Timestamp },
    /// Something is the matter with the archived WAL.
    AttentionWal { finding: Value },
}

impl Attention {
    /// Returns how grave it is: an error when something that was promised can't be restored, or soon can't be.
    pub fn level(&self) -> EventLevel {
        match self {
            Attention::AttentionArchive { .. }
            | Attention::AttentionNoBackup {}
            | Attention::AttentionFailed { .. }
            | Attention::AttentionInvalid { .. }
            | Attention::AttentionDrillFailed { .. }
            | Attention::AttentionReplicaBad { .. }
            | Attention::AttentionReceiverDead { .. } => EventLevel::Error,
            Attention::AttentionSlot { finding } if finding["key"] == "slot-lost" => EventLevel::Error,
            _ => EventLevel::Warning,
        }
    }

    /// Returns the key of its sentence.
    pub fn key(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["key"].as_str().unwrap_or_default().to_owned()
    }
}

/// Looks at what lies in the repository.
pub fn of_repository(contents: &RepositoryContents) -> Vec<Attention> {
    let mut found: Vec<Attention> =
        contents.without_archive.iter().map(|id| Attention::AttentionArchive { id: *id }).collect();
    found.extend(
        contents
            .unreadable
            .iter()
            .map(|record| Attention::AttentionUnreadable { object: record.key.clone(), detail: record.detail.clone() }),
    );
    let last = last_completed(contents);
    if last.is_none() {
        found.push(Attention::AttentionNoBackup {});
    }
    if let Some(failed) = contents.records.last().filter(|record| record.state == BackupState::Failed) {
        let reason = failed.error.clone().unwrap_or(Value::Null);
        found.push(Attention::AttentionFailed { id: failed.id, reason });
    }
    if let Some(record) = last.filter(|record| record.corrupt_pages_total > 0) {
        found.push(Attention::AttentionCorruptPages { id: record.id, count: record.corrupt_pages_total });
    }
    found.extend(contents.interrupted.iter().map(interrupted));
    found.extend(contents.orphan_archives.iter().map(|key| Attention::AttentionOrphan { object: key.clone() }));
    found
}

fn interrupted(running: &RunningBackup) -> Attention {
    Attention::AttentionInterrupted {
        name: running.archive_name.clone(),
        pid: running.pid,
        host: running.host.clone(),
        since: running.started_at,
    }
}

/// Looks for what is overdue.
pub(super) fn of_kinds(kinds: &[KindHealth]) -> Vec<Attention> {
    let late = |kind: &KindHealth| Some(Attention::AttentionLate { kind: kind.kind.word(), since: kind.late_since? });
    kinds.iter().filter_map(late).collect()
}

/// Looks for backups that are known to be damaged.
pub(super) fn of_validations(contents: &RepositoryContents, history: &ValidationHistory) -> Vec<Attention> {
    let completed = contents.records.iter().filter(|record| record.state == BackupState::Completed);
    let failed = completed.filter_map(|record| {
        let last = history.last(record.id).filter(|last| last.result == ValidationResult::Failed)?;
        Some(Attention::AttentionInvalid { id: record.id, level: last.level.clone(), validated_at: last.at })
    });
    failed.collect()
}

/// Looks whether the next FULL has room: as much as the newest one took, and a tenth.
pub(super) fn of_space(space: &Space, contents: &RepositoryContents) -> Vec<Attention> {
    let fulls = contents
        .records
        .iter()
        .filter(|record| record.state == BackupState::Completed && record.kind == BackupKind::Full)
        .filter(|record| record.is_physical());
    let Some(full) = fulls.max_by_key(|record| record.id) else { return Vec::new() };
    let needed_bytes = full.archive_bytes.saturating_add(full.archive_bytes / 10);
    let short = space.free_bytes.filter(|free| *free < needed_bytes);
    short.map(|free_bytes| Attention::AttentionSpace { free_bytes, needed_bytes }).into_iter().collect()
}

/// Looks at the last drill.
pub(super) fn of_drills(drills: &LastDrills) -> Vec<Attention> {
    let failed = drills.last.iter().filter(|last| last.result == ValidationResult::Failed);
    failed
        .map(|last| Attention::AttentionDrillFailed { at: last.at, report: last.report.clone().unwrap_or_default() })
        .collect()
}

/// Looks at the replicas.
pub(super) fn of_replicas(replicas: &[ReplicaState], now: Timestamp) -> Vec<Attention> {
    let mut found = Vec::new();
    for state in replicas {
        let replica = || state.name.clone();
        if let Some(since) = state.failing_since {
            let reason = state.error.clone().unwrap_or(Value::Null);
            found.push(Attention::AttentionReplicaFailing { replica: replica(), since, reason });
        }
        let backlog = state.backlog;
        let is_old = state.complete_at.is_none_or(|at| now.duration_since(at) > REPLICA_BEHIND);
        if state.failing_since.is_none() && is_old && backlog.backups + backlog.segments > 0 {
            let (backups, segments) = (backlog.backups, backlog.segments);
            found.push(Attention::AttentionReplicaBehind { replica: replica(), backups, segments });
        }
        if let Some(at) = state.verified_at.filter(|_| state.bad_copies > 0) {
            found.push(Attention::AttentionReplicaBad { replica: replica(), count: state.bad_copies, at });
        }
    }
    found
}

/// Looks at the stream.
pub(super) fn of_wal(wal: &WalHealth) -> Vec<Attention> {
    let value = |finding: &SlotFinding| serde_json::to_value(finding).unwrap_or_default();
    // A server without a bound of its own is a matter of its set-up, which `check` tells of; nothing is wrong yet.
    let is_news = |finding: &&SlotFinding| !matches!(finding, SlotFinding::SlotUnbounded { .. });
    let slot = wal.slot.iter().flat_map(|slot| &slot.findings).filter(is_news);
    let mut found: Vec<Attention> = slot.map(|finding| Attention::AttentionSlot { finding: value(finding) }).collect();
    if let Some(receiver) = &wal.receiver {
        let (pid, host) = (receiver.pid, receiver.host.clone());
        let (since, lsn) = (receiver.updated_at, receiver.durable_lsn);
        if !wal.receiving {
            found.push(Attention::AttentionReceiverDead { pid, host, since, lsn });
        } else if receiver.streaming_since.is_none() {
            found.push(Attention::AttentionReceiverWaiting { pid, host, since, lsn });
        }
    }
    if let Some(lag_seconds) = wal.lag_seconds.filter(|seconds| *seconds >= LAG_SECONDS) {
        found.push(Attention::AttentionLag { lag_bytes: wal.lag_bytes.unwrap_or(0), lag_seconds });
    }
    found.extend(wal.windows.findings.iter().map(|finding| Attention::AttentionWal { finding: finding.clone() }));
    found
}
