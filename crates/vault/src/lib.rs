//! Data at rest: the sealed archive, the storage that holds it, and the repository that gives both their meaning.
//!
//! `archive` knows frames, members and digests, and nothing of repositories; `storage` moves bytes under keys;
//! `repository` owns the layout, the records, the lock and the commit; `wal` the archived write-ahead log beside them;
//! `encryption` who can read it; `journal` what happened here.

pub mod archive;
pub mod encryption;
pub mod journal;
pub mod repository;
pub mod storage;
pub mod wal;
