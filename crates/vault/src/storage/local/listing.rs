//! Listings: every object below a folder.

use super::Folder;
use crate::storage::StoredObject;
use crate::storage::key::{is_reserved, key_parts};
use std::io;

/// Folders deeper than this are an error: no key is that deep.
const DEPTH_LIMIT: usize = 128;

/// Collects the objects below `folder`, whose key is `folder_key` (empty, or ending in `/`), and whose keys begin with `prefix`.
///
/// Files that vanish meanwhile are left out; so are names that are no valid key, since no object can have them. Links to
/// files and folders are followed, so that archives which were moved to another disk and linked are still found; a folder
/// that a link leads back into is not entered twice.
pub(super) fn walk(
    folder: &Folder,
    folder_key: &str,
    prefix: &str,
    ancestors: &mut Vec<u128>,
    objects: &mut Vec<StoredObject>,
) -> io::Result<()> {
    let identity = folder.identity()?;
    if ancestors.contains(&identity) {
        return Ok(());
    }
    if ancestors.len() >= DEPTH_LIMIT {
        return Err(io::Error::other(format!("folders are nested too deep at {folder_key}")));
    }
    ancestors.push(identity);
    for name in folder.names()? {
        let Some(name) = name.to_str().filter(|name| !is_reserved(name)) else { continue };
        let key = format!("{folder_key}{name}");
        let wanted = key.starts_with(prefix) || prefix.starts_with(&format!("{key}/"));
        if !wanted || key_parts(&key).is_err() {
            continue;
        }
        let found = match folder.metadata(name) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(named(&key, &error)),
        };
        if found.is_file {
            objects.push(StoredObject { key, size_bytes: found.size_bytes, modified_seconds: found.modified_seconds });
        } else if found.is_folder {
            let depth = ancestors.len();
            let walked = match folder.open_folder(name) {
                Ok(inner) => walk(&inner, &format!("{key}/"), prefix, ancestors, objects),
                Err(error) => Err(named(&key, &error)),
            };
            match walked {
                // The folder itself vanished; names that vanish in it are no errors of the walk.
                Err(error) if error.kind() == io::ErrorKind::NotFound => ancestors.truncate(depth),
                walked => walked?,
            }
        }
    }
    ancestors.pop();
    Ok(())
}

/// Adds the entry's key to an error, and keeps its kind.
fn named(key: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{key}: {error}"))
}
