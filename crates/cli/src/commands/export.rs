//! `cadena export`: one database as a portable dump, from any point or as it is now.

use super::restore_database::remark_warnings;
use super::throw_away::{Raising, request as throw_away_request};
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::{ExportOptions, UsageError};
use crate::failure::Failure;
use crate::render::units;
use cadena::restore::{DumpParts, ExportOutcome, ExportRequest, ThrowAwayRequest, export_database, export_live};
use std::path::PathBuf;

/// Writes the file. One that exists is never written over.
pub fn run(session: &Session, options: &ExportOptions) -> Outcome {
    let request = request(session, options)?;
    let progress = session.progress();
    let outcome = match options.live {
        // A repository is not needed for that.
        true => export_live(&session.settings.connection, &request, &*progress, &session.cancel)?,
        false => {
            let point = point(session, options)?;
            export_database(&open_repository(session)?, &point, &request, &*progress, &session.cancel)?
        }
    };
    drop(progress);
    session.screen.result(&outcome, || outcome_text(session, &outcome))?;
    Ok(remark_warnings(session, &outcome.warnings))
}

fn request(session: &Session, options: &ExportOptions) -> Result<ExportRequest, Failure> {
    let configured = session.settings.connection.keywords.iter().find(|(name, _)| name == "dbname");
    let database = options.database.clone().or_else(|| configured.map(|(_, name)| name.clone()));
    let Some(database) = database else {
        return Err(UsageError::UsageMissing { arguments: "--database <NAME>".to_owned() }.into());
    };
    let parts = match (options.schema_only, options.data_only) {
        (true, _) => DumpParts::Schema,
        (_, true) => DumpParts::Data,
        _ => DumpParts::All,
    };
    Ok(ExportRequest {
        database,
        file: absolute(options)?,
        parts,
        tables: options.table.clone(),
        schemas: options.schema.clone(),
        search: session.settings.binaries.clone(),
    })
}

fn point(session: &Session, options: &ExportOptions) -> Result<ThrowAwayRequest, Failure> {
    let raised = &options.raised;
    let raising = Raising {
        selector: &options.selector,
        owner: raised.owner.clone(),
        jobs: raised.jobs,
        wal: raised.wal,
        work: &raised.work,
        port: None,
        read_only: false,
    };
    throw_away_request(session, raising)
}

fn absolute(options: &ExportOptions) -> Result<PathBuf, Failure> {
    std::path::absolute(&options.output).map_err(|_| {
        let (argument, value) = ("--output".to_owned(), options.output.display().to_string());
        UsageError::UsageBadValue { argument, value, allowed: "FILE".to_owned() }.into()
    })
}

fn outcome_text(session: &Session, outcome: &ExportOutcome) -> String {
    let language = session.locale.language();
    let values = [
        ("database", outcome.database.as_str().into()),
        ("file", outcome.file.display().to_string().into()),
        ("size", units::size(outcome.file_bytes, language).into()),
        ("duration", units::duration(outcome.seconds, language).into()),
        ("version", outcome.program_version.to_string().into()),
    ];
    session.locale.say_with("export-done", &values)
}
