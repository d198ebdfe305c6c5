//! Does the live server have what the database needs, and is there room? Asked once the throw-away cluster has told, before anything is
//! written elsewhere.

use super::{DatabaseError, DatabaseRequest, DumpParts};
use crate::Error;
use crate::cluster::{DatabaseFacts, DatabaseNeeds, LiveServer};
use std::path::Path;

/// A dump is compressed, but rows that can't be become a little longer as text.
const DUMP_ROOM: (u64, u64) = (11, 10);

/// Checks everything, and returns the roles that are to be made.
///
/// # Errors
/// `DatabaseMissingRoles`, `DatabaseMissingExtensions`, `DatabaseMissingTablespaces`; those of the server's answers.
pub(super) fn check_needs(
    live: &mut LiveServer,
    request: &DatabaseRequest,
    facts: &DatabaseFacts,
    needs: &DatabaseNeeds,
) -> Result<Vec<String>, Error> {
    let (database, server) = (facts.name.clone(), live.target());
    let extensions = LiveServer::missing(&needs.extensions, &live.available_extensions()?);
    if !extensions.is_empty() {
        let extensions = extensions.join(", ");
        return Err(DatabaseError::DatabaseMissingExtensions { database, server, extensions }.into());
    }
    if !request.no_tablespaces {
        let mut wanted = needs.tablespaces.clone();
        wanted.push(facts.tablespace.clone());
        let tablespaces = LiveServer::missing(&wanted, &live.tablespaces()?);
        if !tablespaces.is_empty() {
            let tablespaces = tablespaces.join(", ");
            return Err(DatabaseError::DatabaseMissingTablespaces { database, server, tablespaces }.into());
        }
    }
    let mut wanted = needs.policy_roles.clone();
    if !request.no_owner {
        wanted.extend(needs.owners.iter().cloned());
    }
    if !request.no_privileges {
        wanted.extend(needs.grantees.iter().cloned());
    }
    let roles = LiveServer::missing(&wanted, &live.roles()?);
    if roles.is_empty() || request.create_roles {
        return Ok(roles);
    }
    Err(DatabaseError::DatabaseMissingRoles { database, server, roles: roles.join(", ") }.into())
}

/// Returns how long a dump of the database may be at most, in a form that compresses.
pub(super) fn dump_estimate(facts: &DatabaseFacts, parts: DumpParts) -> u64 {
    if parts == DumpParts::Schema { 0 } else { facts.data_bytes / DUMP_ROOM.1 * DUMP_ROOM.0 }
}

/// Checks that the dump fits into the folder beside the throw-away cluster, and the database onto the live server's disk where that is ours.
///
/// # Errors
/// `DatabaseNoSpace`; those of the server's answers.
pub(super) fn check_room(
    live: &mut LiveServer,
    facts: &DatabaseFacts,
    parts: DumpParts,
    folder: &Path,
    dump_bytes: u64,
) -> Result<(), Error> {
    let mut needs = vec![(folder.to_owned(), dump_bytes)];
    if parts != DumpParts::Schema
        && let Some(directory) = live.local_data_directory()?
    {
        needs.push((directory, facts.total_bytes));
    }
    for (number, (directory, needed)) in needs.iter().enumerate() {
        let Some((device, free_bytes)) = room(directory) else { continue };
        // Both may lie on one disk.
        let others = needs[..number].iter().filter(|(other, _)| room(other).is_some_and(|(same, _)| same == device));
        let needed_bytes = needed + others.map(|(_, bytes)| bytes).sum::<u64>();
        if free_bytes < needed_bytes {
            let (database, directory) = (facts.name.clone(), directory.display().to_string());
            return Err(DatabaseError::DatabaseNoSpace { database, directory, free_bytes, needed_bytes }.into());
        }
    }
    Ok(())
}

/// Returns a directory's file system and what an ordinary user may still take of it; `None` when it can't be asked, such as for want of
/// rights on the server's directory.
fn room(directory: &Path) -> Option<(u64, u64)> {
    #[allow(clippy::unnecessary_cast, reason = "dev_t is another integer on some systems")]
    let device = rustix::fs::stat(directory).ok()?.st_dev as u64;
    let room = rustix::fs::statvfs(directory).ok()?;
    Some((device, room.f_bavail.saturating_mul(room.f_frsize)))
}
