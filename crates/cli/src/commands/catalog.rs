//! `cadena catalog sync|rebuild|install`: the catalog in the database.

use super::catalog_hook::CatalogWords;
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::{CatalogAction, CatalogOptions};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{Align, Table};
use cadena::catalog::{CatalogError, CatalogState, RowCounts, SyncReport, install, rebuild, state, sync};
use cadena::cluster::Connection;
use cadena::repository::RepositoryError;
use serde::Serialize;

#[derive(Serialize)]
struct CatalogReport {
    /// Whom the catalog was written to.
    target: String,
    state: CatalogState,
    /// `None` when there is no repository yet.
    rows: Option<SyncReport>,
}

/// Makes the catalog, or brings it to what the repository says.
pub fn run(session: &Session, options: &CatalogOptions) -> Outcome {
    let mut connection = Connection::connect(&session.settings.connection)?;
    let (rows, headline) = match options.action {
        CatalogAction::Sync => (Some(bring_up(session, &mut connection, sync)?), "catalog-synced"),
        CatalogAction::Rebuild => (Some(bring_up(session, &mut connection, rebuild)?), "catalog-rebuilt"),
        CatalogAction::Install => (make(session, &mut connection)?, "catalog-installed"),
    };
    let report = CatalogReport { target: connection.target(), state: state(&mut connection)?, rows };
    session.screen.result(&report, || text(session, &report, headline))?;
    let is_whole = report.rows.is_none_or(|rows| rows.unreadable_records == 0 && rows.unreadable_lines == 0);
    Ok(if is_whole { ExitStatus::Success } else { ExitStatus::Warnings })
}

type BringUp = fn(
    &mut Connection,
    &cadena::repository::Repository,
    &dyn cadena::catalog::Words,
) -> Result<SyncReport, CatalogError>;

fn bring_up(session: &Session, connection: &mut Connection, how: BringUp) -> Result<SyncReport, Failure> {
    Ok(how(connection, &open_repository(session)?, &CatalogWords::of(session))?)
}

/// Makes the catalog and, if there is a repository, fills it.
pub fn make(session: &Session, connection: &mut Connection) -> Result<Option<SyncReport>, Failure> {
    install(connection)?;
    match cadena::repository::Repository::open(super::storage(session)?) {
        Ok(repository) => Ok(Some(sync(connection, &repository, &CatalogWords::of(session))?)),
        Err(RepositoryError::RepositoryAbsent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn text(session: &Session, report: &CatalogReport, headline: &str) -> String {
    let locale = &session.locale;
    let headline = locale.text(headline, &[("target", report.target.as_str().into())]);
    let Some(rows) = &report.rows else { return headline + "\n" };
    let mut table = Table::new(vec![
        (locale.say("column-table"), Align::Left),
        (locale.say("catalog-inserted"), Align::Right),
        (locale.say("catalog-updated"), Align::Right),
        (locale.say("catalog-deleted"), Align::Right),
    ]);
    let tables = [
        ("backup_manifest", rows.manifest),
        ("backup_chain", rows.chain),
        ("backup_validation", rows.validation),
        ("backup_event", rows.event),
    ];
    for (name, RowCounts { inserted, updated, deleted }) in tables {
        table.row(vec![name.to_owned(), inserted.to_string(), updated.to_string(), deleted.to_string()]);
    }
    let mut text = format!("{headline}\n\n{}", table.text());
    if rows.unreadable_records > 0 {
        text += &(locale.say_with("catalog-unreadable-records", &[("count", rows.unreadable_records.into())]) + "\n");
    }
    if rows.unreadable_lines > 0 {
        text += &(locale.say_with("catalog-unreadable-lines", &[("count", rows.unreadable_lines.into())]) + "\n");
    }
    text
}
