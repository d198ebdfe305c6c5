//! Checks of the server.

use super::item::{CheckState, Checklist};
use crate::failure::Failure;
use cadena::cluster::{ClusterInfo, Connection};
use cadena::pgformat::control_file::WalLevel;
use cadena::reader::{ReadError, ReaderChoice, choose_source};
use cadena::wal::{SlotState, slot_health};

/// Checks everything that the probe tells.
pub fn check(list: &mut Checklist<'_>, connection: &mut Connection, cluster: &ClusterInfo) {
    wal_level(list, cluster);
    privileges(list, cluster);
    slots(list, cluster);
    stream(list, connection);
    data_checksums(list, cluster);
    reader(list, connection, cluster);
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

/// Looks at the permanent slot of the stream. Backups work without it.
fn stream(list: &mut Checklist<'_>, connection: &mut Connection) {
    let settings = &list.session().settings;
    let health = match slot_health(connection, &settings.slot, settings.max_slot_retained_bytes) {
        Ok(health) => health,
        Err(error) => return list.add_failure(CheckState::Warn, "check-stream", &error.into()),
    };
    if health.state == SlotState::Absent {
        return list.add(CheckState::Ok, "check-stream-none", &[("slot", health.slot.into())]);
    }
    let findings: Vec<_> =
        health.findings.iter().map(|finding| serde_json::to_value(finding).unwrap_or_default()).collect();
    if findings.is_empty() {
        list.add(CheckState::Ok, "check-stream", &[("slot", health.slot.into())]);
    }
    for finding in findings {
        list.add_finding(CheckState::Warn, "check-stream", &finding);
    }
}

fn data_checksums(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    match cluster.data_checksums {
        true => list.add(CheckState::Ok, "check-checksums", &[]),
        false => list.add(CheckState::Warn, "check-checksums-off", &[]),
    }
}

/// Says which source a backup would read from, and whether a demanded local one works.
fn reader(list: &mut Checklist<'_>, connection: &mut Connection, cluster: &ClusterInfo) {
    let settings = &list.session().settings;
    if settings.reader == ReaderChoice::Sql {
        return list.add(CheckState::Ok, "check-reader-sql", &[]);
    }
    let obstacle = choose_source(&settings.connection, connection, cluster, ReaderChoice::Local).err();
    match (settings.reader, obstacle) {
        (_, None) => {
            let directory = cluster.data_directory.as_str().into();
            list.add(CheckState::Ok, "check-reader-local", &[("directory", directory)]);
        }
        (ReaderChoice::Auto, Some(ReadError::ReadNotLocal { reason, .. })) => {
            list.add(CheckState::Ok, "check-reader-auto-sql", &[("reason", reason.into())]);
        }
        (_, Some(error)) => list.add_failure(CheckState::Fail, "check-reader-local", &error.into()),
    }
}

/// Debian keeps the configuration outside the data directory. A backup holds a copy; a restore does not put it back in place.
fn external_files(list: &mut Checklist<'_>, cluster: &ClusterInfo) {
    if !cluster.external_config_files.is_empty() {
        let paths: Vec<&str> = cluster.external_config_files.iter().map(|file| file.path.as_str()).collect();
        list.add(CheckState::Ok, "check-external-files", &[("files", paths.join(", ").into())]);
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
