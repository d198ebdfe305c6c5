use super::statements::{GRANTS, STATE};
use super::{CATALOG_VERSION, CatalogError};
use engine::cluster::{Connection, SqlParameter};
use serde::Serialize;

/// How the catalog stands in the database that a connection reaches. Serializes to `{"state": …, …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum CatalogState {
    /// There is none.
    Absent,
    /// It is there, and the role may use it.
    Present {
        /// The version of the schema.
        version: u32,
        /// False on a standby.
        writable: bool,
    },
    /// It was made by a newer version of this program.
    Newer {
        /// The version found.
        version: u32,
    },
    /// Tables, views or functions of the same names are there, and are not ours. They are left alone.
    Foreign {
        /// Their names.
        objects: Vec<String>,
    },
    /// Tables or columns are missing.
    Incomplete {
        /// Which, with the schema.
        missing: Vec<String>,
    },
    /// It is there, and the role may not use it.
    NoPrivilege {
        /// The role that we are.
        role: String,
        /// What mends it, ready for psql.
        grants: Vec<String>,
    },
}

/// Looks at the catalog. Needs no right but that to connect.
///
/// # Errors
/// Those of the server.
pub fn state(connection: &mut Connection) -> Result<CatalogState, CatalogError> {
    let rows = connection.query("look for the catalog", STATE, &[])?;
    let list = |column: usize| -> Result<Vec<String>, CatalogError> {
        let text = rows.text(0, column)?;
        Ok(text.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect())
    };
    let (tables, foreign_tables, foreign_others, missing) = (rows.parse::<u32>(0, 0)?, list(1)?, list(2)?, list(3)?);
    let (version, may_use, in_recovery) = (rows.parse::<u32>(0, 4)?, rows.boolean(0, 5)?, rows.boolean(0, 6)?);
    let role = rows.text(0, 7)?.to_owned();
    // A view that somebody made anew, beside tables that are ours, keeps nobody from using the tables.
    let objects = if tables == 0 { foreign_others } else { foreign_tables };
    Ok(if !objects.is_empty() {
        CatalogState::Foreign { objects }
    } else if tables == 0 {
        CatalogState::Absent
    } else if version > CATALOG_VERSION {
        CatalogState::Newer { version }
    } else if !missing.is_empty() {
        CatalogState::Incomplete { missing }
    } else if may_use {
        CatalogState::Present { version, writable: !in_recovery }
    } else {
        let grants = grants(connection, &role)?;
        CatalogState::NoPrivilege { role, grants }
    })
}

/// Returns the statements that let `role` keep the catalog up to date or, where there is none yet, make it; ready for psql, in the
/// database that the connection reaches. They may be run twice.
///
/// # Errors
/// Those of the server.
pub fn grants(connection: &mut Connection, role: &str) -> Result<Vec<String>, CatalogError> {
    let rows = connection.query("name the catalog's grants", GRANTS, &[SqlParameter::Text(role)])?;
    (0..rows.rows()).map(|row| Ok(rows.text(row, 0)?.to_owned())).collect()
}

/// Demands a catalog that can be read, and written too unless it is `read_only`.
pub(super) fn demand(connection: &mut Connection, read_only: bool) -> Result<(), CatalogError> {
    let target = connection.target();
    state(connection)?.usable(&target, read_only)
}

impl CatalogState {
    /// Tells whether the catalog can be read, and written too unless `read_only`; `target` names the database in errors.
    ///
    /// # Errors
    /// `CatalogAbsent`, `CatalogForeign`, `CatalogIncomplete`, `CatalogNewer`, `CatalogPrivilege`, `CatalogReadOnly`.
    pub fn usable(&self, target: &str, read_only: bool) -> Result<(), CatalogError> {
        let target = target.to_owned();
        Err(match self {
            CatalogState::Present { writable: false, .. } if !read_only => CatalogError::CatalogReadOnly { target },
            CatalogState::Present { .. } => return Ok(()),
            CatalogState::Absent => CatalogError::CatalogAbsent { target },
            CatalogState::Newer { version } => {
                CatalogError::CatalogNewer { target, found: *version, supported: CATALOG_VERSION }
            }
            CatalogState::Foreign { objects } => CatalogError::CatalogForeign { target, objects: objects.join(", ") },
            CatalogState::Incomplete { missing } => {
                CatalogError::CatalogIncomplete { target, missing: missing.join(", ") }
            }
            CatalogState::NoPrivilege { role, grants } => {
                CatalogError::CatalogPrivilege { role: role.clone(), grants: grants.join(" ") }
            }
        })
    }
}
