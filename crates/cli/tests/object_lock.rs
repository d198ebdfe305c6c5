//! What `cadena cleanup` says when the store keeps what should go: which backup stays, why, and what to do; in both languages.

#![cfg(unix)]

mod common;
mod daemon_support;
mod race_support;
mod stream_support;

use cadena::stores::{StoreSettings, open};
use daemon_support::{completed, options};
use race_support::host;
use serde_json::{Value, json};
use stream_support::ok;
use testkit::stores::{FaultProxy, ProxyFault, S3Server};
use testkit::{TestCluster, available_versions};

const CONFIG: &str = "[catalog]\nenabled = \"off\"\n\
    [retention]\nfull_months = 0\ndifferential_weeks = 0\nincremental_days = 0\nmin_chains = 1\n";

/// Makes a record's backup some days older.
fn back_date(server: &S3Server, key: &str, days: i64) {
    let mut settings = StoreSettings { url: S3Server::url("kept", &server.endpoint()), ..StoreSettings::default() };
    settings.secrets.set("access_key", S3Server::ACCESS_KEY.to_owned());
    settings.secrets.set("secret_key", S3Server::SECRET_KEY.to_owned());
    let storage = open(&settings).expect("a storage");
    let content = storage.get(key).expect("an answer").expect("a record");
    let mut record: Value = serde_json::from_slice(&content).expect("JSON");
    for name in ["started_at", "finished_at"] {
        let at: jiff::Timestamp = record[name].as_str().expect("a time").parse().expect("a time");
        record[name] = json!(at - jiff::SignedDuration::from_hours(24 * days));
    }
    storage.put(key, record.to_string().as_bytes()).expect("written");
}

/// The line that speaks of a backup that stays.
fn line_of<'a>(text: &'a str, wanted: &str) -> &'a str {
    text.lines().find(|line| line.contains(wanted)).unwrap_or_else(|| panic!("no {wanted:?} in {text}"))
}

#[test]
fn a_removal_that_the_store_refuses_is_told_in_both_languages_and_leaves_the_backup_whole() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = S3Server::with_object_lock() else { return };
    let cluster = TestCluster::new(version, &options());
    let proxy = FaultProxy::to(server.port());
    let cadena = host(&server, &cluster, "kept", "one", 60).variable("AWS_ENDPOINT_URL", &proxy.endpoint());
    cadena.write("cadena.toml", CONFIG);
    ok(&cadena, &["init", "--no-catalog"]);
    for kind in ["full", "incremental", "full"] {
        ok(&cadena, &[kind]);
    }
    let records = completed(&cadena);
    let names: Vec<&str> = records.iter().filter_map(|record| record["archive_name"].as_str()).collect();
    let [full, incremental, newest] = names[..] else { panic!("{names:?}") };
    let record_of = |kind: &str, name: &str| format!("{kind}/{}", name.replace(".backup", ".json"));
    back_date(&server, &record_of("full", full), 3);
    back_date(&server, &record_of("incremental", incremental), 2);

    // Amazon's makes a marker; others refuse, here with the status alone: the object's own head tells why.
    let held = [record_of("incremental", incremental), format!("incremental/{incremental}")];
    held.iter().for_each(|key| server.hold(&format!("kept/{key}"), true));
    proxy.set(|line, _| match line.starts_with("DELETE ") && line.contains("/incremental/") {
        true => ProxyFault::Answer(403, None),
        false => ProxyFault::None,
    });
    for (language, stays, reason, remedy, base) in [
        ("en", "stays:", "can't be removed: legal hold", "each later cleanup tries again.", "stands on it"),
        ("es", "queda:", "No se puede quitar", "cada limpieza posterior lo intenta de nuevo.", "se apoya en él"),
    ] {
        let answer = cadena.run(&["--lang", language, "cleanup"]);
        assert_eq!(answer.code, 3, "{answer:?}");
        let line = line_of(&answer.stdout, &format!("{incremental} {stays}"));
        assert!(line.contains(reason) && line.contains("legal hold") && line.ends_with(remedy), "{line}");
        assert!(line.contains("s3://copias/kept"), "{line}");
        let line = line_of(&answer.stdout, &format!("{full} {stays}"));
        assert!(line.contains(base), "{line}");
        assert!(answer.stderr.is_empty(), "{answer:?}");
        assert_eq!(completed(&cadena).len(), 3);
    }
    for id in ["1", "2", "3"] {
        assert_eq!(ok(&cadena, &["validate", id, "--level", "deep", "--json"]).json()["valid"], true, "{id}");
    }

    held.iter().for_each(|key| server.hold(&format!("kept/{key}"), false));
    proxy.set(|_, _| ProxyFault::None);
    ok(&cadena, &["cleanup"]);
    let left = completed(&cadena);
    assert_eq!(left.iter().map(|record| record["archive_name"].as_str()).collect::<Vec<_>>(), [Some(newest)]);
}
