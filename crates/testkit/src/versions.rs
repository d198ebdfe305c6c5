//! Which PostgreSQL versions can tests use here?

use engine::cluster::{BinarySearch, PostgresBinaries, ServerOwner};
use pgformat::MajorVersion;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Set to 1 it makes a missing server a failure: continuous integration sets it, so that no test is skipped unseen.
const REQUIRE: &str = "CADENA_TEST_REQUIRE_SERVERS";
/// Where scripts/setup-servers puts the servers, if not into the default.
const SERVERS: &str = "CADENA_TEST_SERVERS";

/// Returns the programs of one version, or `None` when this machine has no such server.
pub fn binaries(version: MajorVersion) -> Option<PostgresBinaries> {
    static FOUND: OnceLock<Vec<(MajorVersion, Option<PostgresBinaries>)>> = OnceLock::new();
    let found = FOUND.get_or_init(|| MajorVersion::ALL.into_iter().map(|each| (each, look_for(each))).collect());
    found.iter().find(|(each, _)| *each == version).and_then(|(_, binaries)| binaries.clone())
}

/// Looks into the folders that scripts/setup-servers fills, then into the usual places.
fn look_for(version: MajorVersion) -> Option<PostgresBinaries> {
    let folders = match std::env::var_os(SERVERS) {
        Some(folder) => vec![PathBuf::from(folder)],
        None => {
            let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/cadena/servers"));
            let shared = PathBuf::from("/var/cache/cadena/servers");
            // Another user cannot enter root's home, where the servers would have to run from.
            if ServerOwner::current().is_some() { home.into_iter().chain([shared]).collect() } else { vec![shared] }
        }
    };
    folders
        .iter()
        .find_map(|folder| {
            let found = PostgresBinaries::in_folder(&folder.join(version.to_string()).join("bin"))?;
            (found.version == version).then_some(found)
        })
        .or_else(|| BinarySearch::default().find(version).ok())
}

/// Tells whether a test can use `version`. When it can't, the test fails if `CADENA_TEST_REQUIRE_SERVERS=1`, and
/// otherwise a line that cannot be overlooked goes to the error output.
///
/// # Panics
/// When the server is missing and required.
pub fn is_available(version: MajorVersion) -> bool {
    if binaries(version).is_some() {
        return true;
    }
    skip(&format!("PostgreSQL {version} is missing: run scripts/setup-servers"));
    false
}

/// Speaks up for what a test wants and this machine lacks: the test fails if `CADENA_TEST_REQUIRE_SERVERS=1`, and otherwise a line that
/// cannot be overlooked goes to the error output.
///
/// # Panics
/// When servers are required.
pub fn skip(message: &str) {
    assert!(std::env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{message}");
    eprintln!("SKIPPED: {message}");
}

/// Returns every version that tests can use here, oldest first; speaks up for each that is missing as [`is_available`] does.
pub fn available_versions() -> Vec<MajorVersion> {
    MajorVersion::ALL.into_iter().filter(|version| is_available(*version)).collect()
}

/// Returns a program of exactly `version`, or `None`: the packages of 14 and 16 bring only initdb, pg_ctl and postgres.
pub fn own_program(version: MajorVersion, name: &str) -> Option<PathBuf> {
    binaries(version)?.program(name).ok()
}

/// Returns a client program, of the newest version that has it. New clients talk to old servers, not the other way round.
///
/// # Panics
/// When no version has it.
pub fn client_program(name: &str) -> PathBuf {
    MajorVersion::ALL
        .into_iter()
        .rev()
        .find_map(|version| own_program(version, name))
        .unwrap_or_else(|| panic!("no PostgreSQL here has the program {name}: run scripts/setup-servers"))
}

/// Returns the user that runs the test servers: we, or as root `postgres`, or `nobody` when there is no such user.
///
/// # Panics
/// When we are root and neither exists.
pub fn server_owner() -> ServerOwner {
    ServerOwner::current()
        .or_else(|| ServerOwner::named("postgres").ok())
        .or_else(|| ServerOwner::named("nobody").ok())
        .unwrap_or_else(|| panic!("PostgreSQL refuses to run as root, and there is no user postgres or nobody"))
}

/// Makes a test for each PostgreSQL version, so that they run side by side and a failure names its version.
///
/// `on_each_version!(name, |version| { … })` gives the tests `name::postgresql_14` to `name::postgresql_18`.
#[macro_export]
macro_rules! on_each_version {
    ($name:ident, $body:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing from outside")]
            use super::*;

            fn run(version: ::pgformat::MajorVersion) {
                if $crate::is_available(version) {
                    let body: fn(::pgformat::MajorVersion) = $body;
                    body(version);
                }
            }
            #[test]
            fn postgresql_14() {
                run(::pgformat::MajorVersion::V14);
            }
            #[test]
            fn postgresql_15() {
                run(::pgformat::MajorVersion::V15);
            }
            #[test]
            fn postgresql_16() {
                run(::pgformat::MajorVersion::V16);
            }
            #[test]
            fn postgresql_17() {
                run(::pgformat::MajorVersion::V17);
            }
            #[test]
            fn postgresql_18() {
                run(::pgformat::MajorVersion::V18);
            }
        }
    };
}
