use super::wal::{WalPlan, plan_wal};
use super::{Policy, RetentionView, backups};
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use std::collections::BTreeSet;
use vault::repository::{BackupId, BackupKind, BackupMethod, BackupState};

/// What stays, what goes, and why. Nothing has been touched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetentionPlan {
    /// Every backup whose record can be read, in order of their ids.
    pub backups: Vec<BackupVerdict>,
    /// The size of the archives that go.
    pub freed_bytes: u64,
    /// The log.
    pub wal: WalPlan,
    /// What retention never touches, and somebody should look at.
    pub findings: Vec<RetentionFinding>,
}

/// What is decided about one backup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackupVerdict {
    /// Its number.
    pub id: BackupId,
    /// What it holds.
    pub kind: BackupKind,
    /// What it is made of.
    pub method: BackupMethod,
    /// Whether it is complete.
    pub state: BackupState,
    /// The file name of its archive.
    pub archive_name: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Size of its archive.
    pub archive_bytes: u64,
    /// Whether it stays.
    pub stays: bool,
    /// Why.
    pub reason: RetentionReason,
}

/// Why a backup, or WAL, stays or goes. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum RetentionReason {
    /// It began on that day or later.
    RetentionInPeriod { day: String },
    /// Of those that can be restored it is the newest.
    RetentionNewest {},
    /// Of the logical backups it is the newest.
    RetentionNewestLogical {},
    /// Its FULL is among so many newest ones.
    RetentionChain { min_chains: u32 },
    /// The next backup may stand on it.
    RetentionNextBase {},
    /// Every instant of the last so many days is reached from it: of those that ended before them it is the newest, or of all the
    /// oldest.
    RetentionWalBase { days: u32 },
    /// That backup, which stays, stands on it.
    RetentionBase { id: u64 },
    /// A record that can't be read may be of a backup that stands on it.
    RetentionDoubt { object: String },
    /// It failed, and yet an archive lies beside its record.
    RetentionOrphanBeside { object: String },
    /// It began before that day, and nothing needs it.
    RetentionExpired { day: String },
    /// A cleanup that died had begun to remove it.
    RetentionInterrupted {},
}

/// What retention leaves alone. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum RetentionFinding {
    /// An archive that no record vouches for.
    RetentionOrphan { object: String },
    /// A record that can't be read: while it is there, no WAL goes.
    RetentionUnreadableRecord { object: String, detail: String },
    /// A completed backup without its archive.
    RetentionArchiveMissing { id: u64 },
    /// Nothing tells where a timeline came from: all of its WAL stays.
    RetentionUnknownDescent { timeline: u32 },
    /// What lies below `wal/` and is none of ours.
    RetentionForeignWal { object: String },
}

impl RetentionFinding {
    /// Tells whether somebody should do something about it: what others keep below `wal/` harms nobody.
    pub fn needs_a_look(&self) -> bool {
        !matches!(self, RetentionFinding::RetentionForeignWal { .. })
    }
}

/// Decides. Pure: the same view, policy and instant give the same plan; `now`'s zone tells where a day begins.
pub fn plan(view: &RetentionView, policy: &Policy, now: &Zoned) -> RetentionPlan {
    let backups = backups::judge(view, policy, now);
    let kept: BTreeSet<BackupId> = backups.iter().filter(|verdict| verdict.stays).map(|verdict| verdict.id).collect();
    let gone = backups.iter().filter(|verdict| !verdict.stays);
    RetentionPlan {
        freed_bytes: gone.map(|verdict| verdict.archive_bytes).sum(),
        wal: plan_wal(view, policy, &kept, now),
        findings: findings(view),
        backups,
    }
}

impl RetentionPlan {
    /// Returns the backups that go.
    pub fn going(&self) -> BTreeSet<BackupId> {
        self.backups.iter().filter(|verdict| !verdict.stays).map(|verdict| verdict.id).collect()
    }

    /// Tells whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.backups.iter().all(|verdict| verdict.stays) && self.wal.is_empty()
    }
}

fn findings(view: &RetentionView) -> Vec<RetentionFinding> {
    let contents = &view.contents;
    let orphans =
        contents.orphan_archives.iter().map(|object| RetentionFinding::RetentionOrphan { object: object.clone() });
    let unreadable = contents.unreadable.iter().filter(|unreadable| unreadable.is_of_backup());
    let unreadable = unreadable.map(|unreadable| {
        let (object, detail) = (unreadable.key.clone(), unreadable.detail.clone());
        RetentionFinding::RetentionUnreadableRecord { object, detail }
    });
    let missing = contents.without_archive.iter().map(|id| RetentionFinding::RetentionArchiveMissing { id: id.0 });
    let unknown = super::wal::unknown_descents(&view.wal);
    let unknown =
        unknown.into_iter().map(|timeline| RetentionFinding::RetentionUnknownDescent { timeline: timeline.0 });
    let foreign = view.wal.contents.foreign.iter();
    let foreign = foreign.map(|object| RetentionFinding::RetentionForeignWal { object: object.clone() });
    orphans.chain(unreadable).chain(missing).chain(unknown).chain(foreign).collect()
}
