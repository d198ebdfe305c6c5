//! Is the tar stream what the index says? Header, content and padding of every member, and the zeros at the end, so that
//! `zstd -dc | tar x` and our own restore can't give different files.

use super::finding::{FindingKind, Findings, show};
use super::manifest::ManifestCheck;
use super::pages::{PageChecker, PageCursor};
use crate::Error;
use std::ops::Range;
use vault::archive::{ArchiveMember, ArchiveReader, IndexReader, MemberKind, TarMember, padding_bytes};

/// Goes through the plain stream, frame by frame.
pub(super) struct TarCheck<'r> {
    members: IndexReader,
    stage: Stage,
    /// How far the stream has been looked at.
    position: u64,
    pub pages: Option<PageChecker<'r>>,
    pub manifest: Option<ManifestCheck>,
    pub files: u64,
}

/// What the next bytes must be.
enum Stage {
    Header {
        member: ArchiveMember,
        expected: Vec<u8>,
        right: bool,
    },
    Content {
        member: ArchiveMember,
        crc: u32,
        whole: bool,
        cursor: Option<PageCursor>,
    },
    Padding {
        path: Vec<u8>,
        end: u64,
        right: bool,
    },
    /// Nothing but zeros.
    End {
        right: bool,
    },
}

impl<'r> TarCheck<'r> {
    /// Begins at the stream's first byte.
    ///
    /// # Errors
    /// The archive's own, when the index can't be read.
    pub fn new(
        reader: &ArchiveReader,
        pages: Option<PageChecker<'r>>,
        manifest: Option<ManifestCheck>,
    ) -> Result<Self, Error> {
        let mut members = reader.members()?;
        let stage = next_header(&mut members)?;
        Ok(TarCheck { members, stage, position: 0, pages, manifest, files: 0 })
    }

    /// Takes the next frame's bytes; `None` when it could not be decoded.
    ///
    /// # Errors
    /// The archive's own, when the index can't be read.
    pub fn feed(&mut self, plain: &Range<u64>, bytes: Option<&[u8]>, findings: &mut Findings) -> Result<(), Error> {
        self.position = plain.start;
        loop {
            let stage_end = self.stage_end();
            let end = stage_end.unwrap_or(plain.end).min(plain.end);
            // A stage that lies behind us: offsets in the index go up, so this is an empty one.
            let length = end.saturating_sub(self.position);
            let part = bytes.and_then(|bytes| {
                let from = usize::try_from(self.position - plain.start).ok()?;
                bytes.get(from..from + usize::try_from(length).ok()?)
            });
            if length > 0 {
                self.take(part, length, findings);
                self.position = end;
            }
            if stage_end.is_none_or(|stage_end| stage_end > self.position) {
                return Ok(());
            }
            self.advance(findings)?;
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// The archive's own, when the index can't be read.
    pub fn finish(mut self, findings: &mut Findings) -> Result<Outcome, Error> {
        // Members that the frames did not reach.
        while !matches!(self.stage, Stage::End { .. }) {
            if self.stage_end().is_some_and(|end| end > self.position) {
                self.take(None, 0, findings);
            }
            self.advance(findings)?;
        }
        if matches!(self.stage, Stage::End { right: false }) {
            findings.error(&FindingKind::VerifyTarEnd {});
        }
        if let Some(manifest) = self.manifest {
            manifest.finish(findings);
        }
        Ok(Outcome { files: self.files, pages: self.pages.map_or(0, |pages| pages.pages) })
    }

    /// Returns where the present stage ends; `None` for the last one.
    fn stage_end(&self) -> Option<u64> {
        match &self.stage {
            Stage::Header { member, .. } => Some(member.content_offset),
            Stage::Content { member, .. } => Some(member.content_offset + member.size_bytes),
            Stage::Padding { end, .. } => Some(*end),
            Stage::End { .. } => None,
        }
    }

    /// Takes `length` bytes of the present stage; `None` for bytes that could not be had.
    fn take(&mut self, part: Option<&[u8]>, length: u64, findings: &mut Findings) {
        match (&mut self.stage, part) {
            (Stage::Header { member, expected, right }, Some(bytes)) => {
                // Counted from the header's end, which the index gives; a gap before it is as wrong as a wrong byte.
                let from = self.position + expected.len() as u64;
                let start = from.checked_sub(member.content_offset).and_then(|start| usize::try_from(start).ok());
                let wanted = start.and_then(|start| expected.get(start..start + bytes.len()));
                *right &= wanted == Some(bytes);
            }
            (Stage::Content { crc, cursor, .. }, Some(bytes)) => {
                *crc = crc32c::crc32c_append(*crc, bytes);
                if let (Some(pages), Some(cursor)) = (&mut self.pages, cursor) {
                    pages.feed(cursor, bytes, findings);
                }
            }
            (Stage::Content { whole, cursor, .. }, None) => {
                *whole = false;
                if let (Some(pages), Some(cursor)) = (&mut self.pages, cursor) {
                    pages.skip(cursor, length);
                }
            }
            (Stage::Padding { right, .. } | Stage::End { right }, Some(bytes)) => {
                *right &= bytes.iter().all(|&byte| byte == 0);
            }
            // The frame is a finding already.
            (Stage::Header { right, .. } | Stage::Padding { right, .. } | Stage::End { right }, None) => *right = false,
        }
    }

    /// Ends the present stage, and begins the next.
    fn advance(&mut self, findings: &mut Findings) -> Result<(), Error> {
        let header_wrong = |path: &[u8]| FindingKind::VerifyTarHeader { path: show(path) };
        // Replaced at once; nothing looks at the stage in between.
        let stage = std::mem::replace(&mut self.stage, Stage::End { right: true });
        self.stage = match stage {
            Stage::Header { member, right, .. } => {
                if !right {
                    findings.error(&header_wrong(&member.path));
                }
                let cursor = self.pages.as_ref().and_then(|pages| pages.begin(&member.path, member.size_bytes));
                Stage::Content { member, crc: 0, whole: true, cursor }
            }
            Stage::Content { member, crc, whole, cursor } => {
                self.end_member(&member, whole.then_some(crc), cursor.as_ref(), findings);
                let content_end = member.content_offset + member.size_bytes;
                let end = content_end + padding_bytes(member.size_bytes) as u64;
                Stage::Padding { path: member.path, end, right: true }
            }
            Stage::Padding { path, right, .. } => {
                if !right {
                    findings.error(&header_wrong(&path));
                }
                next_header(&mut self.members)?
            }
            end @ Stage::End { .. } => end,
        };
        Ok(())
    }

    fn end_member(
        &mut self,
        member: &ArchiveMember,
        crc: Option<u32>,
        cursor: Option<&PageCursor>,
        findings: &mut Findings,
    ) {
        if member.kind == MemberKind::Directory {
            return;
        }
        self.files += 1;
        if crc != Some(member.crc32c) {
            findings.error(&FindingKind::VerifyMemberContent { path: show(&member.path) });
        }
        if let (Some(pages), Some(cursor)) = (&self.pages, cursor) {
            pages.end(cursor, findings);
        }
        if let Some(manifest) = &mut self.manifest {
            manifest.tick(member, crc, findings);
        }
    }
}

/// What was counted.
pub(super) struct Outcome {
    pub files: u64,
    pub pages: u64,
}

fn next_header(members: &mut IndexReader) -> Result<Stage, Error> {
    let Some(member) = members.next().transpose()? else { return Ok(Stage::End { right: true }) };
    let mut expected = Vec::new();
    let (path, kind, mode) = (member.path.as_slice(), member.kind, member.mode);
    let (modified_seconds, size_bytes) = (member.modified_seconds, member.size_bytes);
    TarMember { path, kind, mode, modified_seconds, size_bytes }.append_header(&mut expected)?;
    Ok(Stage::Header { member, expected, right: true })
}
