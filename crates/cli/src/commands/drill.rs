//! `cadena validate --level drill`: restores for real, looks at all of it, and throws it away.

use super::Outcome;
use super::catalog_hook::CatalogHook;
use super::open_repository;
use super::throw_away::{Raising, request as throw_away_request};
use crate::app::Session;
use crate::args::{SelectorOptions, ValidateOptions, WalDeliveryArg, WorkOptions};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{described, facts, units};
use cadena::repository::Repository;
use cadena::restore::{DrillReport, DrillRequest, drill};
use cadena::verify::ValidationResult;
use cadena::{Cancel, Progress};
use serde::Serialize;
use serde_json::to_value;

#[derive(Serialize)]
struct Answer<'a> {
    /// Where the report lies in the repository.
    object: &'a str,
    report: &'a DrillReport,
}

/// Holds a drill, and says what it proved.
pub fn run(session: &Session, options: &ValidateOptions) -> Outcome {
    let repository = open_repository(session)?;
    let selector = options.drill.selector(options.id);
    let request = request(session, &selector, options.drill.owner.clone(), &options.drill.work, options.jobs)?;
    let progress = session.progress();
    let held = drill(&repository, &request, &*progress, &session.cancel);
    drop(progress);
    CatalogHook::new(session, &repository).sync_or_tell();
    let (report, object) = held?;
    session.screen.result(&Answer { object: &object, report: &report }, || text(session, &report, &object))?;
    Ok(match report.result {
        ValidationResult::Passed => ExitStatus::Success,
        ValidationResult::Warned => ExitStatus::Warnings,
        ValidationResult::Failed => ExitStatus::Damage,
    })
}

/// The same for the daemon: to the end of the archived WAL.
///
/// # Errors
/// Those of [`drill`].
pub fn hold(
    session: &Session,
    repository: &Repository,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(DrillReport, String), Failure> {
    let latest = SelectorOptions { at: None, lsn: None, name: None, latest: true, backup: None, timeline: None };
    let request = request(session, &latest, None, &WorkOptions { work_dir: None }, None)?;
    Ok(drill(repository, &request, progress, cancel)?)
}

fn request(
    session: &Session,
    selector: &SelectorOptions,
    owner: Option<String>,
    work: &WorkOptions,
    jobs: Option<usize>,
) -> Result<DrillRequest, Failure> {
    let raising = Raising { selector, owner, jobs, wal: WalDeliveryArg::Auto, work, port: None, read_only: false };
    let config = &session.settings.drill;
    Ok(DrillRequest {
        throw_away: throw_away_request(session, raising)?,
        assertions: config.assertions.clone(),
        amcheck: config.amcheck,
        by: session.who(),
    })
}

fn text(session: &Session, report: &DrillReport, object: &str) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let language = locale.language();
    let headline = match report.result {
        ValidationResult::Passed => locale.say("drill-proved"),
        ValidationResult::Warned => locale.say("drill-warned"),
        ValidationResult::Failed => locale.say("drill-failed"),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let chain: Vec<String> = report.backups.iter().map(ToString::to_string).collect();
    let amcheck = match report.amcheck["databases"].as_array().map(Vec::len) {
        Some(count) => locale.say_with("drill-amcheck-ran", &[("count", count.into())]),
        None => match report.amcheck["key"].as_str() {
            Some("drill-amcheck-missing") => locale.say("drill-amcheck-missing"),
            Some("drill-amcheck-refused") => locale.say("drill-amcheck-refused"),
            Some("drill-amcheck-off") => locale.say("drill-amcheck-off"),
            _ => "-".to_owned(),
        },
    };
    let holding = report.assertions.iter().filter(|assertion| assertion.holds).count();
    let held = [("holding", holding.into()), ("count", report.assertions.len().into())];
    let pages = report.pages.map_or_else(|| locale.say("drill-no-checksums"), |pages| pages.to_string());
    let body = facts(&[
        (locale.say("drill-chain"), chain.join(" + ")),
        (locale.say("drill-instant"), or_dash(report.target_time.map(|at| units::local_time(at, zone)))),
        (locale.say("drill-end"), or_dash(report.recovered_lsn.or(report.target_lsn).map(|lsn| lsn.to_string()))),
        (locale.say("drill-rto"), units::duration(report.times.rto_seconds, language)),
        (locale.say("drill-recovery"), units::duration(report.times.recovery_seconds, language)),
        (locale.say("drill-size"), units::size(report.restored_bytes, language)),
        (locale.say("drill-pages"), pages),
        (locale.say("drill-amcheck-label"), amcheck),
        (locale.say("drill-assertions"), locale.say_with("drill-assertions-held", &held)),
        (locale.say("drill-report"), object.to_owned()),
    ]);
    let mut text = format!("{headline}\n{body}");
    for finding in &report.findings {
        let message = described(&to_value(&finding.what).unwrap_or_default(), locale, zone);
        text.push_str(&(locale.say_with("drill-finding", &[("message", message.into())]) + "\n"));
    }
    text
}
