//! Checks of the repository and of the room it has.

use super::super::open_repository;
use super::item::{CheckState, Checklist};
use crate::render::units;
use cadena::cluster::ClusterInfo;
use cadena::encryption::Recipients;
use cadena::repository::{Repository, RepositoryError};
use rustix::fs::{Access, access, statvfs};
use std::path::Path;

/// Checks existence, ownership of the cluster, writability and free space.
pub fn check(list: &mut Checklist<'_>, cluster: Option<&ClusterInfo>) {
    let Some(folder) = list.session().settings.repository_folder() else {
        return elsewhere(list, cluster);
    };
    let folder = folder.as_path();
    match open_repository(list.session()) {
        Ok(repository) => identity(list, &repository, cluster),
        Err(failure) if failure.key() == "repository-absent" => {
            list.add(CheckState::Fail, "check-repository-absent", &[("folder", folder.display().to_string().into())]);
        }
        Err(failure) => list.add_failure(CheckState::Fail, "check-repository", &failure),
    }
    // What does not exist yet is made in the nearest folder above that does.
    if let Some(existing) = folder.ancestors().find(|ancestor| ancestor.exists()) {
        writable(list, existing);
        free_space(list, existing, cluster.and_then(|cluster| cluster.size_bytes));
    }
}

/// Of a storage elsewhere there is only to say whether it answers, and whose repository it holds.
fn elsewhere(list: &mut Checklist<'_>, cluster: Option<&ClusterInfo>) {
    match open_repository(list.session()) {
        Ok(repository) => identity(list, &repository, cluster),
        Err(failure) if failure.key() == "repository-absent" => {
            let place = list.session().settings.store.url.split('?').next().unwrap_or_default().to_owned();
            list.add(CheckState::Fail, "check-repository-absent", &[("folder", place.into())]);
        }
        Err(failure) => list.add_failure(CheckState::Fail, "check-repository", &failure),
    }
}

fn identity(list: &mut Checklist<'_>, repository: &Repository, cluster: Option<&ClusterInfo>) {
    let storage = repository.storage().describe();
    let found = repository.description().system_identifier;
    match cluster.filter(|cluster| cluster.system_identifier != found) {
        Some(cluster) => {
            let (found, wanted) = (found.to_string(), cluster.system_identifier.to_string());
            let error = RepositoryError::RepositoryForeign { storage, found, wanted };
            list.add_failure(CheckState::Fail, "check-repository", &error.into());
        }
        None => {
            list.add(CheckState::Ok, "check-repository", &[("folder", storage.into())]);
            encryption(list, repository);
        }
    }
}

/// For whom is encrypted, and whether that is what the configuration says.
fn encryption(list: &mut Checklist<'_>, repository: &Repository) {
    let configured = Recipients::parse(&list.session().settings.encryption.recipients);
    let checked = configured.and_then(|configured| repository.check_recipients(configured.as_ref()));
    match (checked, repository.recipients()) {
        (Err(error), _) => list.add_failure(CheckState::Fail, "check-encryption", &error.into()),
        (Ok(()), None) => list.add(CheckState::Ok, "check-encryption-off", &[]),
        (Ok(()), Some(recipients)) => {
            list.add(CheckState::Ok, "check-encryption", &[("recipients", recipients.to_string().into())]);
            if repository.keys().is_empty() {
                list.add(CheckState::Ok, "check-encryption-blind", &[]);
            }
        }
    }
}

fn writable(list: &mut Checklist<'_>, folder: &Path) {
    let shown = || ("folder", folder.display().to_string().into());
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => list.add(CheckState::Ok, "check-writable", &[shown()]),
        Err(errno) => list.add(CheckState::Fail, "check-not-writable", &[shown(), ("cause", errno.to_string().into())]),
    }
}

/// The cluster's own size is the most that a FULL can take; less free space may still do.
fn free_space(list: &mut Checklist<'_>, folder: &Path, cluster_bytes: Option<u64>) {
    let free_bytes = match statvfs(folder) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(errno) => {
            let values = [("folder", folder.display().to_string().into()), ("cause", errno.to_string().into())];
            return list.add(CheckState::Warn, "check-space-unknown", &values);
        }
    };
    let language = list.session().locale.language();
    let free = ("free", units::size(free_bytes, language).into());
    match cluster_bytes {
        Some(needed) if free_bytes < needed => {
            list.add(CheckState::Warn, "check-space-low", &[free, ("needed", units::size(needed, language).into())]);
        }
        Some(needed) => {
            list.add(CheckState::Ok, "check-space", &[free, ("needed", units::size(needed, language).into())])
        }
        None => list.add(CheckState::Ok, "check-space-free", &[free]),
    }
}
