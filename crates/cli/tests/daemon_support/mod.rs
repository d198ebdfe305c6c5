//! A cluster, its repository, and what the daemon has made there.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::common::Cadena;
use crate::stream_support::ok;
use serde_json::Value;
use std::path::PathBuf;
use testkit::{ClusterOptions, TestCluster};

/// The command, set up for a cluster, with an empty repository. Times of day are UTC.
pub fn cadena_for(cluster: &TestCluster) -> Cadena {
    let cadena = Cadena::new()
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user())
        .variable("CADENA_TIME_ZONE", "UTC");
    ok(&cadena, &["init"]);
    cadena
}

pub fn options() -> ClusterOptions {
    ClusterOptions::default().set("max_wal_senders", "10").set("max_replication_slots", "10")
}

/// A file with every job off but those that are named.
pub fn schedule_file(cadena: &Cadena, jobs: &[(&str, &str)], more: &str) -> PathBuf {
    let all = ["full", "diferencial", "incremental", "validate", "cleanup", "drill"];
    let rule = |job: &&str| jobs.iter().find(|(name, _)| name == job).map_or("off", |(_, rule)| *rule);
    let lines: String = all.iter().map(|job| format!("{job} = \"{}\"\n", rule(job))).collect();
    cadena.write("cadena.toml", &format!("{more}\n[schedule]\n{lines}"))
}

/// The records of backups, those that can be read.
pub fn records(cadena: &Cadena) -> Vec<Value> {
    ok(cadena, &["list", "--json"]).json()["backups"].as_array().cloned().unwrap_or_default()
}

pub fn completed(cadena: &Cadena) -> Vec<Value> {
    records(cadena).into_iter().filter(|record| record["state"] == "COMPLETADO").collect()
}

/// What the daemon remembers.
pub fn memory(cadena: &Cadena) -> Value {
    let text = std::fs::read(cadena.path("backups_incrementales/scheduler.json")).expect("scheduler.json");
    serde_json::from_slice(&text).expect("JSON")
}

/// The keys of the journal's events.
pub fn journal(cadena: &Cadena) -> Vec<String> {
    let folder = cadena.path("backups_incrementales/events");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("events").flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let text: String = files.iter().map(|path| std::fs::read_to_string(path).expect("a journal")).collect();
    let event = |line: &str| serde_json::from_str::<Value>(line).ok()?["event"].as_str().map(str::to_owned);
    text.lines().filter_map(event).collect()
}
