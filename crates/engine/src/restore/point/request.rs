use jiff::Timestamp;
use pgformat::wal::SummaryTime;
use pgformat::{Lsn, TimelineId};
use serde::Serialize;

/// How far recovery is to go, and how.
#[derive(Debug, Clone, Default)]
pub struct RecoveryRequest {
    /// Where to end.
    pub target: RecoveryTarget,
    /// Along which timeline.
    pub timeline: TimelineChoice,
    /// What the server does there.
    pub action: TargetAction,
    /// Whether the copy archives its own WAL with the source's settings.
    pub archive_mode: ArchiveMode,
    /// How the server gets its WAL.
    pub delivery: WalDelivery,
    /// The program that serves WAL, with its arguments up to and including `wal-fetch`; without it, WAL is staged.
    pub fetch_command: Option<Vec<String>>,
}

/// Where recovery ends. Everything before the point is there, and nothing from it on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RecoveryTarget {
    /// The end of the chosen backup: the earliest consistent point.
    #[default]
    BackupEnd,
    /// The end of the archived WAL; the newest backup's end when there is none.
    Latest,
    /// Every transaction that committed at or before this instant.
    Time(Timestamp),
    /// Every record that begins before this address.
    Lsn(Lsn),
    /// The restore point of this name.
    Name(String),
}

/// Which timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimelineChoice {
    /// The newest that the archive knows.
    #[default]
    Newest,
    /// This one.
    Number(TimelineId),
}

/// What the server does when recovery has reached its end (upstream `recovery_target_action`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetAction {
    /// It becomes a primary on a new timeline.
    #[default]
    Promote,
    /// It waits, read-only.
    Pause,
    /// It stops.
    Shutdown,
}

/// Whether the restored cluster goes on archiving and waiting for standbys as the source's settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveMode {
    /// `archive_mode = off` and no synchronous standbys: a copy that must not write into the source's archive.
    #[default]
    Off,
    /// As the source: the copy takes its place.
    Preserve,
}

/// How the server gets the WAL that it recovers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WalDelivery {
    /// By `restore_command` when the server's user can run it and read the repository, else staged.
    #[default]
    Auto,
    /// By `restore_command = cadena wal-fetch …`: needs no room, and the repository where it is.
    Fetch,
    /// Written into `pg_wal` now: the data directory stands on its own.
    Stage,
}

/// How recovery of a restored cluster will go.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryPlan {
    /// The timelines that the WAL comes from, the oldest first.
    pub timelines: Vec<TimelineId>,
    /// The first byte that will not be replayed.
    pub stop_lsn: Lsn,
    /// How the server knows.
    pub stop: RecoveryStop,
    /// The last transaction that will be there, when the WAL after the backup has one.
    pub last_commit: Option<SummaryTime>,
    /// Segments needed from the archive.
    pub segments: u64,
    /// Their size, unpacked.
    pub wal_bytes: u64,
    /// How the server gets them: `Fetch` or `Stage`.
    pub delivery: WalDelivery,
    /// What the server does at the end.
    pub action: TargetAction,
    /// Whether it archives.
    pub archive_mode: ArchiveMode,
}

/// How the server knows where to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryStop {
    /// The WAL that it is given ends there.
    EndOfWal,
    /// `recovery_target_lsn`, exclusive: a record that is known begins there.
    BeforeRecord,
}
