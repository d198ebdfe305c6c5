use super::{DaemonEvent, DaemonLog, ReceiverSettings};
use engine::cluster::Connection;
use engine::wal::{ReceiveEvent, SlotFinding, drop_slot, slot_health};

/// Looks at the slot while nobody streams from it. A receiver that can't write, because the disk of the repository is full, say,
/// must not fill the server's disk too: then the slot goes, and the archive has a gap that the next backup closes.
#[derive(Default)]
pub struct SlotWatch {
    told: Vec<SlotFinding>,
}

impl SlotWatch {
    /// Tells of what is new, and lets the slot go when it holds back too much. Unreachable servers are the receiver's to tell of.
    pub fn look(&mut self, settings: &ReceiverSettings, log: &dyn DaemonLog) {
        let (slot, limit) = (&settings.receive.slot, settings.receive.max_slot_retained_bytes);
        let Ok(mut connection) = Connection::connect(&settings.connection) else { return };
        let health = match slot_health(&mut connection, slot, limit) {
            Ok(health) => health,
            Err(error) => {
                tracing::debug!(%error, "the slot could not be looked at");
                return;
            }
        };
        // A slot that is not there yet is the receiver's to make, and to tell of.
        let news =
            |finding: &&SlotFinding| !matches!(finding, SlotFinding::SlotAbsent { .. }) && !self.was_told(finding);
        for finding in health.findings.iter().filter(news) {
            log.record(&DaemonEvent::Slot(finding.clone()));
        }
        let too_much = health.findings.iter().find_map(|finding| match finding {
            SlotFinding::SlotRetainsTooMuch { retained_bytes, limit_bytes, .. } => {
                Some((*retained_bytes, *limit_bytes))
            }
            _ => None,
        });
        self.told = health.findings;
        let Some((retained_bytes, limit_bytes)) = too_much else { return };
        match drop_slot(&mut connection, slot) {
            Ok(_) => {
                let slot = slot.clone();
                let dropped = ReceiveEvent::WalSlotDropped { slot, retained_bytes, limit_bytes };
                log.record(&DaemonEvent::Receive(dropped));
            }
            Err(error) => {
                let error = serde_json::to_value(&error).unwrap_or_default();
                log.record(&DaemonEvent::DaemonReceiverFailed { error, seconds: 0 });
            }
        }
    }

    /// Tells whether a finding of this kind stands in the log already; its numbers change all the time.
    fn was_told(&self, finding: &SlotFinding) -> bool {
        self.told.iter().any(|told| std::mem::discriminant(told) == std::mem::discriminant(finding))
    }
}
