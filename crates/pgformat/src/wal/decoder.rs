use super::page::{damaged_page, header_size_bytes, u32_at, u64_at};
use super::record::{checksum_is_right, damaged_record};
use super::{RECORD_HEAD_BYTES, RECORD_HEADER_BYTES, ResourceManager, WalGeometry, WalPageHeader, WalRecord};
use crate::{FormatError, Lsn, TimelineId};

/// The longest record that is believed: upstream allocates a record at once, and no more than this (`MaxAllocSize`).
const MAX_RECORD_BYTES: usize = 1 << 30;
/// What is kept of the buffer after a long record.
const KEPT_BUFFER_BYTES: usize = 1 << 20;
/// Records begin at multiples of this (upstream `MAXALIGN`).
const ALIGNMENT: u64 = 8;

/// Turns the log's bytes, given in order and in pieces of any size, into whole records.
///
/// It checks page headers (magic, address, and on a segment's first page system identifier and sizes), that a page's timeline is
/// none that is newer than allowed and never goes back, lengths, CRC-32C and the link to the record before. It holds at most
/// one record (which may be longer than a segment, up to 1 GiB, upstream's `MaxAllocSize`) and one page's header. A record that
/// lies in one page and in one piece is not copied.
///
/// What follows a segment switch up to the segment's end means nothing and is not looked at: there, servers write zeros, with
/// page headers or without. Elsewhere zeros and remains of recycled segments, which follow the last record of a log that was
/// not finished, are an error at that place; [`WalDecoder::records_end`] is then where the log ends.
pub struct WalDecoder {
    geometry: WalGeometry,
    newest_timeline: TimelineId,
    start: Lsn,
    position: Lsn,
    page_timeline: Option<TimelineId>,
    state: State,
    /// The first bytes of a page's header that came in pieces.
    header: Vec<u8>,
    /// The first bytes of the record that has begun; empty in all states but [`State::Record`].
    buffer: Vec<u8>,
    previous: Option<Lsn>,
    records_end: Option<Lsn>,
    rest: Option<PassedRest>,
    failure: Option<FormatError>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first page: the rest of a record may stand there.
    Beginning,
    /// So much of a record that began before the decoder's start.
    Passing { remaining_bytes: u32 },
    /// The next record, after some padding.
    Between,
    /// The rest of the record that begins there.
    Record { lsn: Lsn },
    /// What a segment switch left unused.
    Unused { until: Lsn },
}

/// The rest of a record that began before the decoder's start.
pub(super) struct PassedRest {
    /// How long it is, by the first page's header.
    pub(super) remaining_bytes: u32,
    /// Its first bytes, at most [`RECORD_HEAD_BYTES`].
    pub(super) head: Vec<u8>,
    /// Where it ended, when that was seen.
    pub(super) end_lsn: Option<Lsn>,
}

/// What one step has taken.
struct Step {
    taken: usize,
    whole: Option<Whole>,
}

/// A record that a step has made whole.
struct Whole {
    lsn: Lsn,
    end_lsn: Lsn,
    /// Where it lies in the step's bytes; else it is in the buffer.
    borrowed: Option<std::ops::Range<usize>>,
}

impl WalDecoder {
    /// Begins at `start`. At the start of a page, the rest of a record that began before is passed over; anywhere else a record
    /// must begin. `timeline` is the newest that pages may have.
    pub fn new(geometry: WalGeometry, timeline: TimelineId, start: Lsn) -> Self {
        let mut decoder = WalDecoder {
            geometry,
            newest_timeline: timeline,
            start,
            position: start,
            page_timeline: None,
            state: State::Beginning,
            header: Vec::new(),
            buffer: Vec::new(),
            previous: None,
            records_end: None,
            rest: None,
            failure: None,
        };
        let block = geometry.block_size_bytes;
        if !block.is_power_of_two() || !(1024..=65536).contains(&block) {
            decoder.failure = Some(damaged_page(start, format!("the page size is {block}")));
        } else if decoder.page_offset() != 0 {
            decoder.state = State::Between;
            let in_header = decoder.page_offset() < header_size_bytes(&geometry, decoder.page_lsn());
            if in_header || !start.0.is_multiple_of(ALIGNMENT) {
                decoder.failure = Some(damaged_record(start, "no record can begin here"));
            }
        }
        decoder
    }

    /// Takes the next bytes and hands over every record that they complete.
    ///
    /// # Errors
    /// `FormatDamaged` saying where and why, after which the decoder gives the same error again; and what `each` returns: the
    /// record counts as taken then, and feeding may go on with the bytes from [`WalDecoder::position`].
    pub fn feed<E: From<FormatError>>(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(&WalRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        // Far past any address that a server reaches; what is added to addresses below can't overflow.
        let segment_size = self.geometry.segment_size.bytes();
        if self.position.0.checked_add(2 * segment_size + bytes.len() as u64).is_none() {
            return Err(damaged_page(self.position, "there is no address after it").into());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = self.step(rest).inspect_err(|failure| self.failure = Some(failure.clone()))?;
            if let Some(whole) = step.whole {
                let (lsn, end_lsn, version) = (whole.lsn, whole.end_lsn, self.geometry.version);
                match whole.borrowed {
                    Some(range) => each(&WalRecord::from_checked(&rest[range], lsn, end_lsn, version))?,
                    None => {
                        let mut buffer = std::mem::take(&mut self.buffer);
                        let answer = each(&WalRecord::from_checked(&buffer, lsn, end_lsn, version));
                        buffer.clear();
                        buffer.shrink_to(KEPT_BUFFER_BYTES);
                        self.buffer = buffer;
                        answer?;
                    }
                }
            }
            rest = &rest[step.taken..];
        }
        Ok(())
    }

    /// Returns the address after the last byte taken. After an error: where the page or record at fault begins.
    pub fn position(&self) -> Lsn {
        self.position
    }

    /// Returns the end of the last whole record ([`WalRecord::end_lsn`]): where the log may be continued. Before the first one:
    /// `None`. After a segment switch it is ahead of [`WalDecoder::position`].
    pub fn records_end(&self) -> Option<Lsn> {
        self.records_end
    }

    /// Returns the start of a record that has begun and is not whole yet, when that was seen. After an error: when it is the
    /// page that it should go on with that is at fault.
    pub fn open_record(&self) -> Option<Lsn> {
        match self.state {
            State::Record { lsn } => Some(lsn),
            _ => None,
        }
    }

    /// Returns the timeline of the newest page.
    pub fn page_timeline(&self) -> Option<TimelineId> {
        self.page_timeline
    }

    /// Returns the bytes so far of [`WalDecoder::open_record`].
    pub(super) fn open_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Returns what was passed over at the start.
    pub(super) fn passed_rest(&self) -> Option<&PassedRest> {
        self.rest.as_ref()
    }

    fn page_offset(&self) -> usize {
        (self.position.0 & u64::from(self.geometry.block_size_bytes - 1)) as usize
    }

    fn page_lsn(&self) -> Lsn {
        Lsn(self.position.0 & !u64::from(self.geometry.block_size_bytes - 1))
    }

    /// Takes some of `bytes`, which are not empty: at most what is left of a page, and at most one record.
    fn step(&mut self, bytes: &[u8]) -> Result<Step, FormatError> {
        if let State::Unused { until } = self.state {
            let taken = (until.0 - self.position.0).min(bytes.len() as u64) as usize;
            self.advance(taken);
            if self.position >= until {
                self.state = State::Between;
            }
            return Ok(Step { taken, whole: None });
        }
        let offset = self.page_offset();
        if offset == 0 || !self.header.is_empty() {
            return Ok(Step { taken: self.take_header(bytes)?, whole: None });
        }
        let left_of_page = self.geometry.block_size_bytes as usize - offset;
        let bytes = &bytes[..bytes.len().min(left_of_page)];
        match self.state {
            State::Passing { remaining_bytes } => Ok(Step { taken: self.pass(bytes, remaining_bytes), whole: None }),
            State::Record { lsn } => self.extend(bytes, lsn),
            _ => self.begin(bytes),
        }
    }

    fn advance(&mut self, taken: usize) {
        self.position = Lsn(self.position.0 + taken as u64);
    }

    /// Takes bytes of a page's header, and reads it when it is whole.
    fn take_header(&mut self, bytes: &[u8]) -> Result<usize, FormatError> {
        let page_lsn = self.page_lsn();
        let size = header_size_bytes(&self.geometry, page_lsn);
        let taken = bytes.len().min(size - self.header.len());
        if taken == size {
            self.turn_page(&bytes[..size], page_lsn)?;
        } else {
            self.header.extend_from_slice(&bytes[..taken]);
            if self.header.len() == size {
                let header = std::mem::take(&mut self.header);
                self.position = page_lsn;
                self.turn_page(&header, page_lsn)?;
                self.header = header;
                self.header.clear();
                self.advance(size);
                return Ok(taken);
            }
        }
        self.advance(taken);
        Ok(taken)
    }

    /// Judges a page's header against what came before.
    fn turn_page(&mut self, bytes: &[u8], page_lsn: Lsn) -> Result<(), FormatError> {
        let header = WalPageHeader::parse(bytes, &self.geometry, page_lsn)?;
        let oldest = self.page_timeline.unwrap_or(TimelineId(1));
        if header.timeline < oldest || header.timeline > self.newest_timeline {
            let detail = format!("timeline {} on a log from {oldest} to {}", header.timeline, self.newest_timeline);
            return Err(damaged_page(page_lsn, detail));
        }
        if header.overwrites_broken_record {
            self.buffer.clear();
            self.state = State::Between;
        } else if self.state == State::Beginning {
            self.state = State::Between;
            if header.continues_record {
                let remaining_bytes = header.remaining_bytes;
                self.state = State::Passing { remaining_bytes };
                self.rest = Some(PassedRest { remaining_bytes, head: Vec::new(), end_lsn: None });
            }
        } else {
            let expected = match self.state {
                State::Passing { remaining_bytes } => remaining_bytes as usize,
                State::Record { .. } => self.record_bytes() - self.buffer.len(),
                _ => 0,
            };
            if header.remaining_bytes as usize != expected {
                let remaining = header.remaining_bytes;
                let detail = format!("{remaining} bytes of a record remain by the page, {expected} by the record");
                return Err(damaged_page(page_lsn, detail));
            }
        }
        self.page_timeline = Some(header.timeline);
        Ok(())
    }

    /// Takes bytes of the rest of a record that began before the start.
    fn pass(&mut self, bytes: &[u8], remaining_bytes: u32) -> usize {
        let taken = bytes.len().min(remaining_bytes as usize);
        self.advance(taken);
        let remaining_bytes = remaining_bytes - taken as u32;
        self.state = if remaining_bytes == 0 { State::Between } else { State::Passing { remaining_bytes } };
        if let Some(rest) = &mut self.rest {
            let wanted = RECORD_HEAD_BYTES - rest.head.len();
            rest.head.extend_from_slice(&bytes[..taken.min(wanted)]);
            if remaining_bytes == 0 {
                rest.end_lsn = Some(aligned(self.position));
            }
        }
        taken
    }

    /// Takes padding and the first bytes of a record, which may be all of it.
    fn begin(&mut self, bytes: &[u8]) -> Result<Step, FormatError> {
        let padding = ((aligned(self.position).0 - self.position.0) as usize).min(bytes.len());
        self.advance(padding);
        let bytes = &bytes[padding..];
        if bytes.is_empty() {
            return Ok(Step { taken: padding, whole: None });
        }
        let lsn = self.position;
        if bytes.len() >= RECORD_HEADER_BYTES {
            let total = u32_at(bytes, 0) as usize;
            if (RECORD_HEADER_BYTES..=bytes.len()).contains(&total) {
                let record = &bytes[..total];
                self.check_header(record, lsn)?;
                self.advance(total);
                let end_lsn = self.finish(record, lsn)?;
                let borrowed = Some(padding..padding + total);
                return Ok(Step { taken: padding + total, whole: Some(Whole { lsn, end_lsn, borrowed }) });
            }
        }
        self.state = State::Record { lsn };
        let step = self.extend(bytes, lsn)?;
        Ok(Step { taken: padding + step.taken, whole: step.whole })
    }

    /// Takes more bytes of a record that does not lie in one piece.
    fn extend(&mut self, bytes: &[u8], lsn: Lsn) -> Result<Step, FormatError> {
        let mut taken = 0;
        // The length first, then the header, then the rest: each is judged before the next is asked for.
        loop {
            let known = self.buffer.len();
            let wanted = match known {
                0..4 => 4,
                4..RECORD_HEADER_BYTES => RECORD_HEADER_BYTES,
                _ => self.record_bytes(),
            };
            let more = (wanted - known).min(bytes.len() - taken);
            self.buffer.extend_from_slice(&bytes[taken..taken + more]);
            self.advance(more);
            taken += more;
            if self.buffer.len() < wanted {
                return Ok(Step { taken, whole: None });
            }
            match wanted {
                4 if self.is_unused_rest(lsn) => {
                    self.buffer.clear();
                    self.state = State::Unused { until: self.segment_end(lsn) };
                    return Ok(Step { taken, whole: None });
                }
                4 => self.check_length(lsn)?,
                RECORD_HEADER_BYTES if known < RECORD_HEADER_BYTES => {
                    let mut header = [0; RECORD_HEADER_BYTES];
                    header.copy_from_slice(&self.buffer);
                    self.check_header(&header, lsn)?;
                    if self.record_bytes() > RECORD_HEADER_BYTES {
                        continue;
                    }
                    return self.extended(lsn, taken);
                }
                _ => return self.extended(lsn, taken),
            }
        }
    }

    /// Ends a record that was put together.
    fn extended(&mut self, lsn: Lsn, taken: usize) -> Result<Step, FormatError> {
        let record = std::mem::take(&mut self.buffer);
        let end_lsn = self.finish(&record, lsn)?;
        self.buffer = record;
        Ok(Step { taken, whole: Some(Whole { lsn, end_lsn, borrowed: None }) })
    }

    /// Returns the length of the record in the buffer, whose first four bytes are there.
    fn record_bytes(&self) -> usize {
        u32_at(&self.buffer, 0) as usize
    }

    /// Tells whether the zeros at `lsn` follow a switch that began in the segment before: its record has 24 bytes, of which only
    /// the last 8 or 16 were seen, with the two that say what it is.
    fn is_unused_rest(&self, lsn: Lsn) -> bool {
        let Some(rest) = self.rest.as_ref().filter(|rest| rest.end_lsn == Some(lsn)) else { return false };
        let length = rest.head.len();
        let is_switch = matches!(length, 8 | 16)
            && rest.remaining_bytes as usize == length
            && is_switch(rest.head[length - 8], rest.head[length - 7]);
        is_switch && self.previous.is_none() && self.buffer == [0; 4]
    }

    /// Gives up the record at `lsn`.
    fn refuse(&mut self, lsn: Lsn, detail: impl std::fmt::Display) -> FormatError {
        self.position = lsn;
        self.buffer.clear();
        self.state = State::Between;
        damaged_record(lsn, detail)
    }

    fn check_length(&mut self, lsn: Lsn) -> Result<(), FormatError> {
        let total = self.record_bytes();
        if (RECORD_HEADER_BYTES..=MAX_RECORD_BYTES).contains(&total) {
            Ok(())
        } else {
            Err(self.refuse(lsn, format!("the length is {total}")))
        }
    }

    /// Judges a record's header, but for its length (upstream `ValidXLogRecordHeader`).
    fn check_header(&mut self, record: &[u8], lsn: Lsn) -> Result<(), FormatError> {
        let resource_manager = ResourceManager(record[17]);
        if !resource_manager.exists_in(self.geometry.version) {
            return Err(self.refuse(lsn, format!("the resource manager is {}", resource_manager.0)));
        }
        // Of the first record it is known only that the one before began before the start.
        let link = Lsn(u64_at(record, 8));
        match self.previous {
            Some(previous) if link != previous => {
                Err(self.refuse(lsn, format!("the record before is at {link} by the link, at {previous} by the log")))
            }
            None if link >= self.start.max(Lsn(1)) => {
                Err(self.refuse(lsn, format!("the record before is at {link} by the link")))
            }
            _ => Ok(()),
        }
    }

    /// Checks the checksum of a record that is whole, and returns where the next may begin.
    fn finish(&mut self, record: &[u8], lsn: Lsn) -> Result<Lsn, FormatError> {
        if !checksum_is_right(record) {
            return Err(self.refuse(lsn, "the checksum is wrong"));
        }
        let mut end_lsn = aligned(self.position);
        self.state = State::Between;
        if is_switch(record[16], record[17]) {
            // A switch that ends with its segment leaves nothing unused.
            end_lsn = self.segment_end(Lsn(end_lsn.0 - 1));
            self.state = State::Unused { until: end_lsn };
        }
        self.previous = Some(lsn);
        self.records_end = Some(end_lsn);
        Ok(end_lsn)
    }

    /// Returns the end of the segment that has `lsn`.
    fn segment_end(&self, lsn: Lsn) -> Lsn {
        Lsn((lsn.0 | (self.geometry.segment_size.bytes() - 1)) + 1)
    }
}

/// Tells a segment switch by its `xl_info` and resource manager (upstream `XLOG_SWITCH`).
fn is_switch(info: u8, resource_manager: u8) -> bool {
    ResourceManager(resource_manager) == ResourceManager::XLOG && info & 0xF0 == 0x40
}

fn aligned(lsn: Lsn) -> Lsn {
    Lsn((lsn.0 + ALIGNMENT - 1) & !(ALIGNMENT - 1))
}
