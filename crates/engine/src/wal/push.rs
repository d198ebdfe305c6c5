use super::WalError;
use crate::Error;
use pgformat::wal::{WalGeometry, WalPageHeader, page_magic};
use pgformat::wal_segment::parse_history_file_name;
use pgformat::{FormatError, MajorVersion, SystemIdentifier, WalSegment, WalSegmentSize};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use vault::repository::Repository;
use vault::wal::{SealOutcome, WalArchive, WalArchiveError};

/// Length of the header of a segment's first page (upstream `xlog_internal.h`, `SizeOfXLogLongPHD`).
const LONG_HEADER_BYTES: usize = 40;

/// What became of a file that the server wanted to archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// A segment, a partial segment or a history file.
    Wal(SealOutcome),
    /// A backup's history file (`….backup`), which no restore needs.
    NotNeeded,
}

/// What a file's name says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Segment,
    Partial,
    History(pgformat::TimelineId),
    BackupHistory,
}

/// Archives one file of pg_wal (`archive_command`'s `%p`): whole segments, `.partial` ones, `.history` and `.backup` files.
/// Durable once it returns; repeating it changes nothing. The geometry comes from the segment's own first page.
///
/// # Errors
/// `WalFileName`, `WalFile`, and those of the archive: `WalForeign`, `WalInvalid`, `WalConflict`, …
pub fn push(
    repository: &Repository,
    file: &Path,
    level: i32,
    jobs: usize,
    tool_version: &str,
) -> Result<PushOutcome, Error> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(kind) = kind_of(&name) else { return Err(WalError::WalFileName { name }.into()) };
    let outcome = match kind {
        Kind::BackupHistory => return Ok(PushOutcome::NotNeeded),
        Kind::History(timeline) => {
            let text = std::fs::read(file).map_err(|error| failed(file, "read", &error))?;
            let archive = match WalArchive::open(repository)? {
                Some(archive) => archive,
                None => WalArchive::open_for(repository, geometry_beside(file)?, tool_version)?,
            };
            archive.put_history(timeline, &text)?
        }
        Kind::Segment => {
            let segment = SegmentFile::open(file, &name)?;
            let archive = WalArchive::open_for(repository, segment.geometry, tool_version)?;
            segment.seal(&archive, level, jobs)?
        }
        Kind::Partial => {
            let mut segment = SegmentFile::open(file, name.trim_end_matches(".partial"))?;
            let archive = WalArchive::open_for(repository, segment.geometry, tool_version)?;
            let mut bytes = segment.beginning.to_vec();
            segment.file.read_to_end(&mut bytes).map_err(|error| failed(file, "read", &error))?;
            archive.put_partial(segment.segment, &bytes)?
        }
    };
    Ok(PushOutcome::Wal(outcome))
}

/// Reads a file's name (upstream `xlog_internal.h`, `IsXLogFileName` and those after it).
fn kind_of(name: &str) -> Option<Kind> {
    if let Some(timeline) = parse_history_file_name(name) {
        return Some(Kind::History(timeline));
    }
    let hexadecimal = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
    };
    let (segment, rest) = name.split_once('.').map_or((name, None), |(segment, rest)| (segment, Some(rest)));
    if !hexadecimal(segment, 24) {
        return None;
    }
    match rest {
        None => Some(Kind::Segment),
        Some("partial") => Some(Kind::Partial),
        Some(rest) => rest.strip_suffix(".backup").filter(|offset| hexadecimal(offset, 8)).map(|_| Kind::BackupHistory),
    }
}

/// A segment's file, open, and what its first page says.
struct SegmentFile<'a> {
    path: &'a Path,
    file: File,
    beginning: [u8; LONG_HEADER_BYTES],
    geometry: WalGeometry,
    segment: WalSegment,
}

impl<'a> SegmentFile<'a> {
    fn open(path: &'a Path, name: &str) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(|error| failed(path, "open", &error))?;
        let mut beginning = [0; LONG_HEADER_BYTES];
        file.read_exact(&mut beginning).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => invalid(name, "it ends within its first page's header"),
            _ => failed(path, "read", &error),
        })?;
        let (geometry, segment) = read_header(&beginning, name).map_err(|detail| invalid(name, detail))?;
        Ok(SegmentFile { path, file, beginning, geometry, segment })
    }

    fn seal(mut self, archive: &WalArchive, level: i32, jobs: usize) -> Result<SealOutcome, Error> {
        let mut sealer = archive.seal(self.segment, level, jobs)?;
        sealer.write(&self.beginning)?;
        loop {
            match self.file.read(sealer.room()) {
                Ok(0) => break,
                Ok(length) => sealer.filled(length)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(self.path, "read", &error)),
            }
        }
        Ok(sealer.finish()?.0)
    }
}

/// Reads the header of a segment's first page, and holds the file's name against it.
fn read_header(header: &[u8; LONG_HEADER_BYTES], name: &str) -> Result<(WalGeometry, WalSegment), String> {
    // Upstream `xlog_internal.h`, XLogLongPageHeaderData.
    let magic = u16::from_le_bytes([header[0], header[1]]);
    let version = MajorVersion::ALL.into_iter().find(|version| page_magic(*version) == magic);
    let version = version.ok_or_else(|| format!("its magic number is {magic:04X}"))?;
    let number = |at: usize| header[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let text = |error: FormatError| error.to_string();
    let geometry = WalGeometry {
        version,
        system_identifier: SystemIdentifier(number(28) << 32 | number(24)),
        segment_size: WalSegmentSize::new(number(32)).map_err(text)?,
        block_size_bytes: number(36) as u32,
    };
    let segment = WalSegment::parse(name, geometry.segment_size).map_err(text)?;
    WalPageHeader::parse(header, &geometry, segment.start_lsn(geometry.segment_size)).map_err(text)?;
    Ok((geometry, segment))
}

/// Finds the sizes for an archive that begins with a history file: a segment in the same folder has them.
fn geometry_beside(history: &Path) -> Result<WalGeometry, Error> {
    let folder = match history.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, "list", &error))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Recycled ones that wait to be written have another address in their first page.
        if kind_of(&name) == Some(Kind::Segment)
            && let Ok(segment) = SegmentFile::open(&entry.path(), &name)
        {
            return Ok(segment.geometry);
        }
    }
    Err(failed(history, "archive", &io::Error::other("no segment beside it tells the size of segments")))
}

fn failed(path: &Path, action: &'static str, error: &io::Error) -> Error {
    WalError::WalFile { path: path.display().to_string(), action, cause: error.to_string() }.into()
}

fn invalid(segment: &str, detail: impl Into<String>) -> Error {
    WalArchiveError::WalInvalid { segment: segment.to_owned(), detail: detail.into() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is() {
        assert_eq!(kind_of("000000010000000000000007"), Some(Kind::Segment));
        assert_eq!(kind_of("000000010000000000000007.partial"), Some(Kind::Partial));
        assert_eq!(kind_of("000000010000000000000007.00000028.backup"), Some(Kind::BackupHistory));
        assert_eq!(kind_of("00000002.history"), Some(Kind::History(pgformat::TimelineId(2))));
        for other in [
            "",
            "x",
            "00000001000000000000000g",
            "000000010000000000000007.zst",
            "00000001000000000000007",
            "0.partial",
        ] {
            assert_eq!(kind_of(other), None, "{other}");
        }
    }
}
