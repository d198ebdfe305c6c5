use super::DrillFinding;
use crate::cluster::{Connection, ask_assertion};
use crate::restore::ThrowAway;
use crate::verify::finding::Findings;
use crate::{Cancel, Error};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Something that must be true of a restored cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// What it is called.
    pub name: String,
    /// Where it is asked.
    pub database: String,
    /// One statement that gives one row.
    pub sql: String,
    /// What the first column must be, as text; `None`: true.
    pub expect: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// How one was answered.
#[derive(Debug, Clone, Serialize)]
pub struct AssertionOutcome {
    /// What it is called.
    pub name: String,
    /// Where it was asked.
    pub database: String,
    /// Whether it holds.
    pub holds: bool,
    /// The answer, or what kept it from being given.
    pub answer: String,
    /// Wall time.
    pub seconds: f64,
}

/// Asks them all; one that does not hold keeps no other from being asked.
pub(super) fn ask_all(
    throw_away: &ThrowAway,
    assertions: &[Assertion],
    findings: &mut Findings,
    cancel: &Cancel,
) -> Result<Vec<AssertionOutcome>, Error> {
    let mut outcomes = Vec::new();
    for assertion in assertions {
        cancel.check()?;
        let begin = Instant::now();
        let settings = throw_away.connection_settings(&assertion.database);
        let asked = Connection::connect(&settings)
            .and_then(|mut connection| ask_assertion(&mut connection, &assertion.sql, assertion.timeout));
        let (name, database) = (assertion.name.clone(), assertion.database.clone());
        let (holds, answer) = match asked {
            Ok(answer) => {
                let wanted = assertion.expect.as_deref().unwrap_or("t");
                let holds = answer.rows == 1 && answer.first.as_deref() == Some(wanted);
                let text = match (answer.rows, answer.first) {
                    (1, first) => first.unwrap_or_else(|| "NULL".to_owned()),
                    (rows, _) => format!("{rows} rows"),
                };
                if !holds {
                    let wanted = assertion.expect.clone().unwrap_or_else(|| "true".to_owned());
                    findings.error(&DrillFinding::DrillAssertion {
                        name: name.clone(),
                        database: database.clone(),
                        answer: text.clone(),
                        wanted,
                    });
                }
                (holds, text)
            }
            Err(error) => {
                let detail = error.to_string();
                findings.error(&DrillFinding::DrillAssertionFailed {
                    name: name.clone(),
                    database: database.clone(),
                    detail: detail.clone(),
                });
                (false, detail)
            }
        };
        outcomes.push(AssertionOutcome { name, database, holds, answer, seconds: begin.elapsed().as_secs_f64() });
    }
    Ok(outcomes)
}
