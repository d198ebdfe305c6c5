//! Are the copies equal, and good? Each is read where it lies; a bad one is made anew from a good one.

use super::copy::{CopyTerms, copy_object, digest_object};
use super::keys::{ObjectKind, kind_of, segment_stem};
use super::link::{ReplicaLink, archive_and_record};
use super::push::ReplicaStep;
use crate::journal::error_value;
use crate::pipeline::RateLimit;
use crate::{Cancel, Error};
use jiff::Timestamp;
use pgformat::WalSegment;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use vault::encryption::EncryptionError;
use vault::journal::{EventLevel, NewEvent};
use vault::repository::{BackupId, BackupRecord, BackupState, Repository, RepositoryContents};
use vault::storage::{Storage, StorageError};
use vault::wal::{WalArchive, WalArchiveError};

/// How far copies are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyRequest {
    /// Sizes only; nothing is read.
    pub quick: bool,
    /// Bad and missing copies are made anew from good ones.
    pub repair: bool,
}

/// What is wrong with a copy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each variant says what its fields are")]
pub enum CopyFault {
    /// It is not there.
    CopyMissing {},
    /// It has another size.
    CopySize { found_bytes: u64, wanted_bytes: u64 },
    /// It has the size, and other bytes.
    CopyDigest { found: String, wanted: String },
    /// Its bytes are not those of another copy; which of them is good nobody can tell who has no identity.
    CopyDiffers {},
    /// It can't be read, or makes no sense.
    CopyUnreadable { detail: String },
}

/// A bad copy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyFinding {
    /// Where: a replica's name; `None`: the repository.
    pub replica: Option<String>,
    /// Which.
    pub object: String,
    /// Of which backup.
    pub backup_id: Option<BackupId>,
    /// What is wrong.
    pub fault: CopyFault,
    /// Whether it was made anew.
    pub repaired: bool,
    /// Why it could not be: an error, or `null` when nobody has a good one, or none was asked for.
    pub error: Option<Value>,
}

/// What was looked at and found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CopyReport {
    /// Copies of backups that are good.
    pub good_backups: u64,
    /// Copies of segments that are good.
    pub good_segments: u64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// What is not good.
    pub findings: Vec<CopyFinding>,
    /// Wall time.
    pub seconds: f64,
}

impl CopyReport {
    /// Tells whether every copy is good now.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.repaired)
    }
}

/// One side.
struct Place<'a> {
    link: Option<&'a ReplicaLink>,
    repository: Repository,
    contents: RepositoryContents,
    wal: Option<WalArchive>,
}

impl Place<'_> {
    fn storage(&self) -> &dyn Storage {
        self.repository.storage().as_ref()
    }

    fn name(&self) -> Option<String> {
        self.link.map(|link| link.replica.name.clone())
    }
}

struct Verifier<'a> {
    places: Vec<Place<'a>>,
    request: VerifyRequest,
    step: &'a (dyn Fn(ReplicaStep) + Sync),
    cancel: &'a Cancel,
    report: CopyReport,
}

/// Compares the copies of every backup and segment in the repository and the replicas.
///
/// # Errors
/// Those of the storages: one that can't be reached is no finding.
///
/// # Cancellation
/// What was mended stays so.
pub fn verify(
    source: &Repository,
    links: &[&ReplicaLink],
    request: VerifyRequest,
    step: &(dyn Fn(ReplicaStep) + Sync),
    cancel: &Cancel,
) -> Result<CopyReport, Error> {
    let begin = Instant::now();
    let mut places = vec![place(source.clone(), None)?];
    for link in links {
        link.refuse_write_only()?;
        link.reach()?;
        places.push(place(link.as_repository()?.with_keys(source.keys().clone()), Some(link))?);
    }
    let mut verifier = Verifier { places, request, step, cancel, report: CopyReport::default() };
    verifier.records()?;
    verifier.backups()?;
    verifier.segments()?;
    let mut report = verifier.report;
    report.seconds = begin.elapsed().as_secs_f64();
    for link in links {
        let name = Some(link.replica.name.as_str());
        let of_it = |finding: &&CopyFinding| finding.replica.as_deref() == name || finding.replica.is_none();
        let bad = report.findings.iter().filter(of_it).filter(|finding| !finding.repaired).count() as u64;
        link.with_state(|state| (state.verified_at, state.bad_copies) = (Some(Timestamp::now()), bad));
        let found: Vec<_> = report.findings.iter().filter(of_it).take(100).collect();
        let level = if bad > 0 { EventLevel::Error } else { EventLevel::Info };
        let details = json!({
            "quick": request.quick, "bad": bad, "repaired": found.iter().filter(|finding| finding.repaired).count(),
            "findings": found, "seconds": report.seconds, "backups": report.good_backups, "segments": report.good_segments,
        });
        link.tell(NewEvent::new(level, "replica-verified", None, details));
        link.look()?;
        link.save()?;
    }
    Ok(report)
}

fn place(repository: Repository, link: Option<&ReplicaLink>) -> Result<Place<'_>, Error> {
    Ok(Place { contents: repository.contents()?, wal: WalArchive::open(&repository)?, repository, link })
}

impl Verifier<'_> {
    /// Records that can't be read, where another place has them.
    fn records(&mut self) -> Result<(), Error> {
        for bad in 0..self.places.len() {
            for unreadable in self.places[bad].contents.unreadable.clone() {
                if !unreadable.is_of_backup() {
                    continue;
                }
                let good = |place: &&Place<'_>| {
                    let keys =
                        place.contents.records.iter().filter_map(|record| archive_and_record(&record.archive_name));
                    keys.into_iter().any(|(_, key)| key == unreadable.key)
                };
                let content = match self.places.iter().find(good) {
                    Some(place) => place.storage().get(&unreadable.key)?,
                    None => None,
                };
                let fault = CopyFault::CopyUnreadable { detail: unreadable.detail.clone() };
                let (object, key) = (unreadable.key.clone(), unreadable.key.clone());
                let mend = content
                    .map(|content| move |place: &Place<'_>| Ok::<_, Error>(place.storage().put(&key, &content)?));
                self.enter(bad, object, unreadable.id, fault, mend)?;
            }
            let repository = self.places[bad].repository.clone();
            self.places[bad].contents = repository.contents()?;
        }
        Ok(())
    }

    fn backups(&mut self) -> Result<(), Error> {
        let mut all: BTreeMap<u64, BackupRecord> = BTreeMap::new();
        for place in &self.places {
            let completed = place.contents.records.iter().filter(|record| record.state == BackupState::Completed);
            for record in completed {
                all.entry(record.id.0).or_insert_with(|| record.clone());
            }
        }
        for record in all.into_values() {
            let Some((key, _)) = archive_and_record(&record.archive_name) else { continue };
            let holders: Vec<usize> = (0..self.places.len())
                .filter(|at| self.places[*at].contents.records.iter().any(|there| there.id == record.id))
                .collect();
            let mut good = None;
            let mut bad = Vec::new();
            for at in holders {
                match self.archive_fault(at, &key, &record)? {
                    None => {
                        self.report.good_backups += 1;
                        good.get_or_insert(at);
                        if let Some(link) = self.places[at].link.filter(|_| !self.request.quick) {
                            let now = Some(Timestamp::now());
                            link.with_state(|state| {
                                let copy = state.backups.get_mut(&record.id.0);
                                copy.into_iter().for_each(|copy| copy.verified_at = now);
                            });
                        }
                    }
                    Some(fault) => bad.push((at, fault)),
                }
            }
            for (at, fault) in bad {
                let digest = record.sha256.clone();
                self.mend_from(at, good, &key, Some(record.id), fault, digest)?;
            }
        }
        Ok(())
    }

    fn archive_fault(&mut self, at: usize, key: &str, record: &BackupRecord) -> Result<Option<CopyFault>, Error> {
        let wanted_bytes = record.archive_bytes;
        match self.places[at].storage().size_bytes(key)? {
            None => return Ok(Some(CopyFault::CopyMissing {})),
            Some(found_bytes) if found_bytes != wanted_bytes => {
                return Ok(Some(CopyFault::CopySize { found_bytes, wanted_bytes }));
            }
            Some(_) if self.request.quick => return Ok(None),
            Some(_) => {}
        }
        let found = self.digest(at, key)?;
        let wanted = record.sha256.clone().unwrap_or_default();
        Ok((found != wanted).then_some(CopyFault::CopyDigest { found, wanted }))
    }

    fn segments(&mut self) -> Result<(), Error> {
        let mut holders: BTreeMap<String, Vec<(usize, u64)>> = BTreeMap::new();
        let mut oldest = vec![None; self.places.len()];
        for (at, place) in self.places.iter().enumerate() {
            for object in place.storage().list("wal/")? {
                if kind_of(&object.key) == Some(ObjectKind::SealedSegment) {
                    oldest[at].get_or_insert_with(|| object.key.clone());
                    holders.entry(object.key).or_default().push((at, object.size_bytes));
                }
            }
        }
        let noted: Vec<Vec<vault::wal::WalGap>> = self
            .places
            .iter()
            .map(|place| {
                Ok(place.wal.as_ref().map(WalArchive::contents).transpose()?.map_or_else(Vec::new, |wal| wal.gaps))
            })
            .collect::<Result<_, Error>>()?;
        for (key, there) in holders {
            self.cancel.check()?;
            let sizes: BTreeSet<u64> = there.iter().map(|(_, size_bytes)| *size_bytes).collect();
            let mut good: Option<(usize, String)> = None;
            let mut bad = Vec::new();
            for (at, _) in &there {
                if self.request.quick && sizes.len() == 1 {
                    self.report.good_segments += 1;
                    good.get_or_insert((*at, String::new()));
                    continue;
                }
                match self.segment_fault(*at, &key, good.as_ref().map(|(_, digest)| digest.as_str()))? {
                    Ok(digest) => {
                        self.report.good_segments += 1;
                        good.get_or_insert((*at, digest));
                    }
                    Err(fault) => bad.push((*at, fault)),
                }
            }
            // What was never sent, or was trimmed, is no bad copy; a hole in the repository between what it has is one.
            let has_repository = there.iter().any(|(at, _)| *at == 0);
            let is_behind_start = oldest[0].as_ref().is_none_or(|oldest| key < *oldest);
            if !has_repository && !is_behind_start && !self.is_trimmed(&key, &noted[0]) {
                bad.push((0, CopyFault::CopyMissing {}));
            }
            for (at, fault) in bad {
                let good = good.as_ref().filter(|_| !matches!(fault, CopyFault::CopyDiffers {}));
                self.mend_from(at, good.map(|(at, _)| *at), &key, None, fault, None)?;
            }
        }
        Ok(())
    }

    fn is_trimmed(&self, key: &str, gaps: &[vault::wal::WalGap]) -> bool {
        let Some(segment) = self.segment_of(0, key) else { return false };
        let Some(wal) = &self.places[0].wal else { return false };
        let size = wal.geometry().segment_size;
        let (start, end) = (segment.start_lsn(size), segment.end_lsn(size));
        gaps.iter().any(|gap| gap.timeline == segment.timeline && gap.from_lsn <= start && end <= gap.to_lsn)
    }

    fn segment_of(&self, at: usize, key: &str) -> Option<WalSegment> {
        let name = segment_stem(key).trim_end_matches('.').rsplit('/').next()?;
        WalSegment::parse(name, self.places[at].wal.as_ref()?.geometry().segment_size).ok()
    }

    /// Says whether a segment is good: equal to a good one, or whole by its own checksums. Returns its digest.
    fn segment_fault(&mut self, at: usize, key: &str, good: Option<&str>) -> Result<Result<String, CopyFault>, Error> {
        let digest = self.digest(at, key)?;
        if good == Some(digest.as_str()) {
            return Ok(Ok(digest));
        }
        let Some((wal, segment)) = self.places[at].wal.as_ref().zip(self.segment_of(at, key)) else {
            return Ok(Err(CopyFault::CopyUnreadable {
                detail: "its name is no segment's of this archive".to_owned(),
            }));
        };
        let mut bytes = Vec::new();
        match wal.read_sealed(segment, &mut bytes) {
            Ok(_) => Ok(Ok(digest)),
            // Nobody can look into it: that copies are equal has to do.
            Err(WalArchiveError::Storage(StorageError::Encryption(EncryptionError::EncryptionIdentityMissing {
                ..
            }))) => Ok(if good.is_none() { Ok(digest) } else { Err(CopyFault::CopyDiffers {}) }),
            Err(error @ (WalArchiveError::WalDamaged { .. } | WalArchiveError::WalUnreadable { .. })) => {
                Ok(Err(CopyFault::CopyUnreadable { detail: error.to_string() }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn digest(&mut self, at: usize, key: &str) -> Result<String, Error> {
        let rate = RateLimit::new(None);
        let (step, cancel) = (self.step, self.cancel);
        let advance = |bytes| step(ReplicaStep::ReplicaSent { bytes });
        let terms = CopyTerms { rate: &rate, cancel, advance: &advance };
        let copied = digest_object(self.places[at].storage(), key, &terms)?;
        self.report.read_bytes += copied.bytes;
        Ok(copied.sha256)
    }

    /// Enters a bad copy, and makes it anew if that is asked for and somebody has a good one.
    fn mend_from(
        &mut self,
        at: usize,
        good: Option<usize>,
        key: &str,
        id: Option<BackupId>,
        fault: CopyFault,
        digest: Option<String>,
    ) -> Result<(), Error> {
        let cancel = self.cancel;
        let from = good.map(|good| self.places[good].repository.clone());
        let is_there = !matches!(fault, CopyFault::CopyMissing {});
        let mend = from.map(|from| {
            move |place: &Place<'_>| {
                let rate = RateLimit::new(place.link.and_then(|link| link.replica.max_rate_bytes));
                let terms = CopyTerms { rate: &rate, cancel, advance: &|_| {} };
                if is_there {
                    place.storage().delete(key)?;
                }
                copy_object(from.storage().as_ref(), place.storage(), key, digest.as_deref(), &terms).map(drop)
            }
        });
        self.enter(at, key.to_owned(), id, fault, mend)
    }

    fn enter(
        &mut self,
        at: usize,
        object: String,
        backup_id: Option<BackupId>,
        fault: CopyFault,
        mend: Option<impl FnOnce(&Place<'_>) -> Result<(), Error>>,
    ) -> Result<(), Error> {
        let place = &self.places[at];
        let mut finding = CopyFinding { replica: place.name(), object, backup_id, fault, repaired: false, error: None };
        if let Some(mend) = mend.filter(|_| self.request.repair) {
            match mend(place) {
                Ok(()) => finding.repaired = true,
                Err(error) if error.is_cancelled() => return Err(error),
                Err(error) => finding.error = Some(error_value(&error)),
            }
        }
        self.report.findings.push(finding);
        Ok(())
    }
}
