//! The last step: somebody breaks the database, and it comes back as it was at the instant before.

use super::compare::{TableComparison, digest_of};
use super::error::DemoError;
use super::stage::{REWOUND, Stage};
use crate::app::Session;
use crate::commands::receive_options;
use crate::failure::Failure;
use cadena::cluster::{Connection, LocalServer};
use cadena::pgformat::{Lsn, TimelineId};
use cadena::repository::Repository;
use cadena::restore::{RecoveryRequest, RecoveryTarget, RestoreRequest, RestoreSelector, apply, plan};
use cadena::wal::{ReceiveEvent, ReceiveObserver, StopWhen, receive};
use jiff::Timestamp;
use serde::Serialize;

const NOW: &str = include_str!("../../../sql/demo/now.sql");
const DAMAGE: &str = include_str!("../../../sql/demo/damage.sql");
const TABLES: [(&str, &str); 2] = [
    ("account", include_str!("../../../sql/demo/account.sql")),
    ("document", include_str!("../../../sql/demo/document.sql")),
];

/// What came back.
#[derive(Debug, Serialize)]
pub struct Rewind {
    /// The instant before the damage, by the server's clock.
    pub instant: Timestamp,
    /// Where recovery stopped.
    pub stop_lsn: Option<Lsn>,
    /// Segments of WAL that were streamed and replayed.
    pub segments: u64,
    pub tables: Vec<TableComparison>,
    pub same: bool,
}

/// The demo has nobody to tell.
struct Nobody;

impl ReceiveObserver for Nobody {
    fn event(&self, _: ReceiveEvent) {}
    fn position(&self, _: TimelineId, _: Lsn, _: Lsn, _: Option<Timestamp>) {}
}

/// Notes what the tables hold and when, breaks them, archives the WAL that the slot has kept since before the backup, restores
/// the instant, and compares.
pub fn rewind(
    session: &Session,
    stage: &mut Stage,
    source: &LocalServer,
    repository: &Repository,
) -> Result<Rewind, Failure> {
    let settings = source.connection_settings("postgres");
    let mut connection = Connection::connect(&settings)?;
    let before = TABLES.map(|(table, sql)| digest_of(&mut connection, sql).map(|found| (table, sql, found)));
    let instant = now(&mut connection)?;
    connection.query("demo damage", DAMAGE, &[])?;

    let options = receive_options(session, StopWhen::CaughtUp(None));
    receive(&settings, repository, &options, &Nobody, &session.cancel)?;

    let request = RestoreRequest {
        selector: RestoreSelector::Latest,
        target: Some(stage.path(REWOUND)),
        tablespaces: Vec::new(),
        owner: stage.owner_name(),
        jobs: session.settings.jobs,
        over: false,
        recovery: RecoveryRequest { target: RecoveryTarget::Time(instant), ..RecoveryRequest::default() },
    };
    let plan = plan(repository, &request)?;
    apply(repository, &plan, &*session.progress(), &session.cancel)?;
    let server = stage.start_rewound(session, plan.recovery.clone())?;

    let mut rewound = Connection::connect(&server.connection_settings("postgres"))?;
    let mut tables = Vec::new();
    for one in before {
        let (table, sql, (source_rows, source_digest)) = one?;
        let (restored_rows, restored_digest) = digest_of(&mut rewound, sql)?;
        tables.push(TableComparison { table, source_rows, restored_rows, source_digest, restored_digest });
    }
    let recovery = plan.recovery.as_ref();
    Ok(Rewind {
        instant,
        stop_lsn: recovery.map(|recovery| recovery.stop_lsn),
        segments: recovery.map_or(0, |recovery| recovery.segments),
        same: tables.iter().all(TableComparison::is_same),
        tables,
    })
}

fn now(connection: &mut Connection) -> Result<Timestamp, Failure> {
    let microseconds: i64 = connection.query("demo damage", NOW, &[])?.parse(0, 0)?;
    Timestamp::from_microsecond(microseconds)
        .map_err(|error| DemoError::DemoIncomplete { what: error.to_string() }.into())
}
