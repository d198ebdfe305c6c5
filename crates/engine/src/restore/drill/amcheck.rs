//! Heaps and indexes against one another, by PostgreSQL's own program.

use super::DrillFinding;
use crate::cluster::{BinarySearch, Connection, Program, connectable_databases};
use crate::restore::ThrowAway;
use crate::restore::throwaway::SESSION_OPTIONS;
use crate::verify::finding::Findings;
use crate::{Cancel, Error};
use serde_json::{Value, json};

/// How many of its complaints are taken over; a thoroughly damaged cluster has millions.
const MOST_COMPLAINTS: usize = 100;
/// What it exits with when it found something (upstream `pg_amcheck.c`).
const FOUND: i32 = 2;

/// Runs `pg_amcheck` on every database. What is said of it: the databases that it looked at, or why it did not run.
///
/// # Errors
/// Those of the server; `cancelled`.
pub(super) fn run(
    throw_away: &ThrowAway,
    search: &BinarySearch,
    jobs: usize,
    findings: &mut Findings,
    cancel: &Cancel,
) -> Result<Value, Error> {
    let server = &throw_away.started.server;
    let version = server.binaries.version;
    let clients = search.find_clients(version, version);
    let own = crate::cluster::ClientPrograms { folder: server.binaries.folder.clone(), version };
    let program = own.amcheck().or_else(|| clients.ok().and_then(|clients| clients.amcheck()));
    let Some(program) = program else { return Ok(json!({ "key": "drill-amcheck-missing" })) };
    let mut anywhere = Connection::connect(&throw_away.connection_settings("template1"))?;
    let databases = connectable_databases(&mut anywhere)?;
    drop(anywhere);
    let mut looked_at = Vec::new();
    let mut skipped = Vec::new();
    for database in databases {
        let mut run = Program::offline(&program);
        // Installing the extension would set off the users' event triggers.
        run.variable("PGOPTIONS", &format!("{SESSION_OPTIONS} -c session_replication_role=replica"));
        let socket = server.socket_folder.as_ref().map(|folder| folder.display().to_string()).unwrap_or_default();
        run.arguments(["-h", &socket, "-p", &server.port.to_string(), "-U", &throw_away.superuser]);
        run.arguments(["--no-password", "--install-missing=pg_catalog", "-j", &jobs.to_string()]);
        // A name, not a pattern.
        run.arguments(["-d", &format!("\"{}\"", database.replace('"', "\"\""))]);
        let (code, said) = run.said(cancel)?;
        match code {
            Some(0) => looked_at.push(database),
            Some(FOUND) => {
                let complaints = said.lines().map(str::trim).filter(|line| !line.is_empty());
                for line in complaints.take(MOST_COMPLAINTS) {
                    findings.error(&DrillFinding::DrillAmcheck { detail: line.to_owned() });
                }
                looked_at.push(database);
            }
            // The extension is not on this machine, mostly.
            _ => skipped
                .push(json!({ "database": database, "detail": said.trim().chars().take(500).collect::<String>() })),
        }
    }
    if looked_at.is_empty() {
        return Ok(json!({ "key": "drill-amcheck-refused", "skipped": skipped }));
    }
    // Where it works in one database, it ought to in all.
    for one in &skipped {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        findings.warning(&DrillFinding::DrillAmcheckSkipped { database: text("database"), detail: text("detail") });
    }
    Ok(json!({ "databases": looked_at, "skipped": skipped }))
}
