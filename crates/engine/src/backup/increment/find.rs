//! How are the changed blocks found? From WAL, else from the server's summaries, else by reading every page.

use super::changed::{ChangedBlocks, ChangesFoundBy};
use super::members::BaseMembers;
use super::scan::{ScanSettings, scan};
use crate::backup::BackupError;
use crate::cluster::{ClusterInfo, Connection, ConnectionSettings};
use crate::reader::Source;
use crate::wal::{ChangeAnswer, ChangeRange, TimelinePath, changes_from_server, changes_from_wal};
use crate::{Cancel, Error, Progress};
use pgformat::Lsn;
use pgformat::block_reference::BlockReferenceTable;
use pgformat::incremental_file::SegmentGeometry;
use pgformat::wal::WalGeometry;
use serde::Serialize;
use serde_json::Value;
use vault::repository::{BackupRecord, Repository};

/// Says how changed blocks are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangesChoice {
    /// From WAL, else from the server's summaries, else by reading every page.
    Auto,
    /// From archived WAL, and the server's where that is newer; nothing else.
    Wal,
    /// From the summaries of a server of 17 or later with `summarize_wal`; nothing else.
    Server,
    /// By reading every page.
    Scan,
}

/// What the search works with.
pub(crate) struct FindContext<'a> {
    pub settings: &'a ConnectionSettings,
    pub repository: &'a Repository,
    pub info: &'a ClusterInfo,
    pub path: &'a TimelinePath,
    pub source: &'a dyn Source,
    pub own_names: &'static [&'static str],
    pub jobs: usize,
    pub max_rate_bytes: Option<u64>,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// Finds the blocks that changed from the base's start up to `start_lsn`. Also returns why each way that was tried before the
/// one that was used could not tell.
///
/// # Errors
/// `BackupChangesUnknown` when the one way that was demanded can't tell; those of the server, the files and the storage.
pub(crate) fn find_changes(
    context: &FindContext<'_>,
    choice: ChangesChoice,
    record: &BackupRecord,
    base: BaseMembers,
    start_lsn: Lsn,
) -> Result<(ChangedBlocks, Vec<Value>), Error> {
    let ways: &[ChangesFoundBy] = match choice {
        ChangesChoice::Auto => &[ChangesFoundBy::Wal, ChangesFoundBy::Server, ChangesFoundBy::Scan],
        ChangesChoice::Wal => &[ChangesFoundBy::Wal],
        ChangesChoice::Server => &[ChangesFoundBy::Server],
        ChangesChoice::Scan => &[ChangesFoundBy::Scan],
    };
    let geometry = SegmentGeometry {
        block_size_bytes: context.info.block_size_bytes,
        relation_segment_blocks: context.info.relation_segment_blocks,
    };
    let mut passed_over = Vec::new();
    for way in ways {
        let found = match way {
            ChangesFoundBy::Wal => context.by_wal(record, start_lsn)?,
            ChangesFoundBy::Server => context.by_server(record, start_lsn)?,
            ChangesFoundBy::Scan => Ok(context.by_scan(record, &base)?),
        };
        match found {
            Err((reason, true)) => {
                return Err(BackupError::BackupChangesUnknown { way: way.word(), reason }.into());
            }
            Ok(table) => return Ok((ChangedBlocks { table, found_by: *way, base, geometry }, passed_over)),
            Err((reason, false)) => passed_over.push(reason),
        }
    }
    let (way, reason) = (ways[0].word(), passed_over.pop().unwrap_or_default());
    Err(BackupError::BackupChangesUnknown { way, reason }.into())
}

/// A table; or why this way can't tell, as `{"key": …, arguments}`, and whether no other way could: the base itself is of no use.
type Answer = Result<BlockReferenceTable, (Value, bool)>;

fn known(answer: ChangeAnswer) -> Result<Answer, Error> {
    Ok(match answer {
        ChangeAnswer::Known { table, detail } => {
            tracing::debug!(?detail, "changed blocks");
            Ok(table)
        }
        ChangeAnswer::Unknown(unknown) => {
            let is_about_base = unknown.is_about_base();
            Err((serde_json::to_value(unknown).unwrap_or_default(), is_about_base))
        }
    })
}

impl FindContext<'_> {
    fn by_wal(&self, record: &BackupRecord, start_lsn: Lsn) -> Result<Answer, Error> {
        let geometry = WalGeometry {
            version: self.info.version,
            system_identifier: self.info.system_identifier,
            segment_size: self.info.wal_segment_size,
            block_size_bytes: self.info.wal_block_size_bytes,
        };
        let mut reader = self.source.reader()?;
        let range = self.range(record, start_lsn);
        let block_bytes = self.info.block_size_bytes;
        known(changes_from_wal(self.repository, geometry, block_bytes, &range, reader.as_mut(), self.cancel)?)
    }

    fn by_server(&self, record: &BackupRecord, start_lsn: Lsn) -> Result<Answer, Error> {
        let mut connection = Connection::connect(self.settings)?;
        let mut reader = self.source.reader()?;
        let range = self.range(record, start_lsn);
        known(changes_from_server(&mut connection, self.info, &range, reader.as_mut(), self.cancel)?)
    }

    fn range(&self, record: &BackupRecord, start_lsn: Lsn) -> ChangeRange {
        ChangeRange {
            from_lsn: record.start_lsn.unwrap_or(Lsn(0)),
            from_stop_lsn: record.stop_lsn.unwrap_or(Lsn(0)),
            from_timeline: record.timeline.unwrap_or(self.info.timeline),
            to_lsn: start_lsn,
            to_timeline: self.path.timeline_at(start_lsn),
        }
    }

    fn by_scan(&self, record: &BackupRecord, base: &BaseMembers) -> Result<BlockReferenceTable, Error> {
        let settings = ScanSettings {
            version: self.info.version,
            own_names: self.own_names,
            geometry: SegmentGeometry {
                block_size_bytes: self.info.block_size_bytes,
                relation_segment_blocks: self.info.relation_segment_blocks,
            },
            checksums_enabled: self.info.data_checksums,
            jobs: self.jobs,
            max_rate_bytes: self.max_rate_bytes,
            since_lsn: record.start_lsn.unwrap_or(Lsn(0)),
            base_started_seconds: record.started_at.as_second(),
        };
        scan(self.source, base, &settings, self.progress, self.cancel)
    }
}
