//! `backup_label` and `tablespace_map` (upstream `xlogbackup.c`, `xlog.c`, `xlogrecovery.c`).

use crate::{FormatError, Lsn, TimelineId};
use std::fmt;

/// Holds what a backup_label says. Its `Display` writes the file again, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLabel {
    /// Where replay must begin: the redo pointer of the checkpoint that the backup started with.
    pub start_lsn: Lsn,
    /// The name of the WAL segment that holds `start_lsn`.
    pub start_wal_file: String,
    /// Where that checkpoint's record is.
    pub checkpoint_lsn: Lsn,
    /// `streamed`; 14 also knows `pg_start_backup`.
    pub backup_method: String,
    /// `primary` or `standby`.
    pub backup_from: String,
    /// In the server's `log_timezone`, such as `2026-11-24 03:41:23 UTC`: for people only.
    pub start_time: String,
    /// The words that the backup was started with.
    pub label: String,
    /// The timeline that the backup started on.
    pub start_timeline: TimelineId,
    /// Present in an incremental backup's label (17 and later).
    pub incremental_from_lsn: Option<Lsn>,
    /// Present together with `incremental_from_lsn`.
    pub incremental_from_timeline: Option<TimelineId>,
}

impl BackupLabel {
    /// Reads the text that `pg_backup_stop` returns.
    ///
    /// # Errors
    /// `FormatText` naming the missing or malformed line.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut rest = text;
        let (start_lsn, start_wal_file) = parse_start(line(&mut rest, "START WAL LOCATION")?)?;
        let checkpoint_lsn = parse_lsn(line(&mut rest, "CHECKPOINT LOCATION")?, "CHECKPOINT LOCATION")?;
        let backup_method = line(&mut rest, "BACKUP METHOD")?.to_owned();
        let backup_from = line(&mut rest, "BACKUP FROM")?.to_owned();
        let start_time = line(&mut rest, "START TIME")?.to_owned();
        let label = label_lines(&mut rest)?.to_owned();
        let start_timeline = parse_timeline(line(&mut rest, "START TIMELINE")?, "START TIMELINE")?;
        let mut incremental = (None, None);
        if !rest.is_empty() {
            let lsn = parse_lsn(line(&mut rest, "INCREMENTAL FROM LSN")?, "INCREMENTAL FROM LSN")?;
            let timeline = parse_timeline(line(&mut rest, "INCREMENTAL FROM TLI")?, "INCREMENTAL FROM TLI")?;
            incremental = (Some(lsn), Some(timeline));
        }
        if !rest.is_empty() {
            return Err(malformed("end", rest));
        }
        Ok(BackupLabel {
            start_lsn,
            start_wal_file,
            checkpoint_lsn,
            backup_method,
            backup_from,
            start_time,
            label,
            start_timeline,
            incremental_from_lsn: incremental.0,
            incremental_from_timeline: incremental.1,
        })
    }
}

impl fmt::Display for BackupLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "START WAL LOCATION: {} (file {})", self.start_lsn, self.start_wal_file)?;
        writeln!(f, "CHECKPOINT LOCATION: {}", self.checkpoint_lsn)?;
        writeln!(f, "BACKUP METHOD: {}", self.backup_method)?;
        writeln!(f, "BACKUP FROM: {}", self.backup_from)?;
        writeln!(f, "START TIME: {}", self.start_time)?;
        writeln!(f, "LABEL: {}", self.label)?;
        writeln!(f, "START TIMELINE: {}", self.start_timeline)?;
        if let (Some(lsn), Some(timeline)) = (self.incremental_from_lsn, self.incremental_from_timeline) {
            writeln!(f, "INCREMENTAL FROM LSN: {lsn}")?;
            writeln!(f, "INCREMENTAL FROM TLI: {timeline}")?;
        }
        Ok(())
    }
}

/// Returns a backup_label without the lines that name the backup before it (`INCREMENTAL FROM LSN`, `INCREMENTAL FROM TLI`), with
/// which a server refuses to start (upstream `xlogrecovery.c`, `read_backup_label`). All other bytes stay, also those of
/// a label that is not UTF-8. A label without such lines, and what is no label, comes back as it is.
pub fn without_incremental_lines(label: &[u8]) -> Vec<u8> {
    const BEFORE: &[u8] = b"\nSTART TIMELINE: ";
    // The user's words may look like any line; they stand before the last line that can be this one.
    let found = label.windows(BEFORE.len()).rposition(|window| window == BEFORE);
    let rest = found.map_or(label.len(), |found| found + 1);
    let mut out = label[..rest].to_vec();
    for line in label[rest..].split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b"INCREMENTAL FROM LSN: ") && !line.starts_with(b"INCREMENTAL FROM TLI: ") {
            out.extend_from_slice(line);
        }
    }
    out
}

/// Reads a tablespace_map: pairs of tablespace OID and the directory it pointed to, escapes undone.
///
/// # Errors
/// `FormatText` naming the malformed line.
pub fn parse_tablespace_map(text: &str) -> Result<Vec<(u32, String)>, FormatError> {
    let mut tablespaces = Vec::new();
    let mut line = String::new();
    let mut escaped = false;
    for character in text.chars() {
        match character {
            _ if escaped => {
                line.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            // An end of line as Windows has it leaves an empty line behind, as it does upstream.
            '\n' | '\r' if line.is_empty() => {}
            '\n' | '\r' => tablespaces.push(parse_tablespace(&std::mem::take(&mut line))?),
            _ => line.push(character),
        }
    }
    // The last line must have an end: else something may be missing.
    if escaped || !line.is_empty() {
        return Err(FormatError::FormatText { what: "tablespace_map (unfinished line)", text: line });
    }
    Ok(tablespaces)
}

/// Writes a tablespace_map, such as one whose directories were moved (upstream `do_pg_backup_start`).
pub fn format_tablespace_map(tablespaces: &[(u32, String)]) -> String {
    let mut text = String::new();
    for (oid, directory) in tablespaces {
        text.push_str(&format!("{oid} "));
        for character in directory.chars() {
            if matches!(character, '\n' | '\r' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('\n');
    }
    text
}

/// Reads one line of a tablespace_map, whose escapes were undone.
fn parse_tablespace(line: &str) -> Result<(u32, String), FormatError> {
    let read = || {
        let (oid, directory) = line.split_once(' ')?;
        let digits = oid.bytes().all(|byte| byte.is_ascii_digit());
        let oid = oid.parse().ok().filter(|oid| digits && *oid != 0)?;
        (!directory.is_empty()).then(|| (oid, directory.to_owned()))
    };
    read().ok_or_else(|| FormatError::FormatText { what: "tablespace_map", text: line.to_owned() })
}

/// Takes the next line off `rest` and returns what follows `name: `.
fn line<'a>(rest: &mut &'a str, name: &'static str) -> Result<&'a str, FormatError> {
    let value = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
    let (value, following) = value.and_then(|value| value.split_once('\n')).ok_or_else(|| {
        // Only the line at fault is shown, not all that follows it.
        malformed(name, rest.split('\n').next().unwrap_or_default())
    })?;
    *rest = following;
    Ok(value)
}

/// Takes the label off `rest`. The server escapes nothing in it, so that it may have ends of lines: it goes on until
/// the last line that can be the next one.
fn label_lines<'a>(rest: &mut &'a str) -> Result<&'a str, FormatError> {
    let value = rest.strip_prefix("LABEL: ").ok_or_else(|| malformed("LABEL", rest))?;
    let end = value.rfind("\nSTART TIMELINE: ").ok_or_else(|| malformed("START TIMELINE", ""))?;
    *rest = &value[end + 1..];
    Ok(&value[..end])
}

/// Reads `LSN (file SEGMENT)`.
fn parse_start(value: &str) -> Result<(Lsn, String), FormatError> {
    const NAME: &str = "START WAL LOCATION";
    let split = value.split_once(" (file ").and_then(|(lsn, file)| Some((lsn, file.strip_suffix(')')?)));
    let (lsn, file) = split.ok_or_else(|| malformed(NAME, value))?;
    let is_segment = file.len() == 24 && file.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    if !is_segment {
        return Err(malformed(NAME, value));
    }
    Ok((parse_lsn(lsn, NAME)?, file.to_owned()))
}

fn parse_lsn(value: &str, name: &'static str) -> Result<Lsn, FormatError> {
    value.parse().map_err(|_| malformed(name, value))
}

fn parse_timeline(value: &str, name: &'static str) -> Result<TimelineId, FormatError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|timeline| digits && *timeline != 0).map(TimelineId).ok_or_else(|| malformed(name, value))
}

fn malformed(name: &str, value: &str) -> FormatError {
    FormatError::FormatText { what: "backup_label", text: format!("{name}: {value}") }
}
