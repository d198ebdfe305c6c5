//! Names of relation files: tablespaces, databases, forks and segments (upstream `relpath.c`, `reinit.c`).

use crate::{FormatError, MajorVersion};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The OID of the tablespace `pg_default`, whose databases lie under `base` (upstream `DEFAULTTABLESPACE_OID`).
pub const DEFAULT_TABLESPACE_OID: u32 = 1663;
/// The OID of the tablespace `pg_global`, whose relations lie in `global` (upstream `GLOBALTABLESPACE_OID`).
pub const GLOBAL_TABLESPACE_OID: u32 = 1664;

/// Identifies a relation's storage. `rel_number` is the relfilenumber, not the table's OID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelFileLocator {
    /// 1663 `pg_default`, 1664 `pg_global`, or a tablespace's OID.
    pub spc_oid: u32,
    /// 0 for shared relations.
    pub db_oid: u32,
    /// The number in the file's name.
    pub rel_number: u32,
}

/// Names a fork (upstream `ForkNumber`). The free space map is not WAL-logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ForkNumber {
    /// The relation's own rows or index entries.
    Main,
    /// The free space map.
    Fsm,
    /// The visibility map.
    Vm,
    /// What an unlogged relation is reset to after a crash.
    Init,
}

impl ForkNumber {
    /// Returns what follows the relfilenumber in a file name: nothing, `_fsm`, `_vm` or `_init`.
    pub fn suffix(self) -> &'static str {
        match self {
            ForkNumber::Main => "",
            ForkNumber::Fsm => "_fsm",
            ForkNumber::Vm => "_vm",
            ForkNumber::Init => "_init",
        }
    }
}

/// Says which relation, fork and segment a file of the data directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelationFile {
    /// Whose storage it is.
    pub locator: RelFileLocator,
    /// Which of its forks.
    pub fork: ForkNumber,
    /// The relation segment: 0 for the first file, 1 for `.1`, …
    pub segment: u32,
}

impl RelationFile {
    /// Reads a path relative to the data directory, such as `base/5/1259_vm`, `global/1262`,
    /// `pg_tblspc/16400/PG_17_202406281/5/16401.1`. Returns `None` for anything that is no permanent relation's file
    /// (temporary relations `t3_16384` included).
    pub fn parse(path: &str) -> Option<Self> {
        let (directory, file_name) = path.rsplit_once('/')?;
        let (spc_oid, db_oid) = relation_directory(directory)?;
        let (rel_number, fork, segment) = parse_file_name(file_name)?;
        Some(RelationFile { locator: RelFileLocator { spc_oid, db_oid, rel_number }, fork, segment })
    }

    /// Returns the path relative to the data directory; `version_directory` names the server's directory in a
    /// tablespace other than `pg_default` and `pg_global`.
    pub fn path(&self, version_directory: PgVersionDirectory) -> String {
        let RelFileLocator { spc_oid, db_oid, rel_number } = self.locator;
        let mut path = match spc_oid {
            GLOBAL_TABLESPACE_OID => format!("global/{rel_number}"),
            DEFAULT_TABLESPACE_OID => format!("base/{db_oid}/{rel_number}"),
            _ => format!("pg_tblspc/{spc_oid}/{version_directory}/{db_oid}/{rel_number}"),
        };
        path.push_str(self.fork.suffix());
        if self.segment > 0 {
            path.push_str(&format!(".{}", self.segment));
        }
        path
    }

    /// Returns the number of the file's first block in the whole relation; `None` past the greatest block number.
    /// The page checksum needs that number, not the one within the file.
    pub fn first_block(&self, relation_segment_blocks: u32) -> Option<u32> {
        self.segment.checked_mul(relation_segment_blocks)
    }
}

/// Tells whether a file's pages carry a checksum when the cluster's checksums are on: the files of permanent relations
/// do, and no others (upstream `pg_checksums.c`, and `noChecksumFiles` in `basebackup.c`: `pg_control`,
/// `pg_filenode.map`, `pg_internal.init`, `PG_VERSION`). `path` is relative to the data directory.
///
/// Upstream looked for names to leave out before 17, and looks for relation names since; both mean the same files,
/// except those that some other program left there.
pub fn carries_page_checksums(path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok_and(|path| RelationFile::parse(path).is_some())
}

/// Tells whether a file name in a database directory belongs to a temporary relation (`t3_16384`, `t3_16384_fsm.1`)
/// (upstream `looks_like_temp_rel_name`).
pub fn is_temporary_relation(file_name: &str) -> bool {
    let split = file_name.strip_prefix('t').and_then(|rest| rest.split_once('_'));
    // The number before the underscore is that of the session that made it, and may be 0.
    split.is_some_and(|(session, relation)| is_digits(session) && is_loosely_a_relation(relation))
}

/// Names a server version's directory in a tablespace, such as `PG_17_202406281`
/// (upstream `TABLESPACE_VERSION_DIRECTORY`). Servers of several versions may share a tablespace's place, each in its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PgVersionDirectory {
    /// The major version, such as 17; not only a supported one.
    pub major: u32,
    /// The catalog version, as the control file has it.
    pub catalog_version: u32,
}

impl PgVersionDirectory {
    /// Returns the directory of a cluster whose control file says `version` and `catalog_version`.
    pub fn new(version: MajorVersion, catalog_version: u32) -> Self {
        PgVersionDirectory { major: version.number(), catalog_version }
    }
}

impl fmt::Display for PgVersionDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PG_{}_{}", self.major, self.catalog_version)
    }
}

impl FromStr for PgVersionDirectory {
    type Err = FormatError;

    /// Reads a directory's name.
    ///
    /// # Errors
    /// `FormatText` when it is no such name.
    fn from_str(name: &str) -> Result<Self, FormatError> {
        let split = || name.strip_prefix("PG_")?.split_once('_');
        split()
            .and_then(|(major, catalog)| {
                Some(PgVersionDirectory { major: parse_number(major)?, catalog_version: parse_number(catalog)? })
            })
            .ok_or_else(|| FormatError::FormatText { what: "tablespace version directory", text: name.to_owned() })
    }
}

/// Returns the tablespace and database that a directory holds the relations of, if it does.
pub(crate) fn relation_directory(directory: &str) -> Option<(u32, u32)> {
    if directory == "global" {
        return Some((GLOBAL_TABLESPACE_OID, 0));
    }
    let (parent, database) = directory.rsplit_once('/')?;
    let db_oid = parse_number(database)?;
    if parent == "base" {
        return Some((DEFAULT_TABLESPACE_OID, db_oid));
    }
    let (tablespace, version) = parent.strip_prefix("pg_tblspc/")?.split_once('/')?;
    let spc_oid = parse_number(tablespace)?;
    // These two lie elsewhere: a link with their OID is none of the server's.
    if matches!(spc_oid, DEFAULT_TABLESPACE_OID | GLOBAL_TABLESPACE_OID) {
        return None;
    }
    version.parse::<PgVersionDirectory>().ok().map(|_| (spc_oid, db_oid))
}

/// Reads `NUMBER[_FORK][.SEGMENT]` as the server writes it (upstream `parse_filename_for_nontemp_relation` of 17).
pub(crate) fn parse_file_name(file_name: &str) -> Option<(u32, ForkNumber, u32)> {
    let (stem, segment) = match file_name.split_once('.') {
        None => (file_name, 0),
        Some((stem, segment)) => (stem, parse_number(segment)?),
    };
    let (number, fork) = split_fork(stem)?;
    Some((parse_number(number)?, fork, segment))
}

/// Splits a name's stem into its number and its fork.
fn split_fork(stem: &str) -> Option<(&str, ForkNumber)> {
    match stem.split_once('_') {
        None => Some((stem, ForkNumber::Main)),
        Some((number, "fsm")) => Some((number, ForkNumber::Fsm)),
        Some((number, "vm")) => Some((number, ForkNumber::Vm)),
        Some((number, "init")) => Some((number, ForkNumber::Init)),
        Some(_) => None,
    }
}

/// Reads a positive number as the server writes it: digits, no sign, no leading zero, at most `u32::MAX`.
fn parse_number(digits: &str) -> Option<u32> {
    if !is_digits(digits) || digits.starts_with('0') {
        return None;
    }
    digits.parse().ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Upstream's laxer form, used for temporary relations: any digits will do.
fn is_loosely_a_relation(name: &str) -> bool {
    let (stem, segment) = name.split_once('.').map_or((name, None), |(stem, segment)| (stem, Some(segment)));
    split_fork(stem).is_some_and(|(number, _)| is_digits(number)) && segment.is_none_or(is_digits)
}
