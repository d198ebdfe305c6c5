use super::reader::check_content_crc32c;
use super::{ArchiveError, ArchiveMember, MemberContent, TarLayout};
use std::collections::{BTreeMap, HashMap};

/// Puts the checksums of contents together whose parts come in any order, as they do when frames are decoded in parallel.
///
/// Workers compute the CRC-32C of each part themselves (that is the costly half) and hand in the number. Memory: one entry
/// for each run of adjacent parts of members that are not complete yet, one bit a member.
pub struct ContentChecksums<'l> {
    layout: &'l TarLayout,
    complete: Vec<bool>,
    parts: HashMap<usize, BTreeMap<u64, Part>>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    len: u64,
    crc32c: u32,
}

impl<'l> ContentChecksums<'l> {
    /// Begins with nothing seen. Empty members are complete from the start.
    pub fn new(layout: &'l TarLayout) -> Self {
        let complete = layout.members().iter().map(|member| member.size_bytes == 0).collect();
        ContentChecksums { layout, complete, parts: HashMap::new() }
    }

    /// Enters the CRC-32C of a part of a member's content; each byte is to be entered once.
    /// Returns whether the member is now complete (and right).
    ///
    /// # Errors
    /// `ArchiveContentDamaged` when the member is complete and its checksum differs; `ArchiveMisuse` for a part that was
    /// entered before or does not lie in the member.
    pub fn enter(&mut self, index: usize, offset: u64, len: u64, crc32c: u32) -> Result<bool, ArchiveError> {
        let layout = self.layout;
        let member = layout.members().get(index).ok_or_else(|| ArchiveError::misuse(format!("member {index}")))?;
        let inside = offset.checked_add(len).is_some_and(|end| end <= member.size_bytes);
        if len == 0 || !inside || self.complete[index] {
            return Err(overlap(member));
        }
        let part = Part { len, crc32c };
        if len == member.size_bytes {
            if self.parts.contains_key(&index) {
                return Err(overlap(member));
            }
            return self.conclude(index, part);
        }
        let parts = self.parts.entry(index).or_default();
        let (start, merged) = merge(parts, offset, part).ok_or_else(|| overlap(member))?;
        if merged.len == member.size_bytes {
            self.parts.remove(&index);
            return self.conclude(index, merged);
        }
        parts.insert(start, merged);
        Ok(false)
    }

    /// Enters a part as [`TarLayout::check`] hands it over.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn enter_content(&mut self, content: MemberContent<'_>) -> Result<bool, ArchiveError> {
        self.enter(content.index, content.offset, content.bytes.len() as u64, crc32c::crc32c(content.bytes))
    }

    /// Checks that every member has become complete.
    ///
    /// # Errors
    /// `ArchiveTarDamaged` with the first member that has not.
    pub fn finish(self) -> Result<(), ArchiveError> {
        match self.complete.iter().position(|complete| !complete) {
            None => Ok(()),
            Some(index) => {
                let member = &self.layout.members()[index];
                Err(ArchiveError::ArchiveTarDamaged {
                    plain_offset: member.content_offset,
                    detail: format!("the content of {:?} was not read whole", super::error::printable(&member.path)),
                })
            }
        }
    }

    fn conclude(&mut self, index: usize, whole: Part) -> Result<bool, ArchiveError> {
        self.complete[index] = true;
        check_content_crc32c(&self.layout.members()[index], whole.crc32c)?;
        Ok(true)
    }
}

/// Joins a part with its neighbours, taking them out; `None` when it overlaps one.
fn merge(parts: &mut BTreeMap<u64, Part>, offset: u64, part: Part) -> Option<(u64, Part)> {
    let (mut start, mut merged) = (offset, part);
    if let Some((&after, &next)) = parts.range(offset..).next() {
        if after < offset + part.len {
            return None;
        }
        if after == offset + part.len {
            merged = joined(merged, next);
            parts.remove(&after);
        }
    }
    if let Some((&before, &previous)) = parts.range(..offset).next_back() {
        if before + previous.len > offset {
            return None;
        }
        if before + previous.len == offset {
            merged = joined(previous, merged);
            start = before;
            parts.remove(&before);
        }
    }
    Some((start, merged))
}

fn joined(first: Part, second: Part) -> Part {
    Part { len: first.len + second.len, crc32c: crc32c_joined(first.crc32c, second.crc32c, second.len) }
}

fn overlap(member: &ArchiveMember) -> ArchiveError {
    ArchiveError::misuse(format!("a part of {:?} that can't be", super::error::printable(&member.path)))
}

/// The Castagnoli polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x^(8 · 2^k) modulo the polynomial, for the k-th bit of a length in bytes.
const SHIFTS: [u32; 64] = shifts();

/// Returns the CRC-32C of two byte strings, one after the other, from theirs: `first` is multiplied by x^(8 · second's length).
///
/// The crate's own function squares a matrix for each bit of the length, some 10 µs a call; this is under 1 µs.
fn crc32c_joined(first: u32, second: u32, second_len: u64) -> u32 {
    let mut shifted = first;
    let mut length = second_len;
    while length != 0 {
        shifted = product(shifted, SHIFTS[length.trailing_zeros() as usize]);
        length &= length - 1;
    }
    shifted ^ second
}

/// Multiplies two polynomials over GF(2) modulo the Castagnoli polynomial; the highest bit is x^0.
const fn product(a: u32, b: u32) -> u32 {
    let mut result = 0;
    let mut b = b;
    let mut bit = 1u32 << 31;
    while bit != 0 {
        if a & bit != 0 {
            result ^= b;
        }
        b = if b & 1 == 1 { (b >> 1) ^ POLYNOMIAL } else { b >> 1 };
        bit >>= 1;
    }
    result
}

const fn shifts() -> [u32; 64] {
    let mut table = [0; 64];
    // x^8.
    let mut power = 1u32 << 23;
    let mut bit = 0;
    while bit < 64 {
        table[bit] = power;
        power = product(power, power);
        bit += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn joined_checksums_equal_those_of_the_whole(
            first in proptest::collection::vec(any::<u8>(), 0..2000),
            second in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let whole = crc32c::crc32c(&[&first[..], &second].concat());
            let (a, b) = (crc32c::crc32c(&first), crc32c::crc32c(&second));
            prop_assert_eq!(crc32c_joined(a, b, second.len() as u64), whole);
        }

        #[test]
        fn joining_agrees_with_the_crate_for_any_length(a in any::<u32>(), b in any::<u32>(), length in 0usize..1 << 40) {
            prop_assert_eq!(crc32c_joined(a, b, length as u64), crc32c::crc32c_combine(a, b, length));
        }
    }
}
