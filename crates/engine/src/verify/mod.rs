//! Is a backup whole? Levels: checksum (existence, size, SHA-256) and deep (every frame, member and page).
//!
//! What is wrong with a backup is a [`Finding`] in the report; an error means that the question could not be answered.

mod campaign;
mod deep;
mod dumps;
mod error;
pub(crate) mod finding;
mod history;
mod manifest;
mod ordered_frames;
mod pages;
mod recorded;
mod tar_check;
mod validate;

pub use campaign::{DueOutcome, DueRound, DueValidations, validate_due};
pub use error::VerifyError;
pub use finding::{Finding, FindingKind, FindingSeverity};
pub use history::{LastValidation, ValidationHistory, ValidationResult};
pub(crate) use manifest::MANIFEST_PATH;
pub use recorded::validate_recorded;
pub use validate::{ValidationLevel, ValidationReport, ValidationRequest, validate};

/// The name of the event that tells of a validation.
pub const VALIDATION_EVENT: &str = "validation";
