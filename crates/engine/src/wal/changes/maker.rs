//! Summaries of whole segments, out of bytes that come in order.

use pgformat::block_reference::{BlockReferenceTable, SummaryFileName};
use pgformat::wal::{ChangeCollector, ChangeEvent, ChangeRules, WalDecoder, WalGeometry};
use pgformat::{FormatError, Lsn, TimelineId};

/// Takes a timeline's bytes from a segment's start on, and makes a summary of each segment: of the records that begin in it, so that
/// it is whole once the last of them is, in whichever segment that ends.
pub(crate) struct SummaryMaker {
    geometry: WalGeometry,
    timeline: TimelineId,
    decoder: WalDecoder,
    open: Open,
}

/// The segment whose records come now.
struct Open {
    collector: ChangeCollector,
    block_size_bytes: u32,
    start: Lsn,
    end: Lsn,
    /// Why there will be no summary of it.
    void: Option<String>,
}

/// Where summaries go.
pub(crate) type MadeSummary<'a> = &'a mut dyn FnMut(SummaryFileName, BlockReferenceTable);

impl SummaryMaker {
    /// Begins at `start`, where a segment begins. The rest of a record that began before is passed over.
    pub(crate) fn new(geometry: WalGeometry, block_size_bytes: u32, timeline: TimelineId, start: Lsn) -> Self {
        let open = Open {
            collector: ChangeCollector::new(ChangeRules::Complete, block_size_bytes),
            block_size_bytes,
            start,
            end: Lsn(start.0.saturating_add(geometry.segment_size.bytes())),
            void: None,
        };
        SummaryMaker { geometry, timeline, decoder: WalDecoder::new(geometry, timeline, start), open }
    }

    /// Takes the next bytes, and hands over every summary that they complete. A segment in which the server logged too little, or
    /// that can't be understood, gets none: whoever needs it meets the reason again.
    ///
    /// # Errors
    /// `FormatDamaged` when they are no WAL; then nothing more can be taken.
    pub(crate) fn feed(&mut self, bytes: &[u8], made: MadeSummary<'_>) -> Result<(), FormatError> {
        let (timeline, segment_bytes) = (self.timeline, self.geometry.segment_size.bytes());
        let open = &mut self.open;
        self.decoder.feed::<FormatError>(bytes, &mut |record| {
            while record.lsn >= open.end {
                open.close(timeline, segment_bytes, made);
            }
            // The first record that pg_resetwal writes: what was before it may be lost.
            if record.previous_lsn == Lsn(0) {
                open.void.get_or_insert_with(|| format!("{}: the log begins anew", record.lsn));
            }
            // What comes after a record that can't be understood still can.
            if let Err(error) = open.collector.record(record) {
                open.void.get_or_insert_with(|| error.to_string());
            }
            Ok(())
        })?;
        let (position, begun) = (self.decoder.position(), self.decoder.open_record());
        while position >= self.open.end && begun.is_none_or(|lsn| lsn >= self.open.end) {
            self.open.close(timeline, segment_bytes, made);
        }
        Ok(())
    }
}

impl Open {
    /// Ends a segment and begins the next.
    fn close(&mut self, timeline: TimelineId, segment_bytes: u64, made: MadeSummary<'_>) {
        let next = ChangeCollector::new(ChangeRules::Complete, self.block_size_bytes);
        let (table, events) = std::mem::replace(&mut self.collector, next).finish();
        let minimal = events.iter().any(|event| matches!(event, ChangeEvent::WalLevelMinimal { .. }));
        let name = SummaryFileName { timeline, start_lsn: self.start, end_lsn: self.end };
        match self.void.take() {
            Some(reason) => tracing::info!("there is no summary {name}: {reason}"),
            None if minimal => tracing::info!("there is no summary {name}: wal_level was minimal"),
            None => made(name, table),
        }
        self.start = self.end;
        self.end = Lsn(self.end.0.saturating_add(segment_bytes));
    }
}
