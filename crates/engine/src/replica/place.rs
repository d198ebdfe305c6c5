use crate::retention::Policy;
use std::sync::Arc;
use vault::storage::Storage;

/// A place for copies.
#[derive(Clone)]
pub struct Replica {
    /// What it is called in the configuration; letters, digits, `-`, `_`.
    pub name: String,
    /// Who keeps it, in the catalog's word: `LOCAL`, `S3`, `GOOGLE_DRIVE`, …
    pub provider: String,
    /// Where it is.
    pub storage: Arc<dyn Storage>,
    /// What may go there.
    pub retention: ReplicaRetention,
    /// Whether we may write there and nothing else: nothing is read, listed or removed.
    pub write_only: bool,
    /// How many bytes a second may go there; `None`: no bound.
    pub max_rate_bytes: Option<u64>,
}

/// What may go from a replica. It never follows deletions in the repository: that would carry a mistake there, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicaRetention {
    /// What the repository's own policy lets go, applied to what lies in the replica.
    AsRepository,
    /// What another policy lets go.
    Own(Policy),
    /// Nothing: rules of the bucket, or another host, see to that.
    Everything,
}

impl ReplicaRetention {
    /// Returns the policy, given the repository's.
    pub fn policy<'a>(&'a self, repository: &'a Policy) -> Option<&'a Policy> {
        match self {
            ReplicaRetention::AsRepository => Some(repository),
            ReplicaRetention::Own(policy) => Some(policy),
            ReplicaRetention::Everything => None,
        }
    }
}
