use super::report::REPORT_VERSION;
use super::{Assertion, AssertionOutcome, DrillFinding, DrillReport, DrillTimes, amcheck, assertions, evidence, pages};
use crate::cluster::ClusterError;
use crate::restore::{
    RecoveryTarget, RestoreError, RestoreNote, RestorePlan, RestoreSelector, ThrowAway, ThrowAwayPlan, ThrowAwayRequest,
};
use crate::verify::finding::Findings;
use crate::wal::windows;
use crate::{Cancel, Error, Progress};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Instant;
use vault::repository::{BackupId, BackupRecord, Repository};

/// What is to be proved.
#[derive(Debug, Clone)]
pub struct DrillRequest {
    /// The point, and how the throw-away cluster is made.
    pub throw_away: ThrowAwayRequest,
    /// What must be true there.
    pub assertions: Vec<Assertion>,
    /// Whether `pg_amcheck` is run, where it is found.
    pub amcheck: bool,
    /// Who asks, such as `user@host`.
    pub by: String,
}

/// What was seen of a cluster.
#[derive(Default)]
struct Seen {
    recovered_lsn: Option<pgformat::Lsn>,
    recovery_seconds: f64,
    rto_seconds: f64,
    pages: Option<u64>,
    amcheck: Value,
    assertions: Vec<AssertionOutcome>,
}

/// Restores a chain, looks at all of it, and leaves the evidence. What is wrong with backups, WAL or the restored cluster is a finding of the
/// report; where the report lies in the repository is returned beside it.
///
/// # Errors
/// What keeps a drill from being held at all, and says nothing of the backups: no programs, no room, no backup, a storage that can't be
/// read. Nothing is entered then.
///
/// # Cancellation
/// Ends with `cancelled`; nothing is entered, and nothing is left behind.
pub fn drill(
    repository: &Repository,
    request: &DrillRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(DrillReport, String), Error> {
    let (started_at, begin) = (Timestamp::now(), Instant::now());
    let mut findings = Findings::default();
    let plan = match ThrowAwayPlan::make(repository, request.throw_away.clone()) {
        Ok(plan) => Some(plan),
        Err(error) => {
            enter(error, &mut findings)?;
            None
        }
    };
    let subject = subject(repository, request, plan.as_ref().map(|plan| &plan.restore))?;
    let restored_bytes = plan.as_ref().map_or(0, |plan| plan.restore.plain_bytes);
    let recovery = plan.as_ref().and_then(|plan| plan.restore.recovery.clone());
    let backups: Vec<BackupId> =
        plan.iter().flat_map(|plan| plan.restore.backups.iter().map(|backup| backup.id)).collect();
    // A newer backup that can't be restored is what a drill is for, even where an older one leads to the point as well.
    for note in plan.iter().flat_map(|plan| &plan.restore.notes) {
        if matches!(note, RestoreNote::RestorePassedOver { .. }) {
            findings.error(note);
        }
    }
    if let Some(plan) = &plan
        && let Err(error) = find_gaps(repository, request, &plan.restore, &mut findings)
    {
        enter(error, &mut findings)?;
    }
    let mut seen = Seen::default();
    if let Some(plan) = plan {
        match plan.raise(repository, progress, cancel) {
            Ok(throw_away) => {
                seen.rto_seconds = begin.elapsed().as_secs_f64();
                look(throw_away, request, subject.as_ref(), &mut seen, &mut findings, progress, cancel)?;
            }
            Err(error) => enter(error, &mut findings)?,
        }
    }
    let findings = findings.into_list();
    let seconds = begin.elapsed().as_secs_f64();
    let last_commit = recovery.as_ref().and_then(|recovery| recovery.last_commit);
    let named_time = match &request.throw_away.recovery.target {
        RecoveryTarget::Time(at) => Some(*at),
        _ => None,
    };
    // Whatever was committed while the backup was taken may be there or not; what was before it is.
    let backup_start = subject.as_ref().map(|record| record.started_at);
    let report = DrillReport {
        report_version: REPORT_VERSION,
        result: DrillReport::judge(&findings),
        started_at,
        finished_at: Timestamp::now(),
        by: request.by.clone(),
        backup_id: subject.as_ref().map(|record| record.id),
        archive_name: subject.as_ref().map(|record| record.archive_name.clone()),
        backups,
        target_time: named_time.or(last_commit.map(|commit| commit.time)).or(backup_start),
        target_lsn: recovery
            .as_ref()
            .map(|recovery| recovery.stop_lsn)
            .or(subject.as_ref().and_then(|record| record.stop_lsn)),
        recovered_lsn: seen.recovered_lsn,
        last_commit,
        times: DrillTimes {
            rto_seconds: seen.rto_seconds,
            recovery_seconds: seen.recovery_seconds,
            check_seconds: if seen.rto_seconds > 0.0 { seconds - seen.rto_seconds } else { 0.0 },
            seconds,
        },
        restored_bytes,
        pages: seen.pages,
        amcheck: seen.amcheck,
        assertions: seen.assertions,
        findings,
    };
    let key = evidence::leave(repository, &report)?;
    Ok((report, key))
}

/// Looks at a cluster that has come up: with its server, then at its files.
fn look(
    throw_away: ThrowAway,
    request: &DrillRequest,
    record: Option<&BackupRecord>,
    seen: &mut Seen,
    findings: &mut Findings,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), Error> {
    seen.recovered_lsn = throw_away.started.recovered_lsn;
    seen.recovery_seconds = throw_away.started.seconds;
    seen.assertions = assertions::ask_all(&throw_away, &request.assertions, findings, cancel)?;
    seen.amcheck = match request.amcheck {
        true => {
            let search = &request.throw_away.search;
            amcheck::run(&throw_away, search, request.throw_away.jobs, findings, cancel)?
        }
        false => json!({ "key": "drill-amcheck-off" }),
    };
    // What was written to the files only now belongs to them, too. What has been seen is worth its report, whatever happens from here on.
    if let Err(error) = throw_away.started.server.stop(false) {
        cancel.check()?;
        findings.error(&DrillFinding::DrillRemains { detail: error.to_string() });
        close(throw_away, findings);
        return Ok(());
    }
    if let Some(record) = record.filter(|record| record.data_checksums) {
        let data_directory = &throw_away.started.server.data_directory;
        seen.pages = Some(pages::check_all(data_directory, record, findings, progress, cancel)?);
    }
    close(throw_away, findings);
    Ok(())
}

fn close(throw_away: ThrowAway, findings: &mut Findings) {
    if let Err(error) = throw_away.close() {
        findings.warning(&DrillFinding::DrillRemains { detail: error.to_string() });
    }
}

/// A restore to the newest state ends before a gap, and says nothing of what was archived behind it.
fn find_gaps(
    repository: &Repository,
    request: &DrillRequest,
    plan: &RestorePlan,
    findings: &mut Findings,
) -> Result<(), Error> {
    let is_newest = request.throw_away.recovery.target == RecoveryTarget::Latest
        && request.throw_away.selector == RestoreSelector::Latest;
    let Some(newest) = plan.backups.last().filter(|_| is_newest) else { return Ok(()) };
    let stop_lsn = plan.recovery.as_ref().map(|recovery| recovery.stop_lsn).or(newest.stop_lsn);
    // What an older timeline has behind the place where it was left is no part of the newest state.
    let timeline = plan.recovery.as_ref().and_then(|recovery| recovery.timelines.last().copied()).or(newest.timeline);
    for gap in windows(repository)?.gaps {
        if Some(gap.timeline) == timeline && Some(gap.to_lsn) > stop_lsn {
            findings.error(&DrillFinding::DrillGap { gap });
        }
    }
    Ok(())
}

/// Returns the backup that the drill is of: that of the plan; without one, the one that was asked for.
fn subject(
    repository: &Repository,
    request: &DrillRequest,
    plan: Option<&RestorePlan>,
) -> Result<Option<BackupRecord>, Error> {
    if let Some(plan) = plan {
        return Ok(plan.backups.last().cloned());
    }
    match request.throw_away.selector {
        RestoreSelector::Backup(id) => Ok(Some(repository.record(id)?)),
        // Its record may be what is damaged.
        RestoreSelector::Latest => Ok(repository.latest().ok()),
    }
}

/// Makes an error a finding if it tells of backups, WAL or the restored cluster.
fn enter(error: Error, findings: &mut Findings) -> Result<(), Error> {
    if let Error::Cluster(ClusterError::ClusterStart { detail, .. }) = &error {
        findings.error(&DrillFinding::DrillServer { detail: detail.clone() });
        return Ok(());
    }
    let key = error.key();
    let of_backups = matches!(error, Error::Archive(_) | Error::Chain(_) | Error::Format(_) | Error::WalArchive(_))
        || key.starts_with("repository-archive")
        || matches!(
            &error,
            Error::Restore(
                RestoreError::RestoreWalMissing { .. }
                    | RestoreError::RestoreWalDamaged { .. }
                    | RestoreError::RestoreIncomplete { .. }
                    | RestoreError::RestoreMismatch { .. }
                    | RestoreError::RestoreContent { .. }
                    | RestoreError::RestoreEndedShort { .. }
                    | RestoreError::RestoreTargetUnreachable { .. }
            )
        );
    if of_backups {
        findings.error(&error);
        Ok(())
    } else {
        Err(error)
    }
}
