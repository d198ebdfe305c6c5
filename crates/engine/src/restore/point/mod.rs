//! Where does recovery end, and what does it take? The target becomes an address, a backup to begin with, and a list of
//! segments; every refusal names what can be reached instead.

mod check;
mod choose;
mod refusal;
mod request;
mod search;
mod work;

pub(super) use check::check_segments;
pub(super) use choose::{Choice, choose};
pub use request::{
    ArchiveMode, RecoveryPlan, RecoveryRequest, RecoveryStop, RecoveryTarget, TargetAction, TimelineChoice, WalDelivery,
};
pub(super) use search::is_past_page_header;
pub(super) use work::{NeededSegment, RecoveryWork, choose_delivery};
