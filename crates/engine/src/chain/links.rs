use super::error::ChainError;
use super::outputs::Outputs;
use super::read::ChainReader;
use crate::Error;
use pgformat::control_file::{CONTROL_FILE_PATH, CONTROL_FILE_SIZE, ControlFile};
use pgformat::incremental_file::{SegmentGeometry, reconstructed_path};
use pgformat::relation_file::RelationFile;
use vault::archive::ArchiveReader;
use vault::repository::{BackupKind, BackupRecord, Repository};

/// One backup of a chain: its record, and its archive, open.
pub struct ChainLink {
    /// What is known of it.
    pub record: BackupRecord,
    /// Its archive.
    pub reader: ArchiveReader,
}

/// The archives of a chain, the FULL first. Of one backup alone it is a chain as well.
pub struct Chain {
    links: Vec<ChainLink>,
    geometry: SegmentGeometry,
    most_entries: u64,
}

impl Chain {
    /// Opens the archives of a chain as [`vault::repository::RepositoryContents::chain`] returns it.
    ///
    /// # Errors
    /// `ChainIncomplete`; those of the archives.
    pub fn open(repository: &Repository, records: &[BackupRecord]) -> Result<Self, Error> {
        let mut links = Vec::with_capacity(records.len());
        for record in records {
            links.push(ChainLink { record: record.clone(), reader: repository.open_archive(record)? });
        }
        Self::new(links)
    }

    /// Takes opened archives.
    ///
    /// # Errors
    /// `ChainIncomplete`; those of reading the newest archive's pg_control, which says how relations are divided.
    pub fn new(links: Vec<ChainLink>) -> Result<Self, Error> {
        let Some((first, newest)) = links.first().zip(links.last()) else {
            return Err(ChainError::ChainIncomplete {}.into());
        };
        if first.record.kind != BackupKind::Full {
            return Err(ChainError::ChainIncomplete {}.into());
        }
        let block_size_bytes = newest.record.block_size_bytes;
        // Alone a FULL has nothing that could be put together.
        let relation_segment_blocks = match newest.record.kind {
            BackupKind::Full => 0,
            BackupKind::Differential | BackupKind::Incremental => control_file(newest)?.relation_segment_blocks,
        };
        let geometry = SegmentGeometry { block_size_bytes, relation_segment_blocks };
        Ok(Chain { links, geometry, most_entries: super::table::MOST_ENTRIES })
    }

    /// Bounds the list of files that is held in memory, for tests: above it the indexes are read in several rounds.
    #[must_use]
    pub fn with_most_entries(self, most_entries: u64) -> Self {
        Chain { most_entries, ..self }
    }

    /// Returns the backups, the FULL first; never none.
    pub fn links(&self) -> &[ChainLink] {
        &self.links
    }

    /// Returns the backup that the chain leads to.
    pub fn newest(&self) -> &ChainLink {
        // `new` refuses an empty chain.
        &self.links[self.links.len() - 1]
    }

    /// Returns how the cluster divides relations. Of a FULL alone the number of blocks in a segment is 0: unknown, not needed.
    pub fn geometry(&self) -> SegmentGeometry {
        self.geometry
    }

    /// Goes through the members of the newest archive as they are to be restored.
    ///
    /// # Errors
    /// Those of [`Outputs`]' items.
    pub fn outputs(&self) -> Result<Outputs<'_>, Error> {
        Outputs::new(self, self.most_entries)
    }

    /// Makes a reader of outputs; one for each worker.
    ///
    /// # Errors
    /// `ArchiveCodec` when there is no memory for a decoder.
    pub fn reader(&self) -> Result<ChainReader<'_>, Error> {
        ChainReader::new(self)
    }
}

/// Reads a backup's pg_control.
fn control_file(link: &ChainLink) -> Result<ControlFile, Error> {
    let member = link.reader.find_member(CONTROL_FILE_PATH.as_bytes())?;
    Ok(ControlFile::parse(&link.reader.read_member(&member, 2 * CONTROL_FILE_SIZE as u64)?)?)
}

/// Returns the path of the file that a member holds changes of; `None` when it is a whole file. Only a relation's file can be
/// one, and only in a backup that stands on another: whatever else bears such a name is a file like others.
pub(crate) fn changed_path(record: &BackupRecord, path: &[u8]) -> Option<String> {
    if record.kind == BackupKind::Full {
        return None;
    }
    let path = reconstructed_path(std::str::from_utf8(path).ok()?)?;
    RelationFile::parse(&path).is_some().then_some(path)
}
