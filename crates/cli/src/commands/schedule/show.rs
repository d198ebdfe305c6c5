use super::{Outcome, job_name, open_repository, rule_words, schedule};
use crate::app::Session;
use crate::exit::ExitStatus;
use crate::render::{Align, Table, described, units};
use cadena::daemon::{DaemonHolder, daemon_holder};
use cadena::scheduler::{JobView, Memory, RuleSource, view};
use serde_json::{Value, json};

/// How many due times are shown in JSON; people see the first.
const NEXT: usize = 3;

/// Shows each job: when it runs, who says so, when it is due next, how its last run ended.
pub fn run(session: &Session) -> Outcome {
    let repository = open_repository(session)?;
    let schedule = schedule(session, &repository)?;
    let memory = Memory::read(&repository)?;
    let daemon = daemon_holder(&repository)?.filter(|daemon| daemon.schedule);
    let mut jobs = view(&schedule, memory.as_ref(), jiff::Timestamp::now(), NEXT);
    if daemon.is_none() {
        // What ran when the daemon died runs no more.
        jobs.iter_mut().for_each(|job| job.running_since = None);
    }
    let zone = session.zone().iana_name().map(str::to_owned);
    let value = json!({ "time_zone": zone, "daemon": daemon, "jobs": jobs });
    session.screen.result(&value, || text(session, &jobs, daemon.as_ref()))?;
    Ok(ExitStatus::Success)
}

fn text(session: &Session, jobs: &[JobView], daemon: Option<&DaemonHolder>) -> String {
    let locale = &session.locale;
    let mut table = Table::new(vec![
        (locale.say("column-job"), Align::Left),
        (locale.say("column-when"), Align::Left),
        (locale.say("column-next"), Align::Left),
        (locale.say("column-last-run"), Align::Left),
        (locale.say("column-set-in"), Align::Left),
    ]);
    for job in jobs {
        let next = job.next.first().map_or_else(|| "-".to_owned(), |next| units::local_time(*next, session.zone()));
        let source = match job.source {
            RuleSource::Default => locale.say("schedule-source-default"),
            RuleSource::Repository => "schedule.json".to_owned(),
            RuleSource::ConfigFile => {
                let file = session.settings.config_file.as_ref();
                file.map_or_else(|| "cadena.toml".to_owned(), |file| file.display().to_string())
            }
        };
        table.row(vec![job_name(job.job, locale), rule_words(&job.rule, locale), next, last_run(session, job), source]);
    }
    let mut text = table.text();
    let line = match daemon {
        Some(daemon) => {
            let values = [("pid", daemon.pid.to_string().into()), ("host", daemon.host.as_str().into())];
            locale.say_with("schedule-daemon", &values)
        }
        None => locale.say("schedule-no-daemon"),
    };
    text.push_str(&line);
    text
}

fn last_run(session: &Session, job: &JobView) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let said = |key: &str, time, what: &Value| {
        let time = units::local_time(time, zone);
        locale.text(key, &[("time", time.into()), ("what", described(what, locale, zone).into())])
    };
    if let Some(since) = job.running_since {
        return locale.say_with("schedule-running", &[("time", units::local_time(since, zone).into())]);
    }
    match &job.last {
        None => "-".to_owned(),
        Some(last) => match (&last.error, &last.note) {
            (Some(error), _) => said("schedule-last-failed", last.finished_at, error),
            (None, note) => said("schedule-last-done", last.finished_at, note.as_ref().unwrap_or(&Value::Null)),
        },
    }
}
