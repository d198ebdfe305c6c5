use super::{Job, LastRun, Memory, Rule, RuleSource, Schedule};
use jiff::Timestamp;
use serde::Serialize;

/// How one job stands, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobView {
    /// The job.
    pub job: Job,
    /// When it runs.
    pub rule: Rule,
    /// Who says so.
    pub source: RuleSource,
    /// Its next due times; none when it is off.
    pub next: Vec<Timestamp>,
    /// A due time that has passed and is not done; `None` also when the schedule has never run.
    pub pending: Option<Timestamp>,
    /// Since when it runs.
    pub running_since: Option<Timestamp>,
    /// How its last run ended.
    pub last: Option<LastRun>,
}

/// Shows each job with its next `count` due times. `memory` is what the scheduler has left in the repository.
pub fn view(schedule: &Schedule, memory: Option<&Memory>, now: Timestamp, count: usize) -> Vec<JobView> {
    let of_job = |job: Job| {
        let rule = schedule.rule(job);
        let known = memory.and_then(|memory| memory.jobs.get(&job));
        // By a rule that nobody has run yet nothing is overdue.
        let same = known.filter(|known| known.rule == *rule);
        let by_rule = same.and_then(|known| schedule.latest_due(job, known.done_until, now));
        let owed = known.and_then(|known| known.owed).filter(|owed| *owed <= now);
        let running = memory.and_then(|memory| memory.running.as_ref()).filter(|running| running.job == job);
        JobView {
            job,
            rule: rule.clone(),
            source: schedule.source(job),
            next: std::iter::successors(schedule.next_after(job, now), |due| schedule.next_after(job, *due))
                .take(count)
                .collect(),
            pending: by_rule.max(owed),
            running_since: running.map(|running| running.started_at),
            last: known.and_then(|known| known.last.clone()),
        }
    };
    Job::ALL.map(of_job).to_vec()
}
