//! `cadena windows`: the exact intervals that can be restored, and what lies between them.

use super::{Outcome, open_repository};
use crate::app::Session;
use crate::exit::ExitStatus;
use crate::render::{Align, Table, described, units};
use cadena::wal::{RestorableWindows, windows};

/// Shows every window and every gap.
pub fn run(session: &Session) -> Outcome {
    let found = windows(&open_repository(session)?)?;
    session.screen.result(&found, || text(session, &found))?;
    Ok(if found.findings.is_empty() { ExitStatus::Success } else { ExitStatus::Warnings })
}

fn text(session: &Session, found: &RestorableWindows) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    if found.windows.is_empty() && found.isolated_backups.is_empty() {
        return locale.say("windows-none");
    }
    let mut table = Table::new(vec![
        (locale.say("column-timeline"), Align::Right),
        (locale.say("column-from"), Align::Left),
        (locale.say("column-until"), Align::Left),
        (locale.say("column-from-lsn"), Align::Left),
        (locale.say("column-until-lsn"), Align::Left),
        (locale.say("column-backups"), Align::Left),
    ]);
    for window in &found.windows {
        let ids: Vec<String> = window.backups.iter().map(ToString::to_string).collect();
        table.row(vec![
            window.timeline.0.to_string(),
            units::exact_time(window.first_time, zone),
            units::exact_time(window.last_time, zone),
            window.first_lsn.to_string(),
            window.last_lsn.to_string(),
            ids.join(", "),
        ]);
    }
    let mut text = if found.windows.is_empty() { String::new() } else { table.text() };
    for gap in &found.gaps {
        let values = [
            ("timeline", gap.timeline.0.to_string().into()),
            ("from", gap.from_lsn.to_string().into()),
            ("to", gap.to_lsn.to_string().into()),
            ("size", units::size(gap.to_lsn.0.saturating_sub(gap.from_lsn.0), locale.language()).into()),
            ("cause", described(&gap.cause, locale, zone).into()),
        ];
        text.push_str(&(locale.say_with("windows-gap", &values) + "\n"));
    }
    for id in &found.isolated_backups {
        text.push_str(&(locale.say_with("windows-isolated", &[("id", id.0.into())]) + "\n"));
    }
    for window in &found.windows {
        for point in &window.restore_points {
            let values = [
                ("name", point.name.as_str().into()),
                ("time", units::exact_time(point.time, zone).into()),
                ("lsn", point.lsn.to_string().into()),
            ];
            text.push_str(&(locale.say_with("windows-point", &values) + "\n"));
        }
    }
    for finding in &found.findings {
        text.push_str(&(described(finding, locale, zone) + "\n"));
    }
    text
}
