use super::Snapshot;
use crate::notify::Occasion;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use vault::journal::EventLevel;

/// What `/health` says. docs/reference/metrics.md is its page.
#[derive(Debug, Serialize)]
pub struct HealthPage {
    /// `ok`, `warning`, `error`: the gravest problem's.
    pub status: &'static str,
    /// When this was found out.
    pub at: Timestamp,
    /// The program's version.
    pub version: String,
    /// Every problem, the gravest first.
    pub problems: Vec<ProblemLine>,
}

/// One problem.
#[derive(Debug, Serialize)]
pub struct ProblemLine {
    /// What it is.
    pub key: String,
    /// Which of several.
    pub subject: String,
    /// How grave it is.
    pub level: EventLevel,
    /// Whether something failed, or may.
    pub occasion: Occasion,
    /// The arguments of its sentence.
    pub arguments: Map<String, Value>,
}

/// Returns the page, and whether all is well enough: warnings do no harm yet.
pub fn health_page(snapshot: &Snapshot) -> (HealthPage, bool) {
    let mut problems: Vec<ProblemLine> = snapshot
        .problems
        .iter()
        .map(|matter| ProblemLine {
            key: matter.key.clone(),
            subject: matter.subject.clone(),
            level: matter.level,
            occasion: matter.occasion,
            arguments: matter.arguments.clone(),
        })
        .collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    let status = match problems.first().map(|problem| problem.level) {
        Some(EventLevel::Error) => "error",
        Some(EventLevel::Warning) => "warning",
        Some(EventLevel::Info) | None => "ok",
    };
    let page = HealthPage { status, at: snapshot.taken_at, version: snapshot.version.clone(), problems };
    (page, status != "error")
}
