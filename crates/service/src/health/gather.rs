use super::attention::{self, Attention};
use super::chains::{ChainLink, chain_links};
use super::kinds::{KindHealth, KindTotal, kinds, totals};
use super::space::{Space, space};
use super::validations::{ValidationHealth, validations};
use super::wal::{WalHealth, wal_health};
use crate::scheduler::JobView;
use engine::Error;
use engine::cluster::ConnectionSettings;
use engine::replica::{BackupCopies, ReplicaState, backup_copies, load_states};
use engine::restore::LastDrills;
use engine::verify::ValidationHistory;
use jiff::Timestamp;
use serde::Serialize;
use vault::repository::{BackupKind, BackupRecord, BackupState, Repository, RepositoryContents, RunningBackup};

/// What is to be looked at.
pub struct HealthQuestion<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The server, to be asked about the slot; `None` leaves that out.
    pub connection: Option<&'a ConnectionSettings>,
    /// The name of the slot.
    pub slot: &'a str,
    /// See [`engine::wal::ReceiveOptions`].
    pub max_slot_retained_bytes: Option<u64>,
    /// When the kinds of backup are due; empty when there is no schedule.
    pub due: &'a [JobDue],
    /// Now.
    pub now: Timestamp,
    /// Asked while the server is waited for.
    pub cancelled: &'a dyn Fn() -> bool,
}

/// When a kind of backup was due and will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobDue {
    /// The kind.
    pub kind: BackupKind,
    /// A due time that has passed and is not done.
    pub pending: Option<Timestamp>,
    /// The next one.
    pub next: Option<Timestamp>,
}

impl JobDue {
    /// Takes it from what is known of the schedule's jobs.
    pub fn of(jobs: &[JobView]) -> Vec<JobDue> {
        let due = |job: &JobView| {
            let kind = job.job.backup_kind()?;
            Some(JobDue { kind, pending: job.pending, next: job.next.first().copied() })
        };
        jobs.iter().filter_map(due).collect()
    }
}

/// How the backups are. Its JSON form is described in docs/reference/json.md.
#[derive(Debug, Serialize)]
pub struct RepositoryHealth {
    /// Where the backups are.
    pub repository: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// What somebody should look at, the gravest first.
    pub attention: Vec<Attention>,
    /// The backup that runs now.
    pub running: Option<RunningBackup>,
    /// The cleanup that runs now.
    pub cleaning: Option<RunningBackup>,
    /// The newest completed one.
    pub last_backup: Option<BackupRecord>,
    /// Each kind: its last backup, its next.
    pub kinds: Vec<KindHealth>,
    /// Count and size of the completed backups, by kind.
    pub totals: Vec<KindTotal>,
    /// What stands on what: completed backups, each FULL before what stands on it.
    pub chains: Vec<ChainLink>,
    /// What is where in the storage.
    pub space: Space,
    /// How far the backups were validated.
    pub validation: ValidationHealth,
    /// The stream of WAL, and what can be restored.
    pub wal: WalHealth,
    /// The last drill, and the last that proved something.
    pub drills: LastDrills,
    /// The replicas that were ever sent to, by name.
    pub replicas: Vec<ReplicaState>,
    /// Of each completed backup that has one: where its other copies are.
    pub copies: Vec<BackupCopies>,
}

/// Looks at everything. A server that can't be reached is no error here: the answer says so.
///
/// # Errors
/// Repository and storage errors.
pub fn health(question: &HealthQuestion<'_>) -> Result<RepositoryHealth, Error> {
    let repository = question.repository;
    let contents = repository.contents()?;
    let history = ValidationHistory::read(repository)?;
    let wal = wal_health(question)?;
    let kinds = kinds(&contents, question.due, question.now);
    let validation = validations(&contents, &history);
    let space = space(repository, &contents)?;
    let mut attention = attention::of_repository(&contents);
    attention.extend(attention::of_kinds(&kinds));
    attention.extend(attention::of_validations(&contents, &history));
    attention.extend(attention::of_space(&space, &contents));
    attention.extend(attention::of_wal(&wal));
    let drills = LastDrills::read(repository)?;
    attention.extend(attention::of_drills(&drills));
    let replicas = load_states(repository)?;
    attention.extend(attention::of_replicas(&replicas, question.now));
    attention.sort_by_key(|one| std::cmp::Reverse(one.level()));
    Ok(RepositoryHealth {
        repository: repository.storage().describe(),
        at: question.now,
        attention,
        last_backup: last_completed(&contents).cloned(),
        totals: totals(&contents),
        chains: chain_links(&contents, &history),
        running: contents.running,
        cleaning: contents.cleaning,
        kinds,
        space,
        validation,
        wal,
        copies: backup_copies(&replicas).into_values().collect(),
        replicas,
        drills,
    })
}

/// Returns the completed backup with the highest id.
pub(super) fn last_completed(contents: &RepositoryContents) -> Option<&BackupRecord> {
    contents.records.iter().rev().find(|record| record.state == BackupState::Completed)
}
