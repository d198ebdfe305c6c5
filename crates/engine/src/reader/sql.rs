use super::error::display_path;
use super::{DirectoryEntry, EntryKind, FileContent, ReadError, Source, SourceFile, SourceReader};
use crate::cluster::{Connection, ConnectionSettings, file_access};

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
        let folder = if folder.is_empty() { "." } else { text(folder)? };
        let mut listed = Vec::new();
        let exists = file_access::list_directory(&mut self.connection, folder, &mut |entry| {
            let kind = if entry.is_directory { EntryKind::Folder } else { EntryKind::File };
            let (name, size_bytes) = (entry.name.into(), entry.size_bytes);
            listed.push(DirectoryEntry { name, kind, size_bytes, is_link: false });
            Ok(())
        })?;
        Ok(exists.then_some(listed))
    }

    fn open(&mut self, path: &[u8]) -> Result<Option<SourceFile>, ReadError> {
        let found = file_access::stat_file(&mut self.connection, text(path)?)?;
        Ok(found.filter(|found| !found.is_directory).map(|found| SourceFile {
            path: path.to_vec(),
            size_bytes: found.size_bytes,
            modified_seconds: found.modified_seconds,
            mode: FILE_MODE,
            handle: None,
        }))
    }

    fn read_at(&mut self, file: &SourceFile, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let range = (text(&file.path)?, offset, buffer.len() as u64);
        self.buffer.clear();
        let found = file_access::read_ranges(&mut self.connection, &[range], &mut self.buffer)?;
        // Gone: nothing is left of it, as of a file truncated to nothing.
        let length = found.first().copied().flatten().unwrap_or(0).min(buffer.len());
        buffer[..length].copy_from_slice(&self.buffer[..length]);
        Ok(length)
    }

    fn read_files(
        &mut self,
        paths: &[&[u8]],
        limit_bytes: usize,
        each: &mut dyn FnMut(usize, Option<FileContent<'_>>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut begin = 0;
        while begin < paths.len() {
            // Sizes are not known here: as many files as could fill a statement's reply even if all were at the limit.
            // Small ones reply with less.
            let count = ((16 * STATEMENT_BYTES) / limit_bytes.max(1) as u64).clamp(1, 256) as usize;
            let batch = &paths[begin..(begin + count).min(paths.len())];
            let mut ranges = Vec::with_capacity(batch.len());
            for path in batch {
                ranges.push((text(path)?, 0, limit_bytes as u64));
            }
            self.buffer.clear();
            let stats = file_access::stat_files(&mut self.connection, &ranges)?;
            let found = file_access::read_ranges(&mut self.connection, &ranges, &mut self.buffer)?;
            let mut position = 0;
            for (place, (length, modified)) in found.into_iter().zip(stats).enumerate() {
                let content = length.map(|length| {
                    let bytes = &self.buffer[position..position + length];
                    position += length;
                    FileContent { bytes, modified_seconds: modified.unwrap_or(0), mode: FILE_MODE }
                });
                each(begin + place, content)?;
            }
            begin += batch.len();
        }
        Ok(())
    }

    fn read_size_bytes(&self, frame_bytes: usize) -> usize {
        frame_bytes.max(STATEMENT_BYTES as usize)
    }
}

fn text(path: &[u8]) -> Result<&str, ReadError> {
    std::str::from_utf8(path).map_err(|_| ReadError::ReadNotUtf8 { path: display_path(path) })
}
