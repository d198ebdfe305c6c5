//! Checks of the server.

use super::item::{CheckState, Checklist};
use crate::failure::Failure;
use cadena::cluster::ClusterInfo;
use cadena::pgformat::control_file::{CONTROL_FILE_PATH, ControlFile, WalLevel};
use cadena::reader::ReaderChoice;
use std::path::Path;

/// Checks everything that the probe tells.
pub fn check(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    wal_level(list, cluster);
    privileges(list, cluster);
    slots(list, cluster);
    data_checksums(list, cluster);
    reader(list, cluster);
    external_files(list, cluster);
    binaries(list, cluster);
}

fn wal_level(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    match cluster.wal_level {
        WalLevel::Minimal => list.add(CheckState::Fail, "check-wal-level-minimal", &[]),
        WalLevel::Replica | WalLevel::Logical => list.add(CheckState::Ok, "check-wal-level", &[]),
    }
}

fn privileges(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    let role = || ("role", cluster.role.as_str().into());
    if cluster.missing_privileges.is_empty() {
        list.add(CheckState::Ok, "check-privileges", &[role()]);
    }
    for finding in &cluster.missing_privileges {
        let purpose = list.session().locale.text(&finding.purpose, &[]);
        let state = if finding.required { CheckState::Fail } else { CheckState::Warn };
        let values = [role(), ("purpose", purpose.into()), ("grant", finding.grant.as_str().into())];
        list.add(state, "check-privilege-missing", &values);
    }
}

fn slots(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    let values = [("free", cluster.free_replication_slots.into()), ("all", cluster.max_replication_slots.into())];
    match cluster.free_replication_slots {
        0 => list.add(CheckState::Warn, "check-slots-none", &values),
        _ => list.add(CheckState::Ok, "check-slots", &values),
    }
}

fn data_checksums(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    match cluster.data_checksums {
        true => list.add(CheckState::Ok, "check-checksums", &[]),
        false => list.add(CheckState::Warn, "check-checksums-off", &[]),
    }
}

/// Says which source `--reader auto` would choose, and whether the configured one works.
fn reader(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    let directory = || ("directory", cluster.data_directory.as_str().into());
    let choice = list.session().settings.reader;
    match (choice, local_obstacle(cluster)) {
        (ReaderChoice::Sql, _) => list.add(CheckState::Ok, "check-reader-sql", &[]),
        (_, None) => list.add(CheckState::Ok, "check-reader-local", &[directory()]),
        (ReaderChoice::Auto, Some(reason)) => {
            list.add(CheckState::Ok, "check-reader-auto-sql", &[("reason", reason.into())]);
        }
        (ReaderChoice::Local, Some(reason)) => {
            list.add(CheckState::Fail, "check-reader-not-local", &[directory(), ("reason", reason.into())]);
        }
    }
}

/// Says why the data directory can't be read here, if it can't.
fn local_obstacle(cluster: &ClusterInfo) -> Option<String> {
    if !cluster.is_local {
        return Some("remote".to_owned());
    }
    if cluster.data_directory.is_empty() {
        return Some("data_directory".to_owned());
    }
    match std::fs::read(Path::new(&cluster.data_directory).join(CONTROL_FILE_PATH)) {
        Err(error) => Some(error.to_string()),
        Ok(bytes) => match ControlFile::parse(&bytes) {
            Err(error) => Some(error.to_string()),
            Ok(control) if control.system_identifier != cluster.system_identifier => {
                Some(control.system_identifier.to_string())
            }
            Ok(_) => None,
        },
    }
}

/// Debian keeps the configuration outside the data directory; a base backup does not hold it.
fn external_files(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    if !cluster.external_config_files.is_empty() {
        let paths: Vec<&str> = cluster.external_config_files.iter().map(|file| file.path.as_str()).collect();
        list.add(CheckState::Warn, "check-external-files", &[("files", paths.join(", ").into())]);
    }
}

/// PostgreSQL's own programs are needed to start a restored cluster, not to back one up.
fn binaries(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    match list.session().settings.binaries.find(cluster.version) {
        Ok(found) => {
            let values = [
                ("folder", found.folder.display().to_string().into()),
                ("version", cluster.version.number().to_string().into()),
            ];
            list.add(CheckState::Ok, "check-binaries", &values);
        }
        Err(error) => list.add_failure(CheckState::Warn, "check-binaries", &Failure::from(error)),
    }
}
