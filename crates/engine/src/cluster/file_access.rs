//! How are the server's files read over SQL? With `pg_ls_dir`, `pg_stat_file` and `pg_read_binary_file` (upstream
//! `genfile.c`). Paths are relative to the data directory, tablespaces by way of `pg_tblspc/OID`: such paths need only EXECUTE
//! on these functions, not membership in pg_read_server_files.

use super::error::sqlstate;
use super::privileges::{LS_DIR, READ_BINARY_FILE, STAT_FILE, explain_denial};
use super::query::number_array;
use super::{ClusterError, Connection, Row, SqlParameter, text_array};

/// What the server's `stat` says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// A directory, also behind a symbolic link.
    pub is_dir: bool,
    /// Its length.
    pub size_bytes: u64,
    /// Seconds since the Unix epoch of the last change of its content.
    pub modified_seconds: i64,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRange<'a> {
    /// From the data directory.
    pub path: &'a str,
    /// Where it begins.
    pub offset_bytes: u64,
    /// How long it is at most. The server reserves memory for all of it, whatever the file's size, and refuses a gigabyte.
    pub length_bytes: u64,
}

/// A file that goes away between the two functions has a row of NULLs.
const LIST: &str = "SELECT d.name, s.isdir, s.size, extract(epoch FROM s.modification)::bigint \
    FROM pg_ls_dir($1::text, true, false) AS d(name), LATERAL pg_stat_file($1::text || '/' || d.name, true) AS s";

const STAT: &str = "SELECT s.isdir, s.size, extract(epoch FROM s.modification)::bigint \
    FROM pg_stat_file($1::text, true) AS s";

/// The function scan returns rows in the arrays' order; ORDER BY makes that a promise, and as the read is volatile, the server
/// sorts the ranges before it reads, not the contents after.
const READ: &str = "SELECT pg_read_binary_file(r.path, r.start, r.length, true) \
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS r(path, start, length, n) ORDER BY r.n";

/// A file's beginning and its time of change in one row, so that many small files cost one round trip.
const READ_BEGINNINGS: &str = "SELECT pg_read_binary_file(r.path, 0, $2::bigint, true), \
    (SELECT extract(epoch FROM s.modification)::bigint FROM pg_stat_file(r.path, true) AS s) \
    FROM unnest($1::text[]) WITH ORDINALITY AS r(path, n) ORDER BY r.n";

/// Rows that the reader of ranges takes at a time: each is copied out before the next is read, so that one range is held twice
/// and not all of them.
const RANGES_AT_A_TIME: u16 = 1;

/// Lists a directory in one statement: every entry's name (raw bytes), kind, size and time of change. Entries come in no
/// order; those that vanish meanwhile are left out, and a directory that is not there has none. Names that are not UTF-8 are
/// handed over too, but neither [`read_ranges`] nor [`list_directory`] can be asked for them: give [`ClusterError::file_name`]
/// for those that are needed.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterFileName` when the server itself trips over a name, `ClusterSql`, `ClusterConnectionLost`, and
/// what `each` returns.
pub fn list_directory<E: From<ClusterError>>(
    connection: &mut Connection,
    path: &str,
    each: &mut dyn FnMut(&[u8], FileStat) -> Result<(), E>,
) -> Result<(), E> {
    connection.use_raw_encoding()?;
    let path = if path.is_empty() { "." } else { path };
    let mut of_caller = None;
    let listed = connection.query_each("list a directory", LIST, &[SqlParameter::Text(path)], true, &mut |row| {
        let Some(stat) = file_stat(row, 1)? else { return Ok(()) };
        each(row.bytes(0).unwrap_or_default(), stat).map_err(|error| {
            of_caller = Some(error);
            ClusterError::ClusterCancelled {}
        })
    });
    match (of_caller, listed) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(explain(connection, error, path, &[LS_DIR, STAT_FILE]).into()),
    }
}

/// Returns what the server's `stat` says of one file or directory; `None` when it is not there.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterFileName`, `ClusterSql`, `ClusterConnectionLost`.
pub fn stat_file(connection: &mut Connection, path: &str) -> Result<Option<FileStat>, ClusterError> {
    connection.use_raw_encoding()?;
    match connection.query_binary("look at a file", STAT, &[SqlParameter::Text(path)]) {
        Ok(answer) if answer.rows() == 1 => file_stat(&answer.row(0), 0),
        Ok(answer) => Err(answer.odd(0, 0, "not one row")),
        Err(error) => Err(explain(connection, error, path, &[STAT_FILE])),
    }
}

/// Reads parts of files in one statement and appends them to `out`, in order. For each range: how many bytes were there (fewer
/// than asked for at the file's end), or `None` when the file is gone. The server holds one range in memory at a time; so do we,
/// besides `out`. Ask for 16 MiB in one call at the most. On an error `out` is as it was.
///
/// # Errors
/// `ClusterPrivilege`, `ClusterFileName`, `ClusterAnswer`, `ClusterSql`, `ClusterConnectionLost`.
pub fn read_ranges(
    connection: &mut Connection,
    ranges: &[FileRange<'_>],
    out: &mut Vec<u8>,
) -> Result<Vec<Option<usize>>, ClusterError> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    connection.use_raw_encoding()?;
    let paths = text_array(ranges.iter().map(|range| range.path));
    let offsets = number_array(ranges.iter().map(|range| range.offset_bytes));
    let lengths = number_array(ranges.iter().map(|range| range.length_bytes));
    let parameters = [&paths, &offsets, &lengths].map(|array| SqlParameter::Text(array));

    let before = out.len();
    let mut found = Vec::with_capacity(ranges.len());
    let read = connection.query_portions("read files", READ, &parameters, true, RANGES_AT_A_TIME, &mut |row| {
        let asked = ranges.get(found.len()).map_or(0, |range| range.length_bytes);
        let bytes = row.bytes(0);
        if bytes.is_some_and(|bytes| bytes.len() as u64 > asked) {
            return Err(odd_answer("more bytes than asked for"));
        }
        out.extend_from_slice(bytes.unwrap_or_default());
        found.push(bytes.map(<[u8]>::len));
        Ok(())
    });
    let outcome = match read {
        Ok(()) if found.len() == ranges.len() => return Ok(found),
        Ok(()) => odd_answer("another number of rows than of ranges"),
        Err(error) => error,
    };
    out.truncate(before);
    let path = ranges.get(found.len()).map_or("", |range| range.path);
    Err(explain(connection, outcome, path, &[READ_BINARY_FILE]))
}

/// Reads the first `limit_bytes` of each file in one statement and hands them to `each` in order, with the place in `paths`
/// and the seconds since the Unix epoch of the last change; `None` for a file that is not there. The server and we hold one
/// file in memory at a time.
///
/// # Errors
/// Those of [`read_ranges`], and what `each` returns.
pub fn read_beginnings<E: From<ClusterError>>(
    connection: &mut Connection,
    paths: &[&str],
    limit_bytes: u64,
    each: &mut dyn FnMut(usize, Option<(&[u8], i64)>) -> Result<(), E>,
) -> Result<(), E> {
    if paths.is_empty() {
        return Ok(());
    }
    connection.use_raw_encoding()?;
    let (array, limit) = (text_array(paths.iter().copied()), limit_bytes.to_string());
    let parameters = [SqlParameter::Text(&array), SqlParameter::Text(&limit)];
    let mut place = 0;
    let mut of_caller = None;
    let read =
        connection.query_portions("read files", READ_BEGINNINGS, &parameters, true, RANGES_AT_A_TIME, &mut |row| {
            let content = row.bytes(0).map(|bytes| Ok((bytes, row.binary_bigint(1)?.unwrap_or(0)))).transpose()?;
            place += 1;
            each(place - 1, content).map_err(|error| {
                of_caller = Some(error);
                ClusterError::ClusterCancelled {}
            })
        });
    match (of_caller, read) {
        (Some(error), _) => Err(error),
        (None, Ok(())) if place == paths.len() => Ok(()),
        (None, Ok(())) => Err(odd_answer("another number of rows than of files").into()),
        (None, Err(error)) => {
            let path = paths.get(place).copied().unwrap_or_default();
            Err(explain(connection, error, path, &[READ_BINARY_FILE, STAT_FILE]).into())
        }
    }
}

/// Reads a whole small file; `None` when it is not there. The server reserves memory for `limit_bytes`.
///
/// # Errors
/// Those of [`read_ranges`]; `ClusterAnswer` when it is longer than `limit_bytes`.
pub fn read_file(connection: &mut Connection, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, ClusterError> {
    let mut bytes = Vec::new();
    let range = FileRange { path, offset_bytes: 0, length_bytes: limit_bytes.saturating_add(1) };
    match read_ranges(connection, &[range], &mut bytes)?.first() {
        Some(Some(length)) if *length as u64 > limit_bytes => {
            Err(odd_answer(&format!("{path} is longer than {limit_bytes} bytes")))
        }
        Some(Some(_)) => Ok(Some(bytes)),
        _ => Ok(None),
    }
}

impl ClusterError {
    /// Makes the error for a file whose name can't be passed through SQL.
    pub fn file_name(directory: &str, name: &[u8]) -> Self {
        let name = name.escape_ascii().to_string();
        ClusterError::ClusterFileName { directory: directory.to_owned(), name }
    }
}

fn odd_answer(detail: &str) -> ClusterError {
    ClusterError::ClusterAnswer { action: "read files".to_owned(), detail: detail.to_owned() }
}

/// Reads the three columns from `first` on; `None` when the file is gone.
fn file_stat(row: &Row<'_>, first: usize) -> Result<Option<FileStat>, ClusterError> {
    let columns = (row.binary_boolean(first)?, row.binary_bigint(first + 1)?, row.binary_bigint(first + 2)?);
    let (Some(is_dir), Some(size), Some(modified_seconds)) = columns else { return Ok(None) };
    let size_bytes = u64::try_from(size).map_err(|_| odd_answer("a file of negative size"))?;
    Ok(Some(FileStat { is_dir, size_bytes, modified_seconds }))
}

fn explain(connection: &mut Connection, error: ClusterError, path: &str, functions: &[&str]) -> ClusterError {
    match error.sqlstate() {
        Some(sqlstate::CHARACTER_NOT_IN_REPERTOIRE | sqlstate::UNTRANSLATABLE_CHARACTER) => {
            ClusterError::ClusterFileName { directory: path.to_owned(), name: String::new() }
        }
        _ => explain_denial(connection, error, functions),
    }
}
