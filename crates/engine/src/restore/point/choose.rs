//! Which backup does recovery begin with, along which path, and where does it stop?

use super::refusal::{damaged, list_text, target_text, unreachable};
use super::request::{RecoveryRequest, RecoveryTarget, TimelineChoice};
use super::search::{Answer, Nearest, Stop, after_record, at_end, by_lsn, by_time};
use super::work::{RecoveryWork, work_for};
use crate::Error;
use crate::restore::{RestoreError, RestoreNote, RestoreSelector};
use crate::wal::{BrokenBackup, KnownWal, PathLog, ReceiverState, TimelinePath, receiver_state};
use pgformat::wal::{SegmentSummary, SummaryPoint};
use pgformat::{TimelineId, WalSegment};
use std::collections::BTreeMap;
use vault::repository::{BackupRecord, Repository, RepositoryError};
use vault::wal::{WalArchiveError, WalContents};

/// The outcome.
pub(in crate::restore) struct Choice {
    pub record: BackupRecord,
    /// `None` when recovery ends with the backup, as it would without any archived WAL.
    pub work: Option<RecoveryWork>,
    /// Which backups were passed over.
    pub notes: Vec<RestoreNote>,
}

/// Chooses for every target but the backup's end. `only` is the one backup that may be used.
///
/// # Errors
/// `RestoreTargetUnreachable`, `RestoreTargetAmbiguous`, `RestoreUnknownTimeline`, `RestoreUnknownPoint`, `RestoreWalMissing`,
/// `RestoreWalDamaged`; the reason why the chain is broken of the backups that alone lead there; repository, archive and storage
/// errors.
pub(in crate::restore) fn choose(
    repository: &Repository,
    request: &RecoveryRequest,
    selector: RestoreSelector,
) -> Result<Choice, Error> {
    let known = KnownWal::look(repository)?;
    let receiver = receiver_state(repository)?.map(|(state, _)| state);
    let only = match selector {
        RestoreSelector::Latest => None,
        RestoreSelector::Backup(id) => Some(id),
    };
    let search = Search { known: &known, target: &request.target, receiver: receiver.as_ref(), only };
    if request.target == RecoveryTarget::Latest && known.archive.is_none() && only.is_none() {
        return Ok(Choice { record: repository.latest()?, work: None, notes: Vec::new() });
    }
    let path = known.path(chosen_timeline(&known, request.timeline)?);
    match search.along(&path)? {
        Found::Stop(found) => found.choice(&search, &path),
        Found::Nothing(nearest) => {
            let others = known.timelines().into_iter().filter(|timeline| *timeline != path.timeline());
            let leads = |timeline: &TimelineId| matches!(search.along(&known.path(*timeline)), Ok(Found::Stop(_)));
            let timelines: Vec<TimelineId> = others.filter(leads).collect();
            Err(unreachable(&known, &path, &request.target, &nearest, &timelines).into())
        }
    }
}

fn chosen_timeline(known: &KnownWal, choice: TimelineChoice) -> Result<TimelineId, Error> {
    let timelines = known.timelines();
    match choice {
        TimelineChoice::Newest => timelines.last().copied().ok_or_else(|| RepositoryError::RepositoryEmpty {}.into()),
        TimelineChoice::Number(number) if timelines.contains(&number) => Ok(number),
        TimelineChoice::Number(number) => {
            let known = list_text(&timelines.into_iter().collect::<Vec<_>>());
            Err(RestoreError::RestoreUnknownTimeline { timeline: number, known }.into())
        }
    }
}

struct Search<'a> {
    known: &'a KnownWal,
    target: &'a RecoveryTarget,
    receiver: Option<&'a ReceiverState>,
    only: Option<vault::repository::BackupId>,
}

enum Found<'a> {
    Stop(FoundStop<'a>),
    Nothing(Nearest),
}

struct FoundStop<'a> {
    record: &'a BackupRecord,
    stop: Stop,
    /// The contents less a damaged segment, which the stop lies before.
    without: Option<WalContents>,
    /// Newer backups that lead there, too, and whose chain is broken.
    passed_over: Vec<&'a BrokenBackup>,
}

impl FoundStop<'_> {
    fn choice(&self, search: &Search<'_>, path: &TimelinePath) -> Result<Choice, Error> {
        let known = search.known;
        let log = PathLog::new(known, self.without.as_ref().unwrap_or(&known.contents), path, self.record);
        let at_backup_end = Some(self.stop.lsn) == self.record.stop_lsn;
        let work = match log {
            Some(log) if !(at_backup_end && *search.target == RecoveryTarget::Latest) => {
                let made = work_for(known, &log, &self.stop);
                let mut work = made.map_err(|error| damaged(error, |segment| search.nearest_before(&log, segment)))?;
                // The server would ask for the damaged file and be told of it.
                work.must_stage |= self.without.is_some();
                Some(work)
            }
            _ => None,
        };
        let passed_over = self.passed_over.iter().map(|broken| RestoreNote::RestorePassedOver {
            id: broken.record.id.to_string(),
            reason: broken.fault.to_string(),
        });
        Ok(Choice { record: self.record.clone(), work, notes: passed_over.collect() })
    }
}

impl<'a> Search<'a> {
    /// Asks the backups on a path, the newest first.
    fn along(&self, path: &TimelinePath) -> Result<Found<'a>, Error> {
        let sound = self.known.backups.iter().map(|record| (record, None));
        let broken = self.known.broken.iter().map(|broken| (&broken.record, Some(broken)));
        let mut backups: Vec<(&'a BackupRecord, Option<&'a BrokenBackup>)> = sound.chain(broken).collect();
        backups.sort_by_key(|(record, _)| std::cmp::Reverse((record.stop_lsn, record.id)));
        backups.retain(|(record, _)| self.only.is_none_or(|only| record.id == only));
        let point = match self.target {
            RecoveryTarget::Name(name) => Some(self.point(path, name)?),
            _ => None,
        };
        let mut nearest = Nearest::default();
        let mut passed_over: Vec<&'a BrokenBackup> = Vec::new();
        for (record, broken) in backups {
            let Some(log) = PathLog::new(self.known, &self.known.contents, path, record) else { continue };
            let mut without = None;
            let answer = match self.ask(&log, point.as_ref(), &mut nearest) {
                Err(Error::WalArchive(error)) if *self.target != RecoveryTarget::Latest => {
                    self.ask_before_damage(&log, path, point.as_ref(), error, &mut without)?
                }
                answer => answer.map_err(|error| damaged(error, |segment| self.nearest_before(&log, segment)))?,
            };
            match (answer, broken) {
                (Answer::Stop(_), Some(broken)) => passed_over.push(broken),
                (Answer::Stop(stop), None) => {
                    // "Latest" leads somewhere from every backup, be it to an older state than the broken one's: not unasked.
                    if let Some(broken) = passed_over.iter().find(|broken| broken.record.stop_lsn > Some(stop.lsn)) {
                        return Err(RepositoryError::from(broken.fault.clone()).into());
                    }
                    return Ok(Found::Stop(FoundStop { record, stop, without, passed_over }));
                }
                (Answer::TooNew, _) => {}
                // Older backups lead no further.
                (Answer::EndsBefore(end), _) => {
                    nearest.ends = Some(end);
                    break;
                }
            }
        }
        match passed_over.first() {
            Some(broken) => Err(RepositoryError::from(broken.fault.clone()).into()),
            None => Ok(Found::Nothing(nearest)),
        }
    }

    fn ask(&self, log: &PathLog<'_>, point: Option<&SummaryPoint>, nearest: &mut Nearest) -> Result<Answer, Error> {
        match (self.target, point) {
            (RecoveryTarget::Time(time), _) => by_time(log, *time, self.receiver, nearest),
            (RecoveryTarget::Lsn(lsn), _) => by_lsn(log, *lsn, nearest),
            (RecoveryTarget::Name(_), Some(point)) => after_record(log, point.lsn, nearest),
            _ => Ok(Answer::Stop(at_end(&log.tail()?))),
        }
    }

    /// Finds the one restore point of a name on a path.
    fn point(&self, path: &TimelinePath, name: &str) -> Result<SummaryPoint, Error> {
        let points = self.points(path)?;
        let same: Vec<&SummaryPoint> = points.values().filter(|point| point.name == name).collect();
        let tell = |points: &[&SummaryPoint]| {
            let texts: Vec<String> =
                points.iter().map(|point| format!("{} {} ({})", point.name, point.lsn, point.time)).collect();
            if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
        };
        match same.as_slice() {
            [point] => Ok((*point).clone()),
            [] => {
                // The newest are what somebody most likely meant.
                let newest: Vec<&SummaryPoint> = points.values().rev().take(10).collect();
                let mut timelines: Vec<TimelineId> = Vec::new();
                for timeline in self.known.timelines().into_iter().filter(|other| *other != path.timeline()) {
                    let there = self.points(&self.known.path(timeline))?;
                    if there.values().any(|point| point.name == name) {
                        timelines.push(timeline);
                    }
                }
                let (name, known, timelines) = (name.to_owned(), tell(&newest), list_text(&timelines));
                Err(RestoreError::RestoreUnknownPoint { name, known, timelines }.into())
            }
            several => {
                let target = target_text(self.target);
                Err(RestoreError::RestoreTargetAmbiguous { target, found: tell(several) }.into())
            }
        }
    }

    /// Collects the restore points on a path, those at unreadable segments left out.
    fn points(&self, path: &TimelinePath) -> Result<BTreeMap<pgformat::Lsn, SummaryPoint>, Error> {
        let mut points = BTreeMap::new();
        let Some(geometry) = self.known.geometry else { return Ok(points) };
        let size = geometry.segment_size;
        let contents = &self.known.contents;
        let coverage = crate::wal::Coverage { contents, path, size, base: None };
        let mut earlier: Option<(u64, std::sync::Arc<SegmentSummary>)> = None;
        for number in coverage.archived() {
            let Some(piece) = coverage.piece(number) else { continue };
            let Ok(summary) = self.known.summary(piece.segment) else { continue };
            let within = |lsn: pgformat::Lsn| piece.cut_lsn.is_none_or(|cut| lsn < cut);
            let across = earlier
                .filter(|(before, _)| before + 1 == number)
                .and_then(|(_, before)| SegmentSummary::fact_across(&before, &summary, &geometry).ok().flatten());
            if let Some((lsn, pgformat::wal::WalFact::RestorePoint { name, time })) = across {
                points.insert(lsn, SummaryPoint { lsn, name, time });
            }
            for point in summary.restore_points.iter().filter(|point| within(point.lsn)) {
                points.insert(point.lsn, point.clone());
            }
            earlier = Some((number, summary));
        }
        Ok(points)
    }

    /// Asks again with the log ending before a damaged segment: what was before it can still be had.
    ///
    /// # Errors
    /// `RestoreWalDamaged` when the target lies after it; whatever else was wrong.
    fn ask_before_damage(
        &self,
        log: &PathLog<'_>,
        path: &TimelinePath,
        point: Option<&SummaryPoint>,
        error: WalArchiveError,
        without: &mut Option<WalContents>,
    ) -> Result<Answer, Error> {
        let WalArchiveError::WalDamaged { segment: name, .. } = &error else { return Err(error.into()) };
        let mut contents = self.known.contents.clone();
        let size = log.geometry().segment_size;
        if let Ok(segment) = WalSegment::parse(name, size)
            && let Some(found) = contents.timelines.get_mut(&segment.timeline)
        {
            found.segments.remove(&segment.number);
        }
        let answer = match PathLog::new(self.known, &contents, path, log.record) {
            Some(before) if before.run != log.run => self.ask(&before, point, &mut Nearest::default())?,
            _ => Answer::TooNew,
        };
        match answer {
            Answer::Stop(stop) => {
                *without = Some(contents);
                Ok(Answer::Stop(stop))
            }
            _ => Err(damaged(error.into(), |segment| self.nearest_before(log, segment))),
        }
    }

    /// Finds what can be reached with a backup's log before a segment.
    fn nearest_before(&self, log: &PathLog<'_>, segment: &str) -> Nearest {
        let mut nearest = Nearest::default();
        for number in (log.run.first..=log.run.last).take_while(|number| log.name(*number) != segment) {
            let Ok(summary) = log.summary(number) else { break };
            let at = summary.latest_time.filter(|_| number > log.run.first);
            if let Some(lsn) = summary.records_end_lsn {
                nearest.earlier(at, lsn.max(log.base.stop_lsn));
            }
        }
        nearest
    }
}
