//! Summaries of changed blocks: PostgreSQL 17's own file, for WAL of every version.

use super::layout::SUMMARIES_PREFIX;
use super::{SealOutcome, WalArchive, WalArchiveError};
use crate::storage::StorageError;
use pgformat::block_reference::{BlockReferenceReader, BlockReferenceTable, SummaryFileName};

/// What is read of a summary at a time.
const PIECE_BYTES: u64 = 128 << 10;

impl WalArchive {
    /// Lists the summaries that are here, in ascending order of timeline, start and end. Opens none. Names that no summary can have
    /// are passed over.
    ///
    /// # Errors
    /// Storage errors.
    pub fn list_summaries(&self) -> Result<Vec<SummaryFileName>, WalArchiveError> {
        let listed = self.storage().list(SUMMARIES_PREFIX)?;
        let names = listed.iter().filter_map(|object| object.key.strip_prefix(SUMMARIES_PREFIX)?.parse().ok());
        let mut names: Vec<SummaryFileName> = names.filter(is_possible).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a summary; `None` when it is not there (any more). Memory: the table, and 128 KiB.
    ///
    /// # Errors
    /// `WalUnreadable` when it is damaged: its content is of no use, and can be made anew from the segments. Storage errors.
    pub fn read_summary(&self, name: SummaryFileName) -> Result<Option<BlockReferenceTable>, WalArchiveError> {
        let key = summary_key(name);
        let object = match self.storage().open(&key) {
            Err(StorageError::StorageMissing { .. }) => return Ok(None),
            opened => opened?,
        };
        let mut table = BlockReferenceTable::new();
        let mut reader = BlockReferenceReader::new();
        let mut piece = Vec::new();
        let (mut at, size_bytes) = (0, object.size_bytes());
        while at < size_bytes {
            piece.resize(PIECE_BYTES.min(size_bytes - at) as usize, 0);
            match object.read_exact_at(at, &mut piece) {
                // It was cut since it was opened.
                Err(StorageError::StorageShort { .. }) => break,
                read => read?,
            }
            let fed = reader.feed::<pgformat::FormatError>(&piece, &mut |key, entry| {
                table.merge_later_entry(key, &entry);
                Ok(())
            });
            fed.map_err(|error| self.unreadable(&key, error.to_string()))?;
            at += piece.len() as u64;
        }
        reader.finish().map_err(|error| self.unreadable(&key, error.to_string()))?;
        Ok(Some(table))
    }

    /// Keeps a summary, unless there is one of that name: what a name stands for never changes.
    ///
    /// # Errors
    /// Storage errors.
    pub fn put_summary(
        &self,
        name: SummaryFileName,
        table: &BlockReferenceTable,
    ) -> Result<SealOutcome, WalArchiveError> {
        let mut content = Vec::new();
        table.write(&mut content);
        match self.storage().put_if_absent(&summary_key(name), &content) {
            Err(StorageError::StorageExists { .. }) => Ok(SealOutcome::AlreadyThere),
            done => Ok(done.map(|()| SealOutcome::Archived)?),
        }
    }

    /// Writes a summary in the place of one that can't be read.
    ///
    /// # Errors
    /// Storage errors.
    pub fn replace_summary(&self, name: SummaryFileName, table: &BlockReferenceTable) -> Result<(), WalArchiveError> {
        let mut content = Vec::new();
        table.write(&mut content);
        Ok(self.storage().put(&summary_key(name), &content)?)
    }

    /// Removes a summary. One that is not there is no error; its segments still tell what it told.
    ///
    /// # Errors
    /// Storage errors.
    pub fn remove_summary(&self, name: SummaryFileName) -> Result<(), WalArchiveError> {
        Ok(self.storage().delete(&summary_key(name))?)
    }
}

fn summary_key(name: SummaryFileName) -> String {
    format!("{SUMMARIES_PREFIX}{name}")
}

fn is_possible(name: &SummaryFileName) -> bool {
    name.timeline.0 != 0 && name.start_lsn < name.end_lsn
}
