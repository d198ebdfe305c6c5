//! What a base backup leaves out: PostgreSQL's own list (upstream `basebackup.c`).

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
pub fn treatment(path: &[u8], is_directory: bool) -> Treatment {
    let _ = (path, is_directory);
    todo!()
}

/// Given the file names of one database directory, returns the relfilenumbers that have an init fork: of those only
/// the init fork is copied (upstream `isRelFileName` / `looks_like_rel_name` use).
pub fn unlogged_relations<'a>(file_names: impl Iterator<Item = &'a [u8]>) -> std::collections::HashSet<u32> {
    let _ = file_names;
    todo!()
}

/// Tells whether a file of a database directory is a fork other than init of one of `unlogged`.
pub fn is_unlogged_data(file_name: &[u8], unlogged: &std::collections::HashSet<u32>) -> bool {
    let _ = (file_name, unlogged);
    todo!()
}
