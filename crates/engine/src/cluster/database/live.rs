//! The server that gets a database: what it has, and the few statements that change it.

use super::facts::DatabaseFacts;
use super::properties::{DatabaseProperties, Leaving};
use super::statements::{identifier, literal};
use crate::cluster::error::sqlstate;
use crate::cluster::{ClusterError, Connection, ConnectionSettings, SqlParameter, text_array};
use pgformat::MajorVersion;
use serde_json::Value;

/// What marks a database that is being made, as its comment and as the name of our session.
const MARK: &str = "cadena: being restored";
/// How databases are called until they are whole.
const ASIDE_PREFIX: &str = "cadena_restoring_";
/// How often a swap is tried while sessions come back as fast as they are ended. Each try waits up to five seconds.
const SWAP_TRIES: u32 = 6;
/// Databases that a session may be in while others are renamed.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// A session on the server, in a database that nothing is done to.
pub struct LiveServer {
    connection: Connection,
    settings: ConnectionSettings,
    /// Its major version.
    pub version: MajorVersion,
    /// Who we are.
    pub role: String,
    /// Whether that is a superuser.
    pub is_superuser: bool,
    /// Whether it may make databases.
    pub may_create: bool,
    /// Whether it may make roles.
    pub may_create_roles: bool,
}

/// Why two databases could not change places.
#[derive(Debug)]
pub enum SwapRefusal {
    /// Others kept connecting to the old one.
    InUse {
        /// How many at the last look.
        sessions: u64,
    },
    /// Anything else.
    Failed(ClusterError),
}

impl From<ClusterError> for SwapRefusal {
    fn from(error: ClusterError) -> Self {
        SwapRefusal::Failed(error)
    }
}

/// Returns settings that differ in the database only.
fn in_database(settings: &ConnectionSettings, dbname: &str, application_name: &str) -> ConnectionSettings {
    let mut settings = settings.clone();
    for (name, value) in [("dbname", dbname), ("application_name", application_name)] {
        settings.keywords.retain(|(known, _)| known != name);
        settings.keywords.push((name.to_owned(), value.to_owned()));
    }
    settings
}

impl LiveServer {
    /// Connects, to another database than `avoided`; one that the settings name comes first.
    ///
    /// # Errors
    /// Those of [`Connection::connect`]; `ClusterSql`, `ClusterAnswer`, `ClusterVersion`.
    pub fn connect(settings: &ConnectionSettings, avoided: &[&str]) -> Result<Self, ClusterError> {
        let mut settings = settings.clone();
        let names = |given: &(String, String, bool)| ["dbname", "service"].contains(&given.0.as_str());
        if !settings.given()?.iter().any(names) {
            // libpq's own default is a database with the role's name, which often is not there.
            settings.keywords.push(("dbname".to_owned(), MAINTENANCE[0].to_owned()));
        }
        let settings = &settings;
        let mut first = Connection::connect(settings)?;
        let database = |connection: &mut Connection| -> Result<String, ClusterError> {
            let result = connection.query("ask for the database", "SELECT pg_catalog.current_database()", &[])?;
            Ok(result.text(0, 0)?.to_owned())
        };
        let mut present = database(&mut first)?;
        if avoided.contains(&present.as_str()) {
            let other = MAINTENANCE.into_iter().find(|name| !avoided.contains(name)).unwrap_or("postgres");
            first = Connection::connect(&in_database(settings, other, "cadena"))?;
            present = database(&mut first)?;
        }
        let version = MajorVersion::from_server_version_num(first.server_version_num())
            .map_err(|_| ClusterError::ClusterVersion { found: (first.server_version_num() / 10_000).to_string() })?;
        let sql = "SELECT rolname, rolsuper, rolcreatedb OR rolsuper, rolcreaterole OR rolsuper \
                   FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let row = first.query("ask for the role's rights", sql, &[])?;
        let (role, is_superuser) = (row.text(0, 0)?.to_owned(), row.boolean(0, 1)?);
        let (may_create, may_create_roles) = (row.boolean(0, 2)?, row.boolean(0, 3)?);
        let mut settings = in_database(settings, &present, "cadena");
        // Whoever connects for us later must reach this very server, whichever of several hosts it was.
        for (name, value) in first.reached() {
            settings.keywords.retain(|(known, _)| known != name);
            settings.keywords.push((name.to_owned(), value));
        }
        Ok(LiveServer { connection: first, settings, version, role, is_superuser, may_create, may_create_roles })
    }

    /// Says whom we talk to, for messages.
    pub fn target(&self) -> String {
        self.connection.target()
    }

    /// Returns the settings that connect to one of its databases.
    pub fn settings_for(&self, dbname: &str) -> ConnectionSettings {
        in_database(&self.settings, dbname, "cadena")
    }

    /// Returns where its files lie when that is on this host, as far as the connection tells and the role may see.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn local_data_directory(&mut self) -> Result<Option<std::path::PathBuf>, ClusterError> {
        if !self.connection.is_local() {
            return Ok(None);
        }
        let sql = "SELECT COALESCE((SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'), '')";
        let result = self.connection.query("ask for the data directory", sql, &[])?;
        let directory = std::path::PathBuf::from(result.text(0, 0)?);
        Ok((directory.is_absolute() && directory.is_dir()).then_some(directory))
    }

    fn names(&mut self, action: &str, sql: &str) -> Result<Vec<String>, ClusterError> {
        let result = self.connection.query(action, sql, &[])?;
        (0..result.rows()).map(|row| result.text(row, 0).map(str::to_owned)).collect()
    }

    /// Returns the names of its roles.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn roles(&mut self) -> Result<Vec<String>, ClusterError> {
        self.names("list the roles", "SELECT rolname FROM pg_catalog.pg_roles")
    }

    /// Returns the names of its tablespaces.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn tablespaces(&mut self) -> Result<Vec<String>, ClusterError> {
        self.names("list the tablespaces", "SELECT spcname FROM pg_catalog.pg_tablespace")
    }

    /// Returns the names of the extensions that can be installed.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn available_extensions(&mut self) -> Result<Vec<String>, ClusterError> {
        self.names("list the available extensions", "SELECT name FROM pg_catalog.pg_available_extensions")
    }

    /// Returns the names of its databases.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn databases(&mut self) -> Result<Vec<String>, ClusterError> {
        super::database_names(&mut self.connection)
    }

    /// Returns the names of the databases that `pg_dumpall` would dump with their rows but for templates: those that accept connections.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn dumpable_databases(&mut self) -> Result<Vec<String>, ClusterError> {
        let sql =
            "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname";
        self.names("list the databases", sql)
    }

    /// Tells whether the role may read the password hashes of roles.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn may_read_passwords(&mut self) -> Result<bool, ClusterError> {
        let sql = "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
        self.connection.query("ask for the role's rights", sql, &[])?.boolean(0, 0)
    }

    /// Returns the settings that connect to the database that this session is in.
    pub fn settings(&self) -> &ConnectionSettings {
        &self.settings
    }

    /// Returns the name of that database.
    pub fn present_database(&self) -> &str {
        let name = self.settings.keywords.iter().find(|(keyword, _)| keyword == "dbname");
        name.map_or(MAINTENANCE[0], |(_, name)| name)
    }

    /// Tells whether there is a database of this name.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn has_database(&mut self, name: &str) -> Result<bool, ClusterError> {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)";
        self.connection.query("look for the database", sql, &[SqlParameter::Text(name)])?.boolean(0, 0)
    }

    /// Makes roles that may not log in and have no password.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn create_roles(&mut self, names: &[String]) -> Result<(), ClusterError> {
        for name in names {
            self.connection.query("create a role", &format!("CREATE ROLE {} NOLOGIN", identifier(name)), &[])?;
        }
        Ok(())
    }

    /// Drops roles that [`Self::create_roles`] made and that nothing uses yet.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn drop_roles(&mut self, names: &[String]) -> Result<(), ClusterError> {
        for name in names {
            self.connection.query("drop a role", &format!("DROP ROLE IF EXISTS {}", identifier(name)), &[])?;
        }
        Ok(())
    }

    /// Makes an empty database with the locale of `facts` under a name that nobody else has, and returns that name. A comment marks
    /// it until it is whole, and this session bears its name.
    ///
    /// # Errors
    /// `ClusterSql`, such as for a locale that the server does not have; `ClusterConnectionLost`.
    pub fn create_aside(
        &mut self,
        facts: &DatabaseFacts,
        random: u64,
        with_tablespace: bool,
    ) -> Result<String, ClusterError> {
        let name = format!("{ASIDE_PREFIX}{random:016x}");
        let parameters = [SqlParameter::Text(&name)];
        let sql = "SELECT pg_catalog.set_config('application_name', $1, false)";
        self.connection.query("name the session", sql, &parameters)?;
        let options = facts.create_options(self.version, with_tablespace);
        self.connection.query(
            "create the database",
            &format!("CREATE DATABASE {} {options}", identifier(&name)),
            &[],
        )?;
        let sql = format!("COMMENT ON DATABASE {} IS {}", identifier(&name), literal(MARK));
        self.connection.query("mark the database", &sql, &[])?;
        Ok(name)
    }

    /// Gives a database its properties, less those that are left out, and returns what could not be.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn set_properties(
        &mut self,
        properties: &DatabaseProperties,
        database: &str,
        no_owner: bool,
        no_privileges: bool,
    ) -> Result<Vec<Value>, ClusterError> {
        let roles = self.roles()?;
        let leaving = Leaving { owner: no_owner, rights: no_privileges };
        properties.apply(&mut self.connection, database, leaving, &roles)
    }

    /// Drops a database that is not in anybody's use yet; its subscriptions go first, without a word to their publishers.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn drop_aside(&mut self, name: &str) -> Result<(), ClusterError> {
        if !self.has_database(name)? {
            return Ok(());
        }
        self.reopen(name)?;
        let mut within = Connection::connect(&self.settings_for(name))?;
        for subscription in subscriptions(&mut within)? {
            let subscription = identifier(&subscription);
            for statement in [
                format!("ALTER SUBSCRIPTION {subscription} DISABLE"),
                format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)"),
                format!("DROP SUBSCRIPTION {subscription}"),
            ] {
                within.query("drop a subscription", &statement, &[])?;
            }
        }
        drop(within);
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name));
        self.connection.query("drop the unfinished database", &sql, &[]).map(drop)
    }

    /// Undoes what the source's properties may have shut already.
    fn reopen(&mut self, name: &str) -> Result<(), ClusterError> {
        let database = identifier(name);
        for option in ["ALLOW_CONNECTIONS true", "IS_TEMPLATE false", "CONNECTION LIMIT -1"] {
            self.connection.query("open the database", &format!("ALTER DATABASE {database} {option}"), &[])?;
        }
        Ok(())
    }

    /// Cuts the subscriptions of a database loose from their publishers: a dump's are disabled, but bear the name of the slot that
    /// the original uses, and dropping them would drop that.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn detach_subscriptions(&mut self, database: &str) -> Result<(), ClusterError> {
        let mut within = Connection::connect(&self.settings_for(database))?;
        for subscription in subscriptions(&mut within)? {
            let sql = format!("ALTER SUBSCRIPTION {} SET (slot_name = NONE)", identifier(&subscription));
            within.query("detach a subscription", &sql, &[])?;
        }
        Ok(())
    }

    /// Drops what killed restores left here: databases with our prefix and mark, without any session in them, and whose maker's
    /// session is gone. Returns their names.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn sweep(&mut self) -> Result<Vec<String>, ClusterError> {
        let sql = "SELECT d.datname FROM pg_catalog.pg_database d \
                   WHERE d.datname ~ '^cadena_restoring_[0-9a-f]{16}$' AND pg_catalog.pg_has_role(d.datdba, 'USAGE') \
                   AND pg_catalog.shobj_description(d.oid, 'pg_database') = $1 \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a \
                   WHERE a.application_name = d.datname OR a.datname = d.datname)";
        let result = self.connection.query("look for unfinished databases", sql, &[SqlParameter::Text(MARK)])?;
        let names: Vec<String> =
            (0..result.rows()).map(|row| result.text(row, 0).map(str::to_owned)).collect::<Result<_, _>>()?;
        for name in &names {
            self.drop_aside(name)?;
        }
        Ok(names)
    }

    /// Gives a database that was made aside its comment, in place of our mark, and its name.
    ///
    /// # Errors
    /// [`SwapRefusal`]; everything is as before then.
    pub fn rename(&mut self, aside: &str, name: &str, comment: Option<&str>) -> Result<(), SwapRefusal> {
        let statements = [comment_on(aside, comment), rename(aside, name)];
        self.change_names(&[aside], &statements).map(drop)
    }

    /// Puts `aside` in the place of `name`, which is called `kept` from then on; both or none. Returns how many sessions were ended.
    ///
    /// # Errors
    /// [`SwapRefusal`]; everything is as before then.
    pub fn swap(&mut self, aside: &str, name: &str, kept: &str, comment: Option<&str>) -> Result<u64, SwapRefusal> {
        let statements = [comment_on(aside, comment), rename(name, kept), rename(aside, name)];
        self.change_names(&[aside, name], &statements)
    }

    /// Ends the sessions in databases and runs statements in one transaction, again if somebody comes back in between.
    fn change_names(&mut self, databases: &[&str], statements: &[String]) -> Result<u64, SwapRefusal> {
        let mut ended = 0;
        for _ in 0..SWAP_TRIES {
            for database in databases {
                ended += self.end_sessions(database)?;
            }
            match self.in_transaction(statements) {
                Ok(()) => return Ok(ended),
                // Renaming waits five seconds for those who are about to leave (upstream `CountOtherDBBackends`).
                Err(error) if error.sqlstate() == Some(sqlstate::OBJECT_IN_USE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let sql = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = ANY ($1::text[])";
        let names = text_array(databases);
        let result = self.connection.query("count the sessions", sql, &[SqlParameter::Text(&names)])?;
        Err(SwapRefusal::InUse { sessions: result.parse(0, 0)? })
    }

    /// In one transaction nobody ever sees a name gone; sessions that come meanwhile wait for its end.
    fn in_transaction(&mut self, statements: &[String]) -> Result<(), ClusterError> {
        let action = "name the databases";
        self.connection.query(action, "BEGIN", &[])?;
        let done = statements
            .iter()
            .try_for_each(|sql| self.connection.query(action, sql, &[]).map(drop))
            .and_then(|()| self.connection.query(action, "COMMIT", &[]).map(drop));
        if done.is_err()
            && let Err(error) = self.connection.query("undo the change", "ROLLBACK", &[])
        {
            // The session is gone, and with it the transaction; the first error says why.
            tracing::debug!(%error, "no rollback");
        }
        done
    }

    /// Tells every session in a database to end.
    fn end_sessions(&mut self, database: &str) -> Result<u64, ClusterError> {
        let sql = "SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
                   WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid()";
        self.connection.query("end the sessions", sql, &[SqlParameter::Text(database)])?.parse(0, 0)
    }

    /// Drops a database that was replaced.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn drop_replaced(&mut self, name: &str) -> Result<(), ClusterError> {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", identifier(name));
        self.connection.query("drop the replaced database", &sql, &[]).map(drop)
    }

    /// Connects again if the session was lost during a long load.
    ///
    /// # Errors
    /// Those of [`Connection::connect`].
    pub fn revive(&mut self) -> Result<(), ClusterError> {
        if !self.connection.is_alive() {
            self.connection = Connection::connect(&self.settings)?;
        }
        Ok(())
    }

    /// Returns how many bytes a database takes.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn database_bytes(&mut self, name: &str) -> Result<u64, ClusterError> {
        let sql = "SELECT pg_catalog.pg_database_size($1::name)";
        self.connection.query("measure the database", sql, &[SqlParameter::Text(name)])?.parse(0, 0)
    }

    /// Returns those of `wanted` that are missing in `known`, as the server compares names.
    pub fn missing(wanted: &[String], known: &[String]) -> Vec<String> {
        let mut missing: Vec<String> = wanted.iter().filter(|name| !known.contains(name)).cloned().collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// Counts the ordinary and partitioned tables of a database, less those of extensions' schemas of the system.
    ///
    /// # Errors
    /// Those of [`Connection::connect`]; `ClusterSql`.
    pub fn count_tables(&mut self, database: &str) -> Result<u64, ClusterError> {
        let mut within = Connection::connect(&self.settings_for(database))?;
        let schemas = text_array(["pg_catalog", "information_schema"]);
        let sql = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE c.relkind IN ('r', 'p') AND n.nspname <> ALL ($1::text[]) AND n.nspname !~ '^pg_toast'";
        within.query("count the tables", sql, &[SqlParameter::Text(&schemas)])?.parse(0, 0)
    }
}

fn rename(from: &str, to: &str) -> String {
    format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to))
}

fn comment_on(database: &str, comment: Option<&str>) -> String {
    let comment = comment.map_or_else(|| "NULL".to_owned(), literal);
    format!("COMMENT ON DATABASE {} IS {comment}", identifier(database))
}

fn subscriptions(within: &mut Connection) -> Result<Vec<String>, ClusterError> {
    let sql = "SELECT subname FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid \
               WHERE d.datname = pg_catalog.current_database()";
    let result = within.query("list the subscriptions", sql, &[])?;
    (0..result.rows()).map(|row| result.text(row, 0).map(str::to_owned)).collect()
}
