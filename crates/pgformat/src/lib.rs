//! What PostgreSQL writes: bytes to values and back.
//!
//! This room has no I/O, no clock, no SQL and no threads. All differences between PostgreSQL versions live here.
//! Every parser is total: bytes that PostgreSQL could not have written are an [`FormatError`], never a panic.

pub mod backup_label;
pub mod backup_manifest;
pub mod block_reference;
pub mod control_file;
mod error;
pub mod exclusion;
pub mod incremental_file;
mod lsn;
pub mod page;
pub mod relation_file;
pub mod shared_catalog;
pub mod timeline_history;
mod version;
pub mod wal;
pub mod wal_segment;

pub use error::FormatError;
pub use lsn::{Lsn, SystemIdentifier, TimelineId};
pub use version::MajorVersion;
pub use wal_segment::{WalSegment, WalSegmentSize};
