//! `cadena schedule`: when does what run, and when should it?

mod set;
mod show;

use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::{ScheduleCommand, ScheduleOptions};
use crate::failure::Failure;
use crate::locale::Locale;
use cadena::repository::Repository;
use cadena::scheduler::{Job, Rule, Schedule, stored_rules};

/// Shows the schedule, or changes it.
pub fn run(session: &Session, options: &ScheduleOptions) -> Outcome {
    match &options.command {
        ScheduleCommand::Show => show::run(session),
        ScheduleCommand::Set(options) => set::run(session, options),
    }
}

/// Returns the schedule as a daemon with these settings would run it.
pub(super) fn schedule(session: &Session, repository: &Repository) -> Result<Schedule, Failure> {
    Ok(Schedule::of(&session.settings.schedule, &stored_rules(repository)?, session.zone().clone())?)
}

/// Returns a job's name in the user's language.
fn job_name(job: Job, locale: &Locale) -> String {
    match job {
        Job::Validate => locale.say("job-validate"),
        Job::Cleanup => locale.say("job-cleanup"),
        Job::Drill => locale.say("job-drill"),
        Job::Full => locale.say("kind-full"),
        Job::Differential => locale.say("kind-differential"),
        Job::Incremental => locale.say("kind-incremental"),
    }
}

/// Says when a rule lets a job run.
fn rule_words(rule: &Rule, locale: &Locale) -> String {
    let time = match rule {
        Rule::Off => return locale.say("schedule-off"),
        Rule::Cron(pattern) => return locale.say_with("schedule-cron", &[("pattern", pattern.as_str().into())]),
        Rule::Time(time) => time,
    };
    let at = ("time", format!("{:02}:{:02}", time.hour, time.minute).into());
    match (time.day, time.weekday) {
        (Some(day @ 29..), _) => locale.say_with("schedule-monthly-or-last", &[("day", day.into()), at]),
        (Some(day), _) => locale.say_with("schedule-monthly", &[("day", day.into()), at]),
        (None, Some(weekday)) => locale.say_with("schedule-weekly", &[("weekday", weekday.into()), at]),
        (None, None) => locale.say_with("schedule-daily", &[at]),
    }
}
