//! The server's own WAL summaries, over SQL (upstream `walsummaryfuncs.c`); any role may ask.

use super::{ClusterError, Connection};
use pgformat::block_reference::SummaryFileName;
use pgformat::{Lsn, TimelineId};

/// How far the server's summarizer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SummarizerState {
    /// `summarize_wal`.
    pub is_on: bool,
    /// Everything before it is summarized.
    pub summarized_lsn: Lsn,
    /// What it has read, and not written yet.
    pub pending_lsn: Lsn,
}

const STATE: &str = "SELECT pg_catalog.current_setting('summarize_wal')::boolean, summarized_lsn, pending_lsn \
    FROM pg_catalog.pg_get_wal_summarizer_state()";

const AVAILABLE: &str = "SELECT tli, start_lsn, end_lsn FROM pg_catalog.pg_available_wal_summaries() \
    ORDER BY tli, start_lsn, end_lsn";

/// Asks how far the summarizer of a server of 17 or later is.
pub(crate) fn state(
    connection: &mut Connection,
    cancelled: &dyn Fn() -> bool,
) -> Result<SummarizerState, ClusterError> {
    let answer = connection.query_cancellable("ask how far WAL is summarized", STATE, &[], cancelled)?;
    // NULL when it has not begun.
    let lsn = |column| answer.bytes(0, column).map_or(Ok(Lsn(0)), |_| answer.parse(0, column));
    Ok(SummarizerState { is_on: answer.boolean(0, 0)?, summarized_lsn: lsn(1)?, pending_lsn: lsn(2)? })
}

/// Lists the summaries that the server has.
pub(crate) fn available(
    connection: &mut Connection,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<SummaryFileName>, ClusterError> {
    let answer = connection.query_cancellable("list the server's WAL summaries", AVAILABLE, &[], cancelled)?;
    (0..answer.rows())
        .map(|row| {
            Ok(SummaryFileName {
                timeline: TimelineId(answer.parse(row, 0)?),
                start_lsn: answer.parse(row, 1)?,
                end_lsn: answer.parse(row, 2)?,
            })
        })
        .collect()
}
