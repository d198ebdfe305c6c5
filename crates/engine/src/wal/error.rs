use serde::Serialize;

/// Says what went wrong with streaming or serving WAL. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each message says what its fields are")]
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum WalError {
    /// Another process receives into this repository.
    #[error("another receiver (process {pid} on {host}) writes this repository's WAL")]
    WalReceiverBusy { host: String, pid: u32 },
    /// Another client streams from the slot.
    #[error("replication slot {slot} is in use by process {pid} of the server")]
    WalSlotBusy { slot: String, pid: i32 },
    /// The slot was lost: the server threw away WAL that it needed.
    #[error("replication slot {slot} has lost its WAL ({reason})")]
    WalSlotLost { slot: String, reason: String },
    /// The slot's name is taken by a logical slot, or is no valid name.
    #[error("replication slot {slot} can't be used: {detail}")]
    WalSlotUnusable { slot: String, detail: String },
    /// The server does not let us stream: pg_hba.conf, REPLICATION, max_wal_senders, wal_level.
    #[error("the server refuses to stream its WAL: {detail}")]
    WalReplicationRefused { detail: String },
    /// The server is behind what was received from it: it was set back, or another took its place, on the same timeline.
    #[error("the server's WAL ends at {server_lsn} on timeline {timeline}; {received_lsn} was received from it before")]
    WalServerBehind { timeline: String, server_lsn: String, received_lsn: String },
    /// The server no longer has WAL that the archive lacks, and nothing says where it goes on.
    #[error("the server has removed WAL segment {segment} before it was received")]
    WalRemoved { segment: String },
    /// What the server sends is not WAL of this cluster, or is damaged.
    #[error("the server sent WAL that is not valid at {lsn}: {detail}")]
    WalStreamInvalid { lsn: String, detail: String },
    /// Nothing came for too long, not even a sign of life.
    #[error("the server has not answered for {seconds} seconds")]
    WalStreamSilent { seconds: u64 },
    /// The file that the server wants to archive has no name of WAL.
    #[error("{name} is no name of a WAL segment, a history file or a backup's history")]
    WalFileName { name: String },
    /// A file of the server's pg_wal can't be read or written.
    #[error("{action} {path} failed: {cause}")]
    WalFile { path: String, action: &'static str, cause: String },
}
