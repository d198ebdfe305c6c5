//! How are the changed blocks found? From WAL, else from the server's summaries, else by reading every page.

use super::changed::{ChangedBlocks, ChangesFoundBy};
use super::members::BaseMembers;
use super::scan::{ScanSettings, scan};
use crate::backup::BackupError;
use crate::cluster::{ClusterInfo, ConnectionSettings};
use crate::reader::Source;
use crate::wal::TimelinePath;
use crate::{Cancel, Error, Progress};
use pgformat::Lsn;
use pgformat::block_reference::BlockReferenceTable;
use pgformat::incremental_file::SegmentGeometry;
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
            ChangesFoundBy::Wal => context.from_wal(record, start_lsn)?,
            ChangesFoundBy::Server => context.from_server(record, start_lsn)?,
            ChangesFoundBy::Scan => Ok(context.from_scan(record, &base)?),
        };
        match found {
            Ok(table) => return Ok((ChangedBlocks { table, found_by: *way, base, geometry }, passed_over)),
            Err(reason) => passed_over.push(reason),
        }
    }
    let (way, reason) = (ways[0].word(), passed_over.pop().unwrap_or_default());
    Err(BackupError::BackupChangesUnknown { way, reason }.into())
}

impl FindContext<'_> {
    fn from_wal(&self, _: &BackupRecord, _: Lsn) -> Result<Result<BlockReferenceTable, Value>, Error> {
        Ok(Err(serde_json::json!({"key": "pending"})))
    }

    fn from_server(&self, _: &BackupRecord, _: Lsn) -> Result<Result<BlockReferenceTable, Value>, Error> {
        Ok(Err(serde_json::json!({"key": "pending"})))
    }

    fn from_scan(&self, record: &BackupRecord, base: &BaseMembers) -> Result<BlockReferenceTable, Error> {
        let settings = ScanSettings {
            version: self.info.version,
            own_names: self.own_names,
            geometry: SegmentGeometry {
                block_size_bytes: self.info.block_size_bytes,
                relation_segment_blocks: self.info.relation_segment_blocks,
            },
            checksums_enabled: self.info.data_checksums,
            jobs: self.jobs,
            since_lsn: record.start_lsn.unwrap_or(Lsn(0)),
            base_started_seconds: record.started_at.as_second(),
        };
        scan(self.source, base, &settings, self.progress, self.cancel)
    }
}
