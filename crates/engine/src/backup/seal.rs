use super::error::BackupError;
use super::work::{Encoded, EncodedMember, EncodedPart};
use crate::Error;
use crate::pipeline::BufferPool;
use crate::reader::PageReport;
use pgformat::backup_manifest::{ManifestFile, ManifestWalRange, ManifestWriter};
use pgformat::{MajorVersion, SystemIdentifier};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use vault::archive::{ArchiveMember, ArchiveWriter, MemberKind, SealedArchive};
use vault::storage::PutStream;

/// The ordered end of the pipeline: puts finished frames into the archive, enters the members into its index and into
/// PostgreSQL's manifest.
pub(super) struct Sealer {
    archive: ArchiveWriter,
    /// `None` of dumps: PostgreSQL has manifests of clusters only.
    manifest: Option<ManifestSpool>,
    /// The large member in the making: where its content began, and its CRC so far.
    large: Option<(u64, u32)>,
    buffers: BufferPool,
    pub pages: PageReport,
    pub files: u64,
    pub content_bytes: u64,
}

impl Sealer {
    pub fn new(
        archive: ArchiveWriter,
        version: MajorVersion,
        system_identifier: SystemIdentifier,
        buffers: BufferPool,
        temporary_folder: &Path,
    ) -> Result<Self, Error> {
        Ok(Sealer {
            manifest: Some(ManifestSpool::new(version, system_identifier, temporary_folder)?),
            ..Self::without_manifest(archive, buffers)
        })
    }

    /// The same of an archive that gets no manifest.
    pub fn without_manifest(archive: ArchiveWriter, buffers: BufferPool) -> Self {
        Sealer {
            archive,
            manifest: None,
            large: None,
            buffers,
            pages: PageReport::default(),
            files: 0,
            content_bytes: 0,
        }
    }

    /// Takes what a worker made; pieces come in the archive's order.
    pub fn take(&mut self, encoded: Encoded) -> Result<(), Error> {
        let base = self.archive.plain_bytes();
        let mut begin = 0;
        for frame in &encoded.frames {
            let bytes = &encoded.compressed[begin..begin + frame.compressed];
            self.archive.append_frame(bytes, frame.plain as u32)?;
            begin += frame.compressed;
        }
        self.buffers.give(encoded.compressed);
        for member in encoded.members {
            self.enter(member, base)?;
        }
        if let Some(part) = encoded.part {
            self.enter_part(part, base)?;
        }
        self.pages.absorb(encoded.pages);
        self.content_bytes += encoded.content_bytes;
        Ok(())
    }

    /// Ends the manifest and returns its bytes as a file to read from its beginning, with its length.
    pub fn finish_manifest(&mut self, ranges: &[ManifestWalRange]) -> Result<(Box<dyn Read + Send>, u64), Error> {
        match &mut self.manifest {
            Some(manifest) => manifest.finish(ranges),
            None => Ok((Box::new(std::io::empty()), 0)),
        }
    }

    /// Writes the archive's index and seek table.
    pub fn finish(self) -> Result<(SealedArchive, Box<dyn PutStream>), Error> {
        Ok(self.archive.finish()?)
    }

    fn enter_part(&mut self, part: EncodedPart, base: u64) -> Result<(), Error> {
        let (content_offset, before) = match self.large.take() {
            Some(so_far) if !part.is_first => so_far,
            _ => (base + part.content_offset, 0),
        };
        let crc32c = crc32c::crc32c_combine(before, part.crc32c, part.length);
        if !part.is_last {
            self.large = Some((content_offset, crc32c));
            return Ok(());
        }
        let member = EncodedMember {
            path: part.member.path.clone(),
            kind: MemberKind::File,
            mode: part.member.mode,
            modified_seconds: part.member.modified_seconds,
            size_bytes: part.member.size_bytes,
            content_offset,
            crc32c,
        };
        self.enter(member, 0)
    }

    fn enter(&mut self, member: EncodedMember, base: u64) -> Result<(), Error> {
        if member.kind == MemberKind::File {
            self.files += 1;
            self.manifest.as_mut().map_or(Ok(()), |manifest| manifest.enter(&member))?;
        }
        self.archive.add_member(&ArchiveMember {
            path: member.path,
            kind: member.kind,
            mode: member.mode,
            modified_seconds: member.modified_seconds,
            size_bytes: member.size_bytes,
            content_offset: base + member.content_offset,
            crc32c: member.crc32c,
        })?;
        Ok(())
    }
}

/// Keeps the manifest in an unnamed temporary file while it grows: a million files make hundreds of megabytes.
struct ManifestSpool {
    /// `None` when it has been finished.
    writer: Option<ManifestWriter>,
    file: BufWriter<File>,
    folder: PathBuf,
    line: Vec<u8>,
}

impl ManifestSpool {
    fn new(version: MajorVersion, system_identifier: SystemIdentifier, folder: &Path) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(folder).map_err(|error| spool_error(folder, &error))?;
        let (file, folder) = (BufWriter::new(file), folder.to_owned());
        let mut spool = ManifestSpool { writer: None, file, folder, line: Vec::new() };
        spool.writer = Some(ManifestWriter::new(version, system_identifier, &mut spool.line));
        spool.flush_line()?;
        Ok(spool)
    }

    /// Enters a file, unless it is one that PostgreSQL's manifests do not list: WAL, and the manifest itself.
    fn enter(&mut self, member: &EncodedMember) -> Result<(), Error> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if member.path.starts_with(b"pg_wal/") {
            return Ok(());
        }
        let file = ManifestFile {
            path: member.path.clone(),
            size_bytes: member.size_bytes,
            modified_seconds: member.modified_seconds,
            crc32c: member.crc32c,
        };
        writer.file(&file, &mut self.line);
        self.flush_line()
    }

    fn finish(&mut self, ranges: &[ManifestWalRange]) -> Result<(Box<dyn Read + Send>, u64), Error> {
        if let Some(writer) = self.writer.take() {
            writer.finish(ranges, &mut self.line);
            self.flush_line()?;
        }
        let wrap = |error: std::io::Error| spool_error(&self.folder, &error);
        self.file.flush().map_err(wrap)?;
        let mut file = self.file.get_ref().try_clone().map_err(wrap)?;
        let size_bytes = file.seek(SeekFrom::End(0)).map_err(wrap)?;
        file.seek(SeekFrom::Start(0)).map_err(wrap)?;
        Ok((Box::new(BufReader::new(file)), size_bytes))
    }

    fn flush_line(&mut self) -> Result<(), Error> {
        self.file.write_all(&self.line).map_err(|error| spool_error(&self.folder, &error))?;
        self.line.clear();
        Ok(())
    }
}

pub(super) fn spool_error(folder: &Path, error: &std::io::Error) -> Error {
    BackupError::BackupSpool { folder: folder.display().to_string(), cause: error.to_string() }.into()
}
