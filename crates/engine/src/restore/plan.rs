use super::files::{Layout, Survey, add_layered, is_in_place, leave_out, survey};
use super::only::KeptDatabases;
use super::point::{Choice, RecoveryWork, choose, choose_delivery};
use super::target::{
    Access, FilesystemNeed, TargetNeed, TargetState, Usage, check_space, filesystem_needs, inspect, inspect_over,
    inspect_tablespace_over, resolved, usage,
};
use super::{RecoveryPlan, RecoveryRequest, RecoveryTarget, RestoreError, RestoreNote, WalDelivery};
use crate::Error;
use crate::chain::{Chain, MOST_ENTRIES};
use crate::cluster::ServerOwner;
use pgformat::relation_file::PgVersionDirectory;
use serde::Serialize;
use std::path::{Path, PathBuf};
use vault::encryption::EncryptionError;
use vault::repository::{BackupId, BackupRecord, BackupState, RecordTablespace, Repository};
use vault::storage::StorageError;

/// How much larger pages may be than their images in the log, from which holes are cut; where `wal_compression` is off.
const IMAGE_GROWTH: u64 = 2;
/// How many fetched segments lie in pg_wal at a time, with some to spare.
const FETCHED_SEGMENTS: u64 = 8;

/// Says which backup is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreSelector {
    /// The newest completed one.
    Latest,
    /// This one.
    Backup(BackupId),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// Which backup.
    pub selector: RestoreSelector,
    /// The new data directory; absolute. `None` for a preview.
    pub target: Option<PathBuf>,
    /// `OLD=NEW`: OLD is a tablespace's name, OID or old directory.
    pub tablespaces: Vec<(String, PathBuf)>,
    /// The user who is to own the files; see [`ServerOwner::choose`].
    pub owner: Option<String>,
    /// How many workers write, at least 1; each takes up to 16 MiB of memory.
    pub jobs: usize,
    /// The target may hold the very cluster that the backup is of, stopped: then only what differs is written, and what the backup
    /// does not have is removed.
    pub over: bool,
    /// How far recovery goes, and how.
    pub recovery: RecoveryRequest,
}

/// What a restore would do. Nothing has been written.
#[derive(Debug, Clone, Serialize)]
pub struct RestorePlan {
    /// The chain, the FULL first.
    pub backups: Vec<BackupRecord>,
    /// The data directory; `None` for a preview.
    pub target: Option<PathBuf>,
    /// Every tablespace with a directory of its own; those inside the data directory move with it.
    pub tablespaces: Vec<TablespaceTarget>,
    /// Files in the newest archive: those of the cluster.
    pub files: u64,
    /// What will be written.
    pub plain_bytes: u64,
    /// What of other databases will not be written, where only one is wanted; else 0.
    pub left_out_bytes: u64,
    /// The archives of the whole chain; blocks of which a newer one has another state are not read.
    pub archive_bytes: u64,
    /// Whether the target holds the cluster already, and only what differs will be written.
    pub over: bool,
    /// Room needed and free on each file system; empty for a preview.
    pub filesystems: Vec<FilesystemNeed>,
    /// Targets in which a killed restore left its marker and files; they are removed first.
    pub remains: Vec<PathBuf>,
    /// The name of the user who will own the files.
    pub owner_name: Option<String>,
    /// The user who will own the files; `None` for a preview.
    #[serde(skip)]
    pub owner: Option<ServerOwner>,
    /// How many workers will write.
    pub jobs: usize,
    /// Where recovery will end, and what WAL it takes; `None` when it ends with the backup and needs none of the archive.
    pub recovery: Option<RecoveryPlan>,
    /// What its user should know of the choice.
    pub notes: Vec<RestoreNote>,
    /// See [`Self::with_most_entries`].
    #[serde(skip)]
    pub(super) most_entries: u64,
    #[serde(skip)]
    pub(super) survey: Box<Survey>,
    /// Whose files are written, where only one database is wanted.
    #[serde(skip)]
    pub(super) kept: Option<KeptDatabases>,
    /// What the recovery takes and is told; as `recovery`.
    #[serde(skip)]
    pub(super) work: Option<Box<RecoveryWork>>,
    /// The program that serves WAL.
    #[serde(skip)]
    pub(super) fetch_command: Vec<String>,
}

/// Where a tablespace goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TablespaceTarget {
    /// The name of its link in pg_tblspc.
    pub oid: u32,
    /// Its name in the database.
    pub name: String,
    /// Its directory when the backup was taken.
    pub old_location: String,
    /// Its directory after the restore.
    pub new_location: PathBuf,
}

/// Makes the plan and checks all that can be checked without reading whole archives: the backup is COMPLETADO, the archives of
/// its chain are there with the right sizes and stand on one another, the newest holds what a start needs, the target and every tablespace target are
/// empty or absent, no server runs there, no target lies inside another, the owner can reach them, space suffices. With a recovery
/// target: a backup and WAL without a gap lead to it.
///
/// # Errors
/// `RestoreTargetUnreachable`, `RestoreTargetAmbiguous`, `RestoreUnknownTimeline`, `RestoreUnknownPoint`, `RestoreWalMissing`,
/// `RestoreWalDamaged`, `RestoreFetchUnusable`;
/// `RestoreNotCompleted`, those of a broken chain, `RestoreIncomplete`, `RestoreMismatch`, `RestoreUnknownTablespace`,
/// `RestoreTablespaceTarget`, `RestoreTarget`, `RestoreTargetNotEmpty`, `RestoreTargetRunning`, `RestoreBusy`, `RestoreUnreachable`,
/// `RestoreNoSpace`, `RestoreNoInodes`, and the repository's, archive's and format's own.
pub fn plan(repository: &Repository, request: &RestoreRequest) -> Result<RestorePlan, Error> {
    plan_below(repository, request, None, None)
}

/// The same; with a `tablespace_root` all tablespaces go below it, each under its OID. With a `database`, files of other databases are made
/// without content, if the backup tells which those are.
pub(super) fn plan_below(
    repository: &Repository,
    request: &RestoreRequest,
    tablespace_root: Option<&Path>,
    database: Option<&str>,
) -> Result<RestorePlan, Error> {
    let choice = choose_recovery(repository, request);
    // What can't be decrypted is no reason to say that a target can't be reached.
    let is_blind = !repository.can_read_back() && !matches!(&choice, Ok(choice) if choice.record.encryption.is_none());
    if is_blind {
        let (storage, object) = (repository.storage().describe(), "full/".to_owned());
        return Err(StorageError::from(EncryptionError::EncryptionIdentityMissing { storage, object }).into());
    }
    let Choice { record, work, notes } = choice?;
    let backups = repository.chain(record.id)?;
    let mut tablespaces = place_tablespaces(&record.tablespaces, &request.tablespaces)?;
    if let Some(root) = tablespace_root {
        for tablespace in &mut tablespaces {
            tablespace.new_location = root.join(tablespace.oid.to_string());
        }
    }
    let layout = Layout::new(&record.tablespaces);
    let chain = Chain::open(repository, &backups)?;
    chain.check_labels()?;
    let mut survey = survey(&chain.newest().reader, &record, &layout)?;
    add_layered(&mut survey, &chain, &layout)?;
    let mut kept = match database {
        Some(name) => KeptDatabases::of(&chain, record.block_size_bytes, name)?,
        None => None,
    };
    if let Some(kept) = &mut kept {
        leave_out(&mut survey, &chain, &layout, kept)?;
    }

    let mut plan = RestorePlan {
        target: request.target.clone(),
        tablespaces,
        files: survey.files,
        plain_bytes: survey.content_bytes,
        left_out_bytes: kept.as_ref().map_or(0, |kept| kept.left_out_bytes),
        archive_bytes: backups.iter().map(|backup| backup.archive_bytes).sum(),
        over: false,
        filesystems: Vec::new(),
        remains: Vec::new(),
        owner_name: None,
        owner: None,
        jobs: request.jobs.max(1),
        recovery: None,
        most_entries: MOST_ENTRIES,
        survey: Box::new(survey),
        kept,
        work: work.map(Box::new),
        fetch_command: request.recovery.fetch_command.clone().unwrap_or_default(),
        notes,
        backups,
    };
    let owner = match &request.target {
        Some(target) => Some(ServerOwner::choose(request.owner.as_deref(), target)?),
        None => None,
    };
    if let Some(work) = &plan.work {
        let delivery = choose_delivery(repository, &request.recovery, work, owner.as_ref())?;
        plan.recovery = Some(work.plan(&request.recovery, delivery));
    }
    if let (Some(target), Some(owner)) = (&request.target, owner) {
        check_targets(&mut plan, target, &owner, request.over)?;
        plan.owner_name = Some(owner.name.clone());
        plan.owner = Some(owner);
    }
    Ok(plan)
}

/// Finds the backup to begin with, and what recovery takes beyond it.
fn choose_recovery(repository: &Repository, request: &RestoreRequest) -> Result<Choice, Error> {
    if request.recovery.target == RecoveryTarget::BackupEnd {
        let record = choose_backup(repository, request.selector)?;
        return Ok(Choice { record, work: None, notes: Vec::new() });
    }
    if let RestoreSelector::Backup(id) = request.selector {
        // Said before anything is said of the WAL after it.
        choose_backup(repository, request.selector)?;
        repository.chain(id)?;
    }
    choose(repository, &request.recovery, request.selector)
}

/// Finds the record, and refuses what can't be restored.
fn choose_backup(repository: &Repository, selector: RestoreSelector) -> Result<BackupRecord, Error> {
    let record = match selector {
        RestoreSelector::Latest => repository.latest()?,
        RestoreSelector::Backup(id) => repository.record(id)?,
    };
    let id = record.id.to_string();
    if record.state != BackupState::Completed {
        return Err(RestoreError::RestoreNotCompleted { id, state: word(&record.state) }.into());
    }
    if !record.is_physical() {
        return Err(RestoreError::RestoreLogical { id }.into());
    }
    Ok(record)
}

/// Returns the word that a value serializes to.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Applies `OLD=NEW` to the tablespaces that have a directory of their own.
fn place_tablespaces(
    tablespaces: &[RecordTablespace],
    moves: &[(String, PathBuf)],
) -> Result<Vec<TablespaceTarget>, RestoreError> {
    let movable: Vec<&RecordTablespace> = tablespaces.iter().filter(|tablespace| !is_in_place(tablespace)).collect();
    let mut placed: Vec<TablespaceTarget> = movable
        .iter()
        .map(|tablespace| TablespaceTarget {
            oid: tablespace.oid,
            name: tablespace.name.clone(),
            old_location: tablespace.location.clone(),
            new_location: PathBuf::from(&tablespace.location),
        })
        .collect();
    let mut moved = vec![false; placed.len()];
    for (old, new) in moves {
        // A name wins over an OID, and that over a directory, should one tablespace be named as another's number.
        let by_name = placed.iter().position(|tablespace| tablespace.name == *old);
        let by_oid = || placed.iter().position(|tablespace| tablespace.oid.to_string() == *old);
        let by_location = || {
            let same = |location: &str| Path::new(location).components().eq(Path::new(old).components());
            placed.iter().position(|tablespace| same(&tablespace.old_location))
        };
        let Some(position) = by_name.or_else(by_oid).or_else(by_location) else {
            let known: Vec<&str> = placed.iter().map(|tablespace| tablespace.name.as_str()).collect();
            return Err(RestoreError::RestoreUnknownTablespace { name: old.clone(), known: known.join(", ") });
        };
        if std::mem::replace(&mut moved[position], true) {
            return Err(tablespace_error(&placed[position], "and elsewhere too"));
        }
        placed[position].new_location.clone_from(new);
    }
    Ok(placed)
}

fn tablespace_error(tablespace: &TablespaceTarget, reason: &'static str) -> RestoreError {
    RestoreError::RestoreTablespaceTarget {
        name: tablespace.name.clone(),
        directory: tablespace.new_location.display().to_string(),
        reason,
    }
}

/// Looks at every target, and sums what goes where.
fn check_targets(
    plan: &mut RestorePlan,
    target: &Path,
    owner: &ServerOwner,
    may_be_over: bool,
) -> Result<(), RestoreError> {
    check_tablespace_paths(&plan.tablespaces, target)?;
    let identifier = plan.survey.control.system_identifier;
    plan.over = may_be_over && inspect_over(target, identifier)? == TargetState::Existing;
    let directories: Vec<PathBuf> = std::iter::once(target.to_owned())
        .chain(plan.tablespaces.iter().map(|tablespace| tablespace.new_location.clone()))
        .collect();
    let mut remains = Vec::new();
    for (number, directory) in directories.iter().enumerate() {
        let state = plan.state_of(number, directory, target)?;
        check_reachable(directory, owner)?;
        let taken = match state {
            TargetState::Remains => {
                plan.remains.push(directory.clone());
                usage(directory).map_err(|error| super::error::target_error(directory, error))?
            }
            // It is taken already, or is freed before anything is written.
            TargetState::Existing => {
                plan.usage_over(number, directory).map_err(|error| super::error::target_error(directory, error))?
            }
            TargetState::Absent | TargetState::Empty => Usage::default(),
        };
        remains.push(taken);
    }
    // Recovery writes on: at its end the last segment is copied into the new timeline, and the next one is made.
    let mut recovery_bytes = 2 * plan.survey.control.wal_segment_size.bytes();
    let mut recovery_inodes = 0;
    if let Some(recovery) = &plan.recovery {
        // While it fetches, the server keeps what it replayed since its last restart point, and a few ahead.
        let kept = match recovery.delivery {
            WalDelivery::Stage => recovery.segments,
            WalDelivery::Auto | WalDelivery::Fetch => recovery.segments.min(FETCHED_SEGMENTS),
        };
        recovery_bytes += kept * plan.survey.control.wal_segment_size.bytes();
        recovery_inodes += 2 * kept;
        // Redo fills pages of what was left out, too, where the log has them whole; those without an image stay as they are.
        recovery_bytes += plan.left_out_bytes.min(recovery.wal_bytes.saturating_mul(IMAGE_GROWTH));
    }
    let needs: Vec<TargetNeed<'_>> = directories
        .iter()
        .zip(&plan.survey.roots)
        .zip(remains)
        .enumerate()
        .map(|(number, ((directory, root), remains))| TargetNeed {
            directory,
            needed_bytes: root.allocated_bytes + if number == 0 { recovery_bytes } else { 0 },
            // The directory itself, its marker, and settings.
            needed_inodes: root.inodes + 8 + if number == 0 { recovery_inodes } else { 0 },
            remains,
        })
        .collect();
    plan.filesystems = filesystem_needs(&needs)?;
    check_space(&plan.filesystems)
}

impl RestorePlan {
    /// Bounds the lists of files that are held in memory, for tests: above it, indexes and directories are gone through in several
    /// rounds.
    #[must_use]
    pub fn with_most_entries(self, most_entries: u64) -> Self {
        RestorePlan { most_entries, ..self }
    }

    /// Looks at the data directory (number 0) or a tablespace's.
    ///
    /// # Errors
    /// Those of [`inspect`] and [`inspect_over`].
    pub(super) fn state_of(&self, number: usize, directory: &Path, target: &Path) -> Result<TargetState, RestoreError> {
        match (self.over, number.checked_sub(1).and_then(|place| self.tablespaces.get(place))) {
            (false, _) => inspect(directory),
            (true, None) => inspect_over(directory, self.survey.control.system_identifier),
            (true, Some(tablespace)) => inspect_tablespace_over(directory, target, tablespace.oid),
        }
    }

    /// Sums what the cluster's own files take; beside them a tablespace's directory may hold others.
    fn usage_over(&self, number: usize, directory: &Path) -> std::io::Result<Usage> {
        if number == 0 {
            return usage(directory);
        }
        let control = &self.survey.control;
        let own = directory.join(PgVersionDirectory::new(control.version, control.catalog_version).to_string());
        if own.is_dir() { usage(&own) } else { Ok(Usage::default()) }
    }
}

/// Refuses tablespace targets that are relative, or equal to or inside another target.
fn check_tablespace_paths(tablespaces: &[TablespaceTarget], target: &Path) -> Result<(), RestoreError> {
    let data_directory = resolved(target);
    let mut taken: Vec<PathBuf> = Vec::new();
    for tablespace in tablespaces {
        if !tablespace.new_location.is_absolute() {
            return Err(tablespace_error(tablespace, "which is not absolute"));
        }
        let place = resolved(&tablespace.new_location);
        if place.starts_with(&data_directory) {
            return Err(tablespace_error(tablespace, "which is in the data directory"));
        }
        if data_directory.starts_with(&place) {
            return Err(tablespace_error(tablespace, "which holds the data directory"));
        }
        if taken.iter().any(|other| place.starts_with(other) || other.starts_with(&place)) {
            return Err(tablespace_error(tablespace, "which overlaps another tablespace's"));
        }
        taken.push(place);
    }
    Ok(())
}

/// As root we may go where the server's own user may not.
fn check_reachable(directory: &Path, owner: &ServerOwner) -> Result<(), RestoreError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // The target itself will be given to the owner; what is absent will be made for it.
    let Some(parent) = resolved(directory).parent().map(Path::to_owned) else { return Ok(()) };
    match Access::of(owner).barrier(&parent) {
        None => Ok(()),
        Some(ancestor) => Err(RestoreError::RestoreUnreachable {
            directory: directory.display().to_string(),
            owner: owner.name.clone(),
            ancestor: ancestor.display().to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Vec<RecordTablespace> {
        let tablespace = |oid, name: &str, location: &str| RecordTablespace {
            oid,
            name: name.to_owned(),
            location: location.to_owned(),
        };
        vec![
            tablespace(16400, "fast", "/srv/fast"),
            tablespace(16401, "inside", "pg_tblspc/16401"),
            tablespace(16402, "slow", "/srv/slow"),
        ]
    }

    fn moves(pairs: &[(&str, &str)]) -> Vec<(String, PathBuf)> {
        pairs.iter().map(|(old, new)| ((*old).to_owned(), PathBuf::from(new))).collect()
    }

    #[test]
    fn a_tablespace_is_named_by_name_oid_or_old_directory() {
        for old in ["slow", "16402", "/srv/slow", "/srv/slow/"] {
            let placed = place_tablespaces(&recorded(), &moves(&[(old, "/new")])).unwrap();
            let locations: Vec<&Path> = placed.iter().map(|tablespace| tablespace.new_location.as_path()).collect();
            assert_eq!(locations, [Path::new("/srv/fast"), Path::new("/new")], "{old}");
        }
    }

    #[test]
    fn refuses_unknown_tablespaces_and_two_places_for_one() {
        let unknown = place_tablespaces(&recorded(), &moves(&[("fats", "/new")])).unwrap_err();
        assert!(matches!(unknown, RestoreError::RestoreUnknownTablespace { known, .. } if known == "fast, slow"));
        // One that moves with the data directory can't be sent elsewhere.
        assert!(place_tablespaces(&recorded(), &moves(&[("inside", "/new")])).is_err());
        assert!(place_tablespaces(&recorded(), &moves(&[("fast", "/a"), ("16400", "/b")])).is_err());
    }

    #[test]
    fn refuses_targets_inside_one_another() {
        let check = |target: &str, pairs: &[(&str, &str)]| {
            check_tablespace_paths(&place_tablespaces(&recorded(), &moves(pairs)).unwrap(), Path::new(target))
        };
        assert!(check("/data", &[]).is_ok());
        assert!(check("/srv/fas", &[]).is_ok());
        assert!(check("/data", &[("fast", "relative")]).is_err());
        assert!(check("/data", &[("fast", "/data/pg_tblspc/x")]).is_err());
        assert!(check("/data", &[("fast", "/data")]).is_err());
        assert!(check("/srv/fast/data", &[]).is_err());
        assert!(check("/data", &[("fast", "/srv/slow/sub")]).is_err());
        assert!(check("/data", &[("fast", "/srv/x/../slow")]).is_err());
    }
}
