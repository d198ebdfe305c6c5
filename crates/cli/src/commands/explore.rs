//! `cadena explore`: a cluster as it was at some point, to look around in, gone afterwards.

use super::throw_away::{Raising, request as throw_away_request};
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::ExploreOptions;
use crate::exit::ExitStatus;
use crate::render::{plan_text, units};
use cadena::pgformat::Lsn;
use cadena::restore::{ThrowAway, ThrowAwayPlan};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often ^C, the time and the server are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct ExploreReport {
    socket_folder: Option<PathBuf>,
    port: u16,
    user: String,
    command: String,
    recovered_lsn: Option<Lsn>,
    seconds: f64,
    folder: PathBuf,
}

/// Raises the cluster, says how to reach it, and waits. ^C is the way to end it, not an error.
pub fn run(session: &Session, options: &ExploreOptions, port: Option<u16>) -> Outcome {
    let repository = open_repository(session)?;
    let raised = &options.raised;
    let raising = Raising {
        selector: &options.selector,
        owner: raised.owner.clone(),
        jobs: raised.jobs,
        wal: raised.wal,
        work: &raised.work,
        port,
        read_only: options.read_only,
    };
    let plan = ThrowAwayPlan::make(&repository, throw_away_request(session, raising)?)?;
    session.screen.line(&plan_text(&plan.restore, &session.locale, session.zone()))?;
    let progress = session.progress();
    let throw_away = plan.raise(&repository, &*progress, &session.cancel)?;
    drop(progress);
    let report = report(&throw_away, options.database.as_deref().unwrap_or("postgres"));
    session.screen.result(&report, || ready_text(session, options, &report))?;
    let ended_by_itself = wait(session, options, &throw_away);
    throw_away.close()?;
    let (key, status) = match ended_by_itself {
        true => ("explore-server-ended", ExitStatus::Failed),
        false => ("explore-removed", ExitStatus::Success),
    };
    session.screen.line(&session.locale.text(key, &[]))?;
    Ok(status)
}

fn report(throw_away: &ThrowAway, database: &str) -> ExploreReport {
    let server = &throw_away.started.server;
    let quoted = |word: &str| match word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    let host = server.socket_folder.as_ref().map(|folder| quoted(&folder.display().to_string())).unwrap_or_default();
    let (user, database) = (quoted(&throw_away.superuser), quoted(database));
    ExploreReport {
        command: format!("psql -h {host} -p {} -U {user} -d {database}", server.port),
        socket_folder: server.socket_folder.clone(),
        port: server.port,
        user: throw_away.superuser.clone(),
        recovered_lsn: throw_away.started.recovered_lsn,
        seconds: throw_away.started.seconds,
        folder: throw_away.folder().to_owned(),
    }
}

fn ready_text(session: &Session, options: &ExploreOptions, report: &ExploreReport) -> String {
    let until = match options.for_time {
        Some(time) => {
            let values = [("duration", units::duration(time.as_secs_f64(), session.locale.language()).into())];
            session.locale.say_with("explore-until-time", &values)
        }
        None => session.locale.say("explore-until-stopped"),
    };
    let values = [("command", report.command.as_str().into()), ("until", until.into())];
    session.locale.say_with("explore-ready", &values)
}

/// Waits for ^C, the end of the time, or that of the server; tells whether it was the last.
fn wait(session: &Session, options: &ExploreOptions, throw_away: &ThrowAway) -> bool {
    let deadline = options.for_time.and_then(|time| Instant::now().checked_add(time));
    while !session.cancel.is_cancelled() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        if !throw_away.has_server() {
            return true;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    false
}
