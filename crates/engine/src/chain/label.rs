//! Does each backup of the chain stand on the one before it, by its own label?

use super::error::ChainError;
use super::links::{Chain, ChainLink};
use crate::Error;
use pgformat::backup_label::BackupLabel;
use vault::repository::BackupRecord;

/// The member with what the server said of a backup.
pub(crate) const LABEL_PATH: &str = "backup_label";
/// No backup_label is longer.
pub(crate) const LABEL_LIMIT_BYTES: u64 = 64 * 1024;

impl Chain {
    /// Reads the labels of all backups but the first, which stands on none, and holds them against their records.
    ///
    /// # Errors
    /// `ChainLabel`; `ArchiveNoMember`, and what else the archives say.
    pub fn check_labels(&self) -> Result<(), Error> {
        self.links().iter().skip(1).try_for_each(|link| Ok(check_label(&read_label(link)?, &link.record)?))
    }

    /// Reads the labels of all backups and holds where each began against its record: an archive in another one's place is found out
    /// without reading all of it.
    ///
    /// # Errors
    /// `ChainStart`; `ArchiveNoMember`, and what else the archives say.
    pub fn check_starts(&self) -> Result<(), Error> {
        self.links().iter().try_for_each(|link| Ok(check_start(&read_label(link)?, &link.record)?))
    }
}

fn check_start(label: &BackupLabel, record: &BackupRecord) -> Result<(), ChainError> {
    let found = (Some(label.start_lsn), Some(label.start_timeline));
    if found == (record.start_lsn, record.timeline) {
        return Ok(());
    }
    let recorded = record.start_lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string());
    let timeline = record.timeline.map_or_else(|| "-".to_owned(), |timeline| timeline.to_string());
    Err(ChainError::ChainStart {
        id: record.id.to_string(),
        found: format!("{}/{}", label.start_timeline, label.start_lsn),
        recorded: format!("{timeline}/{recorded}"),
    })
}

fn read_label(link: &ChainLink) -> Result<BackupLabel, Error> {
    let member = link.reader.find_member(LABEL_PATH.as_bytes())?;
    let content = link.reader.read_member(&member, LABEL_LIMIT_BYTES)?;
    Ok(BackupLabel::parse(&String::from_utf8_lossy(&content))?)
}

/// Checks that a backup_label tells of the base that the record names: that of a backup which stands on none, of none.
///
/// # Errors
/// `ChainLabel`.
pub fn check_label(label: &BackupLabel, record: &BackupRecord) -> Result<(), ChainError> {
    let base = record.base.as_ref();
    let facts = [
        ("LSN", label.incremental_from_lsn.map(|lsn| lsn.to_string()), base.map(|base| base.start_lsn.to_string())),
        (
            "timeline",
            label.incremental_from_timeline.map(|timeline| timeline.to_string()),
            base.map(|base| base.timeline.to_string()),
        ),
    ];
    match facts.into_iter().find(|(_, found, recorded)| found != recorded) {
        None => Ok(()),
        Some((what, found, recorded)) => {
            let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            Err(ChainError::ChainLabel {
                id: record.id.to_string(),
                what,
                found: text(found),
                recorded: text(recorded),
            })
        }
    }
}
