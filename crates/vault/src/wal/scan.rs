//! How much of a segment's beginning is WAL? What a server or a torn write left behind it is not.

use pgformat::wal::{SegmentSummarizer, SegmentSummary, WalGeometry, page_magic};
use pgformat::{FormatError, Lsn, MajorVersion, SystemIdentifier, WalSegment};

/// What the beginning of a segment holds.
pub(super) struct ValidPart {
    pub(super) summary: SegmentSummary,
    /// Up to here every record's checksum is known to be right.
    pub(super) checked_end: Lsn,
    /// Up to here the log may be replayed. It differs from `checked_end` only when all that there is is the end of a record
    /// that began in the segment before, whose checksum can't be computed from here; replay does.
    pub(super) end: Lsn,
    /// What ended the valid part before the bytes did.
    pub(super) fault: Option<FormatError>,
}

/// Reads `bytes`, the beginning of a segment, as far as they are WAL. Those after the segment's length are ignored.
pub(super) fn valid_part(geometry: &WalGeometry, segment: WalSegment, bytes: &[u8]) -> ValidPart {
    let size = geometry.segment_size;
    let bytes = &bytes[..bytes.len().min(usize::try_from(size.bytes()).unwrap_or(usize::MAX))];
    let mut summarizer = SegmentSummarizer::new(*geometry, segment);
    let fault = summarizer.feed::<FormatError>(bytes, &mut |_, _| Ok(())).err();
    let summary = summarizer.summary();
    let (start, segment_end) = (segment.start_lsn(size), segment.end_lsn(size));
    if fault.is_none() && bytes.len() as u64 == size.bytes() {
        return ValidPart { summary, checked_end: segment_end, end: segment_end, fault };
    }
    let checked_end = summary.records_end_lsn.unwrap_or(start);
    let end = match (&summary.records_end_lsn, &summary.continued) {
        (None, Some(rest)) if rest.ends_here => rest_end(geometry, start, rest.remaining_bytes),
        _ => checked_end,
    };
    ValidPart { summary, checked_end, end, fault }
}

/// Returns the end, aligned, of the rest of a record that goes on at the start of a segment.
fn rest_end(geometry: &WalGeometry, start: Lsn, remaining_bytes: u32) -> Lsn {
    // The lengths of page headers, the long one first: upstream `xlog_internal.h`, SizeOfXLogLongPHD and SizeOfXLogShortPHD.
    const HEADERS: (u64, u64) = (40, 24);
    let block = u64::from(geometry.block_size_bytes);
    let (remaining, on_first) = (u64::from(remaining_bytes), block.saturating_sub(HEADERS.0));
    let offset = if remaining <= on_first {
        HEADERS.0 + remaining
    } else {
        let room = block.saturating_sub(HEADERS.1).max(1);
        let pages = (remaining - on_first - 1) / room;
        (pages + 1) * block + HEADERS.1 + (remaining - on_first - pages * room)
    };
    Lsn(start.0 + offset.next_multiple_of(8))
}

/// Returns the system identifier of a segment's first page when it is another cluster's, of whatever version.
pub(super) fn foreign_identifier(first_bytes: &[u8], geometry: &WalGeometry) -> Option<SystemIdentifier> {
    // Upstream `xlog_internal.h`, XLogLongPageHeaderData: magic at 0, flags at 2 (XLP_LONG_HEADER 2), identifier at 24.
    let magic = u16::from_le_bytes(first_bytes.get(..2)?.try_into().ok()?);
    let flags = u16::from_le_bytes(first_bytes.get(2..4)?.try_into().ok()?);
    let found = SystemIdentifier(u64::from_le_bytes(first_bytes.get(24..32)?.try_into().ok()?));
    let is_page = flags & 2 != 0 && MajorVersion::ALL.into_iter().any(|version| page_magic(version) == magic);
    (is_page && found != geometry.system_identifier).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::WalSegmentSize;

    #[test]
    fn the_end_of_a_continued_record_counts_the_headers_between() {
        let geometry = WalGeometry {
            version: MajorVersion::V17,
            system_identifier: SystemIdentifier(1),
            segment_size: WalSegmentSize::new(1 << 20).unwrap(),
            block_size_bytes: 8192,
        };
        let start = Lsn(5 << 20);
        for (remaining, offset) in [
            (1, 48),
            (8, 48),
            (9, 56),
            (8152, 8192),
            (8153, 8192 + 24 + 8),
            (8152 + 8168, 2 * 8192),
            (8152 + 8168 + 1, 2 * 8192 + 32),
            (8152 + 3 * 8168 + 100, 4 * 8192 + 24 + 104),
        ] {
            assert_eq!(rest_end(&geometry, start, remaining), Lsn(start.0 + offset), "{remaining}");
        }
    }
}
