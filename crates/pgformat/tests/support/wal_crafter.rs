//! Writes WAL as a server would, from records that a test thinks up: pages, headers, checksums, links.

use pgformat::wal::{WalGeometry, page_magic};
use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};

/// The cluster of all crafted WAL.
pub const IDENTIFIER: SystemIdentifier = SystemIdentifier(7_654_321_987_654_321);

/// Returns a geometry of the smallest segments.
pub fn geometry(version: MajorVersion, block_size_bytes: u32) -> WalGeometry {
    let segment_size = WalSegmentSize::new(1 << 20).unwrap();
    WalGeometry { version, system_identifier: IDENTIFIER, segment_size, block_size_bytes }
}

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crafted {
    pub lsn: Lsn,
    pub end_lsn: Lsn,
    pub bytes: Vec<u8>,
}

/// The log so far.
pub struct WalCrafter {
    pub geometry: WalGeometry,
    pub start: Lsn,
    /// The timeline of pages to come.
    pub timeline: TimelineId,
    /// Where the last record begins.
    pub previous: Lsn,
    pub bytes: Vec<u8>,
    pub records: Vec<Crafted>,
    /// What the next page's flags have besides.
    overwrites: bool,
}

impl WalCrafter {
    /// Begins with the first byte of a segment.
    pub fn new(geometry: WalGeometry, segment: u64) -> Self {
        let start = Lsn(segment * geometry.segment_size.bytes());
        WalCrafter {
            geometry,
            start,
            timeline: TimelineId(1),
            previous: Lsn(start.0 - 64),
            bytes: Vec::new(),
            records: Vec::new(),
            overwrites: false,
        }
    }

    /// Returns the address of the next byte.
    pub fn position(&self) -> Lsn {
        Lsn(self.start.0 + self.bytes.len() as u64)
    }

    /// Returns how many bytes are left of the page, of a new one at its end.
    pub fn left_of_page(&self) -> usize {
        let block = self.geometry.block_size_bytes as usize;
        block - self.bytes.len() % block
    }

    /// Writes a record of a resource manager: `parts` is what follows its header. Returns where it begins.
    pub fn record(&mut self, resource_manager: u8, info: u8, xid: u32, parts: &[u8]) -> Lsn {
        self.turn_page(0);
        let lsn = self.position();
        let record = sealed(self.previous, resource_manager, info, xid, parts);
        self.put(&record);
        self.pad();
        self.previous = lsn;
        let mut end_lsn = self.position();
        if (resource_manager, info) == (0, 0x40) {
            let segment = self.geometry.segment_size.bytes();
            end_lsn = Lsn(end_lsn.0.next_multiple_of(segment));
        }
        self.records.push(Crafted { lsn, end_lsn, bytes: record });
        lsn
    }

    /// Writes a record that has `length` bytes in all, at least 29.
    pub fn record_of(&mut self, length: usize) -> Lsn {
        let data: Vec<u8> = (0..length - 29).map(|at| (at * 31 + length) as u8).collect();
        let mut parts = vec![254];
        parts.extend((data.len() as u32).to_le_bytes());
        parts.extend(data);
        self.record(10, 0, 700, &parts)
    }

    /// Writes a segment switch, and the rest of the segment: zeros, or `unused` again and again.
    pub fn switch(&mut self, unused: &[u8]) -> Lsn {
        let lsn = self.record(0, 0x40, 0, &[]);
        let length = self.records.last().unwrap().end_lsn.0 - self.start.0;
        let more = length as usize - self.bytes.len();
        self.bytes.extend(unused.iter().cycle().take(more));
        lsn
    }

    /// Writes the beginning of a record of `length` bytes up to the end of the page where its first `written` bytes end; the
    /// next page says that it was broken off.
    pub fn broken(&mut self, length: usize, written: usize) -> Lsn {
        self.turn_page(0);
        let lsn = self.position();
        let record = sealed(self.previous, 10, 0, 700, &vec![7; length - 24]);
        self.put_some(&record, written);
        let more = self.left_of_page() % self.geometry.block_size_bytes as usize;
        self.put_some(&record[written..], more);
        self.overwrites = true;
        lsn
    }

    /// Fills the page, or up to its last `left` bytes, with records.
    pub fn fill_page(&mut self, left: usize) {
        self.turn_page(0);
        while self.left_of_page() > left + 256 {
            self.record_of(128);
        }
        let length = self.left_of_page() - left;
        self.record_of(length);
        assert!(self.left_of_page() == left || left == 0);
    }

    /// Fills the segment, but for its last `left` bytes, with records.
    pub fn fill_segment(&mut self, left: usize) {
        let segment = self.geometry.segment_size.bytes() as usize;
        let block = self.geometry.block_size_bytes as usize;
        self.turn_page(0);
        while segment - self.bytes.len() % segment > block {
            self.fill_page(0);
            self.turn_page(0);
        }
        self.fill_page(left);
    }

    fn put(&mut self, record: &[u8]) {
        self.put_some(record, record.len());
    }

    /// Writes the first bytes of what is left of a record.
    fn put_some(&mut self, record: &[u8], length: usize) {
        let mut written = 0;
        while written < length {
            self.turn_page((record.len() - written) as u32);
            let more = (length - written).min(self.left_of_page());
            self.bytes.extend_from_slice(&record[written..written + more]);
            written += more;
        }
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// At the end of a page, writes the header of the next.
    pub fn turn_page(&mut self, remaining_bytes: u32) {
        let block = self.geometry.block_size_bytes;
        if !self.bytes.len().is_multiple_of(block as usize) {
            return;
        }
        let lsn = self.position();
        let segment = self.geometry.segment_size.bytes();
        let long = lsn.0.is_multiple_of(segment);
        let overwrites = std::mem::take(&mut self.overwrites);
        let flags = u16::from(remaining_bytes > 0) | u16::from(long) << 1 | u16::from(overwrites) << 3;
        self.bytes.extend(page_magic(self.geometry.version).to_le_bytes());
        self.bytes.extend(flags.to_le_bytes());
        self.bytes.extend(self.timeline.0.to_le_bytes());
        self.bytes.extend(lsn.0.to_le_bytes());
        self.bytes.extend(remaining_bytes.to_le_bytes());
        self.bytes.extend([0; 4]);
        if long {
            self.bytes.extend(self.geometry.system_identifier.0.to_le_bytes());
            self.bytes.extend((segment as u32).to_le_bytes());
            self.bytes.extend(block.to_le_bytes());
        }
    }
}

/// Returns a record with its header and checksum.
pub fn sealed(previous: Lsn, resource_manager: u8, info: u8, xid: u32, parts: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(24 + parts.len());
    record.extend((24 + parts.len() as u32).to_le_bytes());
    record.extend(xid.to_le_bytes());
    record.extend(previous.0.to_le_bytes());
    record.extend([info, resource_manager, 0, 0]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(parts), &record);
    record.extend(crc.to_le_bytes());
    record.extend_from_slice(parts);
    record
}
