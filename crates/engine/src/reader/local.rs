use super::{DirectoryEntry, EntryKind, FileContent, PathRange, ReadError, Source, SourceFile, SourceReader};
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Reads the data directory of a cluster that lives on this host.
#[derive(Debug, Clone)]
pub struct LocalSource {
    data_directory: PathBuf,
}

struct LocalReader {
    data_directory: PathBuf,
    /// Reused for small files.
    buffer: Vec<u8>,
}

impl LocalSource {
    /// Names the data directory. That it is the right one is [`super::choose_source`]'s business.
    pub fn new(data_directory: &Path) -> Self {
        LocalSource { data_directory: data_directory.to_owned() }
    }
}

impl Source for LocalSource {
    fn name(&self) -> &'static str {
        "local"
    }

    fn reader(&self) -> Result<Box<dyn SourceReader>, ReadError> {
        Ok(Box::new(LocalReader { data_directory: self.data_directory.clone(), buffer: Vec::new() }))
    }
}

impl SourceReader for LocalReader {
    fn list(&mut self, folder: &[u8]) -> Result<Option<Vec<DirectoryEntry>>, ReadError> {
        let wrap = |error: io::Error| ReadError::file(folder, &error);
        let Some(entries) = if_present(std::fs::read_dir(self.path(folder))).map_err(wrap)? else { return Ok(None) };
        let mut listed = Vec::new();
        for entry in entries {
            let Some(entry) = if_present(entry).map_err(wrap)? else { continue };
            let Some(found) = if_present(describe(&entry)).map_err(wrap)? else { continue };
            listed.push(found);
        }
        Ok(Some(listed))
    }

    fn open(&mut self, path: &[u8]) -> Result<Option<SourceFile>, ReadError> {
        let wrap = |error: io::Error| ReadError::file(path, &error);
        let Some(file) = if_present(File::open(self.path(path))).map_err(wrap)? else { return Ok(None) };
        let metadata = file.metadata().map_err(wrap)?;
        advise_sequential(&file);
        Ok(Some(SourceFile {
            path: path.to_vec(),
            size_bytes: metadata.len(),
            modified_seconds: modified_seconds(&metadata),
            mode: permission_bits(&metadata),
            handle: Some(file),
        }))
    }

    fn read_at(&mut self, file: &SourceFile, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let wrap = |error: io::Error| ReadError::file(&file.path, &error);
        match &file.handle {
            Some(handle) => read_full_at(handle, offset, buffer).map_err(wrap),
            None => {
                let opened = if_present(File::open(self.path(&file.path))).map_err(wrap)?;
                opened.map_or(Ok(0), |handle| read_full_at(&handle, offset, buffer).map_err(wrap))
            }
        }
    }

    fn read_files(
        &mut self,
        paths: &[&[u8]],
        limit_bytes: usize,
        each: &mut dyn FnMut(usize, Option<FileContent<'_>>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        for (place, path) in paths.iter().enumerate() {
            let wrap = |error: io::Error| ReadError::file(path, &error);
            let Some(file) = if_present(File::open(self.path(path))).map_err(wrap)? else {
                each(place, None)?;
                continue;
            };
            let metadata = file.metadata().map_err(wrap)?;
            let wanted = (metadata.len() as usize).min(limit_bytes);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            let found = read_full_at(&file, 0, &mut self.buffer[..wanted]).map_err(wrap)?;
            let (modified_seconds, mode) = (modified_seconds(&metadata), permission_bits(&metadata));
            each(place, Some(FileContent { bytes: &self.buffer[..found], modified_seconds, mode }))?;
        }
        Ok(())
    }

    fn read_ranges(&mut self, ranges: &[PathRange<'_>], buffer: &mut Vec<u8>) -> Result<Vec<Option<usize>>, ReadError> {
        buffer.clear();
        let mut found = Vec::with_capacity(ranges.len());
        let mut open: Option<(&[u8], Option<File>)> = None;
        for range in ranges {
            let wrap = |error: io::Error| ReadError::file(range.path, &error);
            // Ranges of one file follow one another.
            let file = match open.take().filter(|(path, _)| *path == range.path) {
                Some((_, file)) => file,
                None => if_present(File::open(self.path(range.path))).map_err(wrap)?,
            };
            if let Some(file) = &file {
                let begin = buffer.len();
                buffer.resize(begin + range.length, 0);
                let length = read_full_at(file, range.offset, &mut buffer[begin..]).map_err(wrap)?;
                buffer.truncate(begin + length);
                found.push(Some(length));
            } else {
                found.push(None);
            }
            open = Some((range.path, file));
        }
        Ok(found)
    }

    fn read_size_bytes(&self, frame_bytes: usize) -> usize {
        frame_bytes
    }
}

impl LocalReader {
    #[cfg(unix)]
    fn path(&self, relative: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.data_directory.join(std::ffi::OsStr::from_bytes(relative))
    }

    #[cfg(not(unix))]
    fn path(&self, relative: &[u8]) -> PathBuf {
        self.data_directory.join(String::from_utf8_lossy(relative).as_ref())
    }
}

/// Turns "not there" into `None`. A folder that became a file meanwhile was dropped and made anew: not there either.
fn if_present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn describe(entry: &std::fs::DirEntry) -> io::Result<DirectoryEntry> {
    let is_link = entry.file_type()?.is_symlink();
    // Only a link needs its path walked; the others are looked up relative to the open folder.
    let metadata = if is_link { std::fs::metadata(entry.path()) } else { entry.metadata() };
    let metadata = match metadata {
        Err(error) if is_link && error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    let kind = match &metadata {
        Some(metadata) if metadata.is_dir() => EntryKind::Folder,
        Some(metadata) if metadata.is_file() => EntryKind::File,
        _ => EntryKind::Other,
    };
    let (size_bytes, modified_seconds, mode) = metadata
        .map_or((0, 0, 0), |metadata| (metadata.len(), modified_seconds(&metadata), permission_bits(&metadata)));
    Ok(DirectoryEntry { name: name_bytes(entry.file_name()), kind, size_bytes, modified_seconds, mode, is_link })
}

#[cfg(unix)]
fn name_bytes(name: std::ffi::OsString) -> Box<[u8]> {
    use std::os::unix::ffi::OsStringExt;
    name.into_vec().into_boxed_slice()
}

#[cfg(not(unix))]
fn name_bytes(name: std::ffi::OsString) -> Box<[u8]> {
    name.to_string_lossy().into_owned().into_bytes().into_boxed_slice()
}

fn modified_seconds(metadata: &Metadata) -> i64 {
    // A clock before 1970 or a filesystem without times: 0 is what tar has for "unknown".
    let since_epoch = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_epoch.map_or(0, |duration| duration.as_secs() as i64)
}

#[cfg(unix)]
fn permission_bits(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn permission_bits(_metadata: &Metadata) -> u32 {
    0o600
}

/// Lets the kernel read ahead further. A hint: that it is refused changes nothing.
fn advise_sequential(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Reads until the buffer is full or the file ends.
fn read_full_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some_at(file, offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads what one call of the system gives.
#[cfg(unix)]
pub(crate) fn read_some_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads what one call of the system gives.
#[cfg(windows)]
pub(crate) fn read_some_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(folder: &Path) -> Box<dyn SourceReader> {
        LocalSource::new(folder).reader().unwrap()
    }

    #[test]
    fn what_is_not_there_is_none_and_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = reader(folder.path());
        assert!(reader.list(b"base/5").unwrap().is_none());
        assert!(reader.open(b"base/5/1259").unwrap().is_none());
        let mut seen = Vec::new();
        let mut each = |place, content: Option<FileContent<'_>>| {
            seen.push((place, content.is_some()));
            Ok(())
        };
        reader.read_files(&[b"base/5/1259"], 100, &mut each).unwrap();
        assert_eq!(seen, [(0, false)]);
    }

    #[test]
    fn an_unreadable_folder_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), b"").unwrap();
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
        let error = reader(folder.path()).list(b"loop").unwrap_err();
        assert!(matches!(error, ReadError::ReadFile { path, .. } if path == "loop"));
    }

    #[test]
    fn a_file_stays_readable_after_it_was_unlinked_and_a_short_one_reads_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("16384");
        std::fs::write(&path, vec![7; 10_000]).unwrap();
        let mut reader = reader(folder.path());
        let file = reader.open(b"16384").unwrap().unwrap();
        assert_eq!(file.size_bytes, 10_000);
        std::fs::remove_file(&path).unwrap();
        let mut buffer = vec![0; 8192];
        assert_eq!(reader.read_at(&file, 8192, &mut buffer).unwrap(), 10_000 - 8192);
        assert_eq!(buffer[0], 7);
    }

    #[test]
    fn links_are_followed_and_named_and_dangling_ones_are_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("b")).unwrap();
        let mut listed = reader(folder.path()).list(b"").unwrap().unwrap();
        listed.sort_by(|left, right| left.name.cmp(&right.name));
        let seen: Vec<_> = listed.iter().map(|entry| (entry.kind, entry.is_link)).collect();
        assert_eq!(seen, [(EntryKind::Folder, true), (EntryKind::Other, true), (EntryKind::Folder, false)]);
    }
}
