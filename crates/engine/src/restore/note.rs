use serde::Serialize;

/// Something that a restore did and that its user should know. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its field is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum RestoreNote {
    /// The backup held no such configuration file (Debian keeps them in /etc); a minimal one was written.
    RestoreWroteConfig { file: String },
    /// The source's own configuration files, which lay outside its data directory, are in this folder of the new one. They
    /// were not put to use, since they name the source's directories.
    RestoreKeptConfig { folder: String },
    /// The backup was taken from a standby or a cluster in recovery: its signal file was left out, so that the copy becomes a
    /// cluster of its own.
    RestoreDroppedSignal { file: String },
    /// A restore that was killed earlier had left files in this directory; they were removed first.
    RestoreRemovedRemains { directory: String },
    /// The copy does not archive its WAL and waits for no standby, whatever the source's settings say.
    RestoreArchivingOff {},
    /// The server fetches its WAL from the repository with this command while it recovers: both must stay until it has ended.
    RestoreFetchesWal { command: String },
    /// A newer backup would have led to the target as well, and can't be restored: a backup that it stands on is not as it was.
    RestorePassedOver { id: String, reason: String },
    /// The source loads this library at its start; this machine does not have it, so a throw-away cluster was started without.
    RestoreWithoutLibrary { library: String },
    /// A link that the backup does not have was removed; what it led to is as it was.
    RestoreRemovedLink { link: String, destination: String },
}
