//! `backup_manifest`: PostgreSQL's JSON list of a backup's files (upstream `backup_manifest.c`, `parse_manifest.c`).

use crate::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId};

/// Describes one file of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Relative to the data directory; bytes that are not UTF-8 are written as `Encoded-Path`.
    pub path: Vec<u8>,
    pub size_bytes: u64,
    /// Seconds since the Unix epoch; written as `YYYY-MM-DD HH:MM:SS GMT`.
    pub modified_seconds: i64,
    pub crc32c: u32,
}

/// Describes the WAL that the backup needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestWalRange {
    pub timeline: TimelineId,
    pub start_lsn: Lsn,
    pub end_lsn: Lsn,
}

/// Writes a manifest piece by piece, so that a million files need no memory: each call returns the bytes to append.
///
/// Version 2 (with `System-Identifier`) for 17 and later; version 1 for 14 to 16, whose own pg_verifybackup refuses 2.
pub struct ManifestWriter {
    _private: (),
}

impl ManifestWriter {
    /// Starts a manifest; appends its opening to `out`.
    pub fn new(version: MajorVersion, system_identifier: SystemIdentifier, out: &mut Vec<u8>) -> Self {
        let _ = (version, system_identifier, out);
        todo!()
    }
    /// Appends one file's line to `out`.
    pub fn file(&mut self, file: &ManifestFile, out: &mut Vec<u8>) {
        let _ = (file, out);
        todo!()
    }
    /// Appends the WAL ranges and the SHA-256 of all that was written.
    pub fn finish(self, wal_ranges: &[ManifestWalRange], out: &mut Vec<u8>) {
        let _ = (wal_ranges, out);
        todo!()
    }
}

/// Holds a manifest that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupManifest {
    pub manifest_version: u32,
    pub system_identifier: Option<SystemIdentifier>,
    pub files: Vec<ManifestFile>,
    pub wal_ranges: Vec<ManifestWalRange>,
}

impl BackupManifest {
    /// Reads a manifest and checks its own SHA-256. Only the CRC32C checksum algorithm is accepted (ours).
    ///
    /// # Errors
    /// `FormatDamaged` for bad JSON or a wrong checksum; `FormatUnsupported` for other manifest versions.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let _ = bytes;
        todo!()
    }
}
