use serde::Serialize;

/// Says what went wrong with copies. Serializes to `{"key": …, arguments}`.
#[derive(Debug, Clone, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs)] // of the fields: each is named by the sentence above it
pub enum ReplicaError {
    /// Another cluster's backups lie there.
    #[error("the replica {replica} holds backups of cluster {found}, not of {wanted}")]
    ReplicaForeign { replica: String, found: String, wanted: String },
    /// It is the repository itself.
    #[error("the replica {replica} is the repository itself: {storage}")]
    ReplicaIsRepository { replica: String, storage: String },
    /// Somebody else works with it.
    #[error("{holder} is working with the replica {replica}")]
    ReplicaBusy { replica: String, holder: String },
    /// What was to be copied is not what its record says.
    #[error("{object} in {storage} is damaged: its SHA-256 is {found}, recorded is {recorded}")]
    ReplicaSourceDamaged { storage: String, object: String, found: String, recorded: String },
    /// What arrived is not what was sent.
    #[error("{object} arrived in {storage} with {found_bytes} bytes instead of {sent_bytes}")]
    ReplicaArrivedShort { storage: String, object: String, sent_bytes: u64, found_bytes: u64 },
    /// Another object has the name.
    #[error("{object} in {storage} is another one: {found_bytes} bytes instead of {wanted_bytes}")]
    ReplicaConflict { storage: String, object: String, found_bytes: u64, wanted_bytes: u64 },
    /// It may be written only, and what is asked for reads or removes.
    #[error("the replica {replica} is only written: it can be neither read nor cleaned from here")]
    ReplicaWriteOnly { replica: String },
    /// Something lies there already, and whose it is can't be seen.
    #[error("something lies in the replica {replica} already, {storage}, and whose it is can't be seen")]
    ReplicaUnseen { replica: String, storage: String },
    /// The remembered state can't be read.
    #[error("{object} in {storage} can't be read: {detail}")]
    ReplicaStateUnreadable { object: String, storage: String, detail: String },
    /// Nothing that could be pulled.
    #[error("there is no completed backup {id} in the replica {replica}")]
    ReplicaNoBackup { replica: String, id: String },
    /// A chain there has a hole.
    #[error("backup {id} in the replica {replica} stands on {base_id}, which is not there")]
    ReplicaBrokenChain { replica: String, id: String, base_id: String },
}
