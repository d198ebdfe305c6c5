//! From the throw-away cluster into the live server: dump, load, name.

use super::contents::Contents;
use super::request::kept_name;
use super::{DatabaseError, DatabaseRequest, DumpParts};
use crate::cluster::{ClientPrograms, DatabaseFacts, DatabaseProperties, LiveServer, Narrowed, Program, SwapRefusal};
use crate::restore::ThrowAway;
use crate::restore::throwaway::folder_error;
use crate::{Cancel, Error};
use pgformat::MajorVersion;
use serde_json::Value;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

/// Writes dumps of the database into folders beside the throw-away cluster, in the order in which they are to be loaded.
///
/// # Errors
/// `ThrowAwayFolder`; `ClusterProgram` with what pg_dump said; `cancelled`.
pub(super) fn dump(
    throw_away: &ThrowAway,
    programs: &ClientPrograms,
    request: &DatabaseRequest,
    narrowed: Option<&Narrowed>,
    cancel: &Cancel,
) -> Result<Vec<Dump>, Error> {
    let connection = throw_away.connection_settings(&request.database).for_client()?;
    let into = |name: &str, arguments: &[String]| -> Result<Dump, Error> {
        let folder = throw_away.make_folder(name)?;
        let mut program = Program::alone(&programs.dump(), &connection);
        program.arguments(["--format=directory", "--compress=1", "--no-sync"]);
        program.arguments([format!("--jobs={}", request.throw_away.jobs.max(1))]);
        program.arguments([OsString::from("--file"), folder.clone().into()]);
        program.arguments(arguments);
        program.run(cancel)?.check()?;
        Ok(Dump { path: folder, list: None, only_schema: false })
    };
    let only = (request.parts == DumpParts::Schema).then(|| "--schema-only".to_owned());
    let Some(narrowed) = narrowed else { return Ok(vec![into("dump", only.as_slice())?]) };

    // What is wanted, less what can't be kept of it; and before it the definitions that it stands on.
    let mut arguments: Vec<String> = only.into_iter().collect();
    arguments.extend(narrowed.tables.iter().map(|table| format!("--table={table}")));
    arguments.extend(narrowed.schemas.iter().map(|schema| format!("--schema={schema}")));
    let mut wanted = into("dump", &arguments)?;
    let mut before = into("definitions", &["--schema-only".to_owned(), "--section=pre-data".to_owned()])?;
    let (wanted_list, before_list) = (contents(programs, &wanted, cancel)?, contents(programs, &before, cancel)?);
    wanted.list = Some(write_list(&wanted, &wanted_list.without_foreign_keys(narrowed))?);
    before.list = Some(write_list(&before, &before_list.needed_before(&wanted_list, narrowed))?);
    Ok(vec![before, wanted])
}

/// A dump in a folder or a file.
pub(super) struct Dump {
    pub path: PathBuf,
    /// Which of its entries are loaded; `None`: all.
    pub list: Option<PathBuf>,
    /// Whether rows that it holds are left out.
    pub only_schema: bool,
}

fn contents(programs: &ClientPrograms, dump: &Dump, cancel: &Cancel) -> Result<Contents, Error> {
    let text = Program::offline(&programs.restore()).listing(&dump.path, cancel)?;
    Ok(Contents::parse(&text))
}

pub(super) fn write_list(dump: &Dump, list: &str) -> Result<PathBuf, Error> {
    let path = dump.path.with_extension("list");
    std::fs::write(&path, list).map_err(|error| folder_error(&path, error))?;
    Ok(path)
}

/// Sums the files of a dump.
pub(super) fn folder_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// What became of the live server.
pub(super) struct Named {
    pub tables: u64,
    pub database_bytes: u64,
    pub kept: Option<String>,
    pub ended_sessions: u64,
    pub warnings: Vec<Value>,
}

/// Makes the database on the live server, whole, and gives it its name. After an error it is gone again.
///
/// # Errors
/// `ClusterSql` such as for a locale that the server lacks, `ClusterProgram` with what pg_restore said, `DatabaseInUse`; `cancelled`;
/// `DatabaseUnfinished` when what was made could not be dropped.
pub(super) fn load(
    live: &mut LiveServer,
    programs: &ClientPrograms,
    request: &DatabaseRequest,
    facts: &DatabaseFacts,
    properties: &DatabaseProperties,
    dumps: &[Dump],
    cancel: &Cancel,
) -> Result<Named, Error> {
    cancel.check()?;
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let aside = live.create_aside(facts, random, !request.no_tablespaces)?;
    let loaded = fill(live, programs, request, properties, dumps, &aside, cancel);
    loaded.map_err(|error| match live.revive().and_then(|()| live.drop_aside(&aside)) {
        Ok(()) => error,
        Err(cause) => {
            DatabaseError::DatabaseUnfinished { database: aside, reason: error.to_string(), cause: cause.to_string() }
                .into()
        }
    })
}

fn fill(
    live: &mut LiveServer,
    programs: &ClientPrograms,
    request: &DatabaseRequest,
    properties: &DatabaseProperties,
    dumps: &[Dump],
    aside: &str,
    cancel: &Cancel,
) -> Result<Named, Error> {
    for dump in dumps {
        run_restore(live, programs, request, dump, aside, cancel)?;
    }
    live.revive()?;
    live.detach_subscriptions(aside)?;
    // Asked now: once it has its properties, it may let us in no more.
    let (tables, database_bytes) = (live.count_tables(aside)?, live.database_bytes(aside)?);
    let warnings = live.set_properties(properties, aside, request.no_owner, request.no_privileges)?;
    cancel.check()?;
    let comment = properties.comment.as_deref();
    let refused = |refusal| match refusal {
        SwapRefusal::InUse { sessions } => {
            Error::from(DatabaseError::DatabaseInUse { database: request.name.clone(), sessions })
        }
        SwapRefusal::Failed(error) => error.into(),
    };
    if !(request.replace && live.has_database(&request.name)?) {
        live.rename(aside, &request.name, comment).map_err(refused)?;
        return Ok(Named { tables, database_bytes, kept: None, ended_sessions: 0, warnings });
    }
    let kept = kept_name(&request.name, &request.now, &mut |name| Ok(live.has_database(name)?))?;
    let ended_sessions = live.swap(aside, &request.name, &kept, comment).map_err(refused)?;
    Ok(Named { tables, database_bytes, kept: Some(kept), ended_sessions, warnings })
}

fn run_restore(
    live: &LiveServer,
    programs: &ClientPrograms,
    request: &DatabaseRequest,
    dump: &Dump,
    aside: &str,
    cancel: &Cancel,
) -> Result<(), Error> {
    let connection = live.settings_for(aside).for_client()?;
    let mut program = Program::new(&programs.restore(), &connection);
    program.arguments([format!("--jobs={}", request.throw_away.jobs.max(1))]);
    program.arguments(request.no_owner.then_some("--no-owner"));
    program.arguments(request.no_privileges.then_some("--no-privileges"));
    program.arguments(request.no_tablespaces.then_some("--no-tablespaces"));
    let says_too_much = programs.version >= MajorVersion::V17 && live.version < MajorVersion::V17;
    program.arguments((!says_too_much).then_some("--exit-on-error"));
    program.arguments(dump.only_schema.then_some("--schema-only"));
    if let Some(list) = &dump.list {
        program.arguments([OsString::from("--use-list"), list.into()]);
    }
    program.arguments([&dump.path]);
    let said = program.run(cancel)?;
    if says_too_much { said.check_but_for_timeout_setting() } else { said.check() }
}
