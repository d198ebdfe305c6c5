//! What does the write-ahead log hold? Pages, records, and the few facts in them that a restore needs.
//!
//! [`WalDecoder`] takes the log's bytes in order, from a stream or a file, and gives whole, checked records. [`WalRecord::decode`]
//! opens one; [`WalRecord::fact`] tells what matters to a point-in-time restore. [`SegmentSummary`] is what one segment says
//! for itself, so that a restore can find an instant without reading all of the log. [`ChangeCollector`] tells which blocks of
//! which relations records change.

mod changes;
mod decoder;
mod fact;
mod page;
mod record;
mod summary;

pub use changes::{ChangeCollector, ChangeEvent, ChangeRules};
pub use decoder::WalDecoder;
pub use fact::{WalFact, fact_of_head};
pub use page::{LongPageHeader, WalPageHeader, page_magic};
pub use record::{BlockReference, DecodedRecord, RECORD_HEADER_BYTES, ResourceManager, WalRecord};
pub use summary::{
    ContinuedRecord, OpenRecord, RECORD_HEAD_BYTES, SegmentSummarizer, SegmentSummary, SummaryPoint, SummaryTime,
};

use crate::{MajorVersion, SystemIdentifier, WalSegmentSize};
use serde::{Deserialize, Serialize};

/// What all of a cluster's WAL has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalGeometry {
    /// Decides the magic number of pages and the forms of records.
    pub version: MajorVersion,
    /// The cluster whose WAL it is.
    pub system_identifier: SystemIdentifier,
    /// Bytes in a segment.
    pub segment_size: WalSegmentSize,
    /// Bytes in a WAL page (`XLOG_BLCKSZ`), a power of two from 1 KiB to 64 KiB; nearly always 8192.
    pub block_size_bytes: u32,
}
