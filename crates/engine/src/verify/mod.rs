//! Is a backup whole? Levels: checksum (existence, size, SHA-256) and deep (every frame, member and page).
//!
//! What is wrong with a backup is a [`Finding`] in the report; an error means that the question could not be answered.

mod deep;
mod error;
mod finding;
mod manifest;
mod ordered_frames;
mod pages;
mod tar_check;
mod validate;

pub use error::VerifyError;
pub use finding::{Finding, FindingKind, FindingSeverity};
pub(crate) use manifest::MANIFEST_PATH;
pub use validate::{ValidationLevel, ValidationReport, validate};
