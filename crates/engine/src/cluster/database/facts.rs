//! What is a database, and what does it need of a server that is to have it?

use super::narrow::Narrowed;
use crate::cluster::{ClusterError, Connection, SqlParameter};
use pgformat::MajorVersion;
use serde::{Deserialize, Serialize};

/// Who sorts and compares (upstream `pg_collation.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocaleProvider {
    /// The C library.
    Libc,
    /// ICU.
    Icu,
    /// PostgreSQL itself (17 and later).
    Builtin,
}

/// A row of pg_database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Such as `UTF8`.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// Always libc before 15.
    pub provider: LocaleProvider,
    /// The locale of ICU or of the built-in provider.
    pub locale: Option<String>,
    /// Rules that change ICU's (16 and later).
    pub icu_rules: Option<String>,
    /// Its default tablespace.
    pub tablespace: String,
    /// Whether anyone may connect.
    pub allows_connections: bool,
    /// The files of its tables, without indexes.
    pub data_bytes: u64,
    /// All of its files.
    pub total_bytes: u64,
}

/// What the server must have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabaseNeeds {
    /// Roles that own something.
    pub owners: Vec<String>,
    /// Roles that were given rights.
    pub grantees: Vec<String>,
    /// Roles that a policy names.
    pub policy_roles: Vec<String>,
    /// Tablespaces besides the default one.
    pub tablespaces: Vec<String>,
    /// Extensions.
    pub extensions: Vec<String>,
    /// How many subscriptions there are.
    pub subscriptions: u64,
}

/// Transactions that were prepared and neither committed nor rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PreparedTransactions {
    /// How many were rolled back.
    pub rolled_back: u64,
}

/// Returns the names of all databases but template0.
///
/// # Errors
/// `ClusterSql`, `ClusterConnectionLost`.
pub fn database_names(connection: &mut Connection) -> Result<Vec<String>, ClusterError> {
    let sql = "SELECT datname FROM pg_catalog.pg_database WHERE datname <> 'template0' ORDER BY datname";
    let result = connection.query("list the databases", sql, &[])?;
    (0..result.rows()).map(|row| result.text(row, 0).map(str::to_owned)).collect()
}

impl DatabaseFacts {
    /// Reads the row of `name`; `None` when there is no such database.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterAnswer`, `ClusterConnectionLost`.
    pub fn read(connection: &mut Connection, name: &str) -> Result<Option<Self>, ClusterError> {
        let version = connection.server_version_num() / 10_000;
        // The provider's columns have changed their names from version to version.
        let (provider, locale, rules) = match version {
            ..15 => ("'c'", "NULL", "NULL"),
            15 => ("d.datlocprovider", "d.daticulocale", "NULL"),
            16 => ("d.datlocprovider", "d.daticulocale", "d.daticurules"),
            _ => ("d.datlocprovider", "d.datlocale", "d.daticurules"),
        };
        let sql = format!(
            "SELECT d.oid, pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, {provider}, {locale}, {rules}, \
             t.spcname, d.datallowconn, pg_catalog.pg_database_size(d.oid) \
             FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1"
        );
        let result = connection.query("look at the database", &sql, &[SqlParameter::Text(name)])?;
        if result.rows() == 0 {
            return Ok(None);
        }
        let optional = |column: usize| match result.bytes(0, column) {
            None => Ok(None),
            Some(_) => result.text(0, column).map(|text| Some(text.to_owned())),
        };
        let total_bytes = result.parse(0, 9)?;
        Ok(Some(DatabaseFacts {
            oid: result.parse(0, 0)?,
            name: name.to_owned(),
            encoding: result.text(0, 1)?.to_owned(),
            collate: result.text(0, 2)?.to_owned(),
            ctype: result.text(0, 3)?.to_owned(),
            provider: match result.text(0, 4)? {
                "i" => LocaleProvider::Icu,
                "b" => LocaleProvider::Builtin,
                _ => LocaleProvider::Libc,
            },
            locale: optional(5)?,
            icu_rules: optional(6)?,
            tablespace: result.text(0, 7)?.to_owned(),
            allows_connections: result.boolean(0, 8)?,
            data_bytes: total_bytes,
            total_bytes,
        }))
    }

    /// Reads what the tables hold, from within the database.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterAnswer`, `ClusterConnectionLost`.
    pub fn measure(&mut self, within: &mut Connection) -> Result<(), ClusterError> {
        let sql = "SELECT COALESCE(sum(pg_catalog.pg_relation_size(oid)), 0)::bigint FROM pg_catalog.pg_class \
                   WHERE relkind IN ('r', 't', 'm')";
        self.data_bytes = within.query("measure the tables", sql, &[])?.parse(0, 0)?;
        Ok(())
    }

    /// Lets sessions in, should the database be closed to all: in a throw-away copy that hurts nobody.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn open_to_sessions(&self, elsewhere: &mut Connection) -> Result<(), ClusterError> {
        if self.allows_connections {
            return Ok(());
        }
        let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", super::statements::identifier(&self.name));
        elsewhere.query("open the database", &sql, &[]).map(drop)
    }
}

/// What the objects of a database refer to of those that all databases share. Pinned objects are in no dependency: the superuser
/// of initdb is looked for by what it owns, and predefined roles are on every server of the same version or later. Who installed an
/// extension does not matter: a dump says CREATE EXTENSION only.
const SHARED: &str = "SELECT DISTINCT s.deptype, COALESCE(r.rolname, t.spcname) \
     FROM pg_catalog.pg_shdepend s \
     LEFT JOIN pg_catalog.pg_roles r ON s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND r.oid = s.refobjid \
     LEFT JOIN pg_catalog.pg_tablespace t ON s.refclassid = 'pg_catalog.pg_tablespace'::pg_catalog.regclass AND t.oid = s.refobjid \
     WHERE (s.dbid = $1::oid OR s.dbid = 0 AND s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND s.objid = $1::oid \
     OR s.classid = 'pg_catalog.pg_subscription'::pg_catalog.regclass \
     AND EXISTS (SELECT FROM pg_catalog.pg_subscription WHERE oid = s.objid AND subdbid = $1::oid)) \
     AND COALESCE(r.rolname, t.spcname) IS NOT NULL \
     AND ($2::bool OR s.dbid = 0 OR (s.classid, s.objid) IN (SELECT * FROM unnest($3::oid[], $4::oid[]))) \
     AND NOT (s.deptype = 'o' AND (s.classid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
     OR EXISTS (SELECT FROM pg_catalog.pg_depend e \
     WHERE e.classid = s.classid AND e.objid = s.objid AND e.deptype = 'e'))) ORDER BY 1, 2";

/// Whether the superuser that initdb made owns anything that is dumped.
const INITIAL_OWNER: &str = "SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10 AND (\
     EXISTS (SELECT FROM pg_catalog.pg_database WHERE oid = $1::oid AND datdba = 10) \
     OR EXISTS (SELECT FROM pg_catalog.pg_default_acl WHERE defaclrole = 10) \
     OR EXISTS (SELECT FROM pg_catalog.pg_subscription WHERE subowner = 10 AND subdbid = $1::oid) \
     OR EXISTS (SELECT FROM (\
     SELECT tableoid AS classid, oid AS objid FROM pg_catalog.pg_class \
     WHERE relowner = 10 AND relkind IN ('r', 'v', 'm', 'S', 'f', 'p', 'c') \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_proc WHERE proowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_namespace WHERE nspowner = 10 AND nspname !~ '^pg_' \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_type \
     WHERE typowner = 10 AND typtype NOT IN ('c', 'm') AND typcategory <> 'A' \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_operator WHERE oprowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_opclass WHERE opcowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_opfamily WHERE opfowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_collation WHERE collowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_conversion WHERE conowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_language WHERE lanowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_largeobject_metadata WHERE lomowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_ts_config WHERE cfgowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_ts_dict WHERE dictowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_foreign_server WHERE srvowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_foreign_data_wrapper WHERE fdwowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_event_trigger WHERE evtowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_publication WHERE pubowner = 10 \
     UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_statistic_ext WHERE stxowner = 10\
     ) owned WHERE owned.objid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e \
     WHERE e.classid = owned.classid AND e.objid = owned.objid AND e.deptype = 'e')))";

/// Writes the numbers of objects as two arrays of the same length.
fn arrays_of(narrowed: Option<&Narrowed>) -> (String, String) {
    let objects = narrowed.into_iter().flat_map(|narrowed| &narrowed.objects);
    let (classes, objects): (Vec<String>, Vec<String>) =
        objects.map(|(class, object)| (class.to_string(), object.to_string())).unzip();
    (format!("{{{}}}", classes.join(",")), format!("{{{}}}", objects.join(",")))
}

impl DatabaseNeeds {
    /// Reads what the database, or the wanted parts of it, need; from within it.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterAnswer`, `ClusterConnectionLost`.
    pub fn read(
        within: &mut Connection,
        facts: &DatabaseFacts,
        narrowed: Option<&Narrowed>,
    ) -> Result<Self, ClusterError> {
        let oid = facts.oid.to_string();
        let parameter = [SqlParameter::Text(&oid)];
        let mut needs = DatabaseNeeds::default();
        let (classes, objects) = arrays_of(narrowed);
        let all = if narrowed.is_none() { "t" } else { "f" };
        let parameters = [&oid, all, &classes, &objects].map(SqlParameter::Text);
        let result = within.query("look for roles and tablespaces", SHARED, &parameters)?;
        for row in 0..result.rows() {
            let name = result.text(row, 1)?.to_owned();
            // Upstream `dependency.h`, SharedDependencyType.
            match result.text(row, 0)? {
                "o" => needs.owners.push(name),
                "r" => needs.policy_roles.push(name),
                "t" => needs.tablespaces.push(name),
                _ => needs.grantees.push(name),
            }
        }
        needs.grantees.dedup();
        needs.tablespaces.retain(|name| *name != facts.tablespace && name != "pg_default");
        let result = within.query("look for the owner's name", INITIAL_OWNER, &parameter)?;
        if result.rows() > 0 {
            needs.owners.push(result.text(0, 0)?.to_owned());
        }
        let sql = "SELECT extname FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' \
                   AND ($1::bool OR oid = ANY ($2::oid[])) ORDER BY extname";
        let result = within.query("list the extensions", sql, &[all, &objects].map(SqlParameter::Text))?;
        for row in 0..result.rows() {
            needs.extensions.push(result.text(row, 0)?.to_owned());
        }
        let sql = "SELECT count(*) FROM pg_catalog.pg_subscription WHERE subdbid = $1::oid";
        if narrowed.is_none() {
            needs.subscriptions = within.query("count the subscriptions", sql, &parameter)?.parse(0, 0)?;
        }
        Ok(needs)
    }
}

impl PreparedTransactions {
    /// Rolls back what was prepared in the session's database and not decided: at that instant nobody saw its changes, and its locks
    /// would hold up a dump for ever.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn roll_back(within: &mut Connection) -> Result<Self, ClusterError> {
        let sql = "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()";
        let result = within.query("look for prepared transactions", sql, &[])?;
        let names: Vec<String> =
            (0..result.rows()).map(|row| result.text(row, 0).map(str::to_owned)).collect::<Result<_, _>>()?;
        for name in &names {
            let sql = format!("ROLLBACK PREPARED {}", super::statements::literal(name));
            within.query("roll back a prepared transaction", &sql, &[])?;
        }
        Ok(PreparedTransactions { rolled_back: names.len() as u64 })
    }
}

impl DatabaseFacts {
    /// Returns the options of CREATE DATABASE for a server of `version`.
    pub(super) fn create_options(&self, version: MajorVersion, with_tablespace: bool) -> String {
        use super::statements::{identifier, literal};
        let mut options = format!("TEMPLATE template0 ENCODING {}", literal(&self.encoding));
        let mut set = |name: &str, value: String| options.push_str(&format!(" {name} {value}"));
        set("LC_COLLATE", literal(&self.collate));
        set("LC_CTYPE", literal(&self.ctype));
        // Named even where it is the default: template0 may have another.
        match self.provider {
            _ if version < MajorVersion::V15 => {}
            LocaleProvider::Libc => set("LOCALE_PROVIDER", "libc".to_owned()),
            LocaleProvider::Icu => {
                set("LOCALE_PROVIDER", "icu".to_owned());
                set("ICU_LOCALE", literal(self.locale.as_deref().unwrap_or_default()));
                if let Some(rules) = &self.icu_rules {
                    set("ICU_RULES", literal(rules));
                }
            }
            LocaleProvider::Builtin => {
                set("LOCALE_PROVIDER", "builtin".to_owned());
                set("BUILTIN_LOCALE", literal(self.locale.as_deref().unwrap_or_default()));
            }
        }
        if with_tablespace {
            set("TABLESPACE", identifier(&self.tablespace));
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(provider: LocaleProvider, locale: Option<&str>) -> DatabaseFacts {
        DatabaseFacts {
            oid: 16400,
            name: "d".to_owned(),
            encoding: "UTF8".to_owned(),
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            provider,
            locale: locale.map(str::to_owned),
            icu_rules: None,
            tablespace: "pg_default".to_owned(),
            allows_connections: true,
            data_bytes: 0,
            total_bytes: 0,
        }
    }

    #[test]
    fn each_version_is_told_what_it_understands() {
        let icu = facts(LocaleProvider::Icu, Some("es-AR"));
        let base = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
        assert_eq!(facts(LocaleProvider::Libc, None).create_options(MajorVersion::V14, false), base);
        assert_eq!(
            icu.create_options(MajorVersion::V15, false),
            format!("{base} LOCALE_PROVIDER icu ICU_LOCALE 'es-AR'")
        );
        assert_eq!(
            facts(LocaleProvider::Builtin, Some("C.UTF-8")).create_options(MajorVersion::V18, true),
            format!("{base} LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' TABLESPACE \"pg_default\"")
        );
    }
}
