/// Names what an operation is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Waiting for the checkpoint that begins a backup.
    Checkpoint,
    /// Counting files and bytes.
    Scanning,
    /// Reading the cluster and writing the archive.
    Copying,
    /// Adding the WAL from start to stop LSN.
    CollectingWal,
    /// Making the archive durable.
    Committing,
    /// Checking archives before anything is written.
    Verifying,
    /// Writing the data directory.
    Restoring,
    /// Making the data directory durable.
    Syncing,
    /// Starting the server and waiting for it.
    Starting,
    /// Writing a dump of one database.
    Dumping,
    /// Loading it into another server.
    Loading,
    /// Copying an archive to or from a replica.
    Sending,
}

/// Receives progress; the edge draws it. Called from many threads, often: keep it cheap.
pub trait Progress: Send + Sync {
    /// Begins a phase. `total_bytes` is an estimate where it is known.
    fn phase(&self, phase: Phase, total_bytes: Option<u64>);
    /// Adds plain bytes done in the present phase.
    fn advance(&self, bytes: u64);
    /// Tells the number and the name that were reserved for what is being made; from now on others may see that it is under way.
    fn reserved(&self, _id: u64, _name: &str) {}
}

/// Ignores progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentProgress;

impl Progress for SilentProgress {
    fn phase(&self, _phase: Phase, _total_bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
}
