//! How is the stream of WAL? The receiver, its slot, and how far back and forth one can go: for `status`.

use super::status::Attention;
use crate::app::Session;
use crate::failure::Failure;
use crate::render::{described, units};
use cadena::cluster::Connection;
use cadena::repository::Repository;
use cadena::wal::{ReceiverState, RestorableWindows, SlotFinding, SlotHealth, receiver_state, slot_health, windows};
use cadena::wal_archive::WalArchive;
use serde::Serialize;
use serde_json::Value;

/// Behind for so long needs a look.
const LAG_SECONDS: i64 = 60;

/// What is known of WAL.
#[derive(Serialize)]
pub struct WalStatus {
    /// What the receiver says of itself; `None` when there never was one.
    receiver: Option<ReceiverState>,
    /// Whether it lives.
    receiving: bool,
    /// How far the archive is behind the server, as the receiver last heard.
    lag_bytes: Option<u64>,
    /// For how long.
    lag_seconds: Option<u64>,
    /// The slot, when the server could be asked.
    slot: Option<SlotHealth>,
    /// Why it could not.
    slot_error: Option<Value>,
    windows: RestorableWindows,
}

/// Gathers it. A server that can't be reached is no error here.
///
/// # Errors
/// Repository and storage errors.
pub fn wal_status(session: &Session, repository: &Repository) -> Result<WalStatus, Failure> {
    let state = receiver_state(repository)?;
    let receiving = state.as_ref().is_some_and(|(_, alive)| *alive);
    let receiver = state.map(|(state, _)| state);
    let windows = windows(repository)?;
    let is_used = receiver.is_some() || WalArchive::open(repository)?.is_some();
    let slot = is_used.then(|| {
        let settings = &session.settings;
        let mut connection = Connection::connect_cancellable(&settings.connection, &|| session.cancel.is_cancelled())?;
        slot_health(&mut connection, &settings.slot, settings.max_slot_retained_bytes)
    });
    let (slot, slot_error) = match slot {
        None => (None, None),
        Some(Ok(health)) => (Some(health), None),
        Some(Err(error)) => (None, Some(serde_json::to_value(&error).unwrap_or_default())),
    };
    let live = receiver.as_ref().filter(|_| receiving);
    let behind = live.and_then(|state| state.behind_since);
    let now = jiff::Timestamp::now().as_second();
    Ok(WalStatus {
        lag_bytes: live.map(|state| state.server_lsn.0.saturating_sub(state.durable_lsn.0)),
        lag_seconds: live.map(|_| behind.map_or(0, |since| (now - since.as_second()).max(0).unsigned_abs())),
        receiver,
        receiving,
        slot,
        slot_error,
        windows,
    })
}

impl WalStatus {
    /// Finds what needs a look.
    pub fn attention(&self, session: &Session) -> Vec<Attention> {
        let (locale, zone) = (&session.locale, session.zone());
        let mut found = Vec::new();
        let mut add = |key, message| found.push(Attention { key, message });
        // A server without a bound of its own is a matter of its set-up, which `check` tells of; nothing is wrong yet.
        let is_news = |finding: &&SlotFinding| !matches!(finding, SlotFinding::SlotUnbounded { .. });
        for finding in self.slot.iter().flat_map(|slot| &slot.findings).filter(is_news) {
            let value = serde_json::to_value(finding).unwrap_or_default();
            let remedy = format!("{}-remedy", value["key"].as_str().unwrap_or_default());
            let arguments = value.as_object().cloned().unwrap_or_default();
            let remedy = locale.try_described(&remedy, &arguments, zone).map(|remedy| format!(" -> {remedy}"));
            add("attention-slot", described(&value, locale, zone) + &remedy.unwrap_or_default());
        }
        if let Some(receiver) = &self.receiver {
            let values = [
                ("pid", receiver.pid.to_string().into()),
                ("host", receiver.host.as_str().into()),
                ("since", units::local_time(receiver.updated_at, zone).into()),
                ("lsn", receiver.durable_lsn.to_string().into()),
            ];
            if !self.receiving {
                add("attention-receiver-dead", locale.say_with("attention-receiver-dead", &values));
            } else if receiver.streaming_since.is_none() {
                add("attention-receiver-waiting", locale.say_with("attention-receiver-waiting", &values));
            }
        }
        if let Some(seconds) = self.lag_seconds.filter(|seconds| *seconds >= LAG_SECONDS.unsigned_abs()) {
            let values = [
                ("duration", units::duration(seconds as f64, locale.language()).into()),
                ("size", units::size(self.lag_bytes.unwrap_or(0), locale.language()).into()),
            ];
            add("attention-lag", locale.say_with("attention-lag", &values));
        }
        for finding in &self.windows.findings {
            add("attention-wal", described(finding, locale, zone));
        }
        found
    }

    /// Returns pairs of name and value for people.
    pub fn facts(&self, session: &Session) -> Vec<(String, String)> {
        let (locale, zone) = (&session.locale, session.zone());
        let mut pairs = Vec::new();
        if let Some(window) = self.windows.windows.iter().max_by_key(|window| (window.timeline, window.last_lsn)) {
            let values = [
                ("from", units::local_time(window.first_time, zone).into()),
                ("until", units::local_time(window.last_time, zone).into()),
            ];
            pairs.push((locale.say("status-restorable"), locale.say_with("status-restorable-value", &values)));
        }
        if let (Some(receiver), true) = (&self.receiver, self.receiving) {
            let values = [
                ("lsn", receiver.durable_lsn.to_string().into()),
                ("size", units::size(self.lag_bytes.unwrap_or(0), locale.language()).into()),
                ("duration", units::duration(self.lag_seconds.unwrap_or(0) as f64, locale.language()).into()),
            ];
            pairs.push((locale.say("status-receiver"), locale.say_with("status-receiver-value", &values)));
        }
        if let Some(slot) = &self.slot {
            let values = [
                ("name", slot.slot.as_str().into()),
                ("size", units::size(slot.retained_bytes, locale.language()).into()),
            ];
            pairs.push((locale.say("status-slot"), locale.say_with("status-slot-value", &values)));
        }
        pairs
    }

    /// Tells whether there is anything to show.
    pub fn is_used(&self) -> bool {
        self.receiver.is_some() || self.slot.is_some() || self.slot_error.is_some()
    }
}
