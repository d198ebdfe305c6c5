use super::{Job, Pattern, Rule, ScheduleError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;

/// Rules by job: what somebody said, as opposed to the defaults.
pub type Rules = BTreeMap<Job, Rule>;

/// Who says when a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSource {
    /// Nobody: the seed's times.
    Default,
    /// `schedule.json` in the repository.
    Repository,
    /// `[schedule]` in `cadena.toml`.
    ConfigFile,
}

/// When everything runs, in one time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    zone: TimeZone,
    jobs: [JobSchedule; Job::ALL.len()],
}

#[derive(Debug, Clone)]
struct JobSchedule {
    rule: Rule,
    source: RuleSource,
    pattern: Pattern,
}

impl Schedule {
    /// Brings the rules together: the configuration file's win over the repository's, both over the defaults, job by job.
    ///
    /// # Errors
    /// Those of [`Pattern::of`], for a rule that was not made by this library.
    pub fn of(file: &Rules, repository: &Rules, zone: TimeZone) -> Result<Schedule, ScheduleError> {
        let job = |job: Job| -> Result<JobSchedule, ScheduleError> {
            let (rule, source) = match (file.get(&job), repository.get(&job)) {
                (Some(rule), _) => (rule.clone(), RuleSource::ConfigFile),
                (None, Some(rule)) => (rule.clone(), RuleSource::Repository),
                (None, None) => (job.default_rule(), RuleSource::Default),
            };
            let pattern = Pattern::of(&rule)?;
            Ok(JobSchedule { rule, source, pattern })
        };
        let jobs = [
            job(Job::Full)?,
            job(Job::Differential)?,
            job(Job::Incremental)?,
            job(Job::Validate)?,
            job(Job::Cleanup)?,
            job(Job::Drill)?,
        ];
        Ok(Schedule { zone, jobs })
    }

    /// Returns a job's rule.
    pub fn rule(&self, job: Job) -> &Rule {
        &self.job(job).rule
    }

    /// Returns who set it.
    pub fn source(&self, job: Job) -> RuleSource {
        self.job(job).source
    }

    /// Returns the zone that times of day are meant in.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Returns the first due time of a job after `instant`; `None` when it is off.
    pub fn next_after(&self, job: Job, instant: Timestamp) -> Option<Timestamp> {
        self.job(job).pattern.next_after(&self.zone, instant)
    }

    /// Returns the last due time of a job after `after` and not after `until`.
    pub fn latest_due(&self, job: Job, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        self.job(job).pattern.latest_due(&self.zone, after, until)
    }

    fn job(&self, job: Job) -> &JobSchedule {
        &self.jobs[job.index()]
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Schedule) -> bool {
        self.zone == other.zone
            && Job::ALL.iter().all(|job| self.rule(*job) == other.rule(*job) && self.source(*job) == other.source(*job))
    }
}
