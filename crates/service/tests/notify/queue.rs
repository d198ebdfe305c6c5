use crate::http_server::{HttpServer, Reply};
use crate::support::{matter, problem, start, start_with, webhook};
use service::notify::{MEMORY_KEY, Occasion};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vault::storage::{LocalFolder, Storage};

#[test]
fn an_endpoint_that_never_answers_holds_up_neither_the_caller_nor_the_other_channels() {
    let dead = HttpServer::start((0..50).map(|_| Reply::Silence).collect());
    let alive = HttpServer::start(Vec::new());
    let (notifier, seen) = start(vec![webhook("dead", &dead.url("/")), webhook("alive", &alive.url("/"))]);
    let begin = Instant::now();
    for round in 0..500 {
        notifier.problems(&[problem(&format!("problem-{}", round % 3))]);
        notifier.news(&matter("news", Occasion::Success));
    }
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(alive.next().json()["key"].as_str().is_some_and(|key| key.starts_with("problem-")));
    dead.next();
    // It ends within the timeout of what is under way, whatever still waits.
    let begin = Instant::now();
    notifier.stop();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert!(!seen.text().contains("\"channel\":\"alive\""), "{}", seen.text());
}

#[test]
fn what_was_told_outlives_the_process_and_holds_no_address() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(LocalFolder::new(folder.path()));
    let server = HttpServer::start(Vec::new());
    let channels = || vec![webhook("hook", &server.url("/secret-path-of-it"))];
    let (notifier, _) = start_with(channels(), Some(Arc::clone(&storage)));
    notifier.problems(&[problem("problem-a"), problem("problem-b")]);
    let (first, second) = (server.next(), server.next());
    assert_ne!(first.json()["key"], second.json()["key"]);
    assert!(notifier.settle(Duration::from_secs(10)));
    notifier.keep_journal_id(7);
    notifier.stop();

    let (notifier, _) = start_with(channels(), Some(Arc::clone(&storage)));
    assert_eq!(notifier.journal_id(), Some(7));
    notifier.problems(&[problem("problem-a")]);
    assert_eq!(server.next().json()["title"], "resolved: problem-b");
    assert!(server.is_left_alone_for(Duration::from_millis(300)), "a problem was told twice");
    assert!(notifier.settle(Duration::from_secs(10)));
    notifier.stop();
    let memory = String::from_utf8(storage.get(MEMORY_KEY).unwrap().unwrap()).unwrap();
    assert!(memory.contains("problem-a") && !memory.contains("problem-b"), "{memory}");
    assert!(!memory.contains("secret-path") && !memory.contains("127.0.0.1"), "{memory}");

    // Damaged, it is as good as none: one message too many, and no error.
    storage.put(MEMORY_KEY, b"{\"format_version\": 99, \"channels\": []}").unwrap();
    let (notifier, _) = start_with(channels(), Some(storage));
    notifier.problems(&[problem("problem-a")]);
    assert_eq!(server.next().json()["title"], "problem: problem-a");
}
