//! Names of relation files: tablespaces, databases, forks and segments (upstream `relpath.c`).

use serde::{Deserialize, Serialize};

/// Identifies a relation's storage. `rel_number` is the relfilenumber, not the table's OID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelFileLocator {
    /// 1663 `pg_default`, 1664 `pg_global`, or a tablespace's OID.
    pub spc_oid: u32,
    /// 0 for shared relations.
    pub db_oid: u32,
    pub rel_number: u32,
}

/// Names a fork (upstream `ForkNumber`). The free space map is not WAL-logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ForkNumber {
    Main,
    Fsm,
    Vm,
    Init,
}

/// Says which relation, fork and segment a file of the data directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelationFile {
    pub locator: RelFileLocator,
    pub fork: ForkNumber,
    /// The relation segment: 0 for the first file, 1 for `.1`, …
    pub segment: u32,
}

impl RelationFile {
    /// Reads a path relative to the data directory, such as `base/5/1259_vm`, `global/1262`,
    /// `pg_tblspc/16400/PG_17_202406281/5/16401.1`. Returns `None` for anything that is no permanent relation's file
    /// (temporary relations `t3_16384` included).
    pub fn parse(path: &str) -> Option<Self> {
        let _ = path;
        todo!()
    }
}

/// Tells whether a file name in a database directory belongs to a temporary relation (`t3_16384`, `t3_16384_fsm.1`).
pub fn is_temporary_relation(file_name: &str) -> bool {
    let _ = file_name;
    todo!()
}
