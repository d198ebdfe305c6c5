use super::error::write_error;
use super::files::{Layout, RewriteCounts, Tree, TreeWriter, sync_path, sync_roots, write_members};
use super::over::apply_over;
use super::point::check_segments;
use super::recovery::{
    RecoverySettings, restore_command, target_settings, write_missing_config, write_recovery, write_wal,
};
use super::target::{Claim, Marker, Ownership, undo};
use super::{ArchiveMode, RestoreError, RestoreNote, RestorePlan, WalDelivery};
use crate::chain::{Chain, LABEL_PATH};
use crate::cluster::ClusterError;
use crate::{Cancel, Error, Phase, Progress};
use pgformat::Lsn;
use pgformat::control_file::CONTROL_FILE_PATH;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use vault::repository::{BackupRecord, Repository};

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreOutcome {
    /// Files of the newest archive, those included that were left out.
    pub files: u64,
    /// The sum of their sizes.
    pub written_bytes: u64,
    /// What a restore over a cluster found right already; `None` for one into an empty place.
    pub over: Option<OverOutcome>,
    /// Wall time, the check of the archive included.
    pub seconds: f64,
    /// Up to where the server will recover.
    pub stop_lsn: Option<Lsn>,
    /// What its user should know.
    pub notes: Vec<RestoreNote>,
}

/// What a restore over a cluster did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OverOutcome {
    /// Bytes of files that were there and were compared.
    pub compared_bytes: u64,
    /// Bytes of the backup's files that were written: blocks that differed, and files that were not there.
    pub written_bytes: u64,
    /// Files, links and folders that were removed.
    pub removed_entries: u64,
}

/// What is to be told of what was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub notes: Vec<RestoreNote>,
    pub over: Option<OverOutcome>,
}

/// The name that pg_control is written under until it is whole.
const CONTROL_FILE_DRAFT: &str = "global/pg_control.cadena";

/// Applies a plan: checks every archive's SHA-256 and every WAL segment before the first byte is written, writes the files in
/// parallel, each output byte once, pg_control last, everything fsynced; then recovery settings. Where content is left out
/// ([`RestorePlan::left_out_bytes`]), what is read of the archives is checked by the checksums of frames and files instead, as it is written.
///
/// # Errors
/// `RepositoryArchiveDigest`, `RestoreWalDamaged` before anything is written; the refusals of [`super::plan`] again, should a target have changed
/// meanwhile; `RestoreContent`, `RestoreWrite`, `RestoreDiskFull`. After an error the targets are as they were, or
/// `RestoreRemains` says what is left.
///
/// A restore over a cluster ([`RestorePlan::over`]) that fails after it has begun to change it ends with `RestoreEndedOver`: no server
/// starts there until another one over it has ended well.
///
/// # Cancellation
/// Ends with `cancelled`; what was written is removed again, so that the target is as it was. Over a cluster: with
/// `RestoreCancelledOver`, unfinished as after an error.
pub fn apply(
    repository: &Repository,
    plan: &RestorePlan,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<RestoreOutcome, Error> {
    let started = Instant::now();
    let (record, target) = subject(plan)?;
    let chain = Chain::open(repository, &plan.backups)?.with_most_entries(plan.most_entries);
    // Of a part of the cluster not all is read: each frame that is has its checksum.
    match plan.left_out_bytes {
        0 => chain.check_digests(plan.jobs, progress, cancel)?,
        _ => chain.check_starts()?,
    }
    if let (Some(recovery), Some(work)) = (&plan.recovery, &plan.work) {
        progress.phase(Phase::Verifying, Some(recovery.wal_bytes));
        check_segments(repository, work, recovery.delivery, plan.jobs, progress, cancel)?;
    }

    let ownership = ownership(plan)?;
    let Written { notes, over } = if plan.over {
        apply_over(repository, &chain, plan, (target, ownership), progress, cancel)?
    } else {
        let claims = claim_targets(plan, target, record, &ownership)?;
        match write_cluster(repository, &chain, plan, &claims, ownership, progress, cancel) {
            Ok(written) => written,
            Err(error) => return Err(undo(claims, error)),
        }
    };
    Ok(RestoreOutcome {
        files: plan.files,
        written_bytes: plan.plain_bytes,
        over,
        seconds: started.elapsed().as_secs_f64(),
        stop_lsn: plan.recovery.as_ref().map(|recovery| recovery.stop_lsn).or(record.stop_lsn),
        notes,
    })
}

fn subject(plan: &RestorePlan) -> Result<(&BackupRecord, &Path), RestoreError> {
    let without = |detail: &str| RestoreError::RestoreTarget { directory: String::new(), detail: detail.to_owned() };
    let record = plan.backups.last().ok_or_else(|| without("the plan has no backup"))?;
    let target = plan.target.as_deref().ok_or_else(|| without("the plan is a preview"))?;
    Ok((record, target))
}

fn ownership(plan: &RestorePlan) -> Result<Ownership, ClusterError> {
    let owner = plan.owner.as_ref().ok_or(ClusterError::ClusterRoot {})?;
    let we = rustix::process::geteuid();
    let (directory_mode, file_mode) = if plan.survey.group_access { (0o750, 0o640) } else { (0o700, 0o600) };
    let owner = (we.as_raw() != owner.uid).then_some((owner.uid, owner.gid));
    Ok(Ownership { owner, directory_mode, file_mode })
}

/// Claims the data directory and every tablespace's, in the plan's order. All or none.
fn claim_targets(
    plan: &RestorePlan,
    target: &Path,
    record: &BackupRecord,
    ownership: &Ownership,
) -> Result<Vec<Claim>, Error> {
    let marker = Marker::new(target, &record.archive_name);
    let mut claims: Vec<Claim> = Vec::new();
    let tablespaces = plan.tablespaces.iter().map(|tablespace| tablespace.new_location.as_path());
    for directory in std::iter::once(target).chain(tablespaces) {
        match Claim::take(directory, &marker, ownership) {
            Ok(claim) => claims.push(claim),
            Err(error) => return Err(undo(claims, error.into())),
        }
    }
    Ok(claims)
}

/// Writes everything below the claimed targets, in the order in which it may become durable.
fn write_cluster(
    repository: &Repository,
    chain: &Chain,
    plan: &RestorePlan,
    claims: &[Claim],
    ownership: Ownership,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Written, Error> {
    let tree = open_tree(claims, ownership)?;
    let removed = claims.iter().filter(|claim| claim.removed_remains);
    let removed =
        removed.map(|claim| RestoreNote::RestoreRemovedRemains { directory: claim.path().display().to_string() });
    progress.phase(Phase::Restoring, Some(plan.plain_bytes));
    let mut written = write_contents(repository, chain, plan, &tree, None, progress, cancel)?;
    written.notes.splice(0..0, removed);

    progress.phase(Phase::Syncing, None);
    cancel.check()?;
    sync_roots(&tree)?;
    claims.iter().try_for_each(Claim::sync_parents)?;
    cancel.check()?;
    write_control_file(plan, &tree)?;
    // The data directory's marker goes last: as long as it is there, the tablespaces' may be, too.
    claims.iter().rev().try_for_each(Claim::release)?;
    Ok(written)
}

/// Writes all but pg_control: the backup's files, then what the server is told of its recovery. With `over`, files that are there
/// are made right.
pub(super) fn write_contents(
    repository: &Repository,
    chain: &Chain,
    plan: &RestorePlan,
    tree: &Tree,
    over: Option<&RewriteCounts>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Written, Error> {
    let record = &chain.newest().record;
    let layout = Layout::new(&record.tablespaces);
    link_tablespaces(plan, tree)?;
    let mut notes = write_members(chain, &layout, tree, (over, plan.kept.as_ref()), plan.jobs, progress, cancel)?;
    write_label(plan, tree)?;
    notes.extend(write_missing_config(tree, &plan.survey)?);
    let (settings, told) = settings_of(plan);
    if let (Some(recovery), Some(work)) = (&plan.recovery, &plan.work) {
        write_wal(repository, work, recovery.delivery, tree, progress, cancel)?;
    }
    write_recovery(tree, &plan.survey, &record.id.to_string(), &settings)?;
    notes.extend(told);
    Ok(Written { notes, over: None })
}

/// Returns what the server is to be told, and what its user should know of that.
fn settings_of(plan: &RestorePlan) -> (RecoverySettings, Vec<RestoreNote>) {
    let (Some(recovery), Some(work)) = (&plan.recovery, &plan.work) else {
        return (RecoverySettings::to_backup_end(), Vec::new());
    };
    let mut notes = Vec::new();
    if recovery.archive_mode == ArchiveMode::Off {
        notes.push(RestoreNote::RestoreArchivingOff {});
    }
    if recovery.delivery == WalDelivery::Fetch {
        let command = restore_command(recovery.delivery, work.until_lsn, &plan.fetch_command);
        notes.push(RestoreNote::RestoreFetchesWal { command });
    }
    (target_settings(recovery, work, &plan.fetch_command, plan.survey.control.version), notes)
}

pub(super) fn open_tree(claims: &[Claim], ownership: Ownership) -> Result<Tree, RestoreError> {
    let mut tree = Tree::new(ownership);
    for claim in claims {
        let directory = claim.directory().try_clone().map_err(|error| write_error(claim.path(), error))?;
        tree.add_root(directory, claim.path());
    }
    Ok(tree)
}

/// Makes the links from pg_tblspc to the tablespaces' directories.
fn link_tablespaces(plan: &RestorePlan, tree: &Tree) -> Result<(), RestoreError> {
    let mut writer = TreeWriter::new(tree);
    writer.make_directory(0, b"pg_tblspc")?;
    for tablespace in &plan.tablespaces {
        let link = format!("pg_tblspc/{}", tablespace.oid);
        // One that a restore over a cluster left leads to the right place.
        if plan.over && tree.full_path(0, link.as_bytes()).symlink_metadata().is_ok() {
            continue;
        }
        writer.make_link(0, link.as_bytes(), &tablespace.new_location)?;
    }
    Ok(())
}

/// Writes backup_label: without it the server would begin recovery in the middle of the backup.
fn write_label(plan: &RestorePlan, tree: &Tree) -> Result<(), RestoreError> {
    let mut file = TreeWriter::new(tree).create_file(0, LABEL_PATH.as_bytes())?;
    let path = tree.full_path(0, LABEL_PATH.as_bytes());
    file.write_all(&plan.survey.label_bytes).map_err(|error| write_error(&path, error))
}

/// Writes pg_control, once everything else is durable: with it, the directory becomes a cluster.
pub(super) fn write_control_file(plan: &RestorePlan, tree: &Tree) -> Result<(), RestoreError> {
    let mut writer = TreeWriter::new(tree);
    let draft = tree.full_path(0, CONTROL_FILE_DRAFT.as_bytes());
    let path = tree.full_path(0, CONTROL_FILE_PATH.as_bytes());
    let mut file = writer.create_file(0, CONTROL_FILE_DRAFT.as_bytes())?;
    let written = file.write_all(&plan.survey.control_bytes).and_then(|()| file.sync_all());
    written.map_err(|error| write_error(&draft, error))?;
    std::fs::rename(&draft, &path).map_err(|error| write_error(&path, error))?;
    path.parent().map_or(Ok(()), sync_path)
}
