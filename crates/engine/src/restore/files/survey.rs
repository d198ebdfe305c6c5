//! What does the archive hold, and is it enough to start a cluster? Reads the index once; needs no memory for the files.

use super::layout::Layout;
use crate::Error;
use crate::backup::EXTERNAL_CONFIG_FOLDER;
use crate::chain::{Chain, LABEL_LIMIT_BYTES, LABEL_PATH, OutputContent, check_label};
use crate::restore::RestoreError;
use crate::restore::only::KeptDatabases;
use pgformat::backup_label::{BackupLabel, without_incremental_lines};
use pgformat::control_file::{CONTROL_FILE_PATH, CONTROL_FILE_SIZE, ControlFile};
use pgformat::{Lsn, WalSegment, WalSegmentSize};
use std::collections::BTreeSet;
use vault::archive::{ArchiveMember, ArchiveReader, MemberKind};
use vault::repository::{BackupRecord, RepositoryError};

/// File systems hand out space in blocks of this many bytes, nearly all of them.
const ALLOCATION_BYTES: u64 = 4096;
/// No PG_VERSION is longer.
const VERSION_LIMIT_BYTES: u64 = 1024;

/// The sum of an archive's index.
#[derive(Debug, Clone)]
pub(crate) struct Survey {
    pub files: u64,
    /// Sum of the files' sizes.
    pub content_bytes: u64,
    /// What each root takes; see [`Layout`].
    pub roots: Vec<RootSurvey>,
    /// The source let its group read: directories 0750 and files 0640 instead of 0700 and 0600.
    pub group_access: bool,
    pub has_postgresql_conf: bool,
    pub has_hba_conf: bool,
    pub has_ident_conf: bool,
    pub has_auto_conf: bool,
    /// The source's own configuration lies in [`EXTERNAL_CONFIG_FOLDER`].
    pub has_external_config: bool,
    /// Names of the WAL segments and timeline histories in pg_wal.
    pub wal_files: Vec<String>,
    /// The backup_label as the restored cluster needs it.
    pub label_bytes: Vec<u8>,
    pub control_bytes: Vec<u8>,
    pub control: ControlFile,
}

/// What one target takes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RootSurvey {
    /// Rounded up to whole blocks.
    pub allocated_bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

/// Signal files that would keep a copy from becoming a cluster of its own.
pub(crate) const SIGNAL_FILES: [&str; 2] = ["standby.signal", "recovery.signal"];

/// Reads the newest archive's index and the small files that decide whether the cluster can start. What is held as changes
/// counts with the size it has in the archive; see [`add_layered`].
///
/// # Errors
/// `RestoreIncomplete` naming what is missing, `RestoreMismatch` and `ChainLabel` when archive and record are not of
/// one backup, and the archive's own errors.
pub(crate) fn survey(reader: &ArchiveReader, record: &BackupRecord, layout: &Layout) -> Result<Survey, Error> {
    let id = record.id.to_string();
    let incomplete = |path: &str| RestoreError::RestoreIncomplete { id: id.clone(), path: path.to_owned() };
    let wal_segment_size = record.wal_segment_size.ok_or_else(|| incomplete("wal_segment_size"))?;
    let mut missing_wal = needed_wal(record, wal_segment_size)?;

    let (mut files, mut content_bytes) = (0, 0);
    let mut roots = vec![RootSurvey::default(); layout.roots()];
    let (mut version, mut label, mut control) = (None, None, None);
    let (mut has_postgresql_conf, mut has_hba_conf, mut has_ident_conf) = (false, false, false);
    let (mut has_auto_conf, mut has_external_config) = (false, false);
    let mut wal_files = Vec::new();
    for member in reader.members()? {
        let member = member?;
        let location = layout.locate(&member.path)?;
        has_external_config |= member.path == EXTERNAL_CONFIG_FOLDER.as_bytes();
        let root = &mut roots[location.root];
        root.inodes += 1;
        if member.kind == MemberKind::Directory {
            root.allocated_bytes += ALLOCATION_BYTES;
            continue;
        }
        files += 1;
        content_bytes += member.size_bytes;
        root.allocated_bytes += member.size_bytes.next_multiple_of(ALLOCATION_BYTES);
        match member.path.as_slice() {
            b"PG_VERSION" => version = Some(member),
            path if path == LABEL_PATH.as_bytes() => label = Some(member),
            b"postgresql.conf" => has_postgresql_conf = true,
            b"pg_hba.conf" => has_hba_conf = true,
            b"pg_ident.conf" => has_ident_conf = true,
            b"postgresql.auto.conf" => has_auto_conf = true,
            path if path == CONTROL_FILE_PATH.as_bytes() => control = Some(member),
            path => {
                if let Some(name) = path.strip_prefix(b"pg_wal/").and_then(|name| std::str::from_utf8(name).ok()) {
                    if let Ok(segment) = WalSegment::parse(name, wal_segment_size) {
                        // A short segment is no segment: recovery would end at its end, before the stop LSN.
                        if member.size_bytes == wal_segment_size.bytes() {
                            missing_wal.remove(&segment.number);
                        }
                        wal_files.push(name.to_owned());
                    } else if name.ends_with(".history") {
                        wal_files.push(name.to_owned());
                    }
                }
            }
        }
    }

    let version = version.ok_or_else(|| incomplete("PG_VERSION"))?;
    let label = label.ok_or_else(|| incomplete(LABEL_PATH))?;
    let control_member = control.ok_or_else(|| incomplete(CONTROL_FILE_PATH))?;
    if let Some(&number) = missing_wal.first() {
        let segment = WalSegment { timeline: record.timeline.ok_or_else(|| incomplete("timeline"))?, number };
        return Err(incomplete(&format!("pg_wal/{}", segment.file_name(wal_segment_size))).into());
    }
    check_version(reader, record, &version)?;
    let label_bytes = read_label(reader, record, &label)?;
    let control_bytes = reader.read_member(&control_member, 2 * CONTROL_FILE_SIZE as u64)?;
    let control = ControlFile::parse(&control_bytes)?;
    check_control(record, &control)?;
    Ok(Survey {
        files,
        content_bytes,
        roots,
        group_access: version.mode & 0o040 != 0,
        has_postgresql_conf,
        has_hba_conf,
        has_ident_conf,
        has_auto_conf,
        has_external_config,
        wal_files,
        label_bytes,
        control_bytes,
        control,
    })
}

/// Puts the sizes that layered files will have in the place of those that they have in the archive.
///
/// # Errors
/// `ChainFileDamaged`, and the archive's own errors.
pub(crate) fn add_layered(survey: &mut Survey, chain: &Chain, layout: &Layout) -> Result<(), Error> {
    chain.layered_sizes(&mut |path, archived_bytes, restored_bytes| {
        let root = &mut survey.roots[layout.locate(path.as_bytes())?.root];
        let archived_allocation = archived_bytes.next_multiple_of(ALLOCATION_BYTES);
        root.allocated_bytes =
            root.allocated_bytes - archived_allocation + restored_bytes.next_multiple_of(ALLOCATION_BYTES);
        survey.content_bytes = survey.content_bytes - archived_bytes + restored_bytes;
        Ok(())
    })
}

/// Takes out what is not written. The files are made all the same.
///
/// # Errors
/// The archive's own.
pub(crate) fn leave_out(
    survey: &mut Survey,
    chain: &Chain,
    layout: &Layout,
    kept: &mut KeptDatabases,
) -> Result<(), Error> {
    for output in chain.outputs()? {
        let output = output?;
        if matches!(output.content, OutputContent::Directory) || !kept.leaves_out(&output.path) {
            continue;
        }
        let root = &mut survey.roots[layout.locate(&output.path)?.root];
        root.allocated_bytes -= output.size_bytes.next_multiple_of(ALLOCATION_BYTES);
        survey.content_bytes -= output.size_bytes;
        kept.left_out_bytes += output.size_bytes;
    }
    Ok(())
}

/// Returns the numbers of the segments from start to stop LSN. Their timeline may change on the way, so it is left out.
fn needed_wal(record: &BackupRecord, size: WalSegmentSize) -> Result<BTreeSet<u64>, Error> {
    let unreadable = |detail: &str| RepositoryError::RepositoryUnreadable {
        storage: String::new(),
        object: record.archive_name.clone(),
        detail: detail.to_owned(),
    };
    let (Some(start_lsn), Some(stop_lsn), Some(timeline)) = (record.start_lsn, record.stop_lsn, record.timeline) else {
        return Err(unreadable("a completed backup without start_lsn, stop_lsn or timeline").into());
    };
    if start_lsn == Lsn(0) || stop_lsn < start_lsn {
        return Err(unreadable("start_lsn and stop_lsn are impossible").into());
    }
    let first = WalSegment::containing(timeline, start_lsn, size).number;
    let last = WalSegment::ending_at(timeline, stop_lsn, size).number;
    // A backup's WAL is in its archive, so an honest range is never longer than the archive's content.
    if last.saturating_sub(first).saturating_mul(size.bytes()) > record.plain_bytes {
        return Err(unreadable("start_lsn and stop_lsn are further apart than the archive is long").into());
    }
    Ok((first..=last).collect())
}

fn mismatch(record: &BackupRecord, what: &'static str, found: String, recorded: String) -> RestoreError {
    RestoreError::RestoreMismatch { id: record.id.to_string(), what, found, recorded }
}

fn check_version(reader: &ArchiveReader, record: &BackupRecord, member: &ArchiveMember) -> Result<(), Error> {
    let content = reader.read_member(member, VERSION_LIMIT_BYTES)?;
    let found = String::from_utf8_lossy(&content).trim().to_owned();
    let recorded = record.postgresql_version.to_string();
    if found == recorded { Ok(()) } else { Err(mismatch(record, "PG_VERSION", found, recorded).into()) }
}

/// Reads the label, holds it against the record, and returns it as the restored cluster needs it.
fn read_label(reader: &ArchiveReader, record: &BackupRecord, member: &ArchiveMember) -> Result<Vec<u8>, Error> {
    let content = reader.read_member(member, LABEL_LIMIT_BYTES)?;
    let label = BackupLabel::parse(&String::from_utf8_lossy(&content))?;
    check_label(&label, record)?;
    match record.start_lsn {
        Some(recorded) if recorded != label.start_lsn => {
            Err(mismatch(record, "start LSN", label.start_lsn.to_string(), recorded.to_string()).into())
        }
        _ => Ok(without_incremental_lines(&content)),
    }
}

fn check_control(record: &BackupRecord, control: &ControlFile) -> Result<(), RestoreError> {
    if control.system_identifier != record.system_identifier {
        let (found, recorded) = (control.system_identifier.to_string(), record.system_identifier.to_string());
        return Err(mismatch(record, "system identifier", found, recorded));
    }
    if control.version != record.postgresql_version {
        let (found, recorded) = (control.version.to_string(), record.postgresql_version.to_string());
        return Err(mismatch(record, "control file version", found, recorded));
    }
    if Some(control.wal_segment_size) != record.wal_segment_size {
        let recorded = record.wal_segment_size.map_or_else(String::new, |size| size.bytes().to_string());
        return Err(mismatch(record, "WAL segment size", control.wal_segment_size.bytes().to_string(), recorded));
    }
    Ok(())
}
