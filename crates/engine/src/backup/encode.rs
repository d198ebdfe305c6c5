use super::increment::{BlockPages, IncrementFile};
use super::plain_buffer::PlainBuffer;
use super::work::{Encoded, EncodedMember, EncodedPart, FileRun, FrameLengths, ReadyMember, RunContent, Work};
use crate::Error;
use crate::pipeline::{BufferPool, Cancel, RateLimit};
use crate::reader::{PageChecker, PageReport, PathRange, ReadError, SourceReader};
use vault::archive::{FrameEncoder, MemberKind, TarMember, padding_bytes};

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
    frames: FrameEncoder,
    /// The plain bytes of the frame, or of the few frames, in the making.
    plain: PlainBuffer,
    header: Vec<u8>,
    /// A small member of blocks in the making.
    content: Vec<u8>,
    /// What was read of a file last.
    scratch: Vec<u8>,
}

impl<'a> Encoder<'a> {
    pub fn new(settings: &'a EncodeSettings<'a>, reader: Box<dyn SourceReader>) -> Result<Self, Error> {
        let frames = FrameEncoder::new(settings.compression_level)?;
        Ok(Encoder {
            settings,
            reader,
            frames,
            plain: PlainBuffer::default(),
            header: Vec::new(),
            content: Vec::new(),
            scratch: Vec::new(),
        })
    }

    pub fn encode(&mut self, work: Work) -> Result<Encoded, Error> {
        self.settings.cancel.check()?;
        let mut encoded = Encoded { compressed: self.settings.buffers.take(), ..Encoded::default() };
        self.plain.clear();
        match work {
            Work::Ready(members) => self.ready(&members, &mut encoded)?,
            Work::SmallFiles(files) => {
                self.small_files(&files.whole, &mut encoded)?;
                self.increments(&files.increments, &mut encoded)?;
                close_frame(&mut self.frames, &mut self.plain, &mut encoded)?;
            }
            Work::Run(run) => self.run(run, &mut encoded)?,
            Work::Raw(bytes) => {
                self.plain.extend(&bytes);
                close_frame(&mut self.frames, &mut self.plain, &mut encoded)?;
            }
        }
        Ok(encoded)
    }

    fn ready(&mut self, members: &[ReadyMember], encoded: &mut Encoded) -> Result<(), Error> {
        for member in members {
            let header = TarMember {
                path: &member.path,
                kind: member.kind,
                mode: member.mode,
                modified_seconds: member.modified_seconds,
                size_bytes: member.content.len() as u64,
            };
            append_member(&header, &member.content, &mut self.header, &mut self.plain, encoded)?;
            if self.plain.len() >= self.settings.frame_bytes {
                close_frame(&mut self.frames, &mut self.plain, encoded)?;
            }
        }
        close_frame(&mut self.frames, &mut self.plain, encoded)
    }

    fn small_files(&mut self, paths: &[Vec<u8>], encoded: &mut Encoded) -> Result<(), Error> {
        let Encoder { settings, reader, frames, plain, header: tar_header, .. } = self;
        let paths: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        // A page that fails can be read again only when the reader is free again: such files are few, and wait here.
        let mut doubtful = Vec::new();
        let mut failure = None;
        let mut each = |place: usize, content: Option<crate::reader::FileContent<'_>>| -> Result<(), ReadError> {
            let Some(content) = content else { return Ok(()) };
            let path = paths[place];
            let header = TarMember {
                path,
                kind: MemberKind::File,
                mode: content.mode,
                modified_seconds: content.modified_seconds,
                size_bytes: content.bytes.len() as u64,
            };
            let mut append = || -> Result<(), Error> {
                if !plain.is_empty() && plain.len() + content.bytes.len() > settings.frame_bytes {
                    close_frame(frames, plain, encoded)?;
                }
                settings.rate.take(content.bytes.len() as u64, settings.cancel)?;
                if has_doubtful_page(&settings.pages, path, content.bytes, &mut encoded.pages) {
                    doubtful.push((place, content.mode, content.modified_seconds, content.bytes.to_vec()));
                    return Ok(());
                }
                append_member(&header, content.bytes, tar_header, plain, encoded)
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
            let size_bytes = bytes.len() as u64;
            let header = TarMember { path, kind: MemberKind::File, mode, modified_seconds, size_bytes };
            if !plain.is_empty() && plain.len() + bytes.len() > settings.frame_bytes {
                close_frame(frames, plain, encoded)?;
            }
            append_member(&header, &bytes, tar_header, plain, encoded)?;
        }
        Ok(())
    }

    /// Small members of blocks. What is wanted of all their files is asked for at once, which saves round trips to a server.
    fn increments(&mut self, files: &[IncrementFile], encoded: &mut Encoded) -> Result<(), Error> {
        let Encoder { settings, reader, frames, plain, header: tar_header, content, scratch } = self;
        let ranges: Vec<PathRange<'_>> = files.iter().flat_map(IncrementFile::ranges).collect();
        settings.rate.take(ranges.iter().map(|range| range.length as u64).sum(), settings.cancel)?;
        let found = reader.read_ranges(&ranges, scratch)?;
        let (mut found, mut bytes) = (found.as_slice(), scratch.as_slice());
        for file in files {
            let (of_file, later) = found.split_at(file.ranges().len());
            found = later;
            let checker = &settings.pages;
            let mut pages = BlockPages { reader: reader.as_mut(), checker, report: &mut encoded.pages };
            let Some(used) = file.make(of_file, bytes, content, &mut pages)? else { continue };
            bytes = &bytes[used..];
            if !plain.is_empty() && plain.len() + content.len() > settings.frame_bytes {
                close_frame(frames, plain, encoded)?;
            }
            let (path, size_bytes) = (file.member_path(), content.len() as u64);
            let header = TarMember {
                path: &path,
                kind: MemberKind::File,
                mode: file.mode,
                modified_seconds: file.modified_seconds,
                size_bytes,
            };
            append_member(&header, content, tar_header, plain, encoded)?;
        }
        Ok(())
    }

    fn run(&mut self, run: FileRun, encoded: &mut Encoded) -> Result<(), Error> {
        let member = run.member.clone();
        let (is_first, is_last) = (run.is_first(), run.is_last());
        if is_first {
            let header = TarMember {
                path: &member.path,
                kind: MemberKind::File,
                mode: member.mode,
                modified_seconds: member.modified_seconds,
                size_bytes: member.size_bytes,
            };
            self.header.clear();
            header.append_header(&mut self.header)?;
            self.plain.extend(&self.header);
        }
        let content_offset = self.plain.len() as u64;
        let mut crc32c = 0;
        let mut done = 0;
        while done < run.length {
            let most = self.reader.read_size_bytes(self.settings.frame_bytes);
            let length = (run.length - done).min(most);
            let content = self.plain.len();
            self.plain.extend_stale(length);
            self.fill(&run, done, length, content, &mut encoded.pages)?;
            crc32c = crc32c::crc32c_append(crc32c, &self.plain.as_slice()[content..]);
            done += length;
            if is_last && done == run.length {
                self.plain.extend_zeros(padding_bytes(member.size_bytes));
            }
            self.close_frames_of(content, encoded)?;
        }
        encoded.content_bytes += run.length as u64;
        encoded.part = Some(EncodedPart { member, content_offset, length: run.length, crc32c, is_first, is_last });
        Ok(())
    }

    /// Reads `length` bytes of the run, beginning `done` bytes into it, to the end of `plain`, and checks their pages.
    fn fill(
        &mut self,
        run: &FileRun,
        done: usize,
        length: usize,
        content: usize,
        pages: &mut PageReport,
    ) -> Result<(), Error> {
        let buffer = self.plain.tail_mut(content);
        match &run.content {
            RunContent::Blocks(file) => {
                self.settings.rate.take(length as u64, self.settings.cancel)?;
                let offset = run.offset + done as u64;
                let (reader, checker) = (self.reader.as_mut(), &self.settings.pages);
                let mut pages = BlockPages { reader, checker, report: pages };
                file.fill(offset, buffer, &mut self.scratch, &mut pages)?;
            }
            RunContent::Bytes(bytes) => buffer.copy_from_slice(&bytes[done..done + length]),
            RunContent::Source(file) => {
                self.settings.rate.take(length as u64, self.settings.cancel)?;
                let offset = run.offset + done as u64;
                let found = self.reader.read_at(file, offset, buffer)?;
                // The buffer holds old bytes: what the file has lost must become zeros.
                buffer[found..].fill(0);
                let reader = self.reader.as_mut();
                let mut reread = |position: u64, page: &mut [u8]| reader.read_at(file, position, page);
                self.settings.pages.check(&file.path, offset, buffer, pages, &mut reread)?;
            }
        }
        Ok(())
    }

    /// Compresses what is in `plain`: the header (everything before `content`) goes with the first frame's worth of
    /// content, and the padding with the last, so that each frame begins at a block's boundary of the content.
    fn close_frames_of(&mut self, content: usize, encoded: &mut Encoded) -> Result<(), Error> {
        let mut begin = 0;
        let mut end = content + self.settings.frame_bytes;
        while begin < self.plain.len() {
            // A tail shorter than a tar block's padding is no frame of its own.
            if end + vault::archive::TAR_BLOCK_BYTES >= self.plain.len() {
                end = self.plain.len();
            }
            append_frame(&mut self.frames, &self.plain.as_slice()[begin..end], encoded)?;
            begin = end;
            end += self.settings.frame_bytes;
        }
        self.plain.clear();
        Ok(())
    }
}

/// Appends header, content and padding of a whole member, and enters it.
fn append_member(
    header: &TarMember<'_>,
    content: &[u8],
    tar_header: &mut Vec<u8>,
    plain: &mut PlainBuffer,
    encoded: &mut Encoded,
) -> Result<(), Error> {
    let before: u64 = encoded.frames.iter().map(|frame| frame.plain as u64).sum();
    tar_header.clear();
    header.append_header(tar_header)?;
    plain.extend(tar_header);
    let content_offset = before + plain.len() as u64;
    plain.extend(content);
    plain.extend_zeros(padding_bytes(content.len() as u64));
    encoded.content_bytes += content.len() as u64;
    encoded.members.push(EncodedMember {
        path: header.path.to_vec(),
        kind: header.kind,
        mode: header.mode,
        modified_seconds: header.modified_seconds,
        size_bytes: content.len() as u64,
        content_offset,
        crc32c: crc32c::crc32c(content),
    });
    Ok(())
}

fn close_frame(frames: &mut FrameEncoder, plain: &mut PlainBuffer, encoded: &mut Encoded) -> Result<(), Error> {
    if !plain.is_empty() {
        append_frame(frames, plain.as_slice(), encoded)?;
        plain.clear();
    }
    Ok(())
}

fn append_frame(frames: &mut FrameEncoder, plain: &[u8], encoded: &mut Encoded) -> Result<(), Error> {
    let before = encoded.compressed.len();
    frames.encode(plain, &mut encoded.compressed)?;
    let compressed = encoded.compressed.len() - before;
    encoded.frames.push(FrameLengths { compressed, plain: plain.len() });
    Ok(())
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
