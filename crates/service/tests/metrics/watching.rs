use crate::support::Scene;
use jiff::Timestamp;
use service::notify::{
    ChannelKind, ChannelSettings, Matter, Notifier, NotifyEvent, NotifyLog, NotifySettings, NotifyWords, Occasion,
    Phase, Secret, TemplateChoice, WebhookSettings, Wording,
};
use service::watch::{Watch, WatchSettings, look_once};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use vault::journal::EventLevel;

struct Keys;

impl NotifyWords for Keys {
    fn wording(&self, matter: &Matter, phase: Phase, _: Timestamp, _: Timestamp) -> Wording {
        Wording { title: format!("{phase:?} {}", matter.identity()), text: String::new(), facts: Vec::new() }
    }
}

struct Deaf;

impl NotifyLog for Deaf {
    fn record(&self, _: &NotifyEvent) {}
}

/// Takes whatever is posted and passes its title on.
fn listen() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, titles) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            while !text.ends_with(b"}\n") && !text.ends_with(b"}") {
                let count = stream.read(&mut buffer).unwrap();
                text.extend_from_slice(&buffer[..count]);
                if count == 0 {
                    break;
                }
            }
            let text = String::from_utf8(text).unwrap();
            let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
            let value: serde_json::Value = serde_json::from_str(body).unwrap();
            stream.write_all(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n").unwrap();
            // The test may be over.
            if sender.send(value["title"].as_str().unwrap().to_owned()).is_err() {
                return;
            }
        }
    });
    (url, titles)
}

fn notifier(scene: &Scene, url: &str) -> Arc<Notifier> {
    let webhook = WebhookSettings {
        url: Secret::new(url),
        template: TemplateChoice::BuiltIn("json".to_owned()),
        token: None,
        target: None,
        routing_key: None,
        ca_file: None,
        proxy: None,
    };
    let channel = ChannelSettings {
        name: "hook".to_owned(),
        kind: ChannelKind::Webhook(webhook),
        on: vec![Occasion::Failure, Occasion::Success, Occasion::Risk],
        kinds: Vec::new(),
        repeat_after: Duration::from_secs(3600),
        timeout: Duration::from_secs(5),
    };
    let settings = NotifySettings {
        channels: vec![channel],
        cluster: "prod".to_owned(),
        host: "db1".to_owned(),
        storage: Some(Arc::clone(scene.repository.storage())),
    };
    Arc::new(Notifier::start(settings, Arc::new(Keys), Arc::new(Deaf)).unwrap())
}

fn settings(scene: &Scene, notifier: &Arc<Notifier>) -> WatchSettings {
    let (repository, cache) = (scene.repository.clone(), scene.cache(|_| {}));
    WatchSettings { repository, cache, notifier: Arc::clone(notifier), since: Timestamp::now() }
}

#[test]
fn a_failure_its_end_and_a_success_are_told_by_whoever_looks() {
    let scene = Scene::new();
    scene.full();
    // What happened before anybody wanted to know is no news.
    scene.backup_completed("FULL");
    let (url, titles) = listen();
    let look = || {
        let notifier = notifier(&scene, &url);
        assert!(look_once(settings(&scene, &notifier), Duration::from_secs(20)));
        // News and problems go their ways side by side.
        let mut told: Vec<_> = titles.try_iter().collect();
        told.sort();
        told
    };
    assert_eq!(look(), [""; 0]);
    scene.backup_failed("INCREMENTAL");
    assert_eq!(look(), ["Problem problem-backup-failing/INCREMENTAL"]);
    scene.backup_failed("INCREMENTAL");
    assert_eq!(look(), [""; 0], "the same problem, once");
    scene.backup_completed("INCREMENTAL");
    assert_eq!(look(), ["News news-backup-completed", "Resolved problem-backup-failing/INCREMENTAL"]);
    assert_eq!(look(), [""; 0]);
}

#[test]
fn a_dump_ends_no_problem_of_the_clusters_backups_nor_they_its_own() {
    let scene = Scene::new();
    scene.full();
    scene.backup_completed("FULL");
    let (url, titles) = listen();
    let look = || {
        let notifier = notifier(&scene, &url);
        assert!(look_once(settings(&scene, &notifier), Duration::from_secs(20)));
        let mut told: Vec<_> = titles.try_iter().collect();
        told.sort();
        told
    };
    assert_eq!(look(), [""; 0]);
    let dump = |level, event: &str| {
        let error = serde_json::json!({"key": "cluster-connect", "detail": "no"});
        let details = serde_json::json!({"kind": "FULL", "method": "logical", "name": "x.backup", "error": error});
        scene.event(level, event, details);
    };
    scene.backup_failed("FULL");
    assert_eq!(look(), ["Problem problem-backup-failing/FULL"]);
    dump(EventLevel::Info, "backup-completed");
    assert_eq!(look(), ["News news-backup-completed"], "the cluster has no backup yet");
    dump(EventLevel::Error, "backup-failed");
    assert_eq!(look(), ["Problem problem-backup-failing/LOGICAL"]);
    scene.backup_completed("FULL");
    assert_eq!(look(), ["News news-backup-completed", "Resolved problem-backup-failing/FULL"]);
    dump(EventLevel::Info, "backup-completed");
    assert_eq!(look(), ["News news-backup-completed", "Resolved problem-backup-failing/LOGICAL"]);
}

#[test]
fn the_thread_tells_what_is_written_while_it_watches() {
    let scene = Scene::new();
    scene.full();
    let (url, titles) = listen();
    let notifier = notifier(&scene, &url);
    let watch = Watch::start(settings(&scene, &notifier)).unwrap();
    scene.backup_failed("FULL");
    let title = titles.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(title, "Problem problem-backup-failing/FULL");
    watch.stop();
}
