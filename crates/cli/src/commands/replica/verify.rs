use super::{Steps, chosen};
use crate::app::Session;
use crate::args::ReplicaVerifyOptions;
use crate::commands::{Outcome, open_repository};
use crate::exit::ExitStatus;
use crate::render::{described, units};
use cadena::Phase;
use cadena::replica::{CopyFinding, CopyReport, ReplicaLink, VerifyRequest, verify};
use serde_json::to_value;

/// Compares copies, and mends them if asked to.
pub fn run(session: &Session, options: &ReplicaVerifyOptions) -> Outcome {
    let repository = open_repository(session)?;
    let mut links = Vec::new();
    for config in chosen(session, &options.names)? {
        links.push(ReplicaLink::begin(&repository, &config.open(&session.settings.monitoring.environment)?.replica)?);
    }
    let request = VerifyRequest { quick: options.quick, repair: options.repair };
    let progress = session.progress();
    progress.phase(Phase::Verifying, None);
    let steps = Steps::new(&*progress);
    let these: Vec<&ReplicaLink> = links.iter().collect();
    let report = verify(&repository, &these, request, &|step| steps.take(step), &session.cancel);
    drop(progress);
    links.into_iter().for_each(ReplicaLink::finish);
    let report = report?;
    session.screen.result(&report, || text(session, &report))?;
    Ok(match (report.is_good(), report.findings.is_empty()) {
        (false, _) => ExitStatus::Damage,
        (true, false) => ExitStatus::Warnings,
        (true, true) => ExitStatus::Success,
    })
}

fn text(session: &Session, report: &CopyReport) -> String {
    let locale = &session.locale;
    let language = locale.language();
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&(finding_text(session, finding) + "\n"));
    }
    let values = [
        ("backups", report.good_backups.into()),
        ("segments", report.good_segments.into()),
        ("bad", report.findings.iter().filter(|finding| !finding.repaired).count().into()),
        ("repaired", report.findings.iter().filter(|finding| finding.repaired).count().into()),
        ("size", units::size(report.read_bytes, language).into()),
        ("duration", units::duration(report.seconds, language).into()),
    ];
    text + &locale.say_with("replica-verified-text", &values) + "\n"
}

fn finding_text(session: &Session, finding: &CopyFinding) -> String {
    let (locale, zone) = (&session.locale, session.zone());
    let place = finding.replica.clone().unwrap_or_else(|| locale.say("replica-here"));
    let fault = described(&to_value(&finding.fault).unwrap_or_default(), locale, zone);
    let outcome = match (&finding.error, finding.repaired) {
        (_, true) => locale.say("replica-repaired"),
        (Some(error), false) => described(error, locale, zone),
        (None, false) => locale.say("replica-not-repaired"),
    };
    let values = [
        ("place", place.into()),
        ("object", finding.object.as_str().into()),
        ("fault", fault.into()),
        ("outcome", outcome.into()),
    ];
    locale.say_with("replica-finding", &values)
}
