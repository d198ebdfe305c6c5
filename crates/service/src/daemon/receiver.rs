use super::observer::StreamObserver;
use super::slot_watch::SlotWatch;
use super::{DaemonEvent, DaemonLog};
use crate::backoff::Backoff;
use crate::pause::wait;
use engine::cluster::ConnectionSettings;
use engine::wal::{ReceiveOptions, ReceiveOutcome, StopWhen, receive};
use engine::{Cancel, Error};

use vault::repository::Repository;

/// What WAL is received with.
#[derive(Clone)]
pub struct ReceiverSettings {
    /// The server.
    pub connection: ConnectionSettings,
    /// Where WAL goes.
    pub repository: Repository,
    /// How it is received; `stop` is overridden.
    pub receive: ReceiveOptions,
}

/// Receives WAL until cancelled, and tries again, after a growing pause, whenever that ends.
///
/// # Errors
/// Only at the very beginning, when trying again can't help: the repository is another cluster's, or the connection's settings make
/// no sense; and, when this is all that the daemon does (`is_alone`), another receiver works for this repository. Everything later
/// is logged and tried again.
pub(super) fn keep_receiving(
    settings: &ReceiverSettings,
    is_alone: bool,
    log: &dyn DaemonLog,
    cancel: &Cancel,
) -> Result<(), Error> {
    let options = ReceiveOptions { stop: StopWhen::Never, ..settings.receive.clone() };
    let mut backoff = Backoff::default();
    let mut slot_watch = SlotWatch::default();
    slot_watch.look(settings, log);
    let mut is_first = true;
    while !cancel.is_cancelled() {
        let observer = StreamObserver::new(log);
        let result = receive(&settings.connection, &settings.repository, &options, &observer, cancel);
        if cancel.is_cancelled() {
            if let Err(error) = result.as_ref().map_err(|error| error.key()) {
                tracing::debug!(error, "the receiver ended while the daemon stopped");
            }
            break;
        }
        let pause = backoff.next(observer.has_streamed());
        let seconds = pause.as_secs();
        match result {
            Ok(outcome) => log.record(&DaemonEvent::DaemonStreamEnded { lsn: outcome.durable_lsn, seconds }),
            Err(error) if is_first && is_hopeless(&error, is_alone) => return Err(error),
            Err(error) => {
                let error = serde_json::to_value(&error).unwrap_or_default();
                log.record(&DaemonEvent::DaemonReceiverFailed { error, seconds });
            }
        }
        is_first = false;
        slot_watch.look(settings, log);
        wait(pause, cancel);
    }
    Ok(())
}

/// Receives what the server has now, and ends.
///
/// # Errors
/// Those of [`receive`].
pub fn run_once(settings: &ReceiverSettings, log: &dyn DaemonLog, cancel: &Cancel) -> Result<ReceiveOutcome, Error> {
    let options = ReceiveOptions { stop: StopWhen::CaughtUp(None), ..settings.receive.clone() };
    receive(&settings.connection, &settings.repository, &options, &StreamObserver::new(log), cancel)
}

/// Tells whether waiting can't help. Beside a schedule another receiver is none of its business: backups are taken all the same.
fn is_hopeless(error: &Error, is_alone: bool) -> bool {
    let key = error.key();
    let always = ["cluster-settings", "cluster-version", "wal-foreign", "repository-foreign"];
    always.contains(&key.as_str()) || (is_alone && key == "wal-receiver-busy")
}
