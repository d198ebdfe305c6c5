//! `cadena notify test`: does each channel get through? And what else tells people outside of the daemon.

use super::Outcome;
use super::monitoring::{MessageWords, Monitoring};
use crate::app::Session;
use crate::args::{NotifyCommand, NotifyOptions};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{Problem, problem_of};
use cadena::daemon::daemon_holder;
use cadena::notify::{Answer, NotifyError, send_test};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// How long a command waits, when it has done its work, for messages about it to get through.
const PATIENCE: Duration = Duration::from_secs(20);

/// How one channel fared.
#[derive(Serialize)]
struct Tested {
    channel: String,
    ok: bool,
    answer: Option<Answer>,
    error: Option<Problem>,
}

#[derive(Serialize)]
struct TestReport {
    ok: bool,
    channels: Vec<Tested>,
}

/// Sends a test message through each channel, or the one that is named, and says what the other side answered.
pub fn run(session: &Session, options: &NotifyOptions) -> Outcome {
    let NotifyCommand::Test(options) = &options.command;
    let monitoring = &session.settings.monitoring;
    let is_wanted = |name: &str| options.name.as_deref().is_none_or(|wanted| wanted == name);
    let wanted: Vec<_> = monitoring.channels.iter().filter(|channel| is_wanted(channel.name())).collect();
    if wanted.is_empty() {
        let known = monitoring.channels.iter().map(|channel| channel.name()).collect::<Vec<_>>().join(", ");
        let name = options.name.clone().unwrap_or_default();
        return Err(NotifyError::NotifyNoChannel { name, known }.into());
    }
    let words = MessageWords::of(session);
    let mut channels = Vec::new();
    for channel in wanted {
        let result = channel
            .resolve(&monitoring.environment)
            .map_err(Failure::from)
            .and_then(|settings| Ok(send_test(&settings, words.cluster(), &cadena::storage::host_name(), &words)?));
        let error = result.as_ref().err().map(|failure| problem_of(failure, &session.locale, session.zone()));
        let answer = result.ok();
        channels.push(Tested { channel: channel.name().to_owned(), ok: error.is_none(), answer, error });
    }
    let report = TestReport { ok: channels.iter().all(|channel| channel.ok), channels };
    session.screen.result(&report, || text(session, &report))?;
    Ok(if report.ok { ExitStatus::Success } else { ExitStatus::Failed })
}

fn text(session: &Session, report: &TestReport) -> String {
    let locale = &session.locale;
    let line = |tested: &Tested| match (&tested.answer, &tested.error) {
        (Some(answer), _) => {
            let values = [
                ("channel", tested.channel.as_str().into()),
                ("host", answer.host.as_str().into()),
                ("answer", format!("{} {}", answer.code, answer.text).trim_end().to_owned().into()),
            ];
            locale.say_with("notify-taken", &values) + "\n"
        }
        (None, Some(problem)) => {
            let message = [("channel", tested.channel.as_str().into()), ("message", problem.message.as_str().into())];
            let mut text = locale.say_with("notify-not-taken", &message) + "\n";
            if let Some(remedy) = &problem.remedy {
                text.push_str(&(locale.say_with("problem-remedy", &[("remedy", remedy.as_str().into())]) + "\n"));
            }
            text
        }
        (None, None) => String::new(),
    };
    report.channels.iter().map(line).collect()
}

/// Tells what a command that began at `since` has changed, when there is no daemon that would. What keeps it from being told is no failure of the command.
pub fn tell_without_daemon(session: &Session, since: Timestamp) {
    if session.settings.monitoring.channels.is_empty() {
        return;
    }
    if let Err(failure) = tell(session, since) {
        let problem = problem_of(&failure, &session.locale, session.zone());
        let text = session.locale.say_with("notify-untold", &[("message", problem.message.into())]);
        session.screen.remark(&session.locale.say_with("warning-line", &[("message", text.into())]));
    }
}

fn tell(session: &Session, since: Timestamp) -> Result<(), Failure> {
    // Without a repository nothing has changed in it.
    let Ok(repository) = super::open_repository(session) else { return Ok(()) };
    if daemon_holder(&repository)?.is_some() {
        return Ok(());
    }
    Monitoring::tell_once(session, &repository, since, PATIENCE)
}
