//! How does a cluster come back for a moment only? In a folder of its own, reached over a socket of its own, and gone afterwards.
//!
//! A [`ThrowAway`] is a restored cluster that nobody but us sees: it listens on a socket in a closed folder, archives nothing, waits for
//! no standby, connects to nobody and starts no extension's workers. It is removed when it is closed or dropped, be that after an
//! error or a cancellation; after a kill, [`sweep`] finds it by its marker and removes it, its server first.

mod config;
mod error;
mod folder;
mod postmaster;
mod raise;
mod settings;
mod superuser;
mod sweep;
mod work_folder;

pub use error::ThrowAwayError;
pub(super) use error::folder_error;
pub use folder::{ThrowAwayPlace, WORK_FOLDER_PREFIX};
pub use raise::{ThrowAway, ThrowAwayPlan, ThrowAwayRequest};
pub(super) use superuser::SESSION_OPTIONS;
pub use sweep::{Swept, sweep};
pub(super) use work_folder::WorkFolder;
