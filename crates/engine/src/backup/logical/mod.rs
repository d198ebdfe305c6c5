//! How do dumps become a backup? pg_dump writes into a pipe, what comes out is cut into members of known size, and those go through the
//! same pipeline as a cluster's files. Nothing is kept on disk on the way. docs/format/logical.md is the contract.

mod description;
mod parts;
mod run;

pub(crate) use description::{DATABASE_FILE, DATABASES_FOLDER, DatabaseDescription, PART_PREFIX};
pub use run::{LogicalRequest, run_logical};
