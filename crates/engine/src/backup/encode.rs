use super::increment::{BlockPages, IncrementFile};
use super::pack::{Packer, RunShape};
use super::work::{Encoded, FileRun, RunContent, Work};
use crate::Error;
use crate::pipeline::{BufferPool, Cancel, RateLimit};
use crate::reader::{FileContent, PageChecker, PageReport, PathRange, ReadError, SourceReader};
use vault::archive::{MemberKind, TarMember};

/// What all workers of a backup share.
pub(super) struct EncodeSettings<'a> {
    pub frame_bytes: usize,
    pub compression_level: i32,
    pub pages: PageChecker,
    pub rate: &'a RateLimit,
    pub cancel: &'a Cancel,
    pub buffers: BufferPool,
}

/// One worker: turns work into finished frames. Every byte is read once, into the buffer from which it is checked,
/// digested and compressed while it is still in the processor's cache.
pub(super) struct Encoder<'a> {
    settings: &'a EncodeSettings<'a>,
    reader: Box<dyn SourceReader>,
    packer: Packer,
    /// A small member of blocks in the making.
    content: Vec<u8>,
    /// What was read of a file last.
    scratch: Vec<u8>,
}

impl<'a> Encoder<'a> {
    pub fn new(settings: &'a EncodeSettings<'a>, reader: Box<dyn SourceReader>) -> Result<Self, Error> {
        let packer = Packer::new(settings.frame_bytes, settings.compression_level)?;
        Ok(Encoder { settings, reader, packer, content: Vec::new(), scratch: Vec::new() })
    }

    pub fn encode(&mut self, work: Work) -> Result<Encoded, Error> {
        self.settings.cancel.check()?;
        let mut encoded = Encoded { compressed: self.settings.buffers.take(), ..Encoded::default() };
        self.packer.begin();
        match work {
            Work::Ready(members) => self.packer.ready(&members, &mut encoded)?,
            Work::SmallFiles(files) => {
                self.small_files(&files.whole, &mut encoded)?;
                self.increments(&files.increments, &mut encoded)?;
                self.packer.close(&mut encoded)?;
            }
            Work::Run(run) => self.run(&run, &mut encoded)?,
            Work::Raw(bytes) => self.packer.raw(&bytes, &mut encoded)?,
        }
        Ok(encoded)
    }

    fn small_files(&mut self, paths: &[Vec<u8>], encoded: &mut Encoded) -> Result<(), Error> {
        let Encoder { settings, reader, packer, .. } = self;
        let paths: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        // A page that fails can be read again only when the reader is free again: such files are few, and wait here.
        let mut doubtful = Vec::new();
        let mut failure = None;
        let mut each = |place: usize, content: Option<FileContent<'_>>| -> Result<(), ReadError> {
            let Some(content) = content else { return Ok(()) };
            let path = paths[place];
            let mut append = || -> Result<(), Error> {
                settings.rate.take(content.bytes.len() as u64, settings.cancel)?;
                if has_doubtful_page(&settings.pages, path, content.bytes, &mut encoded.pages) {
                    doubtful.push((place, content.mode, content.modified_seconds, content.bytes.to_vec()));
                    return Ok(());
                }
                packer.member(
                    &file(path, content.mode, content.modified_seconds, content.bytes),
                    content.bytes,
                    encoded,
                )
            };
            if failure.is_none()
                && let Err(error) = append()
            {
                failure = Some(error);
            }
            Ok(())
        };
        reader.read_files(&paths, settings.frame_bytes, &mut each)?;
        if let Some(error) = failure {
            return Err(error);
        }
        for (place, mode, modified_seconds, mut bytes) in doubtful {
            let path = paths[place];
            check_pages(&settings.pages, reader.as_mut(), path, 0, &mut bytes, &mut encoded.pages)?;
            packer.member(&file(path, mode, modified_seconds, &bytes), &bytes, encoded)?;
        }
        Ok(())
    }

    /// Small members of blocks. What is wanted of all their files is asked for at once, which saves round trips to a server.
    fn increments(&mut self, files: &[IncrementFile], encoded: &mut Encoded) -> Result<(), Error> {
        let Encoder { settings, reader, packer, content, scratch } = self;
        let ranges: Vec<PathRange<'_>> = files.iter().flat_map(IncrementFile::ranges).collect();
        settings.rate.take(ranges.iter().map(|range| range.length as u64).sum(), settings.cancel)?;
        let found = reader.read_ranges(&ranges, scratch)?;
        let (mut found, mut bytes) = (found.as_slice(), scratch.as_slice());
        for increment in files {
            let (of_file, later) = found.split_at(increment.ranges().len());
            found = later;
            let checker = &settings.pages;
            let mut pages = BlockPages { reader: reader.as_mut(), checker, report: &mut encoded.pages };
            let Some(used) = increment.make(of_file, bytes, content, &mut pages)? else { continue };
            bytes = &bytes[used..];
            let path = increment.member_path();
            packer.member(&file(&path, increment.mode, increment.modified_seconds, content), content, encoded)?;
        }
        Ok(())
    }

    fn run(&mut self, run: &FileRun, encoded: &mut Encoded) -> Result<(), Error> {
        let Encoder { settings, reader, packer, scratch, .. } = self;
        let shape = RunShape {
            member: run.member.clone(),
            offset: run.offset,
            length: run.length,
            piece_bytes: reader.read_size_bytes(settings.frame_bytes),
        };
        let fill = |done: usize, buffer: &mut [u8], encoded: &mut Encoded| {
            fill(settings, reader.as_mut(), scratch, run, done, buffer, &mut encoded.pages)
        };
        packer.run(shape, fill, encoded)
    }
}

/// Reads part of a run, beginning `done` bytes into it, and checks its pages.
fn fill(
    settings: &EncodeSettings<'_>,
    reader: &mut dyn SourceReader,
    scratch: &mut Vec<u8>,
    run: &FileRun,
    done: usize,
    buffer: &mut [u8],
    pages: &mut PageReport,
) -> Result<(), Error> {
    let offset = run.offset + done as u64;
    match &run.content {
        RunContent::Bytes(bytes) => buffer.copy_from_slice(&bytes[done..done + buffer.len()]),
        RunContent::Blocks(file) => {
            settings.rate.take(buffer.len() as u64, settings.cancel)?;
            let mut pages = BlockPages { reader, checker: &settings.pages, report: pages };
            file.fill(offset, buffer, scratch, &mut pages)?;
        }
        RunContent::Source(file) => {
            settings.rate.take(buffer.len() as u64, settings.cancel)?;
            let found = reader.read_at(file, offset, buffer)?;
            // The buffer holds old bytes: what the file has lost must become zeros.
            buffer[found..].fill(0);
            let mut reread = |position: u64, page: &mut [u8]| reader.read_at(file, position, page);
            settings.pages.check(&file.path, offset, buffer, pages, &mut reread)?;
        }
    }
    Ok(())
}

fn file<'a>(path: &'a [u8], mode: u32, modified_seconds: i64, content: &[u8]) -> TarMember<'a> {
    TarMember { path, kind: MemberKind::File, mode, modified_seconds, size_bytes: content.len() as u64 }
}

/// Checks a small file's pages without reading any again; tells whether one fails. The count goes to `report` only when
/// none does, since [`check_pages`] will count them.
fn has_doubtful_page(checker: &PageChecker, path: &[u8], bytes: &[u8], report: &mut PageReport) -> bool {
    let Some(pages) = checker.all_sound(path, bytes) else { return true };
    report.pages += pages;
    false
}

fn check_pages(
    checker: &PageChecker,
    reader: &mut dyn SourceReader,
    path: &[u8],
    offset: u64,
    bytes: &mut [u8],
    report: &mut PageReport,
) -> Result<(), ReadError> {
    // No handle is kept for a small file: it is opened again, and may be gone.
    let mut file = None;
    let mut reread = |position: u64, page: &mut [u8]| -> Result<usize, ReadError> {
        if file.is_none() {
            file = reader.open(path)?;
        }
        file.as_ref().map_or(Ok(0), |file| reader.read_at(file, position, page))
    };
    checker.check(path, offset, bytes, report, &mut reread)
}
