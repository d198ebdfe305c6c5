//! Hidden names, under which an object is written where it can't be made visible in one step: then it is renamed.

use crate::client::Client;
use crate::failure::Failure;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a hidden name ends.
const SUFFIX: &str = ".cadena-partial";
/// Nobody takes longer over an object: what is older is a left-over. It is told by our clock, so it is long.
const AGE_SECONDS: i64 = 24 * 3600;

/// Returns the name under which a writer's object lies until it is whole.
pub(crate) fn name(key: &str, writer: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.{name}.{writer}{SUFFIX}"),
        None => format!(".{key}.{writer}{SUFFIX}"),
    }
}

/// Removes a hidden object that will not be finished.
pub(crate) fn discard(client: &dyn Client, hidden: &str) {
    if let Err(failure) = client.delete(hidden) {
        tracing::info!(?failure, hidden, "a left-over stays until the next sweep");
    }
}

/// Removes left-overs, as [`Client::sweep`] says.
pub(crate) fn sweep(client: &dyn Client, prefix: &str, exactly: bool) -> Result<(), Failure> {
    let (folder, name) = prefix.rsplit_once('/').map_or(("", prefix), |(folder, name)| (folder, name));
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let hidden = if exactly { format!("{folder}.{name}.") } else { format!("{folder}.") };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    for object in client.list(&hidden, None)? {
        let is_old = now.saturating_sub(object.modified_seconds) >= AGE_SECONDS;
        if is_old && object.key.ends_with(SUFFIX) && !object.key[folder.len()..].contains('/') {
            client.delete(&object.key)?;
        }
    }
    Ok(())
}
