//! The catalog's policy as it was when it was last asked: `retention.json`.

use super::{CatalogAnswer, Policy, PolicyChoice, PolicyRow, RetentionError, choose_policy};
use crate::Error;
use serde::{Deserialize, Serialize};
use vault::repository::Repository;

/// The key of the object that remembers the catalog's policy.
pub const RETENTION_KEY: &str = "retention.json";

/// The catalog's policy, remembered in the repository for when the database is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastKnownPolicy {
    /// The row.
    pub row: PolicyRow,
    /// When it was read first.
    pub known_at: jiff::Timestamp,
}

/// Reads what was remembered; `None` when nothing was.
///
/// # Errors
/// `RetentionUnreadable`: a policy is not guessed at. Storage errors.
pub fn load_policy(repository: &Repository) -> Result<Option<LastKnownPolicy>, Error> {
    let Some(content) = repository.storage().get(RETENTION_KEY)? else { return Ok(None) };
    let known = serde_json::from_slice(&content).map_err(|error| unreadable(repository, error.to_string()))?;
    Ok(Some(known))
}

/// Remembers a row, unless it is what is remembered already.
///
/// # Errors
/// Storage errors.
pub fn save_policy(repository: &Repository, row: &PolicyRow, now: jiff::Timestamp) -> Result<(), Error> {
    // One that can't be read is replaced: the catalog is there to say what counts.
    if load_policy(repository).ok().flatten().is_some_and(|known| known.row == *row) {
        return Ok(());
    }
    let known = LastKnownPolicy { row: row.clone(), known_at: now };
    let mut content = serde_json::to_vec_pretty(&known).map_err(|error| unreadable(repository, error.to_string()))?;
    content.push(b'\n');
    Ok(repository.storage().put(RETENTION_KEY, &content)?)
}

/// Forgets what was remembered: the catalog has no active row any more.
///
/// # Errors
/// Storage errors.
pub fn forget_policy(repository: &Repository) -> Result<(), Error> {
    Ok(repository.storage().delete(RETENTION_KEY)?)
}

/// Chooses the policy that counts, checks its values, and remembers what the catalog said; without `now`, nothing is written. `file` is
/// `[retention]` of `cadena.toml`.
///
/// # Errors
/// `RetentionValue`; `RetentionUnreadable` when the catalog is away and what it last said can't be read; storage errors.
pub fn settle_policy(
    repository: &Repository,
    catalog: &CatalogAnswer,
    file: Option<&Policy>,
    now: Option<jiff::Timestamp>,
) -> Result<PolicyChoice, Error> {
    let last_known = match catalog {
        CatalogAnswer::Away => load_policy(repository)?,
        CatalogAnswer::NoRow | CatalogAnswer::Row(_) => None,
    };
    let choice = choose_policy(catalog, last_known.as_ref(), file);
    choice.policy.check()?;
    match (catalog, now) {
        (CatalogAnswer::Away, _) | (_, None) => {}
        (CatalogAnswer::NoRow, Some(_)) => forget_policy(repository)?,
        (CatalogAnswer::Row(row), Some(now)) => save_policy(repository, row, now)?,
    }
    Ok(choice)
}

fn unreadable(repository: &Repository, detail: String) -> RetentionError {
    let (object, storage) = (RETENTION_KEY.to_owned(), repository.storage().describe());
    RetentionError::RetentionUnreadable { object, storage, detail }
}
