use super::error::BackupError;
use super::produce::RunCutter;
use super::work::{ReadyMember, SmallFiles, Work};
use crate::Error;
use crate::cluster::BackupStop;
use crate::reader::{EntryKind, FileContent, SourceFile, SourceReader};
use pgformat::backup_manifest::ManifestWalRange;
use pgformat::timeline_history::{HistoryEntry, parse_history};
use pgformat::wal_segment::history_file_name;
use pgformat::{Lsn, MajorVersion, TimelineId, WalSegment, WalSegmentSize};
use std::collections::VecDeque;
use vault::archive::MemberKind;

/// Which WAL makes the backup stand on its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct WalRange {
    pub start_lsn: Lsn,
    pub stop_lsn: Lsn,
    pub start_timeline: TimelineId,
    pub stop_timeline: TimelineId,
    pub segment_size: WalSegmentSize,
}

impl WalRange {
    /// Returns the ranges for PostgreSQL's manifest, the newest timeline first (as `backup_manifest.c` has them): one, unless
    /// the standby that was read followed a switch of timelines meanwhile.
    ///
    /// # Errors
    /// `BackupTimelineHistory` when the history of the stop's timeline does not tell where the start's was left.
    pub fn manifest_ranges(&self, reader: &mut dyn SourceReader) -> Result<Vec<ManifestWalRange>, Error> {
        let mut ranges = Vec::new();
        let mut end_lsn = self.stop_lsn;
        let mut timeline = self.stop_timeline;
        if self.start_timeline != self.stop_timeline {
            for ancestor in read_history(self.stop_timeline, reader)?.into_iter().rev() {
                let start_lsn = ancestor.switch_lsn.max(self.start_lsn);
                if start_lsn < end_lsn {
                    ranges.push(ManifestWalRange { timeline, start_lsn, end_lsn });
                    end_lsn = start_lsn;
                }
                timeline = ancestor.timeline;
                if timeline <= self.start_timeline {
                    break;
                }
            }
            if timeline != self.start_timeline {
                let (start, stop) = (self.start_timeline.0, self.stop_timeline.0);
                return Err(BackupError::BackupTimelineHistory { start, stop }.into());
            }
        }
        ranges.push(ManifestWalRange { timeline, start_lsn: self.start_lsn, end_lsn });
        Ok(ranges)
    }
}

fn read_history(timeline: TimelineId, reader: &mut dyn SourceReader) -> Result<Vec<HistoryEntry>, Error> {
    let path = format!("pg_wal/{}", history_file_name(timeline));
    let mut text = String::new();
    let mut each = |_, found: Option<FileContent<'_>>| {
        text = String::from_utf8_lossy(found.map_or(b"".as_slice(), |found| found.bytes)).into_owned();
        Ok(())
    };
    reader.read_files(&[path.as_bytes()], HISTORY_LIMIT_BYTES, &mut each)?;
    Ok(parse_history(&text)?)
}

/// A history has one line a promotion.
const HISTORY_LIMIT_BYTES: usize = 1024 * 1024;

/// Makes the members that come after the data files: backup_label, and under `pg_wal/` the segments from start to stop LSN,
/// the timelines' history files, and a `.done` mark for each segment, so that a server started from the extracted archive
/// does not archive them again (as `basebackup.c` does).
pub(super) struct WalProducer {
    items: VecDeque<Item>,
    runs: RunCutter,
    defaults: MemberDefaults,
}

/// What members that we make ourselves look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemberDefaults {
    pub file_mode: u32,
    pub folder_mode: u32,
    pub modified_seconds: i64,
}

#[derive(Debug)]
enum Item {
    Ready(Vec<ReadyMember>),
    Histories,
    Segment { number: u64 },
}

impl MemberDefaults {
    /// Makes those of files made now, for their owner alone.
    pub fn now() -> Self {
        let modified_seconds = jiff::Timestamp::now().as_second();
        MemberDefaults { file_mode: 0o600, folder_mode: 0o700, modified_seconds }
    }

    pub fn file(&self, path: &str, content: Vec<u8>) -> ReadyMember {
        let (path, modified_seconds) = (path.as_bytes().to_vec(), self.modified_seconds);
        ReadyMember { path, kind: MemberKind::File, mode: self.file_mode, modified_seconds, content }
    }

    pub fn folder(&self, path: &str) -> ReadyMember {
        let (path, modified_seconds) = (path.as_bytes().to_vec(), self.modified_seconds);
        ReadyMember { path, kind: MemberKind::Directory, mode: self.folder_mode, modified_seconds, content: Vec::new() }
    }
}

impl WalProducer {
    pub fn new(
        stop: &BackupStop,
        range: WalRange,
        version: MajorVersion,
        frame_bytes: usize,
        defaults: MemberDefaults,
    ) -> Self {
        let mut first = vec![
            defaults.file("backup_label", stop.label_text.clone().into_bytes()),
            defaults.folder("pg_wal/archive_status"),
        ];
        if version >= MajorVersion::V17 {
            first.push(defaults.folder("pg_wal/summaries"));
        }
        let mut items = VecDeque::from([Item::Ready(first), Item::Histories]);
        let begin = WalSegment::containing(range.start_timeline, range.start_lsn, range.segment_size).number;
        let end = WalSegment::ending_at(range.stop_timeline, range.stop_lsn, range.segment_size).number;
        items.extend((begin..=end).map(|number| Item::Segment { number }));
        WalProducer { items, runs: RunCutter::new(frame_bytes), defaults }
    }

    /// Returns the next piece of work, or `None` at the end.
    ///
    /// # Errors
    /// `BackupWalRemoved` when the server has already removed a segment that the backup needs.
    pub fn next(&mut self, range: WalRange, reader: &mut dyn SourceReader) -> Result<Option<Work>, Error> {
        if let Some(work) = self.runs.next() {
            return Ok(Some(work));
        }
        match self.items.pop_front() {
            None => Ok(None),
            Some(Item::Ready(members)) => Ok(Some(Work::Ready(members))),
            Some(Item::Histories) => {
                let files = SmallFiles { whole: history_files(reader)?, increments: Vec::new() };
                Ok(Some(Work::SmallFiles(files)))
            }
            Some(Item::Segment { number }) => {
                let file = open_segment(number, range, reader)?;
                let name = String::from_utf8_lossy(&file.path).into_owned();
                let mark = name.replacen("pg_wal/", "pg_wal/archive_status/", 1) + ".done";
                self.items.push_front(Item::Ready(vec![self.defaults.file(&mark, Vec::new())]));
                self.runs.begin(file);
                Ok(self.runs.next())
            }
        }
    }
}

/// Opens a segment, whose file may bear the start's timeline or, if the standby followed a switch meanwhile, the stop's.
fn open_segment(number: u64, range: WalRange, reader: &mut dyn SourceReader) -> Result<SourceFile, Error> {
    for timeline in [range.stop_timeline, range.start_timeline] {
        let name = WalSegment { timeline, number }.file_name(range.segment_size);
        let found = reader.open(format!("pg_wal/{name}").as_bytes())?;
        // A segment of another size is being made or removed: not the one we want.
        if let Some(file) = found.filter(|file| file.size_bytes == range.segment_size.bytes()) {
            return Ok(file);
        }
    }
    let segment = WalSegment { timeline: range.stop_timeline, number }.file_name(range.segment_size);
    Err(BackupError::BackupWalRemoved { segment }.into())
}

fn history_files(reader: &mut dyn SourceReader) -> Result<Vec<Vec<u8>>, Error> {
    let mut paths: Vec<Vec<u8>> = reader
        .list(b"pg_wal")?
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::File && is_history_file(&entry.name))
        .map(|entry| [b"pg_wal/".as_slice(), &entry.name].concat())
        .collect();
    paths.sort_unstable();
    Ok(paths)
}

/// Tells whether this is a timeline's history file: eight hexadecimal digits and `.history`.
fn is_history_file(name: &[u8]) -> bool {
    name.strip_suffix(b".history").is_some_and(|tli| tli.len() == 8 && tli.iter().all(u8::is_ascii_hexdigit))
}
