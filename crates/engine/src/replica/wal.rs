//! The log: each segment as soon as it is whole, the present one every few seconds.

use super::ReplicaWal;
use super::copy::copy_object;
use super::keys::{ObjectKind, kind_of, segment_stem};
use super::link::{ReplicaLink, Sent};
use super::push::is_fault_of_source;
use crate::retention::is_gap_of_retention;
use crate::{Cancel, Error};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use vault::storage::{StorageError, StoredObject};
use vault::wal::WalGap;

/// A partial segment larger than this is not sent: it goes whole, and often.
const PARTIAL_LIMIT_BYTES: u64 = 64 << 20;
const WAL_PREFIX: &str = "wal/";

/// What was sent of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PushedWal {
    /// Whole segments.
    pub segments: u64,
    /// Bytes of them, and of the present one.
    pub bytes: u64,
    /// Whether the present segment was sent.
    pub partial: bool,
}

impl ReplicaLink {
    /// Sends the segments that the replica lacks, oldest first; what belongs to the log beside them; and, if `with_partial`, the
    /// beginning of the present one, if it has grown.
    ///
    /// # Errors
    /// Those of the storages; what had arrived until then stays.
    ///
    /// # Cancellation
    /// Leaves nothing half visible.
    pub fn push_wal(&self, with_partial: bool, cancel: &Cancel) -> Result<PushedWal, Error> {
        self.reach()?;
        self.push_description(cancel)?;
        let mut pushed = PushedWal::default();
        let listing = self.source.storage().list(WAL_PREFIX)?;
        let of =
            |wanted: ObjectKind| listing.iter().filter(move |object| kind_of(&object.key).as_ref() == Some(&wanted));
        self.push_constants(of(ObjectKind::Constant), cancel)?;
        let trimmed = self.trimmed_there()?;
        let lacking: Vec<&StoredObject> = of(ObjectKind::SealedSegment)
            .filter(|object| {
                self.size_there(&object.key).is_none() && !trimmed.iter().any(|gap| gap.holds(&object.key))
            })
            .collect();
        self.set_backlog(|backlog| backlog.segments = lacking.len() as u64);
        let mut companions: BTreeMap<&str, Vec<&StoredObject>> = BTreeMap::new();
        of(ObjectKind::SegmentCompanion)
            .for_each(|object| companions.entry(segment_stem(&object.key)).or_default().push(object));
        for (done, object) in lacking.iter().enumerate() {
            let with_it = companions.get(segment_stem(&object.key)).map_or(&[][..], Vec::as_slice);
            for part in with_it.iter().chain([object]) {
                pushed.bytes += self.push_once(part, cancel)?;
            }
            pushed.segments += 1;
            self.set_backlog(|backlog| backlog.segments = (lacking.len() - done - 1) as u64);
            self.note_wal(&object.key, None);
        }
        self.push_changing(of(ObjectKind::Changing), cancel)?;
        self.forget_sealed_partials()?;
        if with_partial && let Some(newest) = of(ObjectKind::PartialSegment).next_back() {
            self.push_partial(newest, &mut pushed, cancel)?;
        }
        Ok(pushed)
    }

    /// Sends what is written once. One that a cleanup removed meanwhile is passed over.
    fn push_once(&self, object: &StoredObject, cancel: &Cancel) -> Result<u64, Error> {
        if self.size_there(&object.key).is_some() {
            return Ok(0);
        }
        let from = self.source.storage().as_ref();
        match copy_object(from, self.target(), &object.key, None, &self.terms(cancel, &|_| {})) {
            Ok(copied) => {
                self.note_there(&object.key, copied.bytes);
                Ok(copied.bytes)
            }
            Err(error) if is_fault_of_source(&error) && from.size_bytes(&object.key)?.is_none() => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn push_constants<'a>(
        &self,
        objects: impl Iterator<Item = &'a StoredObject>,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        objects.into_iter().try_for_each(|object| self.push_once(object, cancel).map(drop))
    }

    /// Sends notes of gaps. Those of what a cleanup removed here say nothing of what is there.
    fn push_changing<'a>(&self, objects: impl Iterator<Item = &'a StoredObject>, cancel: &Cancel) -> Result<(), Error> {
        let from = self.source.storage().as_ref();
        for object in objects {
            let Some(content) = from.get(&object.key)? else { continue };
            let is_local = serde_json::from_slice::<WalGap>(&content).is_ok_and(|gap| is_gap_of_retention(&gap));
            if is_local || !self.is_news(&object.key, Sent::Content(content.clone())) {
                continue;
            }
            cancel.check()?;
            match self.target().put_if_absent(&object.key, &content) {
                // A note of the same beginning: the replica's own.
                Ok(()) | Err(StorageError::StorageExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            self.note_there(&object.key, object.size_bytes);
            self.note_sent(&object.key, Sent::Content(content));
        }
        Ok(())
    }

    /// Sends the beginning of the present segment, if it has grown. It is seen whole or as it was before.
    fn push_partial(&self, object: &StoredObject, pushed: &mut PushedWal, cancel: &Cancel) -> Result<(), Error> {
        let stamp = |size_bytes| Sent::Stamp { size_bytes, modified_seconds: 0 };
        if object.size_bytes > PARTIAL_LIMIT_BYTES || !self.is_news(&object.key, stamp(object.size_bytes)) {
            return Ok(());
        }
        let reader = match self.source.storage().open(&object.key) {
            Ok(reader) => reader,
            // It has become whole: the next round sends it.
            Err(StorageError::StorageMissing { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut content = vec![0; reader.size_bytes().min(PARTIAL_LIMIT_BYTES) as usize];
        reader.read_exact_at(0, &mut content)?;
        self.rate.take(content.len() as u64, cancel)?;
        self.target().put(&object.key, &content)?;
        let bytes = content.len() as u64;
        self.note_there(&object.key, bytes);
        self.note_sent(&object.key, stamp(bytes));
        pushed.bytes += bytes;
        pushed.partial = true;
        self.note_wal(&object.key, Some(bytes));
        Ok(())
    }

    /// Removes the beginnings of segments that are whole there by now.
    fn forget_sealed_partials(&self) -> Result<(), Error> {
        for key in self.keys_there(|kind| *kind == ObjectKind::PartialSegment) {
            let stem = segment_stem(&key);
            if ["zst", "zst.age"].iter().any(|ending| self.size_there(&format!("{stem}{ending}")).is_some()) {
                // Where nothing may be removed it stays beside the whole one, which counts.
                if self.write_only.is_none() {
                    self.target().delete(&key)?;
                }
                self.forget_there(&key);
            }
        }
        Ok(())
    }

    /// Reads what a cleanup trimmed there.
    fn trimmed_there(&self) -> Result<Vec<TrimmedStretch>, Error> {
        let mut stretches = Vec::new();
        if self.write_only.is_some() {
            // Nobody cleans up there from here; what others removed is not missed.
            return Ok(stretches);
        }
        for key in self.keys_there(|kind| *kind == ObjectKind::Changing) {
            if !key.starts_with("wal/gaps/") {
                continue;
            }
            let cached = match self.sent_lock().get(&key) {
                Some(Sent::Content(content)) => Some(content.clone()),
                _ => None,
            };
            let content = match cached {
                Some(content) => Some(content),
                None => self.target().get(&key)?,
            };
            let Some(content) = content else { continue };
            if let Ok(gap) = serde_json::from_slice::<WalGap>(&content)
                && is_gap_of_retention(&gap)
            {
                stretches.extend(TrimmedStretch::of(&self.source, &gap)?);
            }
            self.note_sent(&key, Sent::Content(content));
        }
        Ok(stretches)
    }

    fn note_wal(&self, key: &str, partial_bytes: Option<u64>) {
        let segment = segment_stem(key).trim_end_matches('.').rsplit('/').next().unwrap_or_default().to_owned();
        self.with_state(|state| state.wal = Some(ReplicaWal { segment, partial_bytes, at: Timestamp::now() }));
    }
}

/// Names of the first and the last segment that retention removed.
struct TrimmedStretch {
    first: String,
    last: String,
}

impl TrimmedStretch {
    fn of(source: &vault::repository::Repository, gap: &WalGap) -> Result<Option<Self>, Error> {
        let Some(archive) = vault::wal::WalArchive::open(source)? else { return Ok(None) };
        let size = archive.geometry().segment_size;
        let name = |segment: pgformat::WalSegment| segment.file_name(size);
        Ok(Some(TrimmedStretch {
            first: name(pgformat::WalSegment::containing(gap.timeline, gap.from_lsn, size)),
            last: name(pgformat::WalSegment::ending_at(gap.timeline, gap.to_lsn, size)),
        }))
    }

    fn holds(&self, key: &str) -> bool {
        let name = segment_stem(key).trim_end_matches('.').rsplit('/').next().unwrap_or_default();
        self.first.as_str() <= name && name <= self.last.as_str()
    }
}
