//! Which archive has a block of the backup? A chain of archives read as the one cluster that its newest backup stands for.
//!
//! [`Chain`] holds the archives, [`Outputs`] goes through what the newest one restores to, [`ChainReader`] (one per worker)
//! gives the bytes of an output. A whole file comes from the newest archive; a file of which that one holds only changes
//! ([`LayeredFile`]) comes from every archive down to the one that has it whole, each block from the newest that has it.
//!
//! Rules, as `pg_combinebackup` has them (upstream `reconstruct.c`): the file is as long as the newest changes say; a block that
//! nobody holds is zeros; an older archive that has nothing of the file breaks the chain. In one thing they are stricter: where
//! a layer *between* says that the file had been cut, what older ones have behind the cut is not taken either.

mod digests;
mod error;
mod extents;
mod label;
mod layered;
mod links;
mod outputs;
mod read;
mod sizes;
mod table;

pub use error::ChainError;
pub use label::check_label;
pub(crate) use label::{LABEL_LIMIT_BYTES, LABEL_PATH};
pub use layered::LayeredFile;
pub(crate) use links::changed_path;
pub use links::{Chain, ChainLink};
pub use outputs::{OutputContent, OutputMember, Outputs};
pub use read::ChainReader;
pub(crate) use table::{MOST_ENTRIES, PathKey, PathKeys};
