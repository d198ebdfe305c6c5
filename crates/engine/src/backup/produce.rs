use super::increment::{ChangedBlocks, FileMethod, IncrementFile};
use super::work::{FileRun, LargeMember, ReadyMember, RunContent, SmallFiles, Work};
use crate::Error;
use crate::reader::{SourceReader, Walk, WalkItem, WalkNotes};
use std::collections::VecDeque;
use std::sync::Arc;
use vault::archive::MemberKind;

/// How many plain bytes of small files, and how many of a large one, make a piece of work: enough that a round trip to a
/// server and a channel's hand-over do not count, little enough that a few dozen pieces fit the memory.
const WORK_BYTES: u64 = 1024 * 1024;
/// How many small files make a piece at the most.
const WORK_FILES: usize = 1_024;

/// Cuts the cluster's files into pieces of work, in the order of the archive.
pub(super) struct FileProducer<'a> {
    walk: Walk,
    runs: RunCutter,
    folder_mode: u32,
    folder_modified_seconds: i64,
    /// What changed since the base; `None` for a FULL.
    changed: Option<&'a ChangedBlocks>,
    /// A file that the walk named and that did not fit the piece before.
    pending: Option<WalkItem>,
}

/// What becomes of a file.
enum Part {
    Whole { path: Vec<u8>, size_bytes: u64 },
    Blocks(IncrementFile),
}

impl Part {
    fn size_bytes(&self) -> u64 {
        match self {
            Part::Whole { size_bytes, .. } => *size_bytes,
            Part::Blocks(file) => file.size_bytes(),
        }
    }
}

impl<'a> FileProducer<'a> {
    pub fn new(
        walk: Walk,
        frame_bytes: usize,
        folder_mode: u32,
        now_seconds: i64,
        changed: Option<&'a ChangedBlocks>,
    ) -> Self {
        FileProducer {
            walk,
            runs: RunCutter::new(frame_bytes),
            folder_mode,
            folder_modified_seconds: now_seconds,
            changed,
            pending: None,
        }
    }

    /// Returns the next piece, or `None` when the walk has ended.
    pub fn next(&mut self, reader: &mut dyn SourceReader) -> Result<Option<Work>, Error> {
        loop {
            if let Some(work) = self.runs.next() {
                return Ok(Some(work));
            }
            match self.next_item(reader)? {
                None => return Ok(None),
                Some(WalkItem::Folder { path }) => return self.folders(path, reader).map(Some),
                Some(WalkItem::File { path, size_bytes, modified_seconds, mode }) => {
                    let part = self.part(path, size_bytes, modified_seconds, mode);
                    if part.size_bytes() <= self.runs.frame_bytes as u64 {
                        return self.small_files(part, reader).map(Some);
                    }
                    match part {
                        Part::Blocks(file) => self.runs.begin_blocks(file),
                        // Gone since the listing: dropped, and WAL replay drops it too.
                        Part::Whole { path, .. } => {
                            if let Some(file) = reader.open(&path)? {
                                self.runs.begin(file);
                            }
                        }
                    }
                }
            }
        }
    }

    pub fn into_notes(self) -> WalkNotes {
        self.walk.into_notes()
    }

    fn next_item(&mut self, reader: &mut dyn SourceReader) -> Result<Option<WalkItem>, Error> {
        match self.pending.take() {
            Some(item) => Ok(Some(item)),
            None => Ok(self.walk.next(reader)?),
        }
    }

    /// Decides what becomes of a file.
    fn part(&mut self, path: Vec<u8>, size_bytes: u64, modified_seconds: i64, mode: u32) -> Part {
        let Some(changed) = self.changed else { return Part::Whole { path, size_bytes } };
        match changed.method(&path, size_bytes) {
            FileMethod::Whole => Part::Whole { path, size_bytes },
            FileMethod::Blocks(header) => {
                let block_bytes = changed.geometry.block_size_bytes;
                Part::Blocks(IncrementFile::new(path, mode, modified_seconds, header, block_bytes))
            }
        }
    }

    fn folders(&mut self, first: Vec<u8>, reader: &mut dyn SourceReader) -> Result<Work, Error> {
        let mut members = vec![self.folder(first)];
        while members.len() < WORK_FILES {
            match self.walk.next(reader)? {
                Some(WalkItem::Folder { path }) => members.push(self.folder(path)),
                other => {
                    self.pending = other;
                    break;
                }
            }
        }
        Ok(Work::Ready(members))
    }

    fn folder(&self, path: Vec<u8>) -> ReadyMember {
        let (mode, modified_seconds) = (self.folder_mode, self.folder_modified_seconds);
        ReadyMember { path, kind: MemberKind::Directory, mode, modified_seconds, content: Vec::new() }
    }

    fn small_files(&mut self, first: Part, reader: &mut dyn SourceReader) -> Result<Work, Error> {
        let mut files = SmallFiles::default();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(part) = next.take() {
            bytes += part.size_bytes();
            match part {
                Part::Whole { path, .. } => files.whole.push(path),
                Part::Blocks(file) => files.increments.push(file),
            }
            if files.whole.len() + files.increments.len() >= WORK_FILES {
                break;
            }
            match self.walk.next(reader)? {
                Some(WalkItem::File { path, size_bytes, modified_seconds, mode }) => {
                    let part = self.part(path.clone(), size_bytes, modified_seconds, mode);
                    if part.size_bytes() <= self.runs.frame_bytes as u64 && bytes + part.size_bytes() <= WORK_BYTES {
                        next = Some(part);
                    } else {
                        self.pending = Some(WalkItem::File { path, size_bytes, modified_seconds, mode });
                    }
                }
                other => self.pending = other,
            }
        }
        Ok(Work::SmallFiles(files))
    }
}

/// Cuts large files into runs.
pub(super) struct RunCutter {
    frame_bytes: usize,
    ready: VecDeque<Work>,
    open: Option<OpenFile>,
}

struct OpenFile {
    content: OpenContent,
    member: Arc<LargeMember>,
    offset: u64,
}

enum OpenContent {
    Whole(Arc<crate::reader::SourceFile>),
    Blocks(Arc<IncrementFile>),
}

impl RunCutter {
    pub fn new(frame_bytes: usize) -> Self {
        RunCutter { frame_bytes, ready: VecDeque::new(), open: None }
    }

    /// Begins a file; the one before must have been cut to its end.
    pub fn begin(&mut self, file: crate::reader::SourceFile) {
        let member = LargeMember {
            path: file.path.clone(),
            mode: file.mode,
            modified_seconds: file.modified_seconds,
            size_bytes: file.size_bytes,
        };
        if member.size_bytes == 0 {
            // It was truncated between listing and opening.
            self.ready.push_back(Work::Ready(vec![ReadyMember {
                path: member.path,
                kind: MemberKind::File,
                mode: member.mode,
                modified_seconds: member.modified_seconds,
                content: Vec::new(),
            }]));
        } else {
            let content = OpenContent::Whole(Arc::new(file));
            self.open = Some(OpenFile { content, member: Arc::new(member), offset: 0 });
        }
    }

    /// Begins the member of a file of which blocks are taken.
    pub fn begin_blocks(&mut self, file: IncrementFile) {
        let member = LargeMember {
            path: file.member_path(),
            mode: file.mode,
            modified_seconds: file.modified_seconds,
            size_bytes: file.size_bytes(),
        };
        let content = OpenContent::Blocks(Arc::new(file));
        self.open = Some(OpenFile { content, member: Arc::new(member), offset: 0 });
    }

    /// Returns the next run of the file that was begun, or `None` when it has been cut to its end.
    pub fn next(&mut self) -> Option<Work> {
        if let Some(work) = self.ready.pop_front() {
            return Some(work);
        }
        let open = self.open.as_mut()?;
        let left = open.member.size_bytes - open.offset;
        let length = left.min(run_bytes(self.frame_bytes));
        let run = FileRun {
            member: open.member.clone(),
            content: match &open.content {
                OpenContent::Whole(file) => RunContent::Source(file.clone()),
                OpenContent::Blocks(file) => RunContent::Blocks(file.clone()),
            },
            offset: open.offset,
            length: length as usize,
        };
        open.offset += length;
        if open.offset == open.member.size_bytes {
            self.open = None;
        }
        Some(Work::Run(run))
    }
}

/// Returns the length of a run: whole frames, about [`WORK_BYTES`].
pub(super) fn run_bytes(frame_bytes: usize) -> u64 {
    let frame_bytes = frame_bytes as u64;
    frame_bytes * (WORK_BYTES / frame_bytes).max(1)
}
