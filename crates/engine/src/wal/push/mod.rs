//! `archive_command`'s side: one file of pg_wal, and the segments behind it that the server will ask for next.

mod ahead;
mod file;

use super::WalError;
use crate::Error;
use ahead::{Ahead, following};
use file::{SegmentFile, failed};
use pgformat::WalSegment;
use pgformat::wal::WalGeometry;
use pgformat::wal_segment::parse_history_file_name;
use std::io;
use std::path::Path;
use vault::repository::Repository;
use vault::wal::{SealOutcome, WalArchive};

/// After so many segments the timeline's folder is looked through for what killed calls left. It takes the longer the more is
/// archived; once in a gigabyte of WAL it is not felt.
const SWEEP_INTERVAL: u64 = 64;

/// How to archive what a server's `archive_command` names.
#[derive(Debug, Clone, Copy)]
pub struct PushOptions<'a> {
    /// zstd level.
    pub level: i32,
    /// Threads that compress.
    pub jobs: usize,
    /// How many segments that wait behind the one that is asked for may be archived with it; 0: none.
    pub ahead: usize,
    /// Such as `cadena 0.1.0`.
    pub tool_version: &'a str,
}

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

/// What one call archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// What became of the file that was asked for.
    pub outcome: PushOutcome,
    /// How many segments behind it were archived as well.
    pub ahead: usize,
}

/// Archives one file of pg_wal (`archive_command`'s `%p`): whole segments, `.partial` ones, `.history` and `.backup` files.
/// Durable once it returns; repeating it changes nothing. The geometry comes from the segment's own first page.
///
/// A segment that is new is archived together with those behind it that the server has marked as ready for that
/// (`archive_status`), since one call for several makes use of all cores and waits for the disk once. The server asks for
/// each of them all the same, and is told then what is wrong with it: here, an error in one of them only ends the looking ahead.
///
/// # Errors
/// `WalFileName`, `WalFile`, and those of the archive: `WalForeign`, `WalInvalid`, `WalConflict`, …
pub fn push(repository: &Repository, file: &Path, options: &PushOptions<'_>) -> Result<Pushed, Error> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(kind) = kind_of(&name) else { return Err(WalError::WalFileName { name }.into()) };
    let outcome = match kind {
        Kind::BackupHistory => return Ok(Pushed { outcome: PushOutcome::NotNeeded, ahead: 0 }),
        Kind::History(timeline) => {
            let text = std::fs::read(file).map_err(|error| failed(file, "read", &error))?;
            let archive = match WalArchive::open(repository)? {
                Some(archive) => archive,
                None => WalArchive::open_for(repository, geometry_beside(file)?, options.tool_version)?,
            };
            archive.put_history(timeline, &text)?
        }
        Kind::Segment => {
            let segment = SegmentFile::open(file, &name)?;
            let archive = WalArchive::open_for(repository, segment.geometry, options.tool_version)?;
            return push_segment(&archive, file, segment, options);
        }
        Kind::Partial => {
            let segment = SegmentFile::open(file, name.trim_end_matches(".partial"))?;
            let archive = WalArchive::open_for(repository, segment.geometry, options.tool_version)?;
            archive.put_partial(segment.segment, &segment.read()?)?
        }
    };
    Ok(Pushed { outcome: PushOutcome::Wal(outcome), ahead: 0 })
}

/// Archives a segment and those that wait behind it, or finds it archived.
fn push_segment(
    archive: &WalArchive,
    path: &Path,
    file: SegmentFile<'_>,
    options: &PushOptions<'_>,
) -> Result<Pushed, Error> {
    let segment = file.segment;
    if archive.is_sealed(segment)? {
        file.confirm(archive)?;
        return Ok(Pushed { outcome: PushOutcome::Wal(SealOutcome::AlreadyThere), ahead: 0 });
    }
    let written = file.write(archive, options.level, options.jobs)?;
    let waiting = following(path, segment, archive.geometry().segment_size, options.ahead);
    let (outcome, ahead) = Ahead::of(archive, options, &waiting).beside(|| written.publish());
    let outcome = match outcome {
        Ok(outcome) => outcome,
        // What was written ahead may have taken the room that this one needed: once more, alone.
        Err(_) if !waiting.is_empty() => {
            let name = segment.file_name(archive.geometry().segment_size);
            SegmentFile::open(path, &name)?.write(archive, options.level, options.jobs)?.publish()?
        }
        Err(error) => return Err(error.into()),
    };
    // The names of all of them.
    archive.settle(segment)?;
    if (segment.number..=segment.number + waiting.len() as u64).any(|number| number.is_multiple_of(SWEEP_INTERVAL)) {
        sweep(archive, segment);
    }
    Ok(Pushed { outcome: PushOutcome::Wal(outcome), ahead })
}

/// Removes what calls that were killed left in the timeline's folder. That it fails is no reason to keep the server's segments.
fn sweep(archive: &WalArchive, segment: WalSegment) {
    if let Err(error) = archive.sweep(segment) {
        tracing::warn!("what killed writers left can't be removed: {error}");
    }
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
