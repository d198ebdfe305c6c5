use super::DatabaseError;
use super::dump_source::DumpSource;
use crate::Error;
use crate::cluster::{BinarySearch, ClientPrograms, ClusterError, ConnectionSettings, LiveServer};
use crate::restore::{RestorePlan, ThrowAwayPlan, ThrowAwayRequest};
use pgformat::MajorVersion;
use serde::Serialize;
use vault::repository::{BackupRecord, Repository};

/// The longest name of a database (upstream `NAMEDATALEN`).
const MAX_NAME_BYTES: usize = 63;

/// Which parts of a database are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpParts {
    /// Definitions and rows.
    #[default]
    All,
    /// Definitions only.
    Schema,
    /// Rows only; of exports only, since a new database has no tables to take them.
    Data,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct DatabaseRequest {
    /// The database, by the name that it had then.
    pub database: String,
    /// Its name on the live server.
    pub name: String,
    /// The live server.
    pub into: ConnectionSettings,
    /// The point, and how the throw-away cluster is made.
    pub throw_away: ThrowAwayRequest,
    /// Definitions only, or rows as well.
    pub parts: DumpParts,
    /// Only these tables, by their names in SQL, with their partitions and all that they stand on, of which no rows come. Not together
    /// with schemas.
    pub tables: Vec<String>,
    /// Only these schemas, likewise.
    pub schemas: Vec<String>,
    /// Takes the place of a database of that name. The old one is kept under another name.
    pub replace: bool,
    /// Drops the old one once the new one has its place.
    pub drop_old: bool,
    /// Makes the roles that are missing; they may not log in and have no password.
    pub create_roles: bool,
    /// Everything belongs to whoever restores it.
    pub no_owner: bool,
    /// No rights are given.
    pub no_privileges: bool,
    /// Everything goes to the default tablespace.
    pub no_tablespaces: bool,
    /// Names what is kept: `NAME_before_YYYYMMDD_HHMMSS`.
    pub now: jiff::Zoned,
}

impl DatabaseRequest {
    /// Asks for the whole of a database under a new name, with its owners and rights, and changes nothing that is there.
    pub fn new(database: &str, name: &str, into: ConnectionSettings, throw_away: ThrowAwayRequest) -> Self {
        DatabaseRequest {
            database: database.to_owned(),
            name: name.to_owned(),
            into,
            throw_away,
            parts: DumpParts::All,
            tables: Vec::new(),
            schemas: Vec::new(),
            replace: false,
            drop_old: false,
            create_roles: false,
            no_owner: false,
            no_privileges: false,
            no_tablespaces: false,
            now: jiff::Zoned::now(),
        }
    }
}

/// What a restore of one database would do. Nothing has been written.
pub struct DatabasePlan {
    pub(super) source: DatabaseSource,
    pub(super) live: LiveServer,
    pub(super) programs: ClientPrograms,
}

/// Where the database comes from.
pub(super) enum DatabaseSource {
    /// From a cluster that is restored for that.
    Point(Box<ThrowAwayPlan>),
    /// From a dump in a logical backup.
    Dump(Box<DumpSource>),
}

impl DatabasePlan {
    /// Looks at the live server and makes the plan of the throw-away cluster, or finds the dump in a logical backup. What can be known of the database itself is known once that
    /// has been recovered; all that is refused then is refused before the live server is changed.
    ///
    /// # Errors
    /// `DatabaseName`, `DatabaseExists`, `DatabaseServerOlder`, `ClusterPrivilege`, `ClusterBinaryMissing`; those of
    /// [`LiveServer::connect`] and [`ThrowAwayPlan::make`]; of a logical backup `RestoreLogicalTarget`, `DatabaseUnknown`, and the archive's.
    pub fn make(repository: &Repository, request: &DatabaseRequest) -> Result<Self, Error> {
        check_name(&request.name)?;
        let mut live = LiveServer::connect(&request.into, &[&request.name])?;
        if !request.replace && live.has_database(&request.name)? {
            let (database, server) = (request.name.clone(), live.target());
            return Err(DatabaseError::DatabaseExists { database, server }.into());
        }
        if !live.may_create {
            let grant = format!("ALTER ROLE \"{}\" CREATEDB", live.role.replace('"', "\"\""));
            let action = "create databases".to_owned();
            return Err(ClusterError::ClusterPrivilege { role: live.role.clone(), action, grant }.into());
        }
        let mut throw_away = request.throw_away.clone();
        throw_away.database = Some(request.database.clone());
        if !throw_away.users.contains(&live.role) {
            throw_away.users.push(live.role.clone());
        }
        let search: BinarySearch = throw_away.search.clone();
        if let Some(dump) = DumpSource::find(repository, &throw_away, &request.database)? {
            check_version(&live, dump.record.postgresql_version)?;
            let programs = search.find_clients(dump.dump_version, live.version.max(dump.dump_version))?;
            return Ok(DatabasePlan { source: DatabaseSource::Dump(Box::new(dump)), live, programs });
        }
        let throw_away = ThrowAwayPlan::make(repository, throw_away)?;
        let source = throw_away.version();
        check_version(&live, source)?;
        let programs = search.find_clients(source, live.version)?;
        Ok(DatabasePlan { source: DatabaseSource::Point(Box::new(throw_away)), live, programs })
    }

    /// Returns the plan of the throw-away cluster; `None` when the database comes from a dump.
    pub fn restore(&self) -> Option<&RestorePlan> {
        match &self.source {
            DatabaseSource::Point(throw_away) => Some(&throw_away.restore),
            DatabaseSource::Dump(_) => None,
        }
    }

    /// Returns the logical backup that the database comes from; `None` when a cluster is restored for it.
    pub fn dump(&self) -> Option<&BackupRecord> {
        match &self.source {
            DatabaseSource::Point(_) => None,
            DatabaseSource::Dump(dump) => Some(&dump.record),
        }
    }

    /// Says which server gets the database.
    pub fn server(&self) -> String {
        self.live.target()
    }
}

fn check_name(name: &str) -> Result<(), DatabaseError> {
    let refuse = |reason| Err(DatabaseError::DatabaseName { database: name.to_owned(), reason });
    if name.is_empty() {
        return refuse("empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return refuse("longer than 63 bytes");
    }
    if name.contains('\0') {
        return refuse("with a zero byte");
    }
    if ["template0", "template1"].contains(&name) {
        return refuse("a template's");
    }
    Ok(())
}

fn check_version(live: &LiveServer, source: MajorVersion) -> Result<(), DatabaseError> {
    if live.version >= source {
        return Ok(());
    }
    let (version, needed) = (live.version.to_string(), source.to_string());
    Err(DatabaseError::DatabaseServerOlder { server: live.target(), version, needed })
}

/// Returns the name under which a replaced database is kept; cut where both don't fit.
pub(super) fn kept_name(
    name: &str,
    now: &jiff::Zoned,
    taken: &mut dyn FnMut(&str) -> Result<bool, Error>,
) -> Result<String, Error> {
    let stamp = now.strftime("_before_%Y%m%d_%H%M%S").to_string();
    for attempt in 1_u32.. {
        let suffix = if attempt == 1 { stamp.clone() } else { format!("{stamp}_{attempt}") };
        let mut room = MAX_NAME_BYTES.saturating_sub(suffix.len()).min(name.len());
        while !name.is_char_boundary(room) {
            room -= 1;
        }
        let kept = format!("{}{suffix}", &name[..room]);
        if !taken(&kept)? {
            return Ok(kept);
        }
    }
    unreachable_name(name)
}

fn unreachable_name(name: &str) -> Result<String, Error> {
    Err(DatabaseError::DatabaseName { database: name.to_owned(), reason: "taken in every form" }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_name_fits_and_is_nobody_elses() {
        let now: jiff::Zoned = "2026-11-25T10:20:30[UTC]".parse().unwrap();
        let mut free = |_: &str| Ok(false);
        assert_eq!(kept_name("shop", &now, &mut free).unwrap(), "shop_before_20261125_102030");
        let long = "ñ".repeat(31);
        let kept = kept_name(&long, &now, &mut free).unwrap();
        assert!(kept.len() <= 63 && kept.ends_with("ñ_before_20261125_102030"), "{kept}");
        let mut first_taken = |name: &str| Ok(!name.ends_with("_2"));
        assert_eq!(kept_name("shop", &now, &mut first_taken).unwrap(), "shop_before_20261125_102030_2");
    }

    #[test]
    fn names_that_postgresql_would_cut_or_refuse_are_refused() {
        for name in ["", "template1", "a\0b", &"x".repeat(64)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name(&"x".repeat(63)).is_ok());
    }
}
