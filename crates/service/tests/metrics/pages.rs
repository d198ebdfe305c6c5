use crate::openmetrics::Page;
use crate::support::Scene;
use serde_json::{Value, json};
use service::metrics::{
    CatalogFacts, JobFacts, METRICS, MetricKind, MetricsError, MetricsServer, MetricsSettings, Snapshot, SnapshotCache,
    SnapshotSource,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vault::journal::EventLevel;

const LOCAL: MetricsSettings = MetricsSettings {
    listen: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0),
    allow_remote: false,
};

/// Says something and reads until the server closes.
fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The server may have closed before all of it was written.
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Asks for a page; returns status, head and body.
fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let answer = say(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

#[test]
fn metrics_tell_what_the_repository_and_the_journal_hold() {
    let scene = Scene::new();
    let record = scene.full();
    scene.backup_completed("FULL");
    scene.backup_failed("INCREMENTAL");
    scene.event(EventLevel::Error, "validation", json!({"result": "FALLIDO", "name": "x", "level": "deep"}));
    scene.event(EventLevel::Info, "validation", json!({"result": "EXITOSO", "name": "x", "level": "checksum"}));
    scene.event(EventLevel::Info, "run-finished", json!({"job": "CLEANUP"}));
    scene.event(EventLevel::Error, "run-failed", json!({"job": "VALIDATE", "error": {"key": "storage-full"}}));
    scene.event(EventLevel::Info, "cleanup-finished", json!({}));
    let last_sync: jiff::Timestamp = "2026-11-24T07:00:00Z".parse().unwrap();
    let cache = scene.cache(move |snapshot| {
        snapshot.jobs = Some(vec![JobFacts {
            job: "FULL".to_owned(),
            next_due_at: Some("2026-12-01T00:00:00Z".parse().unwrap()),
            running: true,
        }]);
        snapshot.catalog =
            Some(CatalogFacts { up: false, last_success_at: Some(last_sync), error: Some(json!({"key": "x"})) });
        snapshot.channels = Some(vec![("a \"quoted\" \\ name\n".to_owned(), false)]);
    });
    let server = MetricsServer::start(LOCAL, cache).unwrap();
    let (status, head, body) = get(server.address(), "/metrics");
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let page = Page::read(&body);
    let full = [("kind", "FULL")];
    let value = |name: &str, labels: &[(&str, &str)]| page.value(name, labels);
    assert_eq!(value("cadena_backups", &[("kind", "FULL"), ("state", "COMPLETADO")]), Some(1.0));
    assert_eq!(value("cadena_backups", &[("kind", "INCREMENTAL"), ("state", "FALLIDO")]), Some(0.0));
    assert_eq!(
        value("cadena_backup_last_completed_timestamp_seconds", &full),
        record.finished_at.map(|at| at.as_second() as f64)
    );
    assert_eq!(value("cadena_backup_last_duration_seconds", &full), Some(600.0));
    assert_eq!(value("cadena_backup_last_archive_bytes", &full), Some(record.archive_bytes as f64));
    assert_eq!(value("cadena_backup_last_plain_bytes", &full), Some(1000.0));
    assert_eq!(value("cadena_backup_last_completed_timestamp_seconds", &[("kind", "INCREMENTAL")]), None);
    assert_eq!(value("cadena_backup_failing", &[("kind", "INCREMENTAL")]), Some(1.0));
    assert_eq!(value("cadena_backup_failing", &full), Some(0.0));
    assert_eq!(value("cadena_backup_attempts_total", &[("kind", "INCREMENTAL"), ("outcome", "failed")]), Some(1.0));
    assert_eq!(value("cadena_backups_validation", &[("state", "never")]), Some(1.0));
    assert_eq!(value("cadena_validations_total", &[("result", "FALLIDO")]), Some(1.0));
    assert_eq!(value("cadena_validation_last_success", &[]), Some(1.0));
    assert_eq!(value("cadena_job_next_due_timestamp_seconds", &[("task", "FULL")]), Some(1_796_083_200.0));
    assert_eq!(value("cadena_job_running", &[("task", "FULL")]), Some(1.0));
    assert_eq!(value("cadena_job_failing", &[("task", "VALIDATE")]), Some(1.0));
    assert_eq!(value("cadena_runs_total", &[("task", "CLEANUP"), ("outcome", "finished")]), Some(1.0));
    assert!(value("cadena_cleanup_last_timestamp_seconds", &[]).is_some());
    assert_eq!(value("cadena_catalog_up", &[]), Some(0.0));
    assert_eq!(value("cadena_catalog_last_sync_timestamp_seconds", &[]), Some(last_sync.as_second() as f64));
    assert_eq!(value("cadena_notify_channel_up", &[("channel", "a \"quoted\" \\ name\n")]), Some(0.0));
    assert_eq!(value("cadena_repository_bytes", &[("part", "backups")]), Some(record.archive_bytes as f64));
    assert!(value("cadena_repository_free_bytes", &[]).is_some_and(|bytes| bytes > 0.0));
    assert_eq!(value("cadena_repository_readable", &[]), Some(1.0));
    assert_eq!(value("cadena_build_info", &[("version", "0.1.0"), ("postgresql_version", "17")]), Some(1.0));
    // The failing kind and job are errors; that the catalog is behind is a warning.
    assert_eq!(value("cadena_problems", &[("level", "error")]), Some(2.0));
    assert_eq!(value("cadena_problems", &[("level", "warning")]), Some(1.0));
    // WAL was never received here.
    assert_eq!(value("cadena_wal_receiver_up", &[]), None);
    server.stop();
}

#[test]
fn names_types_and_labels_are_those_of_the_table() {
    let scene = Scene::new();
    let cache = scene.cache(|_| {});
    let text = service::metrics::exposition(&cache.get()).unwrap();
    let page = Page::read(&text);
    assert!(page.types.len() > 15, "{text}");
    for (family, kind) in &page.types {
        let is_it = |name: &str| name == family || name.strip_suffix("_total") == Some(family);
        let metric = METRICS.iter().find(|metric| is_it(metric.name)).unwrap_or_else(|| panic!("{family}"));
        let expected = if metric.kind == MetricKind::Gauge { "gauge" } else { "counter" };
        assert_eq!(kind, expected, "{family}");
        assert!(page.helps.get(family).is_some_and(|help| help.starts_with(metric.help)), "{family}");
    }
    for (name, labels, _) in &page.samples {
        let metric = METRICS.iter().find(|metric| metric.name == name).unwrap();
        let mut expected = metric.labels.to_vec();
        expected.sort_unstable();
        assert_eq!(labels.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn health_is_200_with_warnings_and_503_with_errors() {
    let scene = Scene::new();
    scene.full();
    let server = MetricsServer::start(LOCAL, scene.cache(|_| {})).unwrap();
    let health = || {
        let (status, head, body) = get(server.address(), "/health");
        assert!(head.contains("application/json"), "{head}");
        let value: Value = serde_json::from_str(&body).unwrap();
        (status, value)
    };
    let (status, value) = health();
    assert_eq!((status, &value["status"], &value["problems"]), (200, &"ok".into(), &json!([])));
    scene.backup_failed("DIFERENCIAL");
    let (status, value) = health();
    assert_eq!((status, &value["status"]), (503, &"error".into()));
    let problem = &value["problems"][0];
    assert_eq!((&problem["key"], &problem["level"]), (&"problem-backup-failing".into(), &"ERROR".into()));
    assert_eq!((&problem["subject"], &problem["occasion"]), (&"DIFERENCIAL".into(), &"failure".into()));
    assert_eq!(problem["arguments"]["error"]["key"], "cluster-connect");
    scene.backup_completed("DIFERENCIAL");
    std::fs::write(scene.folder.path().join("full/full_20260101_000000.backup"), b"whose?").unwrap();
    let (status, value) = health();
    assert_eq!((status, &value["status"]), (200, &"warning".into()));
    assert_eq!(value["problems"][0]["key"], "attention-orphan");
    assert_eq!(get(server.address(), "/ready").0, 200);
}

#[test]
fn a_repository_that_is_gone_is_not_ready_and_says_so() {
    let scene = Scene::new();
    scene.full();
    let server = MetricsServer::start(LOCAL, scene.cache(|_| {})).unwrap();
    // As when its file system is not mounted.
    for entry in std::fs::read_dir(scene.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.unwrap();
    }
    assert_eq!(get(server.address(), "/ready").0, 503);
    let (status, _, body) = get(server.address(), "/health");
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &value["problems"][0]["key"]), (503, &"problem-repository-unreadable".into()));
    let page = Page::read(&get(server.address(), "/metrics").2);
    assert_eq!(page.value("cadena_repository_readable", &[]), Some(0.0));
}

#[test]
fn only_this_host_is_served_unless_somebody_allows_more() {
    let scene = Scene::new();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let settings = MetricsSettings { listen: listen.parse().unwrap(), allow_remote: false };
        let error = MetricsServer::start(settings, scene.cache(|_| {})).err();
        assert!(matches!(error, Some(MetricsError::MetricsRemote { address }) if address == listen), "{listen}");
    }
    let server = MetricsServer::start(LOCAL, scene.cache(|_| {})).unwrap();
    assert!(server.address().ip().is_loopback());
    let taken = MetricsSettings { listen: server.address(), ..LOCAL };
    assert!(matches!(MetricsServer::start(taken, scene.cache(|_| {})), Err(MetricsError::MetricsListen { .. })));
    let wide = MetricsSettings { listen: "0.0.0.0:0".parse().unwrap(), allow_remote: true };
    let wide = MetricsServer::start(wide, scene.cache(|_| {})).unwrap();
    assert_eq!(get(SocketAddr::new([127, 0, 0, 1].into(), wide.address().port()), "/ready").0, 200);
}

#[test]
fn requests_are_bounded_in_size_and_time() {
    let scene = Scene::new();
    let server = MetricsServer::start(LOCAL, scene.cache(|_| {})).unwrap();
    let address = server.address();
    let large = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let answer = say(address, &large);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer:?}");
    assert!(say(address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert!(say(address, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert_eq!(get(address, "/etc/passwd").0, 404);
    // Connections that say nothing keep others waiting only for a while.
    let idle: Vec<_> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    let begin = Instant::now();
    assert_eq!(get(address, "/ready").0, 200);
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    drop(idle);
}

/// Takes a while, and counts.
struct Slow(AtomicUsize);

impl SnapshotSource for Slow {
    fn snapshot(&self) -> Snapshot {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(300));
        Snapshot::default()
    }
}

#[test]
fn many_who_ask_at_once_cost_one_snapshot() {
    let slow = Arc::new(Slow(AtomicUsize::new(0)));
    let cache = Arc::new(SnapshotCache::new(slow.clone(), Duration::from_secs(60)));
    let server = MetricsServer::start(LOCAL, cache).unwrap();
    let address = server.address();
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(move || get(address, "/metrics").0)).collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 200));
    assert_eq!(slow.0.load(Ordering::Relaxed), 1);
    server.stop();
    assert!(TcpStream::connect(address).is_err(), "it still listens");
}
