//! Google Drive, as far as our own server speaks it (not tested against Google's).

mod support;

use serde_json::json;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stores::drive::{DriveLogin, LoginOptions};
use stores::{StoreSettings, open};
use support::{content, fresh_prefix};
use testkit::stores::{DriveServer, FaultProxy, ProxyFault};
use vault::storage::{Storage, StorageError, conformance};

/// Pieces small enough for uploads of more than one.
const PIECES: (&str, &str) = ("part_size", "5242880");

fn settings(server: &DriveServer, root: &str, who: &str, options: &[(&str, &str)]) -> StoreSettings {
    let mut settings = StoreSettings { url: format!("gdrive://{root}/{}", fresh_prefix()), ..StoreSettings::default() };
    settings.secrets.set("credentials", server.credentials(who));
    settings.options.insert("endpoint".to_owned(), server.endpoint());
    let options = [PIECES].iter().chain(options).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    settings.options.extend(options);
    settings
}

fn drive(server: &DriveServer, options: &[(&str, &str)]) -> Arc<dyn Storage> {
    open(&settings(server, DriveServer::MY_ROOT, "service", options)).unwrap()
}

/// Returns how many requests came whose line begins like this.
fn count(server: &DriveServer, beginning: &str) -> usize {
    let state = server.state();
    let log = state["log"].as_array().unwrap();
    log.iter().filter(|line| line.as_str().unwrap().starts_with(beginning)).count()
}

fn keys(storage: &Arc<dyn Storage>) -> Vec<String> {
    storage.list("").unwrap().into_iter().map(|object| object.key).collect()
}

#[test]
fn googles_own_client_takes_our_server_for_drive() {
    let Some(server) = DriveServer::start() else { return };
    let output = server.run_googles_client();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "passed", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn drive_keeps_the_contract_of_a_replica() {
    let Some(server) = DriveServer::start() else { return };
    // So that listings have pages.
    server.options(&json!({"page": 3}));
    conformance::run_replica(&|| open(&settings(&server, DriveServer::MY_ROOT, "service", &[])).unwrap());
    assert!(count(&server, "GET /drive/v3/files?") > 0);
}

#[test]
fn of_writers_that_race_one_wins_while_listings_are_current() {
    let Some(server) = DriveServer::start() else { return };
    let (_, race) =
        conformance::CHECKS.iter().find(|(sentence, _)| sentence.contains("put_if_absent at once")).unwrap();
    race(&drive(&server, &[]));
    // Nothing is left of those that lost, and of the folder there is one.
    let files = server.state()["files"].as_array().unwrap().clone();
    let is_left = |file: &&serde_json::Value| file["trashed"] == false && file["size"].is_string();
    assert_eq!(files.iter().filter(is_left).count(), 10);
    assert_eq!(files.iter().filter(|file| file["name"] == "race" && file["trashed"] == false).count(), 1);
}

#[test]
fn a_shared_drive_and_a_persons_credentials_keep_it_too() {
    let Some(server) = DriveServer::start() else { return };
    conformance::run_replica(&|| open(&settings(&server, DriveServer::SHARED_ROOT, "user", &[])).unwrap());
}

#[test]
fn a_token_is_asked_for_once_and_again_when_it_has_ended() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[]);
    storage.put("a", b"a").unwrap();
    storage.put("b", b"b").unwrap();
    assert_eq!(count(&server, "POST /token"), 1);
    // Tokens end before their time.
    server.rules(&json!([{"do": "revoke", "path": "/drive/v3"}]));
    assert_eq!(storage.get("a").unwrap().unwrap(), b"a");
    assert_eq!(count(&server, "POST /token"), 1);
    // An end that was told is not waited for.
    server.options(&json!({"lifetime": 1}));
    server.rules(&json!([{"do": "revoke", "path": "/drive/v3"}]));
    storage.get("a").unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    server.rules(&json!([]));
    storage.get("a").unwrap();
    let state = server.state();
    assert_eq!(state["log"][0].as_str().unwrap(), "POST /token", "{:#}", state["log"]);
    // One that is refused again and again ends it.
    server.rules(&json!([{"status": 401, "reason": "authError", "path": "/drive/v3", "times": 1000}]));
    let refusal = storage.get("a").unwrap_err();
    assert!(matches!(refusal, StorageError::StorageCredentials { .. }), "{refusal:?}");
    assert_eq!(count(&server, "GET /drive/v3"), 2);
}

#[test]
fn rate_limits_and_faults_of_drive_are_waited_for() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[]);
    storage.put("a", b"first").unwrap();
    for (status, reason) in
        [(403, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (429, ""), (500, "backendError"), (503, "")]
    {
        server.rules(&json!([{"status": status, "reason": reason, "times": 2, "path": "/drive/v3"}]));
        assert_eq!(storage.get("a").unwrap().unwrap(), b"first", "{status} {reason}");
        server.rules(&json!([{"status": status, "reason": reason, "times": 2, "path": "/upload/"}]));
        storage.put("b", b"b").unwrap();
        server.rules(&json!([{"status": status, "reason": reason, "times": 2, "path": "/upload/", "method": "PUT"}]));
        let large = content(12 << 20);
        conformance::put_streamed(storage.as_ref(), &format!("full/{status}{reason}"), &large).unwrap();
    }
    let begin = Instant::now();
    server.rules(&json!([{"status": 403, "reason": "userRateLimitExceeded", "retry_after": 1, "path": "/drive/v3"}]));
    storage.get("a").unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_does_not_pass_is_given_up_in_time_and_named() {
    let Some(server) = DriveServer::start() else { return };
    let quick = [("give_up_seconds", "2"), ("timeout_seconds", "1")];
    let storage = drive(&server, &quick);
    storage.put("a", b"a").unwrap();
    let many = |rule: serde_json::Value| {
        let mut rule = rule;
        rule["times"] = json!(1000);
        rule["path"] = json!("/drive/v3");
        json!([rule])
    };
    let begin = Instant::now();
    server.rules(&many(json!({"status": 403, "reason": "userRateLimitExceeded"})));
    assert!(matches!(storage.get("a"), Err(StorageError::StorageThrottled { .. })));
    server.rules(&many(json!({"status": 500, "reason": "backendError"})));
    assert!(matches!(storage.get("a"), Err(StorageError::StorageUnreachable { .. })));
    server.rules(&many(json!({"do": "stall", "seconds": 10})));
    assert!(matches!(storage.get("a"), Err(StorageError::StorageUnreachable { .. })));
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
    server.rules(&many(json!({"status": 403, "reason": "insufficientFilePermissions"})));
    assert!(matches!(storage.get("a"), Err(StorageError::StorageDenied { .. })));
    server.rules(&json!([]));
    server.options(&json!({"limit": 4}));
    assert_eq!(storage.free_bytes().unwrap(), Some(3));
    assert!(matches!(storage.put("b", b"too long"), Err(StorageError::StorageFull { .. })));
    let own = "Service Accounts do not have storage quota. Leverage shared drives";
    server.rules(&json!([{"status": 403, "reason": "storageQuotaExceeded", "message": own, "path": "/upload"}]));
    let refusal = storage.put("b", b"b").unwrap_err();
    assert!(refusal.to_string().contains("shared drive"), "{refusal}");
    assert_eq!(keys(&storage), ["a"]);
}

#[test]
fn a_root_that_is_none_is_named_with_what_to_do() {
    let Some(server) = DriveServer::start() else { return };
    let root = |root: &str, who: &str| open(&settings(&server, root, who, &[])).unwrap().get("a").unwrap_err();
    for (who, wanted) in
        [("service", "not shared with copias@test.iam.gserviceaccount.com"), ("user", "no such folder")]
    {
        let refusal = root("nowhere", who);
        assert!(matches!(&refusal, StorageError::StorageSetting { setting, .. } if setting == "gdrive_folder_id"));
        assert!(refusal.to_string().contains(wanted), "{refusal}");
    }
    drive(&server, &[]).put("a", b"a").unwrap();
    let state = server.state();
    let file = state["files"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
    assert!(root(file, "user").to_string().contains("it is no folder"));
}

#[test]
fn an_upload_goes_on_where_it_was_cut_off() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[]);
    let large = content((17 << 20) + 5);
    for (at, rule) in [
        json!({"method": "PUT", "do": "cut", "keep": 1 << 20, "skip": 1}),
        json!({"method": "PUT", "do": "drop", "skip": 1}),
        json!({"method": "PUT", "do": "drop", "skip": 3}),
        json!({"method": "PUT", "status": 503, "skip": 2}),
        json!({"method": "PUT", "do": "cut", "keep": 0, "skip": 3}),
    ]
    .into_iter()
    .enumerate()
    {
        server.rules(&json!([rule]));
        let key = format!("full/{at}");
        conformance::put_streamed(storage.as_ref(), &key, &large).unwrap();
        assert!(storage.get(&key).unwrap().unwrap() == large, "{rule}");
        // Nothing was sent from its begin again.
        assert_eq!(count(&server, "POST /upload"), 1, "{rule}");
        assert!(storage.url(&key).starts_with("https://drive.google.com/file/d/"));
    }
    assert_eq!(keys(&storage).len(), 5);
    // An upload whose session ended is told, and nobody sees any of it.
    server.rules(&json!([{"method": "PUT", "do": "forget", "skip": 2}]));
    let mut stream = storage.put_stream("full/lost").unwrap();
    let failed = stream.write_all(&large).map_err(|error| StorageError::inside(&error).unwrap().clone());
    assert!(matches!(failed.and_then(|()| stream.commit()), Err(StorageError::StorageIo { .. })));
    assert_eq!(keys(&storage).len(), 5);
    // Neither of one that is given up; Drive is told.
    let mut stream = storage.put_stream("full/dropped").unwrap();
    stream.write_all(&large).unwrap();
    let before = server.state()["sessions"].as_u64().unwrap();
    drop(stream);
    assert_eq!(server.state()["sessions"].as_u64().unwrap(), before - 1);
    assert_eq!(keys(&storage).len(), 5);
}

#[test]
fn bytes_that_arrive_wrong_are_found_out_and_taken_back() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[("give_up_seconds", "2")]);
    let large = content(12 << 20);
    server.rules(&json!([{"do": "spoil", "method": "PUT", "times": 100}]));
    let refusal = conformance::put_streamed(storage.as_ref(), "full/a", &large).unwrap_err();
    assert!(matches!(refusal, StorageError::StorageWrongBytes { .. }), "{refusal:?}");
    assert_eq!(keys(&storage), Vec::<String>::new());
    server.rules(&json!([{"do": "spoil", "path": "/upload", "times": 1}]));
    storage.put_if_absent("small", b"small").unwrap();
    assert_eq!(storage.get("small").unwrap().unwrap(), b"small");
    server.rules(&json!([{"do": "spoil", "path": "/upload", "times": 100}]));
    assert!(matches!(storage.put("other", b"other"), Err(StorageError::StorageWrongBytes { .. })));
    assert_eq!(keys(&storage), ["small"]);
}

#[test]
fn lost_answers_make_nothing_twice() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[]);
    for (at, path) in ["/drive/v3/files\\?supports", "/upload/drive"].into_iter().enumerate() {
        server.rules(&json!([{"do": "drop", "method": "POST", "path": path, "times": 2}]));
        let key = format!("folder{at}/a");
        storage.put_if_absent(&key, b"a").unwrap();
        assert_eq!(storage.get(&key).unwrap().unwrap(), b"a");
        let files = server.state()["files"].as_array().unwrap().iter().filter(|file| file["name"] == "a").count();
        assert_eq!(files, at + 1);
    }
    server.rules(&json!([{"do": "drop", "method": "DELETE"}]));
    storage.delete("folder0/a").unwrap();
    assert_eq!(keys(&storage), ["folder1/a"]);
}

#[test]
fn of_two_of_one_name_the_oldest_counts_and_all_folders_are_seen() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[]);
    storage.put("full/a", b"first").unwrap();
    let file = |name: &str, mime: &str| {
        let files = server.state()["files"].clone();
        let found = files.as_array().unwrap().iter().find(|file| file["name"] == name && file["mimeType"] == mime);
        found.map(|file| (file["id"].clone(), file["parents"][0].clone())).unwrap()
    };
    const FOLDER: &str = "application/vnd.google-apps.folder";
    let (full, prefix) = file("full", FOLDER);
    // Somebody else makes a second file, and a second folder with files of its own.
    server.add(&json!({"name": "a", "parents": [full], "content": "younger"}));
    server.add(&json!({"name": "full", "parents": [prefix], "mimeType": FOLDER}));
    let state = server.state();
    let second = state["files"].as_array().unwrap().last().unwrap()["id"].clone();
    server.add(&json!({"name": "b", "parents": [second], "content": "b"}));
    server.add(&json!({"name": "A", "parents": [full], "content": "another name"}));
    for storage in [&storage, &{
        let mut settings = settings(&server, DriveServer::MY_ROOT, "service", &[]);
        settings.url = storage.describe();
        open(&settings).unwrap()
    }] {
        assert_eq!(storage.get("full/a").unwrap().unwrap(), b"first");
        assert_eq!(storage.get("full/A").unwrap().unwrap(), b"another name");
        assert_eq!(keys(storage), ["full/A", "full/a", "full/b"]);
    }
    // One that knew only the first folder looks again once it has to.
    let mut settings = settings(&server, DriveServer::MY_ROOT, "service", &[]);
    settings.url = storage.describe();
    let storage = open(&settings).unwrap();
    assert_eq!(storage.get("full/b").unwrap().unwrap(), b"b");
    assert!(matches!(storage.put_if_absent("full/b", b"x"), Err(StorageError::StorageExists { .. })));
    // Replacing mends it, and deleting removes all of them.
    storage.put("full/a", b"second").unwrap();
    let named =
        |name: &str| server.state()["files"].as_array().unwrap().iter().filter(|file| file["name"] == name).count();
    assert_eq!(named("a"), 1);
    server.add(&json!({"name": "a", "parents": [full], "content": "younger"}));
    storage.sweep("full/a").unwrap();
    assert_eq!(named("a"), 2, "it may be somebody's who is about to look again");
    storage.delete("full/a").unwrap();
    assert_eq!(named("a"), 0);
}

#[test]
fn a_folder_that_was_removed_is_made_again() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[]);
    let mut settings = settings(&server, DriveServer::MY_ROOT, "service", &[]);
    settings.url = storage.describe();
    storage.put("full/deep/a", b"a").unwrap();
    let other = open(&settings).unwrap();
    let id = |name: &str| {
        let state = server.state();
        let found = state["files"].as_array().unwrap().iter().find(|file| file["name"] == name).cloned();
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(other.get("full/deep/a").unwrap().unwrap(), b"a");
    // As a person would, with all that is in it.
    remove(&server, &id("deep"));
    assert_eq!(storage.get("full/deep/a").unwrap(), None);
    remove(&server, &id("full"));
    other.put("full/deep/b", b"b").unwrap();
    assert_eq!(storage.get("full/deep/b").unwrap().unwrap(), b"b");
    assert_eq!(keys(&other), ["full/deep/b"]);
}

/// Removes a file or folder past every storage.
fn remove(server: &DriveServer, id: &str) {
    // With a token of our own, as any other program would have.
    let form = "grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1&client_secret=client-secret";
    let answer = http(server.port(), "POST", "/token", "", form);
    let json: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let token = json["access_token"].as_str().unwrap();
    let answer = http(server.port(), "DELETE", &format!("/drive/v3/files/{id}?supportsAllDrives=true"), token, "");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

fn http(port: u16, method: &str, path: &str, token: &str, body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_replaced_object_is_noticed_by_who_reads_it() {
    let Some(server) = DriveServer::start() else { return };
    let storage = drive(&server, &[]);
    storage.put("a", &content(3 << 20)).unwrap();
    let reader = storage.open("a").unwrap();
    let mut buffer = vec![0; 1000];
    reader.read_exact_at(0, &mut buffer).unwrap();
    storage.put("a", b"shorter").unwrap();
    let refusal = reader.read_exact_at(2 << 20, &mut buffer).unwrap_err();
    assert!(matches!(refusal, StorageError::StorageChanged { .. }), "{refusal:?}");
    storage.delete("a").unwrap();
    let refusal = reader.read_exact_at(2 << 20, &mut buffer).unwrap_err();
    assert!(matches!(refusal, StorageError::StorageMissing { .. }), "{refusal:?}");
}

#[test]
fn a_bad_line_loses_nothing() {
    let Some(server) = DriveServer::start() else { return };
    let proxy = FaultProxy::to(server.port());
    let large = content(12 << 20);
    for fault in [ProxyFault::ResetBefore, ProxyFault::ResetAfter, ProxyFault::Truncate, ProxyFault::ChangeAnswer] {
        let mut settings = settings(&server, DriveServer::MY_ROOT, "user", &[("give_up_seconds", "30")]);
        let past = open(&settings).unwrap();
        settings.options.insert("endpoint".to_owned(), proxy.endpoint());
        let through = open(&settings).unwrap();
        let chosen = fault.clone();
        // A changed answer is told by a checksum only where there is one: with contents, once.
        let only_contents = fault == ProxyFault::ChangeAnswer;
        let contents = AtomicUsize::new(0);
        proxy.set(move |line, number| {
            let is_spoilt = match only_contents {
                true => line.contains("alt=media") && contents.fetch_add(1, Ordering::Relaxed) == 0,
                // Of four requests one, in no rhythm: what is made of several requests must not fall into step with it.
                false => (number.wrapping_mul(2_654_435_761) >> 7) & 3 == 0,
            };
            if is_spoilt { chosen.clone() } else { ProxyFault::None }
        });
        through.put("a", b"first").unwrap();
        through.put("a", b"second").unwrap();
        through.put_if_absent("b", b"b").unwrap();
        conformance::put_streamed(through.as_ref(), "full/large", &large).unwrap();
        assert!(through.get("full/large").unwrap().unwrap() == large, "{fault:?}");
        assert_eq!(keys(&through), ["a", "b", "full/large"], "{fault:?}");
        assert_eq!(past.get("a").unwrap().unwrap(), b"second", "{fault:?}");
        assert!(past.get("full/large").unwrap().unwrap() == large, "{fault:?}");
        assert_eq!(keys(&past), ["a", "b", "full/large"], "{fault:?}");
        let least = if only_contents { 1 } else { 5 };
        assert!(proxy.counts().1 >= least, "{fault:?}: {:?}", proxy.counts());
    }
}

#[test]
fn nothing_secret_is_in_an_error_or_shown() {
    let Some(server) = DriveServer::start() else { return };
    let mut settings = settings(&server, DriveServer::MY_ROOT, "user", &[("give_up_seconds", "1")]);
    let changed = server.credentials("user").replace("refresh-1", "refresh-hush");
    settings.secrets.set("credentials", changed);
    let refusal = open(&settings).unwrap().get("a").unwrap_err();
    assert!(matches!(refusal, StorageError::StorageCredentials { .. }), "{refusal:?}");
    let shown = format!("{refusal} {refusal:?} {settings:?}");
    assert!(shown.contains("expired or revoked"), "{shown}");
    for secret in ["refresh-hush", "client-secret", "ya29"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    settings.secrets = stores::Secrets::default();
    assert!(matches!(open(&settings), Err(StorageError::StorageCredentials { .. })));
}

#[test]
fn a_login_brings_credentials_that_work() {
    let Some(server) = DriveServer::start() else { return };
    let options = LoginOptions { client_json: server.credentials("client"), ..LoginOptions::default() };
    let login = DriveLogin::begin(&options).unwrap();
    let url = login.url().to_owned();
    assert!(!url.contains("client-secret") && url.contains("code_challenge_method=S256"), "{url}");
    let port = server.port();
    let browser = std::thread::spawn(move || {
        let answer = http(port, "GET", url.split_once(&format!(":{port}")).unwrap().1, "", "");
        let redirect = answer.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap().trim().to_owned();
        let (address, path) = redirect.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
        let address: u16 = address.parse().unwrap();
        // Somebody who does not know the state is not listened to.
        assert!(http(address, "GET", "/?code=stolen&state=guessed", "", "").starts_with("HTTP/1.1 404"));
        assert!(http(address, "GET", "/favicon.ico", "", "").starts_with("HTTP/1.1 404"));
        assert!(http(address, "GET", &format!("/{path}"), "", "").starts_with("HTTP/1.1 200"));
    });
    let credentials = login.finish(Duration::from_secs(20)).unwrap();
    browser.join().unwrap();
    let mut settings = settings(&server, DriveServer::MY_ROOT, "user", &[]);
    settings.secrets.set("credentials", credentials);
    open(&settings).unwrap().put("a", b"a").unwrap();
    // Nobody comes.
    let begin = Instant::now();
    let refusal = DriveLogin::begin(&options).unwrap().finish(Duration::from_millis(300)).unwrap_err();
    assert!(refusal.to_string().contains("nobody came") && begin.elapsed() < Duration::from_secs(3), "{refusal}");
}
