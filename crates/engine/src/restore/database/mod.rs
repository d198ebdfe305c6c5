//! How does one database come back, into a live server, under a new name?
//!
//! A throw-away cluster is recovered to the point, the database is dumped from it and loaded into the live server under a name of its
//! own, and only when it is whole it gets the name that was asked for. Until then nothing that others use has changed, and whatever
//! goes wrong, nothing has.

mod checks;
mod contents;
mod dump_source;
mod error;
mod export;
mod load;
mod narrow_dump;
mod outcome;
mod request;
mod restore;

pub use error::DatabaseError;
pub use export::{ExportOutcome, ExportRequest, export_database, export_live};
pub use outcome::DatabaseOutcome;
pub use request::{DatabasePlan, DatabaseRequest, DumpParts};
pub use restore::restore_database;
