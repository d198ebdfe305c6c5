use crate::cluster::{DatabaseFacts, DatabaseNeeds, DatabaseProperties, Snapshot};
use serde::{Deserialize, Serialize};

/// The member with what belongs to no database.
pub(super) const GLOBALS_FILE: &str = "globals.sql";
/// The folder with one folder for each database.
pub(crate) const DATABASES_FOLDER: &str = "databases";
/// The member in a database's folder that describes it.
pub(crate) const DATABASE_FILE: &str = "database.json";
/// What the names of a dump's parts begin with.
pub(crate) const PART_PREFIX: &str = "dump.";

/// The content of `database.json`: what a dump leaves out of the database itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatabaseDescription {
    pub facts: DatabaseFacts,
    pub needs: DatabaseNeeds,
    pub properties: DatabaseProperties,
}

impl DatabaseDescription {
    pub fn of(snapshot: &Snapshot) -> Self {
        let (facts, needs, properties) = (snapshot.facts.clone(), snapshot.needs.clone(), snapshot.properties.clone());
        DatabaseDescription { facts, needs, properties }
    }
}

/// Returns a database's folder: its name where no shell, archiver or file system takes that for anything else.
pub(super) fn folder_of(name: &str, oid: u32) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if begins_well && name.bytes().all(is_plain) { name.to_owned() } else { format!("@{oid}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_called_as_the_database_or_by_its_number() {
        for plain in ["shop", "nexoryn_tech", "_x", "shop-2"] {
            assert_eq!(folder_of(plain, 7), plain);
        }
        for other in ["", "Shop", "..", ".", "a/b", "ñandú", "-x", "2025", "a b", "a*", "@9"] {
            assert_eq!(folder_of(other, 7), "@7", "{other}");
        }
    }
}
