//! Moves the stream's messages into the intake, and tells the server what is durable.

use super::intake::Intake;
use super::lock::ReceiverLock;
use super::slot_care::{SlotCare, Watched};
use super::{CaughtUp, ReceiveEvent, ReceiveObserver};
use crate::cluster::{Connection, ConnectionSettings, Copied, ReplicationConnection, StandbyStatus};
use crate::wal::WalError;
use crate::{Cancel, Error};
use pgformat::{Lsn, TimelineId, WalSegmentSize};
use std::time::{Duration, Instant};

/// How long a wait for the server lasts before the cancel flag is looked at.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// At most so much is taken before it is made durable: whoever waits for its commit does not wait for what came after it.
const BATCH_BYTES: usize = 1 << 20;
/// How often the server hears of us (upstream `wal_receiver_status_interval`).
const STATUS_INTERVAL: Duration = Duration::from_secs(10);
/// After so long without a word we ask an idle server for one, so that it is known up to when nothing was committed.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// After so long without a word we ask for one; after as long again the server is taken for dead. Together they are what
/// upstream's `wal_receiver_timeout` is.
const SILENCE: Duration = Duration::from_secs(30);
/// How often the slot is looked at.
const SLOT_INTERVAL: Duration = Duration::from_secs(10);
/// How long the server may take to answer about the slot.
const SLOT_PATIENCE: Duration = Duration::from_secs(20);
/// How often the observer is told where we are.
const POSITION_INTERVAL: Duration = Duration::from_millis(250);

/// Why streaming paused without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// Cancelled, or caught up.
    Stopped,
    /// The server has sent all of this timeline.
    TimelineEnds,
    /// The slot changed: connect again.
    Again,
}

/// Everything that streaming needs.
pub(super) struct Stream<'a, 'b> {
    pub(super) wal: &'a mut ReplicationConnection,
    pub(super) settings: &'a ConnectionSettings,
    /// Lost: made anew when it is needed.
    pub(super) sql: &'a mut Option<Connection>,
    pub(super) intake: &'a mut Intake,
    pub(super) slot: &'a mut SlotCare<'b>,
    pub(super) lock: &'a mut ReceiverLock,
    pub(super) observer: &'a dyn ReceiveObserver,
    pub(super) cancel: &'a Cancel,
    pub(super) segment_size: WalSegmentSize,
    pub(super) segments: &'a mut u64,
    /// Where this timeline ends, when another follows.
    pub(super) switch_lsn: Option<Lsn>,
    /// Stop once everything before it, on this timeline or a later one, is durable.
    pub(super) target: Option<(TimelineId, Lsn)>,
    /// Where the slot was before we began.
    pub(super) slot_lsn: Option<Lsn>,
    /// How far the server is.
    pub(super) server_lsn: Lsn,
}

/// What the clock says.
struct Clock {
    heard: Instant,
    asked: Option<Instant>,
    told: Instant,
    told_lsn: Option<Lsn>,
    slot: Instant,
    position: Option<Instant>,
}

impl Stream<'_, '_> {
    /// Streams until there is a reason to pause. What was taken is durable and acknowledged then.
    ///
    /// # Errors
    /// `WalStreamInvalid`, `WalStreamSilent`; those of the connection and the archive.
    pub(super) fn run(&mut self) -> Result<Pause, Error> {
        let now = Instant::now();
        let mut clock = Clock { heard: now, asked: None, told: now, told_lsn: None, slot: now, position: None };
        loop {
            let batch = self.take_batch()?;
            // While more comes, segments that are whole become durable beside it; else nothing is left undone before a pause.
            let last = batch.ended || self.cancel.is_cancelled() || self.has_taken_all();
            self.intake.sync(!batch.heard || last, last)?;
            if batch.heard {
                (clock.heard, clock.asked) = (Instant::now(), None);
            }
            self.tell_server(&mut clock, batch.reply_requested)?;
            self.tell_others(&mut clock, batch.sent_at)?;
            let stops = self.cancel.is_cancelled() || self.is_caught_up();
            if batch.ended || stops {
                clock.position = None;
                self.tell_others(&mut clock, batch.sent_at)?;
                return Ok(if stops { Pause::Stopped } else { Pause::TimelineEnds });
            }
            if self.slot.is_bounded() && clock.slot.elapsed() >= SLOT_INTERVAL {
                if self.watch_slot() == Watched::Changed {
                    self.intake.sync(true, true)?;
                    return Ok(Pause::Again);
                }
                clock.slot = Instant::now();
            }
            if !batch.heard {
                self.mind_silence(&mut clock)?;
                self.wal.wait(CANCEL_CHECK)?;
            }
        }
    }

    /// Takes what has arrived, without waiting for more.
    fn take_batch(&mut self) -> Result<Batch, Error> {
        let mut batch = Batch { heard: false, sent_at: None, reply_requested: false, ended: false };
        let mut taken_bytes = 0;
        while taken_bytes < BATCH_BYTES {
            match self.wal.receive()? {
                Copied::Wal(message) => {
                    self.server_lsn = self.server_lsn.max(message.server_lsn());
                    let available = self.switch_lsn.map_or(self.server_lsn, |switch| switch.min(self.server_lsn));
                    self.intake.take(message.start_lsn(), message.bytes(), available)?;
                    taken_bytes += message.bytes().len();
                    batch.sent_at = message.sent_at();
                    batch.heard = true;
                }
                Copied::KeepAlive { server_lsn, sent_at, reply_requested } => {
                    batch.sent_at = sent_at;
                    self.server_lsn = self.server_lsn.max(server_lsn);
                    batch.heard = true;
                    batch.reply_requested |= reply_requested;
                    // What it asks for is an answer at once.
                    if reply_requested {
                        break;
                    }
                }
                Copied::Nothing => {
                    if !self.wal.wait(Duration::ZERO)? {
                        break;
                    }
                }
                Copied::End => {
                    batch.ended = true;
                    break;
                }
            }
        }
        Ok(batch)
    }

    fn tell_server(&mut self, clock: &mut Clock, requested: bool) -> Result<(), Error> {
        let durable_lsn = self.acknowledged();
        let due = clock.told.elapsed() >= STATUS_INTERVAL || clock.told_lsn != Some(durable_lsn);
        let is_quiet = clock.heard.elapsed() >= HEARTBEAT && clock.told.elapsed() >= HEARTBEAT;
        if requested || due || is_quiet {
            self.wal.send_status(StandbyStatus { durable_lsn, reply_requested: is_quiet })?;
            (clock.told, clock.told_lsn) = (Instant::now(), Some(durable_lsn));
        }
        Ok(())
    }

    /// Returns what to tell the server. A slot goes to where it is told, also back: nothing is said (0/0) while we are behind it
    /// and don't know yet whether the server still has what we begin with.
    fn acknowledged(&self) -> Lsn {
        let known = self.intake.has_begun() || self.slot_lsn.is_none_or(|slot| self.intake.next() >= slot);
        if known { self.intake.acknowledged() } else { Lsn(0) }
    }

    fn tell_others(&mut self, clock: &mut Clock, sent_at: Option<jiff::Timestamp>) -> Result<(), Error> {
        for segment in self.intake.sealed()? {
            *self.segments += 1;
            let segment = segment.file_name(self.segment_size);
            self.observer.event(ReceiveEvent::WalSegmentArchived { segment });
        }
        let (durable_lsn, server_lsn) = (self.intake.durable(), self.server_lsn);
        let state = &mut self.lock.state;
        (state.timeline, state.durable_lsn, state.server_lsn) = (self.intake.timeline(), durable_lsn, server_lsn);
        if durable_lsn >= server_lsn {
            state.behind_since = None;
            if let Some(at) = sent_at {
                state.caught_up = Some(CaughtUp { at, timeline: state.timeline, lsn: durable_lsn });
            }
        } else if state.behind_since.is_none() {
            state.behind_since = Some(jiff::Timestamp::now());
        }
        if clock.position.is_none_or(|told| told.elapsed() >= POSITION_INTERVAL) {
            clock.position = Some(Instant::now());
            self.observer.position(state.timeline, durable_lsn, server_lsn, state.behind_since);
        }
        self.lock.refresh()
    }

    fn is_caught_up(&self) -> bool {
        self.target
            .is_some_and(|(timeline, lsn)| self.intake.timeline() >= timeline && self.intake.acknowledged() >= lsn)
    }

    /// Tells whether everything came that is to be waited for, durable or not.
    fn has_taken_all(&self) -> bool {
        self.target.is_some_and(|(timeline, lsn)| self.intake.timeline() >= timeline && self.intake.next() >= lsn)
    }

    /// Asks a silent server for a sign of life, and gives it up when none comes.
    fn mind_silence(&mut self, clock: &mut Clock) -> Result<(), Error> {
        match clock.asked {
            Some(asked) if asked.elapsed() >= SILENCE => {
                return Err(WalError::WalStreamSilent { seconds: clock.heard.elapsed().as_secs() }.into());
            }
            None if clock.heard.elapsed() >= SILENCE => {
                let durable_lsn = self.acknowledged();
                self.wal.send_status(StandbyStatus { durable_lsn, reply_requested: true })?;
                clock.asked = Some(Instant::now());
            }
            _ => {}
        }
        Ok(())
    }

    /// Looks at the slot. That it can't be asked about is no reason to stop streaming: a server that is gone shows in the stream.
    fn watch_slot(&mut self) -> Watched {
        let deadline = Instant::now() + SLOT_PATIENCE;
        let cancelled = || self.cancel.is_cancelled() || Instant::now() >= deadline;
        let behind_bytes = self.server_lsn.0.saturating_sub(self.intake.durable().0);
        let watched = match self.sql.take() {
            Some(sql) => Ok(sql),
            None => Connection::connect_cancellable(self.settings, &cancelled).map_err(Error::from),
        };
        let watched = watched.and_then(|mut sql| {
            let watched = self.slot.watch(&mut sql, behind_bytes, &cancelled);
            // After an error the next look connects anew.
            *self.sql = watched.is_ok().then_some(sql);
            watched
        });
        watched.unwrap_or_else(|error| {
            tracing::warn!("the replication slot can't be looked at: {error}");
            Watched::Fine
        })
    }
}

/// What one batch brought.
struct Batch {
    heard: bool,
    /// When the server sent the last message, by its clock.
    sent_at: Option<jiff::Timestamp>,
    reply_requested: bool,
    ended: bool,
}
