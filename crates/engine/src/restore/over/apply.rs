use super::surplus::Surplus;
use crate::chain::Chain;
use crate::restore::apply::{OverOutcome, Written, open_tree, write_contents, write_control_file};
use crate::restore::files::{Layout, RewriteCounts, Tree};
use crate::restore::target::{Claim, Marker, Ownership, check_existing, remove_aside, set_aside, undo};
use crate::restore::{RestoreError, RestorePlan};
use crate::{Cancel, Error, Phase, Progress};
use std::path::Path;
use std::sync::atomic::Ordering;
use vault::repository::Repository;

/// Makes a restore over the cluster in the plan's target. The archives and the WAL have been checked.
///
/// # Errors
/// As [`crate::restore::apply`]; what is there is unchanged then, or the error is `RestoreEndedOver` or `RestoreCancelledOver` and
/// says that only another restore over it makes it usable.
pub(in crate::restore) fn apply_over(
    repository: &Repository,
    chain: &Chain,
    plan: &RestorePlan,
    (target, ownership): (&Path, Ownership),
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Written, Error> {
    let claims = claim(plan, chain, target, &ownership)?;
    // From here on no server starts in it. Before, nothing has changed.
    if let Err(error) = begin(chain, target, &claims) {
        return Err(undo(claims, error));
    }
    write_over(repository, chain, plan, &claims, ownership, progress, cancel).map_err(|error| {
        let directory = target.display().to_string();
        match error.is_cancelled() {
            true => RestoreError::RestoreCancelledOver { directory }.into(),
            false => RestoreError::RestoreEndedOver { directory, reason: error.to_string() }.into(),
        }
    })
}

/// Marks all targets as ours, in the plan's order. All or none.
fn claim(plan: &RestorePlan, chain: &Chain, target: &Path, ownership: &Ownership) -> Result<Vec<Claim>, Error> {
    let marker = Marker::new(target, &chain.newest().record.archive_name).over();
    let mut claims: Vec<Claim> = Vec::new();
    let tablespaces = plan.tablespaces.iter().map(|tablespace| tablespace.new_location.as_path());
    let directories: Vec<&Path> = std::iter::once(target).chain(tablespaces).collect();
    // What the plan saw may have changed meanwhile.
    for (number, directory) in directories.iter().enumerate() {
        plan.state_of(number, directory, target)?;
    }
    for directory in directories {
        match Claim::take_over(directory, &marker, ownership) {
            Ok(claim) => claims.push(claim),
            Err(error) => return Err(undo(claims, error.into())),
        }
    }
    Ok(claims)
}

/// Looks again, now that nobody else restores there, and moves the control file aside.
fn begin(chain: &Chain, target: &Path, claims: &[Claim]) -> Result<(), Error> {
    let Some(data_directory) = claims.first() else { return Ok(()) };
    check_existing(target, chain.newest().record.system_identifier)?;
    Ok(set_aside(data_directory.directory(), target)?)
}

fn write_over(
    repository: &Repository,
    chain: &Chain,
    plan: &RestorePlan,
    claims: &[Claim],
    ownership: Ownership,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Written, Error> {
    let layout = Layout::new(&chain.newest().record.tablespaces);
    claims.iter().try_for_each(|claim| claim.settle(&ownership))?;
    let tree: Tree = open_tree(claims, ownership)?.over();
    progress.phase(Phase::Restoring, Some(plan.plain_bytes));
    let surplus = Surplus {
        chain,
        layout: &layout,
        tree: &tree,
        tablespaces: &plan.tablespaces,
        control: &plan.survey.control,
        cancel,
        most_paths: plan.most_entries,
    };
    let surplus = surplus.remove()?;
    let counts = RewriteCounts::default();
    let mut written = write_contents(repository, chain, plan, &tree, Some(&counts), progress, cancel)?;
    written.notes.splice(0..0, surplus.notes);

    progress.phase(Phase::Syncing, None);
    cancel.check()?;
    crate::restore::files::sync_roots(&tree)?;
    claims.iter().try_for_each(Claim::sync_parents)?;
    cancel.check()?;
    write_control_file(plan, &tree)?;
    for claim in claims.iter().take(1) {
        remove_aside(claim.directory(), claim.path())?;
    }
    claims.iter().rev().try_for_each(Claim::release)?;
    written.over = Some(OverOutcome {
        compared_bytes: counts.compared_bytes.load(Ordering::Relaxed),
        written_bytes: counts.written_bytes.load(Ordering::Relaxed),
        removed_entries: surplus.entries,
    });
    Ok(written)
}
