//! What a dump without `--create` leaves out: what belongs to the database itself and not to anything in it.

use super::statements::{identifier, literal, setting_value};
use crate::cluster::{ClusterError, Connection, SqlParameter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Owner, rights, settings, comment and the like of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseProperties {
    /// Its owner.
    pub owner: String,
    /// `CONNECTION LIMIT`; -1: none.
    pub connection_limit: i64,
    /// Whether anyone may copy it.
    pub is_template: bool,
    /// `COMMENT ON DATABASE`.
    pub comment: Option<String>,
    /// `ALTER DATABASE SET` and `ALTER ROLE IN DATABASE SET`: role if any, name, value as stored.
    pub settings: Vec<(Option<String>, String, String)>,
    /// Rights: to whom (`None`: everybody), which, whether it may be passed on. `None`: those that every new database has.
    pub rights: Option<Vec<(Option<String>, String, bool)>>,
    /// Security labels: provider and label.
    pub labels: Vec<(String, String)>,
}

/// What is not to be carried over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Leaving {
    pub owner: bool,
    pub rights: bool,
}

impl DatabaseProperties {
    /// Reads them of the database with this number.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterAnswer`, `ClusterConnectionLost`.
    pub fn read(connection: &mut Connection, oid: u32) -> Result<Self, ClusterError> {
        let oid = oid.to_string();
        let parameter = [SqlParameter::Text(&oid)];
        let sql = "SELECT pg_catalog.pg_get_userbyid(datdba), datconnlimit, datistemplate, datacl IS NULL, \
                   pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE oid = $1::oid";
        let row = connection.query("read the database's properties", sql, &parameter)?;
        let comment = row.bytes(0, 4).is_some().then(|| row.text(0, 4).map(str::to_owned)).transpose()?;
        let default_rights = row.boolean(0, 3)?;
        let mut properties = DatabaseProperties {
            owner: row.text(0, 0)?.to_owned(),
            connection_limit: row.parse(0, 1)?,
            is_template: row.boolean(0, 2)?,
            comment,
            settings: Vec::new(),
            rights: None,
            labels: Vec::new(),
        };

        let sql = "SELECT r.rolname, c FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, \
                   LATERAL unnest(s.setconfig) WITH ORDINALITY AS u(c, n) \
                   WHERE s.setdatabase = $1::oid AND (s.setrole = 0 OR r.oid IS NOT NULL) ORDER BY r.rolname NULLS FIRST, u.n";
        let rows = connection.query("read the database's settings", sql, &parameter)?;
        for row in 0..rows.rows() {
            let role = rows.bytes(row, 0).is_some().then(|| rows.text(row, 0).map(str::to_owned)).transpose()?;
            if let Some((name, value)) = rows.text(row, 1)?.split_once('=') {
                properties.settings.push((role, name.to_owned(), value.to_owned()));
            }
        }

        if !default_rights {
            let sql = "SELECT r.rolname, a.privilege_type, a.is_grantable \
                       FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(d.datacl) a \
                       LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee \
                       WHERE d.oid = $1::oid AND (a.grantee = 0 OR r.oid IS NOT NULL) ORDER BY 1 NULLS FIRST, 2";
            let rows = connection.query("read the database's rights", sql, &parameter)?;
            let mut rights = Vec::new();
            for row in 0..rows.rows() {
                let role = rows.bytes(row, 0).is_some().then(|| rows.text(row, 0).map(str::to_owned)).transpose()?;
                rights.push((role, rows.text(row, 1)?.to_owned(), rows.boolean(row, 2)?));
            }
            properties.rights = Some(rights);
        }

        let sql = "SELECT provider, label FROM pg_catalog.pg_shseclabel \
                   WHERE classoid = 'pg_catalog.pg_database'::pg_catalog.regclass AND objoid = $1::oid ORDER BY 1";
        let rows = connection.query("read the database's labels", sql, &parameter)?;
        for row in 0..rows.rows() {
            properties.labels.push((rows.text(row, 0)?.to_owned(), rows.text(row, 1)?.to_owned()));
        }
        Ok(properties)
    }

    /// Gives them to another database, but for the comment, whose place our mark has. What the server does not know, such as the setting of an extension that it does not load or a
    /// provider of labels, is left out and told.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub(super) fn apply(
        &self,
        connection: &mut Connection,
        database: &str,
        leaving: Leaving,
        roles: &[String],
    ) -> Result<Vec<Value>, ClusterError> {
        let database = identifier(database);
        let mut left_out = Vec::new();
        for (role, name, value) in &self.settings {
            if role.as_ref().is_some_and(|role| !roles.contains(role)) {
                left_out.push(left_out_setting(role.as_deref(), name, "role"));
                continue;
            }
            let subject = match role {
                Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", identifier(role)),
                None => format!("ALTER DATABASE {database}"),
            };
            let sql = format!("{subject} SET {} TO {}", setting_name(name), setting_value(name, value));
            match connection.query("set the database's settings", &sql, &[]) {
                Ok(_) => {}
                Err(ClusterError::ClusterSql { detail, .. }) => {
                    left_out.push(left_out_setting(role.as_deref(), name, &detail));
                }
                Err(error) => return Err(error),
            }
        }
        for (provider, label) in &self.labels {
            let sql =
                format!("SECURITY LABEL FOR {} ON DATABASE {database} IS {}", identifier(provider), literal(label));
            match connection.query("set the database's label", &sql, &[]) {
                Ok(_) => {}
                Err(ClusterError::ClusterSql { detail, .. }) => {
                    left_out.push(json!({ "key": "warning-database-label", "provider": provider, "cause": detail }));
                }
                Err(error) => return Err(error),
            }
        }
        if !leaving.owner {
            let sql = format!("ALTER DATABASE {database} OWNER TO {}", identifier(&self.owner));
            connection.query("set the owner", &sql, &[])?;
        }
        if let Some(rights) = self.rights.as_ref().filter(|_| !leaving.rights) {
            self.grant(connection, &database, rights, leaving)?;
        }
        let limit = self.connection_limit;
        connection.query("set the limit", &format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}"), &[])?;
        if self.is_template {
            connection.query("make it a template", &format!("ALTER DATABASE {database} IS_TEMPLATE true"), &[])?;
        }
        Ok(left_out)
    }

    /// Replaces the rights that every new database has.
    fn grant(
        &self,
        connection: &mut Connection,
        database: &str,
        rights: &[(Option<String>, String, bool)],
        leaving: Leaving,
    ) -> Result<(), ClusterError> {
        let mut run = |sql: String| connection.query("set the database's rights", &sql, &[]).map(drop);
        run(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC"))?;
        if !leaving.owner {
            run(format!("REVOKE ALL ON DATABASE {database} FROM {}", identifier(&self.owner)))?;
        }
        for (role, right, may_pass_on) in rights {
            // The owner's own rights are those of whoever owns it now.
            if leaving.owner && role.as_ref() == Some(&self.owner) {
                continue;
            }
            let role = role.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
            let option = if *may_pass_on { " WITH GRANT OPTION" } else { "" };
            run(format!("GRANT {right} ON DATABASE {database} TO {role}{option}"))?;
        }
        Ok(())
    }
}

/// Quotes a setting's name: that of an extension has parts.
fn setting_name(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

fn left_out_setting(role: Option<&str>, name: &str, cause: &str) -> Value {
    let role = role.unwrap_or("-");
    json!({ "key": "warning-database-setting", "name": name, "role": role, "cause": cause })
}
