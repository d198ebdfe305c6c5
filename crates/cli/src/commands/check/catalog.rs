//! Checks of the catalog in the database. Backups work without it.

use super::item::{CheckState, Checklist};
use crate::config::CatalogUse;
use crate::failure::Failure;
use cadena::catalog::{CatalogState, policy, state};
use cadena::cluster::Connection;

/// Checks that it is there, ours, and may be written to, and that the retention policy in it makes sense.
pub fn check(list: &mut Checklist<'_>, connection: &mut Connection) {
    let enabled = list.session().settings.catalog.enabled;
    if enabled == CatalogUse::Off {
        return list.add(CheckState::Ok, "check-catalog-off", &[]);
    }
    let found = match state(connection) {
        Ok(found) => found,
        Err(error) => return list.add_failure(CheckState::Warn, "check-catalog", &error.into()),
    };
    let target = connection.target();
    match found {
        CatalogState::Present { version, writable: true } => {
            list.add(CheckState::Ok, "check-catalog", &[("version", version.into()), ("target", target.into())]);
        }
        CatalogState::Present { writable: false, .. } => {
            return list.add(CheckState::Ok, "check-catalog-standby", &[("target", target.into())]);
        }
        CatalogState::Absent => {
            let state = if enabled == CatalogUse::On { CheckState::Warn } else { CheckState::Ok };
            return list.add(state, "check-catalog-absent", &[("target", target.into())]);
        }
        other => {
            let obstacle = other.usable(&target, false).map_err(Failure::from);
            return if let Err(failure) = obstacle {
                list.add_failure(CheckState::Warn, "check-catalog", &failure)
            };
        }
    }
    match policy(connection) {
        Ok(Some(policy)) => {
            let values = [
                ("name", policy.name.into()),
                ("full", policy.full_months.into()),
                ("differential", policy.differential_weeks.into()),
                ("incremental", policy.incremental_days.into()),
                ("chains", policy.min_chains.into()),
            ];
            list.add(CheckState::Ok, "check-catalog-policy", &values);
        }
        Ok(None) => {}
        Err(error) => list.add_failure(CheckState::Warn, "check-catalog-policy", &error.into()),
    }
}
