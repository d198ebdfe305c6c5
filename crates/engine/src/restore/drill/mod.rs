//! Does a backup really come back? The drill restores a chain into a throw-away cluster, recovers it to a point, and looks at all of
//! it: that recovery reached the point, every page's checksum, heaps and indexes by `pg_amcheck`, what the users say must be
//! true. The evidence is a report in the repository and a validation in its journal.

mod amcheck;
mod assertions;
mod evidence;
mod finding;
mod pages;
mod report;
mod run;

pub use assertions::{Assertion, AssertionOutcome};
pub use evidence::{DRILL_LEVEL, DRILLS_PREFIX, LastDrill, LastDrills};
pub use finding::DrillFinding;
pub use report::{DrillReport, DrillTimes};
pub use run::{DrillRequest, drill};
