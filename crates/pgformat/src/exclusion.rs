//! What a base backup leaves out: PostgreSQL's own list (upstream `basebackup.c`, the same in 14 to 18 but for
//! `.DS_Store`, at which 14's own base backup stumbles).
//!
//! | name | where | becomes |
//! |---|---|---|
//! | `pg_stat_tmp`, `pg_replslot`, `pg_dynshmem`, `pg_notify`, `pg_serial`, `pg_snapshots`, `pg_subtrans` | any depth | an empty directory |
//! | `pg_wal` | top | an empty directory |
//! | `postgresql.auto.conf.tmp`, `current_logfiles.tmp`, `backup_label`, `tablespace_map`, `backup_manifest`, `postmaster.pid`, `postmaster.opts`, `.DS_Store` | any depth | nothing |
//! | `pg_internal.init*`, `pgsql_tmp*` | any depth | nothing |
//! | temporary relations | a database's directory | nothing |
//! | unlogged relations but their init fork | a database's directory | nothing |
//!
//! Kept, as upstream keeps them: `backup_label.old` and `tablespace_map.old` (harmless left-overs), `recovery.signal`
//! and `standby.signal` (the backup of a standby has one: whoever restores decides what the copy is to be), log files,
//! `pg_stat`, and whatever a user put there. PostgreSQL 14 also skips `stats_temp_directory` when that setting names
//! another place than `pg_stat_tmp`; a name alone does not tell, and copying it does no harm.
//!
//! Only a tablespace's own [`PgVersionDirectory`](crate::relation_file::PgVersionDirectory) belongs to the cluster; the
//! reader must skip its neighbours, since they may be another server's.

use crate::relation_file::{ForkNumber, is_temporary_relation, parse_file_name, relation_directory};
use std::collections::HashSet;

/// Directories whose contents the server removes or makes anew when it starts (upstream `excludeDirContents`).
const EMPTIED_DIRECTORIES: [&[u8]; 7] =
    [b"pg_stat_tmp", b"pg_replslot", b"pg_dynshmem", b"pg_notify", b"pg_serial", b"pg_snapshots", b"pg_subtrans"];

/// Where the WAL lies (upstream `XLOGDIR`).
const WAL_DIRECTORY: &[u8] = b"pg_wal";

/// Files that belong to the running server or to another backup (upstream `excludeFiles`; the last one is from `sendDir`).
const EXCLUDED_NAMES: [&[u8]; 8] = [
    b"postgresql.auto.conf.tmp",
    b"current_logfiles.tmp",
    b"backup_label",
    b"tablespace_map",
    b"backup_manifest",
    b"postmaster.pid",
    b"postmaster.opts",
    b".DS_Store",
];

/// Beginnings of names: relation caches, which are rebuilt, and temporary files (upstream `RELCACHE_INIT_FILENAME`,
/// `PG_TEMP_FILE_PREFIX`).
const EXCLUDED_PREFIXES: [&[u8]; 2] = [b"pg_internal.init", b"pgsql_tmp"];

/// Says what becomes of a path in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Copied.
    Include,
    /// A directory that is kept, empty: its entry is written and its contents are not (`pg_replslot`, `pg_stat_tmp`, `pg_wal`, …).
    EmptyDirectory,
    /// Left out altogether.
    Exclude,
}

/// Judges a path relative to the data directory (`/` as separator; bytes, since names need not be UTF-8) by its name alone.
///
/// Unlogged relations can't be told by name alone: a directory listing is needed, see [`unlogged_relations`].
/// `pg_wal` is an empty directory here (with its `archive_status` and, from 17 on, `summaries` made by restore);
/// the WAL that a backup needs is added on its own. `backup_label`, `tablespace_map`, `backup_manifest`,
/// `postmaster.pid`, `postmaster.opts`, `postgresql.auto.conf.tmp`, `current_logfiles.tmp`, `pg_internal.init*`,
/// `pgsql_tmp*`, temporary relations, and other names on upstream's list are excluded.
///
/// What lies below an excluded or emptied directory is excluded. `is_directory` is `false` for a symbolic link; one at
/// the top that stands for an emptied directory (`pg_wal` on another disk, say) becomes a directory, as upstream has it.
pub fn treatment(path: &[u8], is_directory: bool) -> Treatment {
    for (index, byte) in path.iter().enumerate() {
        if *byte == b'/' && own_treatment(&path[..index], true) != Treatment::Include {
            return Treatment::Exclude;
        }
    }
    own_treatment(path, is_directory)
}

/// Judges a path as if all directories above it were included.
fn own_treatment(path: &[u8], is_directory: bool) -> Treatment {
    let (parent, name) = split_name(path);
    if EXCLUDED_NAMES.contains(&name) || EXCLUDED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Treatment::Exclude;
    }
    let is_top = parent.is_empty();
    // Further down, a mere file of that name is nobody's directory: when in doubt, it is copied.
    if (is_top && name == WAL_DIRECTORY) || ((is_top || is_directory) && EMPTIED_DIRECTORIES.contains(&name)) {
        return Treatment::EmptyDirectory;
    }
    if is_in_database_directory(parent) && std::str::from_utf8(name).is_ok_and(is_temporary_relation) {
        return Treatment::Exclude;
    }
    Treatment::Include
}

/// Given the file names of one database directory, returns the relfilenumbers that have an init fork: of those only
/// the init fork is copied (upstream `parse_filename_for_nontemp_relation` use in `sendDir`).
pub fn unlogged_relations<'a>(file_names: impl Iterator<Item = &'a [u8]>) -> HashSet<u32> {
    // Upstream asks for `NUMBER_init`, the first segment, and so do we.
    file_names
        .filter_map(|name| match parse_name(name)? {
            (rel_number, ForkNumber::Init, 0) => Some(rel_number),
            _ => None,
        })
        .collect()
}

/// Tells whether a file of a database directory is a fork other than init of one of `unlogged`.
pub fn is_unlogged_data(file_name: &[u8], unlogged: &HashSet<u32>) -> bool {
    parse_name(file_name)
        .is_some_and(|(rel_number, fork, _)| fork != ForkNumber::Init && unlogged.contains(&rel_number))
}

fn parse_name(file_name: &[u8]) -> Option<(u32, ForkNumber, u32)> {
    parse_file_name(std::str::from_utf8(file_name).ok()?)
}

/// Splits the last name off a path.
fn split_name(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// Tells whether a directory holds one database's relations; those of `global` are never temporary.
fn is_in_database_directory(directory: &[u8]) -> bool {
    std::str::from_utf8(directory).ok().and_then(relation_directory).is_some_and(|(_, db_oid)| db_oid != 0)
}
