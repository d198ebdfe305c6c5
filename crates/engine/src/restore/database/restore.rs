use super::checks::{check_needs, check_room, dump_estimate};
use super::dump_source::DumpSource;
use super::load::{Dump, Named, dump, folder_bytes, load, write_list};
use super::narrow_dump::narrow_dump;
use super::request::DatabaseSource;
use super::{DatabaseError, DatabaseOutcome, DatabasePlan, DatabaseRequest, DumpParts};
use crate::backup::DatabaseDescription;
use crate::cluster::{
    ClientPrograms, Connection, DatabaseFacts, DatabaseNeeds, DatabaseProperties, LiveServer, Narrowed, NarrowedError,
    PreparedTransactions, database_names, narrow,
};
use crate::restore::ThrowAway;
use crate::restore::throwaway::WorkFolder;
use crate::{Cancel, Error, Phase, Progress};
use serde_json::{Value, json};
use std::time::Instant;
use vault::repository::Repository;

/// Restores one database out of any point, or out of a logical backup, into a live server.
///
/// # Errors
/// Those of [`crate::restore::ThrowAwayPlan::raise`]; `DatabaseUnknown`, `DatabaseMissingRoles`, `DatabaseMissingExtensions`,
/// `DatabaseMissingTablespaces`, `DatabaseNoSpace` before the live server is changed; `ClusterProgram`, `ClusterSql`,
/// `DatabaseInUse`, after which it is as before; `DatabaseUnfinished` when something is left there.
///
/// # Cancellation
/// Ends with `cancelled`; nothing is left behind.
pub fn restore_database(
    repository: &Repository,
    plan: DatabasePlan,
    request: &DatabaseRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<DatabaseOutcome, Error> {
    let started = Instant::now();
    let DatabasePlan { source, mut live, programs } = plan;
    let mut outcome = match source {
        DatabaseSource::Point(throw_away) => {
            let throw_away = throw_away.raise(repository, progress, cancel)?;
            let recover_seconds = started.elapsed().as_secs_f64();
            let outcome = out_of_cluster(throw_away, &mut live, &programs, request, progress, cancel)?;
            DatabaseOutcome { recover_seconds, ..outcome }
        }
        DatabaseSource::Dump(dump) => out_of_backup(&dump, &mut live, &programs, request, progress, cancel)?,
    };
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Dumps the database out of the throw-away cluster, and loads it.
fn out_of_cluster(
    throw_away: ThrowAway,
    live: &mut LiveServer,
    programs: &ClientPrograms,
    request: &DatabaseRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<DatabaseOutcome, Error> {
    live.revive()?;
    let looked = look(&throw_away, &request.database, &request.tables, &request.schemas)?;
    let Looked { facts, needs, properties, narrowed, warnings } = looked;
    let missing_roles = check_needs(live, request, &facts, &needs)?;
    check_room(live, &facts, request.parts, throw_away.folder(), dump_estimate(&facts, request.parts))?;

    let dumping = Instant::now();
    progress.phase(Phase::Dumping, None);
    let dumps = dump(&throw_away, programs, request, narrowed.as_ref(), cancel)?;
    let dump_bytes = dumps.iter().map(|dump| folder_bytes(&dump.path)).sum();
    let dump_seconds = dumping.elapsed().as_secs_f64();

    let wanted = Wanted { facts, properties, missing_roles, warnings };
    let mut outcome = into_live(live, programs, request, wanted, &dumps, progress, cancel)?;
    outcome.backups = throw_away.plan.backups.iter().map(|backup| backup.id).collect();
    (outcome.end_lsn, outcome.last_commit) = (throw_away.started.recovered_lsn, throw_away.started.last_commit);
    (outcome.plain_bytes, outcome.left_out_bytes) = (throw_away.plan.plain_bytes, throw_away.plan.left_out_bytes);
    (outcome.dump_bytes, outcome.dump_seconds) = (dump_bytes, dump_seconds);
    if let Err(error) = throw_away.close() {
        outcome.warnings.extend(serde_json::to_value(&error).ok());
    }
    Ok(outcome)
}

/// Makes a file of the dump in a logical backup, and loads it.
fn out_of_backup(
    source: &DumpSource,
    live: &mut LiveServer,
    programs: &ClientPrograms,
    request: &DatabaseRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<DatabaseOutcome, Error> {
    let DatabaseDescription { facts, needs, properties } = source.description.clone();
    let missing_roles = check_needs(live, request, &facts, &needs)?;
    let folder = WorkFolder::make(&request.throw_away.place)?;
    let dump_bytes = source.database.dump_bytes;
    check_room(live, &facts, request.parts, folder.path(), dump_bytes)?;

    let dumping = Instant::now();
    progress.phase(Phase::Dumping, Some(dump_bytes));
    let path = folder.path().join("dump");
    source.write_new(&path, progress, cancel)?;
    let mut dump = Dump { path, list: None, only_schema: request.parts == DumpParts::Schema };
    let mut warnings = Vec::new();
    if needs.subscriptions > 0 {
        warnings.push(json!({ "key": "warning-database-subscriptions", "count": needs.subscriptions }));
    }
    if !request.tables.is_empty() || !request.schemas.is_empty() {
        let narrowed = narrow_dump(programs, &dump, &needs.owners, request, cancel)?;
        dump.list = Some(write_list(&dump, &narrowed.list)?);
        if !narrowed.foreign_keys.is_empty() {
            let names = narrowed.foreign_keys.join(", ");
            warnings.push(json!({ "key": "warning-database-foreign-keys", "names": names }));
        }
    }
    let dump_seconds = dumping.elapsed().as_secs_f64();

    let wanted = Wanted { facts, properties, missing_roles, warnings };
    let mut outcome = into_live(live, programs, request, wanted, &[dump], progress, cancel)?;
    outcome.backups = vec![source.record.id];
    (outcome.dump_bytes, outcome.dump_seconds) = (dump_bytes, dump_seconds);
    if let Err(error) = folder.close() {
        outcome.warnings.extend(serde_json::to_value(&error).ok());
    }
    Ok(outcome)
}

/// What is to become of the dumps.
struct Wanted {
    facts: DatabaseFacts,
    properties: DatabaseProperties,
    missing_roles: Vec<String>,
    warnings: Vec<Value>,
}

/// Loads the dumps into the live server, and gives the database its name.
fn into_live(
    live: &mut LiveServer,
    programs: &ClientPrograms,
    request: &DatabaseRequest,
    wanted: Wanted,
    dumps: &[Dump],
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<DatabaseOutcome, Error> {
    let Wanted { facts, properties, missing_roles, mut warnings } = wanted;
    let loading = Instant::now();
    progress.phase(Phase::Loading, None);
    live.revive()?;
    for name in live.sweep()? {
        warnings.push(json!({ "key": "warning-database-swept", "database": name }));
    }
    live.create_roles(&missing_roles)?;
    let loaded = load(live, programs, request, &facts, &properties, dumps, cancel);
    let named = match loaded {
        Ok(named) => named,
        Err(error) => {
            if let Err(cause) = live.drop_roles(&missing_roles) {
                tracing::warn!(%cause, "roles that were made could not be dropped");
            }
            return Err(error);
        }
    };
    let load_seconds = loading.elapsed().as_secs_f64();
    let Named { tables, database_bytes, mut kept, ended_sessions, warnings: left_out } = named;
    warnings.extend(left_out);

    // The database is there: what fails from here on is told, and takes nothing of that back.
    if request.drop_old
        && let Some(old) = kept.take()
        && let Err(error) = live.drop_replaced(&old)
    {
        warnings.push(json!({ "key": "warning-database-old-kept", "database": old, "cause": error.to_string() }));
        kept = Some(old);
    }
    Ok(DatabaseOutcome {
        database: request.database.clone(),
        name: request.name.clone(),
        server: live.target(),
        tables,
        database_bytes,
        backups: Vec::new(),
        end_lsn: None,
        last_commit: None,
        plain_bytes: 0,
        left_out_bytes: 0,
        dump_bytes: 0,
        kept,
        ended_sessions,
        created_roles: missing_roles,
        seconds: 0.0,
        recover_seconds: 0.0,
        dump_seconds: 0.0,
        load_seconds,
        warnings,
    })
}

/// What the throw-away cluster says of the database.
pub(super) struct Looked {
    pub facts: DatabaseFacts,
    pub needs: DatabaseNeeds,
    pub properties: DatabaseProperties,
    /// `None`: all of it is wanted.
    pub narrowed: Option<Narrowed>,
    pub warnings: Vec<Value>,
}

/// Finds the database in the throw-away cluster, and makes it ready to be dumped.
pub(super) fn look(
    throw_away: &ThrowAway,
    database: &str,
    tables: &[String],
    schemas: &[String],
) -> Result<Looked, Error> {
    let mut anywhere = Connection::connect(&throw_away.connection_settings("template1"))?;
    let Some(mut facts) = DatabaseFacts::read(&mut anywhere, database)? else {
        let known = database_names(&mut anywhere)?.join(", ");
        return Err(DatabaseError::DatabaseUnknown { database: database.to_owned(), known }.into());
    };
    facts.open_to_sessions(&mut anywhere)?;
    let mut within = Connection::connect(&throw_away.connection_settings(database))?;
    let mut warnings: Vec<Value> = throw_away.notes.iter().filter_map(|note| serde_json::to_value(note).ok()).collect();
    let rolled_back = PreparedTransactions::roll_back(&mut within)?.rolled_back;
    if rolled_back > 0 {
        warnings.push(json!({ "key": "warning-database-prepared", "count": rolled_back }));
    }
    // Not before: a table's size can't be asked while somebody holds it.
    facts.measure(&mut within)?;
    let narrowed = match tables.is_empty() && schemas.is_empty() {
        true => None,
        false => Some(narrow(&mut within, tables, schemas).map_err(|error| refused(database, error))?),
    };
    if let Some(keys) = narrowed.as_ref().map(|narrowed| &narrowed.foreign_keys).filter(|keys| !keys.is_empty()) {
        let names: Vec<&str> = keys.iter().map(|(_, name)| name.as_str()).collect();
        warnings.push(json!({ "key": "warning-database-foreign-keys", "names": names.join(", ") }));
    }
    let needs = DatabaseNeeds::read(&mut within, &facts, narrowed.as_ref())?;
    if needs.subscriptions > 0 {
        warnings.push(json!({ "key": "warning-database-subscriptions", "count": needs.subscriptions }));
    }
    let properties = DatabaseProperties::read(&mut within, facts.oid)?;
    Ok(Looked { facts, needs, properties, narrowed, warnings })
}

fn refused(database: &str, error: NarrowedError) -> Error {
    match error {
        NarrowedError::Unknown { name, known } => {
            DatabaseError::DatabaseUnknownObject { database: database.to_owned(), name, known }.into()
        }
        NarrowedError::Ambiguous { name, found } => DatabaseError::DatabaseAmbiguousTable { name, found }.into(),
        NarrowedError::Cluster(error) => error.into(),
    }
}
