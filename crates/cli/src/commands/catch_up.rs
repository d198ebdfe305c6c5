//! Without the daemon, what the slot holds is streamed when a backup is taken: before it and after it.

use super::receive_options;
use crate::app::Session;
use crate::failure::Failure;
use crate::render::{described, problem_of};
use cadena::cluster::Connection;
use cadena::pgformat::{Lsn, TimelineId};
use cadena::repository::Repository;
use cadena::wal::{ReceiveEvent, ReceiveObserver, SlotState, StopWhen, receive, receiver_state, slot_health};

/// Tells of gaps and lost slots as they are found.
struct Remarks<'a>(&'a Session);

impl ReceiveObserver for Remarks<'_> {
    fn event(&self, event: ReceiveEvent) {
        let is_grave = matches!(
            event,
            ReceiveEvent::WalGapFound { .. }
                | ReceiveEvent::WalSlotDropped { .. }
                | ReceiveEvent::WalSlotReplaced { .. }
        );
        if is_grave && !self.0.screen.json {
            let value = serde_json::to_value(&event).unwrap_or_default();
            let message = described(&value, &self.0.locale, self.0.zone());
            self.0.screen.remark(&self.0.locale.say_with("warning-line", &[("message", message.into())]));
        }
    }

    fn position(&self, _: TimelineId, _: Lsn, _: Lsn, _: Option<jiff::Timestamp>) {}
}

/// Streams until the archive has what the server has now. Does nothing when a receiver lives, or when there is no slot: one that
/// is read once a month would fill the server's disk, so it is made by `start` or `init --slot` only. What goes wrong is told and
/// does not keep a backup from being taken.
pub fn catch_up(session: &Session, repository: &Repository) {
    let attempt = || -> Result<(), Failure> {
        if receiver_state(repository)?.is_some_and(|(_, alive)| alive) {
            return Ok(());
        }
        let settings = &session.settings;
        let mut connection = Connection::connect_cancellable(&settings.connection, &|| session.cancel.is_cancelled())?;
        let health = slot_health(&mut connection, &settings.slot, settings.max_slot_retained_bytes)?;
        drop(connection);
        if matches!(health.state, SlotState::Absent | SlotState::Unusable) || health.active_pid.is_some() {
            return Ok(());
        }
        let options = receive_options(session, StopWhen::CaughtUp(None));
        receive(&settings.connection, repository, &options, &Remarks(session), &session.cancel)?;
        Ok(())
    };
    if let Err(failure) = attempt()
        && !session.screen.json
    {
        let problem = problem_of(&failure, &session.locale, session.zone());
        let message = session.locale.say_with("backup-no-catch-up", &[("message", problem.message.into())]);
        session.screen.remark(&session.locale.say_with("warning-line", &[("message", message.into())]));
    }
}
