//! Where does each archive of the chain have a file? A sorted list of 32 bytes a file and archive, without the paths.
//!
//! Paths are known by a 128-bit hash, keyed at random in each process: that two of them meet is less likely than that the
//! machine computes wrongly, and nobody can make it happen. Where the archives name too many files for one list, it is made for a
//! part of the hashes at a time, and the archives' indexes are read again for each part.

use super::error::ChainError;
use super::links::{Chain, changed_path};
use crate::Error;
use std::hash::{BuildHasher, RandomState};
use vault::archive::MemberKind;

/// How many files of archives one list holds, about.
pub(crate) const MOST_ENTRIES: u64 = 1 << 20;
/// Sizes are cut to this: a file's content lies within a tar stream of under 2^63 bytes, a relation's within 2^47.
const SIZE_BITS: u32 = 47;

/// Makes hashes of paths.
pub(crate) struct PathKeys {
    low: RandomState,
    high: RandomState,
}

/// A path's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PathKey(u64, u64);

/// One file in one archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    key: PathKey,
    pub content_offset: u64,
    /// Link (16 bits), whether it is changes (1 bit), size (47 bits).
    packed: u64,
}

impl PathKeys {
    pub fn new() -> Self {
        // Each is keyed anew.
        PathKeys { low: RandomState::new(), high: RandomState::new() }
    }

    pub fn of(&self, path: &[u8]) -> PathKey {
        PathKey(self.low.hash_one(path), self.high.hash_one(path))
    }
}

impl PathKey {
    /// Tells which part of the hashes this is in.
    pub fn part(self, parts: u64) -> u64 {
        ((u128::from(self.0) * u128::from(parts)) >> 64) as u64
    }
}

impl Entry {
    fn new(key: PathKey, link: usize, is_changes: bool, content_offset: u64, size_bytes: u64) -> Self {
        let size = size_bytes.min((1 << SIZE_BITS) - 1);
        let packed = (link as u64) << (SIZE_BITS + 1) | u64::from(is_changes) << SIZE_BITS | size;
        Entry { key, content_offset, packed }
    }

    /// Returns the archive's place in the chain.
    pub fn link(&self) -> usize {
        (self.packed >> (SIZE_BITS + 1)) as usize
    }

    /// Tells whether it is a file of changes.
    pub fn is_changes(&self) -> bool {
        self.packed >> SIZE_BITS & 1 == 1
    }

    pub fn size_bytes(&self) -> u64 {
        self.packed & ((1 << SIZE_BITS) - 1)
    }
}

/// The list.
#[derive(Default)]
pub(super) struct PathTable {
    entries: Vec<Entry>,
}

impl PathTable {
    /// Returns into how many parts a chain's files are divided.
    pub fn parts(chain: &Chain, most_entries: u64) -> u64 {
        let files: u64 = chain.links().iter().map(|link| link.reader.member_count()).sum();
        if chain.links().len() == 1 { 1 } else { files.div_ceil(most_entries.max(1)).max(1) }
    }

    /// Reads every archive's index, and keeps one part of the files.
    ///
    /// # Errors
    /// `ChainFileTwice`; those of the archives.
    pub fn read(chain: &Chain, keys: &PathKeys, part: u64, parts: u64) -> Result<Self, Error> {
        let files: u64 = chain.links().iter().map(|link| link.reader.member_count()).sum();
        let expected = usize::try_from(files / parts).unwrap_or(usize::MAX);
        // A part is rarely much above its share.
        let mut entries = Vec::with_capacity(expected.saturating_add(expected / 16).min(2 * MOST_ENTRIES as usize));
        for (number, link) in chain.links().iter().enumerate() {
            for member in link.reader.members()? {
                let member = member?;
                if member.kind == MemberKind::Directory {
                    continue;
                }
                let changes = changed_path(&link.record, &member.path);
                let key = keys.of(changes.as_ref().map_or(member.path.as_slice(), |path| path.as_bytes()));
                if key.part(parts) == part {
                    entries.push(Entry::new(key, number, changes.is_some(), member.content_offset, member.size_bytes));
                }
            }
        }
        entries.sort_unstable_by_key(|entry| (entry.key, entry.link()));
        let twice = entries.windows(2).find(|pair| pair[0].key == pair[1].key && pair[0].link() == pair[1].link());
        match twice {
            None => Ok(PathTable { entries }),
            Some(pair) => Err(named_twice(chain, keys, pair[0].link(), pair[0].key)?.into()),
        }
    }

    /// Returns what the archives have of a file, the oldest first.
    pub fn find(&self, key: PathKey) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.key < key);
        let count = self.entries[start..].iter().take_while(|entry| entry.key == key).count();
        &self.entries[start..start + count]
    }
}

/// Finds the path again whose hash came twice.
fn named_twice(chain: &Chain, keys: &PathKeys, link: usize, key: PathKey) -> Result<ChainError, Error> {
    let link = &chain.links()[link];
    for member in link.reader.members()? {
        let member = member?;
        if let Some(path) = changed_path(&link.record, &member.path)
            && keys.of(path.as_bytes()) == key
        {
            return Ok(ChainError::ChainFileTwice { id: link.record.id.to_string(), path });
        }
    }
    // The index has just been read; only an archive that changes under our hands leads here.
    Ok(ChainError::ChainFileTwice { id: link.record.id.to_string(), path: "-".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_link_kind_and_size() {
        let keys = PathKeys::new();
        for (link, changes, size) in [(0, false, 0), (65_535, true, (1 << 47) - 1), (7, false, 1 << 30), (1, true, 12)]
        {
            let entry = Entry::new(keys.of(b"x"), link, changes, 99, size);
            assert_eq!((entry.link(), entry.is_changes(), entry.size_bytes()), (link, changes, size));
        }
        assert_eq!(Entry::new(keys.of(b"x"), 1, true, 0, u64::MAX).size_bytes(), (1 << 47) - 1);
        assert_eq!(size_of::<Entry>(), 32);
    }

    #[test]
    fn the_parts_divide_all_hashes_evenly() {
        let keys = PathKeys::new();
        let mut counts = [0; 7];
        for number in 0..7000_u32 {
            counts[keys.of(format!("base/5/{number}").as_bytes()).part(7) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert!((0..7000_u32).all(|number| keys.of(&number.to_le_bytes()).part(1) == 0));
    }
}
