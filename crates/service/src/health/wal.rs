use super::HealthQuestion;
use engine::Error;
use engine::cluster::Connection;
use engine::wal::{ReceiverState, RestorableWindows, SlotHealth, receiver_state, slot_health, windows};
use serde::Serialize;
use serde_json::Value;
use vault::wal::WalArchive;

/// What is known of WAL.
#[derive(Debug, Serialize)]
pub struct WalHealth {
    /// What the receiver says of itself; `None` when there never was one.
    pub receiver: Option<ReceiverState>,
    /// Whether it lives.
    pub receiving: bool,
    /// How far the archive is behind the server, as the receiver last heard.
    pub lag_bytes: Option<u64>,
    /// For how long.
    pub lag_seconds: Option<u64>,
    /// The slot, when the server could be asked.
    pub slot: Option<SlotHealth>,
    /// Why it could not.
    pub slot_error: Option<Value>,
    /// What can be restored.
    pub windows: RestorableWindows,
}

impl WalHealth {
    /// Tells whether WAL was ever received, or is to be.
    pub fn is_used(&self) -> bool {
        self.receiver.is_some() || self.slot.is_some() || self.slot_error.is_some()
    }
}

/// Gathers it.
pub(super) fn wal_health(question: &HealthQuestion<'_>) -> Result<WalHealth, Error> {
    let repository = question.repository;
    let state = receiver_state(repository)?;
    let receiving = state.as_ref().is_some_and(|(_, alive)| *alive);
    let receiver = state.map(|(state, _)| state);
    let windows = windows(repository)?;
    let is_used = receiver.is_some() || WalArchive::open(repository)?.is_some();
    let asked = question.connection.filter(|_| is_used).map(|settings| {
        let mut connection = Connection::connect_cancellable(settings, question.cancelled)?;
        slot_health(&mut connection, question.slot, question.max_slot_retained_bytes)
    });
    let (slot, slot_error) = match asked {
        None => (None, None),
        Some(Ok(health)) => (Some(health), None),
        Some(Err(error)) => (None, Some(serde_json::to_value(&error).unwrap_or_default())),
    };
    let live = receiver.as_ref().filter(|_| receiving);
    let behind = live.and_then(|state| state.behind_since);
    let now = question.now.as_second();
    Ok(WalHealth {
        lag_bytes: live.map(|state| state.server_lsn.0.saturating_sub(state.durable_lsn.0)),
        lag_seconds: live.map(|_| behind.map_or(0, |since| (now - since.as_second()).max(0).unsigned_abs())),
        receiver,
        receiving,
        slot,
        slot_error,
        windows,
    })
}
