//! Is a backup whole? Levels: checksum (existence, size, SHA-256) and deep (every frame, member and page).

mod error;
mod validate;

pub use error::VerifyError;
pub use validate::{Finding, FindingSeverity, ValidationLevel, ValidationReport, validate};
