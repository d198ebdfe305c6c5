//! `backup_manifest`: PostgreSQL's JSON list of a backup's files (upstream `backup_manifest.c`, `parse_manifest.c`).
//!
//! [`ManifestWriter`] writes it byte for byte as the server does, so that PostgreSQL's own tools read it. The last line
//! holds the SHA-256 of all lines before it.

use crate::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What errors call the file.
const WHAT: &str = "backup_manifest";
/// The name of our checksum algorithm (upstream `pg_checksum_type_name`).
const CRC32C: &str = "CRC32C";

/// Describes one file of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Relative to the data directory; bytes that are not UTF-8 are written as `Encoded-Path`.
    pub path: Vec<u8>,
    /// The file's size.
    pub size_bytes: u64,
    /// Seconds since the Unix epoch; written as `YYYY-MM-DD HH:MM:SS GMT`. Times outside of the years 0 to 9999 are
    /// written as the nearest one inside: no tool decides anything by them.
    pub modified_seconds: i64,
    /// The CRC-32C of the file's bytes.
    pub crc32c: u32,
}

/// Describes the WAL that the backup needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestWalRange {
    /// The timeline that this part of the WAL is on.
    pub timeline: TimelineId,
    /// The range's first byte.
    pub start_lsn: Lsn,
    /// The byte after its last one.
    pub end_lsn: Lsn,
}

/// Writes a manifest piece by piece, so that a million files need no memory: each call returns the bytes to append.
///
/// Version 2 (with `System-Identifier`) for 17 and later; version 1 for 14 to 16, whose own pg_verifybackup refuses 2.
pub struct ManifestWriter {
    sha256: Sha256,
    is_first_file: bool,
}

impl ManifestWriter {
    /// Starts a manifest; appends its opening to `out`.
    pub fn new(version: MajorVersion, system_identifier: SystemIdentifier, out: &mut Vec<u8>) -> Self {
        let mut writer = ManifestWriter { sha256: Sha256::new(), is_first_file: true };
        let start = out.len();
        out.extend_from_slice(b"{ \"PostgreSQL-Backup-Manifest-Version\": ");
        match version {
            MajorVersion::V14 | MajorVersion::V15 | MajorVersion::V16 => out.extend_from_slice(b"1,\n"),
            MajorVersion::V17 | MajorVersion::V18 => {
                out.extend_from_slice(format!("2,\n\"System-Identifier\": {system_identifier},\n").as_bytes());
            }
        }
        out.extend_from_slice(b"\"Files\": [");
        writer.sha256.update(&out[start..]);
        writer
    }

    /// Appends one file's line to `out`.
    pub fn file(&mut self, file: &ManifestFile, out: &mut Vec<u8>) {
        let start = out.len();
        // A line is ended by whatever follows it, since no comma may follow the last one.
        out.extend_from_slice(if self.is_first_file { b"\n" } else { b",\n" });
        self.is_first_file = false;
        match std::str::from_utf8(&file.path) {
            // No path has a byte 0; were there one, upstream's check would not call it UTF-8 either.
            Ok(path) if !path.contains('\0') => {
                out.extend_from_slice(b"{ \"Path\": ");
                append_json_string(path, out);
            }
            _ => {
                out.extend_from_slice(b"{ \"Encoded-Path\": \"");
                out.extend_from_slice(hex::encode(&file.path).as_bytes());
                out.push(b'"');
            }
        }
        // Upstream prints the CRC's bytes as they lie in memory, the lowest first.
        let crc = hex::encode(file.crc32c.to_le_bytes());
        let modified = format_time(file.modified_seconds);
        let rest = format!(
            ", \"Size\": {}, \"Last-Modified\": \"{modified}\", \"Checksum-Algorithm\": \"{CRC32C}\", \"Checksum\": \"{crc}\" }}",
            file.size_bytes
        );
        out.extend_from_slice(rest.as_bytes());
        self.sha256.update(&out[start..]);
    }

    /// Appends the WAL ranges and the SHA-256 of all that was written.
    pub fn finish(mut self, wal_ranges: &[ManifestWalRange], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"\n],\n\"WAL-Ranges\": [\n");
        for (index, range) in wal_ranges.iter().enumerate() {
            let line = format!(
                "{}{{ \"Timeline\": {}, \"Start-LSN\": \"{}\", \"End-LSN\": \"{}\" }}",
                if index == 0 { "" } else { ",\n" },
                range.timeline,
                range.start_lsn,
                range.end_lsn
            );
            out.extend_from_slice(line.as_bytes());
        }
        out.extend_from_slice(b"\n],\n");
        self.sha256.update(&out[start..]);
        let digest = hex::encode(self.sha256.finalize());
        out.extend_from_slice(closing_line(&digest).as_bytes());
    }
}

/// Appends a string in quotes (upstream `escape_json`): bytes beyond ASCII stay as they are.
fn append_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..b' ' => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// The first second of the year 0: before it, a year has a sign.
const FIRST_WRITABLE_SECOND: i64 = -62_167_219_200;

/// Writes a time as upstream's `%Y-%m-%d %H:%M:%S %Z` in GMT.
fn format_time(seconds: i64) -> String {
    // The calendar ends a day before the year 9999 does, because it allows for any time zone.
    let timestamp = Timestamp::from_second(seconds.max(FIRST_WRITABLE_SECOND)).unwrap_or(Timestamp::MAX);
    let time = Offset::UTC.to_datetime(timestamp);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} GMT",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Reads what [`format_time`] writes.
fn parse_time(text: &str) -> Option<i64> {
    let time = text.strip_suffix(" GMT")?;
    let (date, clock) = time.split_once(' ')?;
    // The calendar's own parser takes more forms than upstream writes.
    let shaped = |part: &str, shape: &str| {
        part.len() == shape.len()
            && part.bytes().zip(shape.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
    };
    if !shaped(date, "0000-00-00") || !shaped(clock, "00:00:00") {
        return None;
    }
    let number = |at: usize| time.get(at..at + 2)?.parse::<i8>().ok();
    let year = date[..4].parse().ok()?;
    let civil = DateTime::new(year, number(5)?, number(8)?, number(11)?, number(14)?, number(17)?, 0).ok()?;
    Offset::UTC.to_timestamp(civil).ok().map(Timestamp::as_second)
}

/// Holds a manifest that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupManifest {
    /// 1 or 2.
    pub manifest_version: u32,
    /// Present in version 2.
    pub system_identifier: Option<SystemIdentifier>,
    /// The backup's files, in the manifest's order. Their paths are whatever the manifest says: whoever writes to them
    /// must refuse those that leave the target.
    pub files: Vec<ManifestFile>,
    /// The WAL that the backup needs, the newest timeline first.
    pub wal_ranges: Vec<ManifestWalRange>,
}

impl BackupManifest {
    /// Reads a manifest and checks its own SHA-256. Only the CRC32C checksum algorithm is accepted (ours).
    ///
    /// # Errors
    /// `FormatDamaged` for bad JSON or a wrong checksum; `FormatUnsupported` for other manifest versions.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let raw: RawManifest = match serde_json::from_slice(bytes) {
            Ok(raw) => raw,
            Err(error) => return Err(json_error(bytes, &error)),
        };
        if !matches!(raw.version, 1 | 2) {
            return Err(unsupported_version(raw.version));
        }
        if (raw.version == 2) != raw.system_identifier.is_some() {
            return Err(damaged(format!("System-Identifier and version {} do not go together", raw.version)));
        }
        check_digest(bytes, &raw.checksum)?;
        Ok(BackupManifest {
            manifest_version: raw.version,
            system_identifier: raw.system_identifier.map(SystemIdentifier),
            files: raw.files.into_iter().map(RawFile::check).collect::<Result<_, _>>()?,
            wal_ranges: raw.wal_ranges.into_iter().map(RawWalRange::check).collect::<Result<_, _>>()?,
        })
    }
}

/// The JSON as upstream's parser takes it: every key known, none twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest<'a> {
    #[serde(rename = "PostgreSQL-Backup-Manifest-Version")]
    version: u32,
    #[serde(rename = "System-Identifier")]
    system_identifier: Option<u64>,
    #[serde(rename = "Files", borrow)]
    files: Vec<RawFile<'a>>,
    #[serde(rename = "WAL-Ranges", borrow)]
    wal_ranges: Vec<RawWalRange<'a>>,
    #[serde(rename = "Manifest-Checksum", borrow)]
    checksum: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile<'a> {
    #[serde(rename = "Path", borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(rename = "Encoded-Path", borrow)]
    encoded_path: Option<Cow<'a, str>>,
    #[serde(rename = "Size")]
    size_bytes: u64,
    #[serde(rename = "Last-Modified", borrow)]
    last_modified: Cow<'a, str>,
    #[serde(rename = "Checksum-Algorithm", borrow)]
    algorithm: Option<Cow<'a, str>>,
    #[serde(rename = "Checksum", borrow)]
    checksum: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWalRange<'a> {
    #[serde(rename = "Timeline")]
    timeline: u32,
    #[serde(rename = "Start-LSN", borrow)]
    start_lsn: Cow<'a, str>,
    #[serde(rename = "End-LSN", borrow)]
    end_lsn: Cow<'a, str>,
}

/// What is read of a manifest whose form is unknown.
#[derive(Deserialize)]
struct VersionOnly {
    #[serde(rename = "PostgreSQL-Backup-Manifest-Version")]
    version: u32,
}

impl RawFile<'_> {
    fn check(self) -> Result<ManifestFile, FormatError> {
        let path = match (self.path, self.encoded_path) {
            (Some(path), None) => path.into_owned().into_bytes(),
            (None, Some(encoded)) => hex::decode(encoded.as_ref())
                .map_err(|_| damaged(format!("the encoded path {encoded:?} is not hexadecimal")))?,
            _ => return Err(damaged("a file has no path, or two".to_owned())),
        };
        if path.is_empty() {
            return Err(damaged("a path is empty".to_owned()));
        }
        let of = || String::from_utf8_lossy(&path).into_owned();
        let algorithm = self.algorithm.as_deref().unwrap_or("NONE");
        if algorithm != CRC32C {
            return Err(FormatError::FormatUnsupported {
                what: "backup_manifest checksum algorithm",
                found: algorithm.to_owned(),
            });
        }
        let mut crc = [0; 4];
        hex::decode_to_slice(self.checksum.as_deref().unwrap_or_default(), &mut crc)
            .map_err(|_| damaged(format!("the checksum of {:?} is no CRC-32C", of())))?;
        let modified_seconds = parse_time(&self.last_modified)
            .ok_or_else(|| damaged(format!("the time {:?} of {:?} is not valid", self.last_modified, of())))?;
        Ok(ManifestFile { path, size_bytes: self.size_bytes, modified_seconds, crc32c: u32::from_le_bytes(crc) })
    }
}

impl RawWalRange<'_> {
    fn check(self) -> Result<ManifestWalRange, FormatError> {
        let lsn = |text: &str| text.parse::<Lsn>().map_err(|error| damaged(format!("WAL range: {error}")));
        let (start_lsn, end_lsn) = (lsn(&self.start_lsn)?, lsn(&self.end_lsn)?);
        if self.timeline == 0 || end_lsn < start_lsn {
            return Err(damaged(format!("the WAL range {start_lsn} to {end_lsn} on timeline {}", self.timeline)));
        }
        Ok(ManifestWalRange { timeline: TimelineId(self.timeline), start_lsn, end_lsn })
    }
}

/// Checks the digest of all bytes before the last line, as upstream does.
fn check_digest(bytes: &[u8], stored: &str) -> Result<(), FormatError> {
    let before_last_end = bytes.strip_suffix(b"\n").ok_or_else(|| damaged("the last line has no end".to_owned()))?;
    let last_line = before_last_end
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map(|end| end + 1)
        .ok_or_else(|| damaged("it has one line only".to_owned()))?;
    let (signed, last) = bytes.split_at(last_line);
    // Nothing but the checksum may stand in the last line, since nothing vouches for what does.
    if last != closing_line(stored).as_bytes() {
        return Err(damaged("its last line is not its checksum".to_owned()));
    }
    let computed = hex::encode(Sha256::digest(signed));
    if computed == stored { Ok(()) } else { Err(damaged(format!("its SHA-256 is {computed} where it says {stored}"))) }
}

/// Writes the manifest's last line.
fn closing_line(digest: &str) -> String {
    format!("\"Manifest-Checksum\": \"{digest}\"}}\n")
}

/// Tells a manifest of another version, which may have other keys, from a damaged one.
fn json_error(bytes: &[u8], error: &serde_json::Error) -> FormatError {
    match serde_json::from_slice::<VersionOnly>(bytes) {
        Ok(VersionOnly { version }) if !matches!(version, 1 | 2) => unsupported_version(version),
        _ => damaged(error.to_string()),
    }
}

fn unsupported_version(version: u32) -> FormatError {
    FormatError::FormatUnsupported { what: "backup_manifest version", found: version.to_string() }
}

fn damaged(detail: String) -> FormatError {
    FormatError::FormatDamaged { what: WHAT, detail }
}
