use super::error::display_path;
use super::{DirectoryEntry, EntryKind, FileContent, PathRange, ReadError, Source, SourceFile, SourceReader};
use crate::cluster::{self, Connection, ConnectionSettings, FileRange};

/// Reads the data directory through SQL, so that a login on the server is enough. Each reader has its own connection.
#[derive(Clone)]
pub struct SqlSource {
    settings: ConnectionSettings,
}

struct SqlReader {
    connection: Connection,
    /// Reused for replies.
    buffer: Vec<u8>,
}

/// How much one statement asks for at the most, so that server and libpq hold little.
const STATEMENT_BYTES: u64 = 1024 * 1024;
/// How many parts of files one statement asks for at the most: enough that its round trip does not count.
const STATEMENT_RANGES: usize = 512;
/// What permissions the files get: SQL does not tell, and these are PostgreSQL's own.
const FILE_MODE: u32 = 0o600;

impl SqlSource {
    /// Reads from the server that `settings` reach.
    pub fn new(settings: &ConnectionSettings) -> Self {
        SqlSource { settings: settings.clone() }
    }
}

impl Source for SqlSource {
    fn name(&self) -> &'static str {
        "sql"
    }

    fn reader(&self) -> Result<Box<dyn SourceReader>, ReadError> {
        Ok(Box::new(SqlReader { connection: Connection::connect(&self.settings)?, buffer: Vec::new() }))
    }
}

impl SourceReader for SqlReader {
    fn list(&mut self, folder: &[u8]) -> Result<Option<Vec<DirectoryEntry>>, ReadError> {
        let mut listed = Vec::new();
        cluster::list_directory(&mut self.connection, text(folder)?, &mut |name, stat| -> Result<(), ReadError> {
            let kind = if stat.is_dir { EntryKind::Folder } else { EntryKind::File };
            listed.push(DirectoryEntry {
                name: name.into(),
                kind,
                size_bytes: stat.size_bytes,
                modified_seconds: stat.modified_seconds,
                mode: FILE_MODE,
                is_link: false,
            });
            Ok(())
        })?;
        Ok(Some(listed))
    }

    fn open(&mut self, path: &[u8]) -> Result<Option<SourceFile>, ReadError> {
        let found = cluster::stat_file(&mut self.connection, text(path)?)?;
        Ok(found.filter(|found| !found.is_dir).map(|found| SourceFile {
            path: path.to_vec(),
            size_bytes: found.size_bytes,
            modified_seconds: found.modified_seconds,
            mode: FILE_MODE,
            handle: None,
        }))
    }

    fn read_at(&mut self, file: &SourceFile, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let range = FileRange { path: text(&file.path)?, offset_bytes: offset, length_bytes: buffer.len() as u64 };
        self.buffer.clear();
        cluster::read_ranges(&mut self.connection, &[range], &mut self.buffer)?;
        // Gone: nothing is left of it, as of a file truncated to nothing.
        buffer[..self.buffer.len()].copy_from_slice(&self.buffer);
        Ok(self.buffer.len())
    }

    fn read_files(
        &mut self,
        paths: &[&[u8]],
        limit_bytes: usize,
        each: &mut dyn FnMut(usize, Option<FileContent<'_>>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let paths = paths.iter().map(|path| text(path)).collect::<Result<Vec<_>, _>>()?;
        cluster::read_beginnings(&mut self.connection, &paths, limit_bytes as u64, &mut |place, found| {
            let content =
                found.map(|(bytes, modified_seconds)| FileContent { bytes, modified_seconds, mode: FILE_MODE });
            each(place, content)
        })
    }

    fn read_ranges(&mut self, ranges: &[PathRange<'_>], buffer: &mut Vec<u8>) -> Result<Vec<Option<usize>>, ReadError> {
        buffer.clear();
        let mut found = Vec::with_capacity(ranges.len());
        let mut rest = ranges;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(one_statement(rest));
            let asked = now
                .iter()
                .map(|range| {
                    let (offset_bytes, length_bytes) = (range.offset, range.length as u64);
                    Ok(FileRange { path: text(range.path)?, offset_bytes, length_bytes })
                })
                .collect::<Result<Vec<_>, ReadError>>()?;
            found.extend(cluster::read_ranges(&mut self.connection, &asked, buffer)?);
            rest = later;
        }
        Ok(found)
    }

    fn read_size_bytes(&self, frame_bytes: usize) -> usize {
        frame_bytes.max(STATEMENT_BYTES as usize)
    }
}

/// Returns how many of the ranges one statement asks for, at least one.
fn one_statement(ranges: &[PathRange<'_>]) -> usize {
    let mut bytes = 0;
    let fit = ranges.iter().take(STATEMENT_RANGES).take_while(|range| {
        bytes += range.length as u64;
        bytes <= STATEMENT_BYTES
    });
    fit.count().max(1)
}

fn text(path: &[u8]) -> Result<&str, ReadError> {
    std::str::from_utf8(path).map_err(|_| ReadError::ReadNotUtf8 { path: display_path(path) })
}
