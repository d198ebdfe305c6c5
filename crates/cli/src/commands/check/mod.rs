//! `cadena check`: every precondition of a backup, each with its remedy. Changes nothing.

mod catalog;
mod cluster;
mod item;
mod repository;

use super::Outcome;
use crate::app::Session;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use cadena::cluster::{ClusterInfo, Connection, probe};
use item::{CheckItem, CheckState, Checklist};
use serde::Serialize;

#[derive(Serialize)]
struct CheckReport {
    state: CheckState,
    checks: Vec<CheckItem>,
}

/// Checks configuration, server, reader, repository and programs; a failing one does not end the list.
pub fn run(session: &Session) -> Outcome {
    let mut list = Checklist::new(session);
    configuration(&mut list);
    let server = connection(&mut list);
    let cluster = server.map(|(mut connection, cluster)| {
        cluster::check(&mut list, &mut connection, &cluster);
        catalog::check(&mut list, &mut connection);
        cluster
    });
    repository::check(&mut list, cluster.as_ref());
    let checks = list.into_items();
    let state = checks.iter().map(|item| item.state).max().unwrap_or(CheckState::Ok);
    let report = CheckReport { state, checks };
    session.screen.result(&report, || text(session, &report))?;
    Ok(if report.state == CheckState::Fail { ExitStatus::Refused } else { ExitStatus::Success })
}

fn configuration(list: &mut Checklist<'_>) {
    match &list.session().settings.config_file {
        Some(file) => list.add(CheckState::Ok, "check-config-file", &[("file", file.display().to_string().into())]),
        None => list.add(CheckState::Ok, "check-config-none", &[]),
    }
}

/// Connects and probes; what goes wrong becomes a failed check.
fn connection(list: &mut Checklist<'_>) -> Option<(Connection, ClusterInfo)> {
    let attempt = || -> Result<(Connection, ClusterInfo), Failure> {
        let mut connection = Connection::connect(&list.session().settings.connection)?;
        let cluster = probe(&mut connection)?;
        Ok((connection, cluster))
    };
    match attempt() {
        Ok((connection, cluster)) => {
            let version = cluster.server_version.clone();
            let values = [("target", connection.target().into()), ("version", version.into())];
            list.add(CheckState::Ok, "check-connection", &values);
            Some((connection, cluster))
        }
        Err(failure) => {
            list.add_failure(CheckState::Fail, "check-connection", &failure);
            None
        }
    }
}

fn text(session: &Session, report: &CheckReport) -> String {
    let locale = &session.locale;
    let label = |state| match state {
        CheckState::Ok => locale.say("check-state-ok"),
        CheckState::Warn => locale.say("check-state-warn"),
        CheckState::Fail => locale.say("check-state-fail"),
    };
    let states = [CheckState::Ok, CheckState::Warn, CheckState::Fail];
    let width = states.into_iter().map(|state| label(state).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for item in &report.checks {
        text.push_str(&format!("{:width$}  {}\n", label(item.state), item.message));
        if let Some(remedy) = &item.remedy {
            text.push_str(&format!("{:width$}  -> {remedy}\n", ""));
        }
    }
    let closing = match report.state {
        CheckState::Ok => locale.say("check-result-ok"),
        CheckState::Warn => locale.say("check-result-warn"),
        CheckState::Fail => locale.say("check-result-fail"),
    };
    format!("{text}\n{closing}\n")
}
