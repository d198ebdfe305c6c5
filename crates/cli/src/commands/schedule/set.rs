use super::{Outcome, job_name, open_repository, rule_words, schedule};
use crate::app::Session;
use crate::args::ScheduleSetOptions;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::units;
use cadena::scheduler::{JobTime, Rule, ScheduleError, set_rule, view};
use serde_json::json;

/// Changes when a job runs. The rule goes into the repository, where a running daemon sees it.
pub fn run(session: &Session, options: &ScheduleSetOptions) -> Outcome {
    refuse_fixed(session, options)?;
    let repository = open_repository(session)?;
    let present = schedule(session, &repository)?;
    let rule = wanted(options, present.rule(options.job))?;
    set_rule(&repository, options.job, rule.as_ref())?;

    let changed = schedule(session, &repository)?;
    let job = view(&changed, None, jiff::Timestamp::now(), 1).into_iter().find(|view| view.job == options.job);
    let next = job.as_ref().and_then(|job| job.next.first().copied());
    let rule = changed.rule(options.job);
    let value = json!({ "job": options.job, "rule": rule, "next": next });
    session.screen.result(&value, || {
        let locale = &session.locale;
        let words = [
            ("job", job_name(options.job, locale).into()),
            ("rule", rule_words(rule, locale).into()),
            ("next", next.map_or_else(|| "-".to_owned(), |next| units::local_time(next, session.zone())).into()),
        ];
        locale.say_with("schedule-set", &words)
    })?;
    Ok(ExitStatus::Success)
}

/// What the configuration file says wins; setting something else would look as if it had been heard.
fn refuse_fixed(session: &Session, options: &ScheduleSetOptions) -> Result<(), Failure> {
    if !session.settings.schedule.contains_key(&options.job) {
        return Ok(());
    }
    let file = session.settings.config_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    let (job, name) = (options.job.word().to_owned(), options.job.config_key().to_owned());
    Err(ScheduleError::ScheduleFixed { job, file, name }.into())
}

/// Returns the rule that is asked for; `None` for the default. What is not named stays as it is: another hour for the FULL leaves
/// its day.
fn wanted(options: &ScheduleSetOptions, present: &Rule) -> Result<Option<Rule>, Failure> {
    if options.default {
        return Ok(None);
    }
    if options.off {
        return Ok(Some(Rule::Off));
    }
    if let Some(rule) = &options.cron {
        return Ok(Some(rule.clone()));
    }
    let present = match present {
        Rule::Time(time) => *time,
        Rule::Off | Rule::Cron(_) => JobTime { day: None, weekday: None, hour: 0, minute: 0 },
    };
    let (day, weekday) = match (options.day, options.weekday) {
        (None, None) => (present.day, present.weekday),
        named => named,
    };
    let hour = options.hour.unwrap_or(present.hour);
    let minute = options.minute.unwrap_or(present.minute);
    Ok(Some(Rule::at(JobTime { day, weekday, hour, minute })?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cadena::scheduler::Job;

    fn options() -> ScheduleSetOptions {
        ScheduleSetOptions {
            job: Job::Full,
            day: None,
            weekday: None,
            hour: None,
            minute: None,
            cron: None,
            off: false,
            default: false,
        }
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let monthly = Rule::Time(JobTime { day: Some(1), weekday: None, hour: 0, minute: 30 });
        let rule = |options: ScheduleSetOptions, present: &Rule| match wanted(&options, present) {
            Ok(rule) => rule,
            Err(failure) => panic!("{}", failure.english()),
        };
        let time = |day, weekday, hour, minute| Some(Rule::Time(JobTime { day, weekday, hour, minute }));
        assert_eq!(rule(ScheduleSetOptions { hour: Some(4), ..options() }, &monthly), time(Some(1), None, 4, 30));
        assert_eq!(rule(ScheduleSetOptions { weekday: Some(6), ..options() }, &monthly), time(None, Some(6), 0, 30));
        let cron = Rule::Cron("*/5 * * * *".to_owned());
        assert_eq!(rule(ScheduleSetOptions { hour: Some(23), ..options() }, &cron), time(None, None, 23, 0));
        assert_eq!(rule(ScheduleSetOptions { off: true, ..options() }, &monthly), Some(Rule::Off));
        assert_eq!(rule(ScheduleSetOptions { default: true, ..options() }, &monthly), None);
    }
}
