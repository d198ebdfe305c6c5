use crate::app::Session;
use crate::commands::{Outcome, open_repository};
use crate::exit::ExitStatus;
use crate::render::{Align, Table, described, units};
use cadena::replica::{ReplicaState, load_states};
use serde::Serialize;

/// A replica as it is configured, and what is known of it.
#[derive(Serialize)]
struct Listed {
    name: String,
    configured: bool,
    #[serde(flatten)]
    state: ReplicaState,
}

/// Lists every replica: those of the configuration, and those that were once.
pub fn run(session: &Session) -> Outcome {
    let repository = open_repository(session)?;
    let mut states = load_states(&repository)?;
    let mut all = Vec::new();
    for config in &session.settings.replicas {
        let known = states.iter().position(|state| state.name == config.name).map(|at| states.remove(at));
        let fresh = || ReplicaState {
            provider: config.provider().to_owned(),
            location: config.location(),
            ..ReplicaState::default()
        };
        all.push(Listed { name: config.name.clone(), configured: true, state: known.unwrap_or_else(fresh) });
    }
    all.extend(states.into_iter().map(|state| Listed { name: state.name.clone(), configured: false, state }));
    session.screen.result(&serde_json::json!({ "replicas": all }), || text(session, &all))?;
    let fails = all.iter().any(|one| one.configured && one.state.failing_since.is_some());
    Ok(if fails { ExitStatus::Warnings } else { ExitStatus::Success })
}

fn text(session: &Session, all: &[Listed]) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    if all.is_empty() {
        return locale.say("replica-none") + "\n";
    }
    let mut table = Table::new(vec![
        (locale.say("column-name"), Align::Left),
        (locale.say("column-provider"), Align::Left),
        (locale.say("column-backups"), Align::Right),
        (locale.say("column-behind"), Align::Right),
        (locale.say("column-wal-there"), Align::Left),
        (locale.say("column-complete"), Align::Left),
        (locale.say("column-place"), Align::Left),
    ]);
    let mut remarks = String::new();
    for Listed { name, configured, state } in all {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let behind = state.backlog.backups + state.backlog.segments;
        table.row(vec![
            name.clone(),
            state.provider.clone(),
            state.backups.len().to_string(),
            if behind > 0 { units::size(state.backlog.bytes, locale.language()) } else { "-".to_owned() },
            or_dash(state.wal.as_ref().map(|wal| wal.segment.clone())),
            or_dash(state.complete_at.map(|at| units::local_time(at, zone))),
            state.location.clone(),
        ]);
        if let Some(since) = state.failing_since {
            let reason = state.error.as_ref().map_or_else(String::new, |error| described(error, locale, zone));
            let since = units::local_time(since, zone);
            let values = [("replica", name.as_str().into()), ("since", since.into()), ("reason", reason.into())];
            remarks.push_str(&(locale.say_with("attention-replica-failing", &values) + "\n"));
        }
        if !configured {
            remarks.push_str(&(locale.say_with("replica-former", &[("replica", name.as_str().into())]) + "\n"));
        }
    }
    table.text() + &remarks
}
