use super::compressor::EncoderPool;
use super::layout::{self, Cover, DESCRIPTION_KEY};
use super::partial::Whole;
use super::trailer::TrailerFault;
use super::{WalArchiveError, WalGap};
use crate::encryption::{EncryptionError, Keys, Recipients};
use crate::repository::Repository;
use crate::storage::{Storage, StorageError};
use pgformat::wal::WalGeometry;
use pgformat::{Lsn, SystemIdentifier, TimelineId, WalSegment};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of `wal/wal.json` that this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;
/// What an archive that was opened for reading calls itself, should it write after all.
const THIS_PROGRAM: &str = concat!("cadena ", env!("CARGO_PKG_VERSION"));

/// The content of `wal/wal.json`: what all segments have in common. Written by the first writer, and only once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalDescription {
    /// 1.
    pub format_version: u32,
    /// What every segment must agree with.
    pub geometry: WalGeometry,
    /// What made it, such as `cadena 0.1.0`.
    pub created_by: String,
}

/// How a segment came to be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealOutcome {
    /// It is new.
    Archived,
    /// The same bytes were there already.
    AlreadyThere,
}

/// The WAL of one repository.
#[derive(Clone)]
pub struct WalArchive {
    repository: Repository,
    geometry: WalGeometry,
    pub(super) tool_version: Arc<str>,
    pub(super) encoders: EncoderPool,
    /// Segments that were received whole, encrypted, and not sealed yet.
    pub(super) whole: Whole,
}

impl WalArchive {
    /// Opens the archive for reading; `None` when no WAL was ever archived.
    ///
    /// # Errors
    /// `WalNewer`, `WalUnreadable` for a description that can't be used; `WalForeign` when it is of another cluster than the
    /// repository; storage errors.
    pub fn open(repository: &Repository) -> Result<Option<Self>, WalArchiveError> {
        let Some(description) = read_description(repository.storage().as_ref())? else { return Ok(None) };
        let geometry = description.geometry;
        check_cluster(repository, geometry.system_identifier)?;
        let tool_version = THIS_PROGRAM.into();
        Ok(Some(WalArchive {
            repository: repository.clone(),
            geometry,
            tool_version,
            encoders: EncoderPool::default(),
            whole: Whole::default(),
        }))
    }

    /// Opens the archive for writing, and makes `wal/wal.json` when there is none.
    ///
    /// # Errors
    /// `WalForeign` when the repository belongs to another cluster; `WalGeometry` when segments of another size, page size or
    /// version lie here; those of [`WalArchive::open`].
    pub fn open_for(
        repository: &Repository,
        geometry: WalGeometry,
        tool_version: &str,
    ) -> Result<Self, WalArchiveError> {
        check_cluster(repository, geometry.system_identifier)?;
        let storage = repository.storage().as_ref();
        if storage.size_bytes(DESCRIPTION_KEY)?.is_none() {
            let created_by = tool_version.to_owned();
            write_description(storage, &WalDescription { format_version: FORMAT_VERSION, geometry, created_by })?;
        }
        let Some(description) = read_description(storage)? else {
            return Err(unreadable(storage, DESCRIPTION_KEY, "it vanished".to_owned()));
        };
        check_cluster(repository, description.geometry.system_identifier)?;
        check_geometry(&description.geometry, &geometry)?;
        let tool_version = tool_version.into();
        let (encoders, whole) = (EncoderPool::default(), Whole::default());
        Ok(WalArchive { repository: repository.clone(), geometry, tool_version, encoders, whole })
    }

    /// Returns what all segments have in common.
    pub fn geometry(&self) -> &WalGeometry {
        &self.geometry
    }

    /// Returns the cluster.
    pub fn system_identifier(&self) -> SystemIdentifier {
        self.geometry.system_identifier
    }

    /// Notes a gap and its cause, once: a note of a gap with the same beginning stays as it is.
    ///
    /// # Errors
    /// Storage errors.
    pub fn put_gap(&self, gap: &WalGap) -> Result<(), WalArchiveError> {
        let key = layout::gap_key(gap.timeline, gap.from_lsn);
        put_json(self.storage(), &key, gap)
    }

    /// Notes a gap in the place of a note with the same beginning: what retention removed grows from cleanup to cleanup.
    ///
    /// # Errors
    /// Storage errors.
    pub fn replace_gap(&self, gap: &WalGap) -> Result<(), WalArchiveError> {
        let key = layout::gap_key(gap.timeline, gap.from_lsn);
        let mut content = serde_json::to_vec_pretty(gap).map_err(|error| self.unreadable(&key, error.to_string()))?;
        content.push(b'\n');
        Ok(self.storage().put(&key, &content)?)
    }

    /// Removes the note of a gap, which another note holds now. One that is not there is no error.
    ///
    /// # Errors
    /// Storage errors.
    pub fn remove_gap(&self, timeline: TimelineId, from_lsn: Lsn) -> Result<(), WalArchiveError> {
        Ok(self.storage().delete(&layout::gap_key(timeline, from_lsn))?)
    }

    /// Returns how long the writer of a partial segment should gather between two syncs; `None` where they cost little.
    pub fn sync_pause(&self) -> Option<std::time::Duration> {
        self.storage().sync_pause()
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        self.repository.storage().as_ref()
    }

    pub(super) fn name(&self, segment: WalSegment) -> String {
        segment.file_name(self.geometry.segment_size)
    }

    pub(super) fn keys(&self) -> &Keys {
        self.repository.keys()
    }

    pub(super) fn recipients(&self) -> Option<&Recipients> {
        self.repository.recipients()
    }

    /// Tells whether what is written now can be read again by this process.
    pub fn can_read_back(&self) -> bool {
        self.repository.can_read_back()
    }

    /// Returns in which form is written.
    pub(super) fn cover(&self) -> Cover {
        if self.recipients().is_some() { Cover::Encrypted } else { Cover::Plain }
    }

    pub(super) fn sealed_key(&self, segment: WalSegment, cover: Cover) -> String {
        layout::sealed_key(segment, self.geometry.segment_size, cover)
    }

    pub(super) fn partial_key(&self, segment: WalSegment, cover: Cover) -> String {
        layout::partial_key(segment, self.geometry.segment_size, cover)
    }

    /// Returns in which form a sealed segment is here. Encryption may have been switched on at any time.
    pub(super) fn sealed_cover(&self, segment: WalSegment) -> Result<Option<Cover>, StorageError> {
        self.cover_of(|cover| self.sealed_key(segment, cover))
    }

    /// Returns in which form a partial segment is here.
    pub(super) fn partial_cover(&self, segment: WalSegment) -> Result<Option<Cover>, StorageError> {
        self.cover_of(|cover| self.partial_key(segment, cover))
    }

    fn cover_of(&self, key: impl Fn(Cover) -> String) -> Result<Option<Cover>, StorageError> {
        for cover in Cover::BEST_FIRST {
            // Where nothing was ever encrypted nobody asks for it.
            if cover == Cover::Encrypted && self.recipients().is_none() {
                continue;
            }
            if self.storage().size_bytes(&key(cover))?.is_some() {
                return Ok(Some(cover));
            }
        }
        Ok(None)
    }

    /// Makes the error for a sealed object that can't be read: one that was changed is damaged.
    pub(super) fn unsealing(&self, segment: WalSegment, error: StorageError) -> WalArchiveError {
        match error {
            StorageError::Encryption(EncryptionError::EncryptionDamaged { detail, .. }) => {
                self.damaged(segment, format!("it can't be decrypted: {detail}"))
            }
            error => error.into(),
        }
    }

    pub(super) fn missing(&self, segment: WalSegment) -> WalArchiveError {
        WalArchiveError::WalMissing { segment: self.name(segment), storage: self.storage().describe() }
    }

    pub(super) fn damaged(&self, segment: WalSegment, detail: impl Into<String>) -> WalArchiveError {
        let (segment, storage) = (self.name(segment), self.storage().describe());
        WalArchiveError::WalDamaged { segment, storage, detail: detail.into() }
    }

    pub(super) fn conflict(&self, segment: WalSegment, detail: impl Into<String>) -> WalArchiveError {
        let (segment, storage) = (self.name(segment), self.storage().describe());
        WalArchiveError::WalConflict { segment, storage, detail: detail.into() }
    }

    pub(super) fn unreadable(&self, key: &str, detail: String) -> WalArchiveError {
        unreadable(self.storage(), key, detail)
    }

    pub(super) fn trailer_fault(&self, segment: WalSegment, fault: TrailerFault) -> WalArchiveError {
        match fault {
            TrailerFault::Damaged(detail) => self.damaged(segment, detail),
            TrailerFault::Newer(found) => {
                newer(&self.sealed_key(segment, Cover::Plain), found, super::trailer::SEALED_VERSION.into())
            }
            TrailerFault::Storage(error) => self.unsealing(segment, error),
        }
    }
}

fn read_description(storage: &dyn Storage) -> Result<Option<WalDescription>, WalArchiveError> {
    let Some(content) = storage.get(DESCRIPTION_KEY)? else { return Ok(None) };
    let broken = |detail: String| unreadable(storage, DESCRIPTION_KEY, detail);
    // The version first: a newer description may be of any shape.
    let value: serde_json::Value = serde_json::from_slice(&content).map_err(|error| broken(error.to_string()))?;
    match value["format_version"].as_u64() {
        Some(version) if version > u64::from(FORMAT_VERSION) => {
            return Err(newer(DESCRIPTION_KEY, u32::try_from(version).unwrap_or(u32::MAX), FORMAT_VERSION));
        }
        None | Some(0) => return Err(broken("it has no format_version".to_owned())),
        Some(_) => {}
    }
    let description: WalDescription = serde_json::from_slice(&content).map_err(|error| broken(error.to_string()))?;
    let block_size = description.geometry.block_size_bytes;
    if !block_size.is_power_of_two() || !(1 << 10..=1 << 16).contains(&block_size) {
        return Err(broken(format!("no WAL page has {block_size} bytes")));
    }
    Ok(Some(description))
}

/// Another writer may be as early: what it wrote counts, and is checked afterwards.
fn write_description(storage: &dyn Storage, description: &WalDescription) -> Result<(), WalArchiveError> {
    storage.sweep(DESCRIPTION_KEY)?;
    put_json(storage, DESCRIPTION_KEY, description)
}

/// Writes a small object unless there is one.
fn put_json(storage: &dyn Storage, key: &str, value: &impl Serialize) -> Result<(), WalArchiveError> {
    let mut content = serde_json::to_vec_pretty(value).map_err(|error| unreadable(storage, key, error.to_string()))?;
    content.push(b'\n');
    match storage.put_if_absent(key, &content) {
        // Who made it may not have come to make its name durable.
        Err(StorageError::StorageExists { .. }) => Ok(storage.sweep(key)?),
        done => Ok(done?),
    }
}

fn check_cluster(repository: &Repository, found: SystemIdentifier) -> Result<(), WalArchiveError> {
    let expected = repository.description().system_identifier;
    if found != expected {
        return Err(WalArchiveError::WalForeign { expected: expected.to_string(), found: found.to_string() });
    }
    Ok(())
}

fn check_geometry(expected: &WalGeometry, found: &WalGeometry) -> Result<(), WalArchiveError> {
    let sizes = |geometry: &WalGeometry| {
        [
            ("wal_segment_size", geometry.segment_size.bytes()),
            ("wal_block_size", geometry.block_size_bytes.into()),
            ("PostgreSQL", geometry.version.number().into()),
        ]
    };
    for ((what, expected), (_, found)) in sizes(expected).into_iter().zip(sizes(found)) {
        if expected != found {
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(WalArchiveError::WalGeometry { what, expected, found });
        }
    }
    Ok(())
}

fn newer(object: &str, found: u32, supported: u32) -> WalArchiveError {
    WalArchiveError::WalNewer { object: object.to_owned(), found, supported }
}

fn unreadable(storage: &dyn Storage, key: &str, detail: String) -> WalArchiveError {
    WalArchiveError::WalUnreadable { object: key.to_owned(), storage: storage.describe(), detail }
}
