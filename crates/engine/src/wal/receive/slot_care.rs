//! Keeps the slot in order: makes it, replaces a lost one, lets one go that holds too much.

use super::{ReceiveEvent, ReceiveObserver, ReceiveOptions};
use crate::Error;
use crate::cluster::error::sqlstate;
use crate::cluster::{ClusterError, Connection};
use crate::wal::slot::slot_health_cancellable;
use crate::wal::{SlotFinding, SlotHealth, SlotState, WalError, create_slot, drop_slot};
use pgformat::Lsn;
use std::time::{Duration, Instant};

/// How long whoever streams from the slot may take to end: it may be our own last connection.
const BUSY_PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked at.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);

/// The slot as this receiver wants it.
pub(super) struct SlotCare<'a> {
    options: &'a ReceiveOptions,
    observer: &'a dyn ReceiveObserver,
    /// It was let go, and is not made anew before we have caught up.
    let_go: bool,
    /// What was wrong with it when we came: the cause of a gap, if one is found.
    pub(super) trouble: Option<SlotFinding>,
}

/// What a look at the slot while streaming came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// Nothing to do.
    Fine,
    /// It was let go, or may be made anew: connect again.
    Changed,
}

impl<'a> SlotCare<'a> {
    pub(super) fn new(options: &'a ReceiveOptions, observer: &'a dyn ReceiveObserver) -> Self {
        SlotCare { options, observer, let_go: false, trouble: None }
    }

    /// Returns the slot to stream from, if there is to be one.
    pub(super) fn name(&self) -> Option<&'a str> {
        (!self.let_go).then_some(self.options.slot.as_str())
    }

    /// Tells whether there is a reason to look at the slot while streaming.
    pub(super) fn is_bounded(&self) -> bool {
        self.options.max_slot_retained_bytes.is_some()
    }

    /// Forgets what was wrong: WAL came.
    pub(super) fn works(&mut self) {
        if !self.let_go {
            self.trouble = None;
        }
    }

    /// Makes sure, before streaming, that there is a slot which holds WAL. `resumes`: the archive has WAL already, so that a
    /// slot that is not there is one that was dropped.
    ///
    /// # Errors
    /// `WalSlotUnusable`, `WalReplicationRefused`, `ClusterPrivilege`, `ClusterSql`.
    pub(super) fn prepare(
        &mut self,
        sql: &mut Connection,
        resumes: bool,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<SlotHealth, Error> {
        let health = self.look(sql, cancelled)?;
        match health.state {
            SlotState::Unusable => {
                let (slot, detail) = (self.options.slot.clone(), "it is a logical slot".to_owned());
                return Err(WalError::WalSlotUnusable { slot, detail }.into());
            }
            SlotState::Lost => {
                let reason = lost_reason(&health);
                self.trouble = health.findings.first().cloned();
                self.replace(sql, reason)?;
            }
            SlotState::Absent if self.let_go => return Ok(health),
            SlotState::Absent => {
                if resumes && self.trouble.is_none() {
                    self.trouble = health.findings.first().cloned();
                }
                self.create(sql)?;
            }
            SlotState::Reserved | SlotState::AtRisk => {
                if self.let_go_if_too_much(sql, &health)? || self.let_go {
                    return self.look(sql, cancelled);
                }
                return self.wait_until_free(sql, health, cancelled);
            }
        }
        self.look(sql, cancelled)
    }

    /// Makes the slot anew unless it holds WAL from after `missing_lsn` on: then the server no longer has what it should have
    /// held, or nothing was to hold it.
    ///
    /// # Errors
    /// Those of [`SlotCare::prepare`].
    pub(super) fn renew_if_it_lost(
        &mut self,
        sql: &mut Connection,
        missing_lsn: Lsn,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<SlotHealth, Error> {
        self.let_go = false;
        let health = self.look(sql, cancelled)?;
        match health.state {
            SlotState::Absent => self.create(sql)?,
            SlotState::Reserved | SlotState::AtRisk if health.restart_lsn.is_some_and(|lsn| lsn > missing_lsn) => {
                return Ok(health);
            }
            _ => self.replace(sql, lost_reason(&health))?,
        }
        self.look(sql, cancelled)
    }

    /// Looks, while streaming, whether the slot holds too much, or whether a slot that was let go may be made again.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`, `ClusterCancelled`.
    pub(super) fn watch(
        &mut self,
        sql: &mut Connection,
        behind_bytes: u64,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Watched, Error> {
        let Some(limit) = self.options.max_slot_retained_bytes else { return Ok(Watched::Fine) };
        if self.let_go {
            // Only well below the limit, or it would be let go again at once.
            if behind_bytes >= limit / 2 {
                return Ok(Watched::Fine);
            }
            self.let_go = false;
            return Ok(Watched::Changed);
        }
        let health = self.look(sql, cancelled)?;
        let dropped = self.let_go_if_too_much(sql, &health)?;
        Ok(if dropped { Watched::Changed } else { Watched::Fine })
    }

    /// Says who has the slot.
    pub(super) fn busy(&self, sql: &mut Connection, cancelled: &dyn Fn() -> bool) -> Error {
        match self.look(sql, cancelled) {
            Ok(health) => {
                WalError::WalSlotBusy { slot: self.options.slot.clone(), pid: health.active_pid.unwrap_or(0) }.into()
            }
            Err(error) => error,
        }
    }

    fn look(&self, sql: &mut Connection, cancelled: &dyn Fn() -> bool) -> Result<SlotHealth, Error> {
        let limit = self.options.max_slot_retained_bytes;
        Ok(slot_health_cancellable(sql, &self.options.slot, limit, cancelled)?)
    }

    fn create(&self, sql: &mut Connection) -> Result<(), Error> {
        let slot = || self.options.slot.clone();
        match create_slot(sql, &self.options.slot) {
            Ok(true) => self.observer.event(ReceiveEvent::WalSlotCreated { slot: slot() }),
            // Somebody was as quick.
            Ok(false) => {}
            Err(ClusterError::ClusterSql { sqlstate: state, detail, .. }) if state == sqlstate::INVALID_NAME => {
                return Err(WalError::WalSlotUnusable { slot: slot(), detail }.into());
            }
            // Too low a wal_level, or max_replication_slots.
            Err(ClusterError::ClusterSql { sqlstate: state, detail, .. })
                if [sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, sqlstate::CONFIGURATION_LIMIT_EXCEEDED]
                    .contains(&state.as_str()) =>
            {
                return Err(WalError::WalReplicationRefused { detail }.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn replace(&self, sql: &mut Connection, reason: String) -> Result<(), Error> {
        drop_slot(sql, &self.options.slot)?;
        create_slot(sql, &self.options.slot)?;
        self.observer.event(ReceiveEvent::WalSlotReplaced { slot: self.options.slot.clone(), reason });
        Ok(())
    }

    /// A full disk stops the server; a gap in the archive does not.
    fn let_go_if_too_much(&mut self, sql: &mut Connection, health: &SlotHealth) -> Result<bool, Error> {
        let too_much = health.findings.iter().find_map(|finding| match finding {
            SlotFinding::SlotRetainsTooMuch { retained_bytes, limit_bytes, .. } => {
                Some((*retained_bytes, *limit_bytes))
            }
            _ => None,
        });
        let Some((retained_bytes, limit_bytes)) = too_much else { return Ok(false) };
        let slot = self.options.slot.clone();
        drop_slot(sql, &slot)?;
        self.let_go = true;
        let trouble = SlotFinding::SlotRetainsTooMuch { slot: slot.clone(), retained_bytes, limit_bytes };
        self.trouble = Some(trouble);
        self.observer.event(ReceiveEvent::WalSlotDropped { slot, retained_bytes, limit_bytes });
        Ok(true)
    }

    fn wait_until_free(
        &self,
        sql: &mut Connection,
        mut health: SlotHealth,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<SlotHealth, Error> {
        let deadline = Instant::now() + BUSY_PATIENCE;
        while let Some(pid) = health.active_pid {
            if Instant::now() >= deadline {
                return Err(WalError::WalSlotBusy { slot: self.options.slot.clone(), pid }.into());
            }
            std::thread::sleep(BUSY_INTERVAL);
            health = self.look(sql, cancelled)?;
        }
        Ok(health)
    }
}

fn lost_reason(health: &SlotHealth) -> String {
    let reason = health.findings.iter().find_map(|finding| match finding {
        SlotFinding::SlotLost { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    reason.unwrap_or_else(|| "wal_removed".to_owned())
}
