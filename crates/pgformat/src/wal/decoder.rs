use super::{WalGeometry, WalRecord};
use crate::{FormatError, Lsn, TimelineId};

/// Turns the log's bytes, given in order and in pieces of any size, into whole records.
///
/// It checks page headers (magic, address, and on a segment's first page system identifier and sizes), that a page's timeline is
/// none that is newer than allowed and never goes back, lengths, CRC-32C and the link to the record before. It holds at most
/// one record (which may be longer than a segment, up to 1 GiB as upstream's `XLogRecordMaxSize`) and one page.
pub struct WalDecoder {
    _geometry: WalGeometry,
}

impl WalDecoder {
    /// Begins at `start`. At the start of a page, the rest of a record that began before is passed over; anywhere else a record
    /// must begin. `timeline` is the newest that pages may have.
    pub fn new(_geometry: WalGeometry, _timeline: TimelineId, _start: Lsn) -> Self {
        todo!()
    }

    /// Takes the next bytes and hands over every record that they complete.
    ///
    /// # Errors
    /// `FormatDamaged` saying where and why, after which the decoder gives the same error again; and what `each` returns.
    pub fn feed<E: From<FormatError>>(
        &mut self,
        _bytes: &[u8],
        _each: &mut dyn FnMut(&WalRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        todo!()
    }

    /// Returns the address after the last byte taken. After an error: of the last byte taken before the page or record at fault.
    pub fn position(&self) -> Lsn {
        todo!()
    }

    /// Returns the end of the last whole record ([`WalRecord::end_lsn`]): where the log may be continued. Before the first one:
    /// `None`.
    pub fn records_end(&self) -> Option<Lsn> {
        todo!()
    }

    /// Returns the start of a record that has begun and is not whole yet, when that was seen.
    pub fn open_record(&self) -> Option<Lsn> {
        todo!()
    }

    /// Returns the timeline of the newest page.
    pub fn page_timeline(&self) -> Option<TimelineId> {
        todo!()
    }
}
