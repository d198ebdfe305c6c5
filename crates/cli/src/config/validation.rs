//! `[validation]`: what the daily run takes.

use cadena::cluster::BinarySearch;
use cadena::verify::{DueValidations, ValidationLevel};
use std::time::Duration;

/// What the file says of validations, or the defaults.
#[derive(Debug, Clone)]
pub struct ValidationConfig {
    pub level: ValidationLevel,
    /// A backup is due again so many days after its last validation.
    pub again_days: u32,
    /// No validation begins after so many minutes; `None`: no limit.
    pub max_minutes: Option<u32>,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        // A new backup is looked at the night after, and every backup once a week: what rots on a disk is found while there is
        // another one, and the disk rests.
        ValidationConfig { level: ValidationLevel::Checksum, again_days: 7, max_minutes: Some(240) }
    }
}

impl ValidationConfig {
    /// Returns what one round may take.
    pub fn due(&self, jobs: usize, search: &BinarySearch, by: String) -> DueValidations {
        DueValidations {
            level: self.level,
            jobs,
            search: search.clone(),
            again_after: Duration::from_secs(u64::from(self.again_days) * 86_400),
            budget: self.max_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
            by,
        }
    }
}
