use crate::wal::WindowGap;
use serde::Serialize;

/// What a drill can find beyond the errors of archives, chains and recovery. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum DrillFinding {
    /// A page of the restored cluster has a wrong checksum or an impossible header. `known`: it had so when the backup was taken.
    DrillPage { path: String, block: u32, known: bool },
    /// A relation file ends within a page.
    DrillPartialPage { path: String, size_bytes: u64 },
    /// An assertion does not hold.
    DrillAssertion { name: String, database: String, answer: String, wanted: String },
    /// An assertion could not be asked.
    DrillAssertionFailed { name: String, database: String, detail: String },
    /// `pg_amcheck` found something.
    DrillAmcheck { detail: String },
    /// `pg_amcheck` could look at other databases, and not at this one.
    DrillAmcheckSkipped { database: String, detail: String },
    /// The server did not come up, or did not come to the end of its recovery.
    DrillServer { detail: String },
    /// WAL is missing behind the newest state that comes back: something later was archived, and can't be reached.
    DrillGap { gap: WindowGap },
    /// All was looked at, but the restored server did not end in order, or its files could not be removed.
    DrillRemains { detail: String },
}
