//! What the demo tells, step by step and at the end.

use super::compare::{Comparison, TableComparison};
use super::load::WORKERS;
use super::rewind::Rewind;
use super::stage::Stage;
use crate::app::Session;
use crate::failure::Failure;
use crate::render::{Align, Table, kind_name, units};
use cadena::backup::BackupOutcome;
use cadena::cluster::LocalServer;
use cadena::repository::BackupRecord;
use cadena::restore::RestoreOutcome;
use cadena::verify::ValidationReport;
use serde::Serialize;

/// The whole demonstration, for `--json`.
#[derive(Serialize)]
pub struct DemoReport {
    pub postgresql_version: u32,
    /// The FULL, the DIFERENCIAL, the INCREMENTAL.
    pub backups: Vec<BackupRecord>,
    pub backup_seconds: Vec<f64>,
    pub validation: ValidationReport,
    pub restore: RestoreOutcome,
    /// Transactions that the load committed in all, before, while and after the backup was taken.
    pub transactions: u64,
    pub comparison: Comparison,
    pub rewind: Option<Rewind>,
    pub same: bool,
}

impl DemoReport {
    /// Puts the report together.
    pub fn new(
        stage: &Stage,
        backups: Vec<BackupOutcome>,
        validation: ValidationReport,
        restore: RestoreOutcome,
        transactions: u64,
        comparison: Comparison,
    ) -> Self {
        let same =
            comparison.is_same() && validation.is_valid() && validation.sha256_found == validation.sha256_expected;
        DemoReport {
            postgresql_version: stage.version().number(),
            backup_seconds: backups.iter().map(|backup| backup.seconds).collect(),
            backups: backups.into_iter().map(|backup| backup.record).collect(),
            validation,
            restore,
            transactions,
            comparison,
            rewind: None,
            same,
        }
    }
}

/// Says which cluster was made.
pub fn tell_source(session: &Session, stage: &Stage, source: &LocalServer) -> Result<(), Failure> {
    let values = [
        ("version", stage.version().number().to_string().into()),
        ("folder", source.data_directory.display().to_string().into()),
    ];
    session.screen.line(&session.locale.say_with("demo-source", &values))
}

/// Says what was backed up, and its digest.
pub fn tell_backup(session: &Session, backup: &BackupOutcome, transactions: u64) -> Result<(), Failure> {
    let (locale, record) = (&session.locale, &backup.record);
    let values = [
        ("workers", WORKERS.into()),
        ("transactions", transactions.into()),
        ("plain", units::size(record.plain_bytes, locale.language()).into()),
        ("archive", units::size(record.archive_bytes, locale.language()).into()),
        ("duration", units::duration(backup.seconds, locale.language()).into()),
        ("file", record.archive_name.as_str().into()),
        ("sha256", record.sha256.clone().unwrap_or_default().into()),
    ];
    session.screen.line(&locale.say_with("demo-backup", &values))
}

/// Says what one of the smaller backups holds.
pub fn tell_increment(session: &Session, backup: &BackupOutcome) -> Result<(), Failure> {
    let (locale, record) = (&session.locale, &backup.record);
    let values = [
        ("kind", kind_name(record.kind, locale).into()),
        ("archive", units::size(record.archive_bytes, locale.language()).into()),
        ("duration", units::duration(backup.seconds, locale.language()).into()),
        ("file", record.archive_name.as_str().into()),
        ("way", record.changes_found_by.clone().unwrap_or_else(|| "-".to_owned()).into()),
    ];
    session.screen.line(&locale.say_with("demo-increment", &values))
}

/// Says what the validation found.
pub fn tell_validation(session: &Session, validation: &ValidationReport) -> Result<(), Failure> {
    let locale = &session.locale;
    let values = [
        ("sha256", validation.sha256_found.clone().unwrap_or_default().into()),
        ("files", validation.files.into()),
        ("pages", validation.pages.into()),
        ("duration", units::duration(validation.seconds, locale.language()).into()),
    ];
    session.screen.line(&match validation.is_valid() && validation.sha256_found == validation.sha256_expected {
        true => locale.say_with("demo-validated", &values),
        false => locale.say_with("demo-damaged", &values),
    })
}

/// Says where the restored cluster runs.
pub fn tell_restore(
    session: &Session,
    stage: &Stage,
    restored: &RestoreOutcome,
    target: &LocalServer,
) -> Result<(), Failure> {
    let locale = &session.locale;
    let values = [
        ("folder", stage.path(super::stage::RESTORED).display().to_string().into()),
        ("files", restored.files.into()),
        ("duration", units::duration(restored.seconds, locale.language()).into()),
        ("port", target.port.to_string().into()),
    ];
    session.screen.line(&locale.say_with("demo-restored", &values))
}

/// Shows the comparison.
pub fn tell_comparison(session: &Session, report: &DemoReport) -> Result<(), Failure> {
    let locale = &session.locale;
    let values = [
        (
            "lsn",
            report
                .backups
                .last()
                .and_then(|backup| backup.stop_lsn)
                .map(|lsn| lsn.to_string())
                .unwrap_or_default()
                .into(),
        ),
        ("acknowledged", report.comparison.acknowledged.into()),
        ("missing", report.comparison.missing.into()),
        ("restored", report.comparison.restored.into()),
        ("all", report.transactions.into()),
    ];
    let text = locale.say_with("demo-comparison", &values);
    session.screen.line(&format!("{text}\n\n{}\n", comparison_table(session, &report.comparison.tables)))
}

/// Shows what came back.
pub fn tell_rewind(session: &Session, rewind: &Rewind) -> Result<(), Failure> {
    let locale = &session.locale;
    let values = [
        ("instant", units::exact_time(rewind.instant, session.zone()).into()),
        ("lsn", rewind.stop_lsn.map(|lsn| lsn.to_string()).unwrap_or_default().into()),
        ("count", rewind.segments.into()),
    ];
    let text = locale.say_with("demo-rewind", &values);
    session.screen.line(&format!("{text}\n\n{}\n", comparison_table(session, &rewind.tables)))
}

fn comparison_table(session: &Session, tables: &[TableComparison]) -> String {
    let locale = &session.locale;
    let mut table = Table::new(vec![
        (locale.say("column-table"), Align::Left),
        (locale.say("column-rows"), Align::Right),
        (locale.say("column-source"), Align::Left),
        (locale.say("column-restored"), Align::Left),
        (locale.say("column-result"), Align::Left),
    ]);
    let short = |digest: &str| digest.chars().take(16).collect::<String>();
    for one in tables {
        table.row(vec![
            one.table.to_owned(),
            one.restored_rows.to_string(),
            short(&one.source_digest),
            short(&one.restored_digest),
            if one.is_same() { locale.say("demo-same") } else { locale.say("demo-differs") },
        ]);
    }
    table.text()
}

/// Says how it ended.
pub fn closing_text(session: &Session, report: &DemoReport) -> String {
    match report.same {
        true => session.locale.say("demo-success"),
        false => session.locale.say("demo-failure"),
    }
}

/// Says how to reach and how to remove what `--keep` leaves.
pub fn kept_text(session: &Session, stage: &Stage) -> String {
    let mut text = session.locale.say_with("demo-kept", &[("folder", stage.folder().display().to_string().into())]);
    let prefix = stage.owner_name().map(|user| format!("runuser -u {user} -- ")).unwrap_or_default();
    for server in stage.servers() {
        let programs = stage.binaries().folder.display();
        let socket =
            server.socket_folder.as_ref().map(|folder| format!(" -h {}", folder.display())).unwrap_or_default();
        let user = &server.owner.name;
        text.push_str(&format!("\n  {prefix}{programs}/psql{socket} -p {} -U {user} -d postgres", server.port));
        text.push_str(&format!("\n  {prefix}{programs}/pg_ctl stop -D {}", server.data_directory.display()));
    }
    text
}
