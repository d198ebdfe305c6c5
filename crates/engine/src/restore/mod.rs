//! How does a cluster come back? Plan, show, apply; then start.
//!
//! [`plan`] reads the indexes of the chain and looks at the targets; it writes nothing, and every refusal happens there or before the
//! first byte. [`apply`] checks the archives' SHA-256, claims the targets with a marker file, writes all files in parallel and
//! `global/pg_control` last: a directory whose restore did not end has no control file and so can't be started by mistake.

mod apply;
mod database;
mod drill;
mod dumps;
mod error;
mod files;
mod note;
mod only;
mod over;
mod plan;
mod point;
mod recovery;
mod socket;
mod start;
mod target;
mod throwaway;

pub use apply::{OverOutcome, RestoreOutcome, apply};
pub use database::{
    DatabaseError, DatabaseOutcome, DatabasePlan, DatabaseRequest, DumpParts, ExportOutcome, ExportRequest,
    export_database, export_live, restore_database,
};
pub use drill::{
    Assertion, AssertionOutcome, DRILL_LEVEL, DRILLS_PREFIX, DrillFinding, DrillReport, DrillRequest, DrillTimes,
    LastDrill, LastDrills, drill,
};
pub(crate) use dumps::Dumps;
pub use error::RestoreError;
pub(crate) use files::{Layout, survey};
pub use note::RestoreNote;
pub use plan::{RestorePlan, RestoreRequest, RestoreSelector, TablespaceTarget, plan};
pub use point::{
    ArchiveMode, RecoveryPlan, RecoveryRequest, RecoveryStop, RecoveryTarget, TargetAction, TimelineChoice, WalDelivery,
};
pub use start::{StartRequest, StartedServer, start};
pub use target::{FilesystemNeed, MARKER_FILE};
pub use throwaway::{
    Swept, ThrowAway, ThrowAwayError, ThrowAwayPlace, ThrowAwayPlan, ThrowAwayRequest, WORK_FOLDER_PREFIX, sweep,
};
