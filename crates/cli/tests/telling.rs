//! Who is told when something goes wrong, as users set it up: `[[notify]]`, `cadena notify test`, `[metrics]`.

#![cfg(unix)]

mod common;
mod daemon_support;
mod stream_support;

use common::{Answer, Cadena};
use daemon_support::{cadena_for, options};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use stream_support::{Daemon, daemon_log, ok, wait_for};
use testkit::{TestCluster, available_versions};

/// Stands in the address, and may be nowhere else.
const TOKEN: &str = "T0000000-B1111111-s3cr3ts3cr3t";

/// Answers every request with the same status; what was posted, and the path of what was only asked for, comes out.
fn hook(status: u16) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, posted) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).expect("a request");
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a header");
                if let Some((name, value)) = line.trim().split_once(": ") {
                    if name.eq_ignore_ascii_case("content-length") {
                        length = value.parse().expect("a length");
                    }
                } else {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let path = first.split(' ').nth(1).unwrap_or_default();
            let value = serde_json::from_slice(&body).unwrap_or_else(|_| path.into());
            let answer = format!("no such hook {TOKEN}");
            let length = answer.len();
            let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{answer}");
            // Whoever asked may have gone, and the test may be over.
            let _ = (&stream).write_all(head.as_bytes());
            if sender.send(value).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/services/{TOKEN}"), posted)
}

fn next(posted: &Receiver<Value>) -> Value {
    posted.recv_timeout(Duration::from_secs(120)).expect("a message")
}

/// Nothing that anybody may see holds the token.
fn without_token(answer: &Answer) {
    assert!(!answer.stdout.contains(TOKEN) && !answer.stderr.contains(TOKEN), "{answer:?}");
}

fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Returns the value of a sample, named with its labels as it stands on the page.
fn sample(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn a_test_goes_through_every_channel_and_says_what_was_answered() {
    let (good, posted) = hook(200);
    let (bad, _) = hook(404);
    let cadena = Cadena::new().variable("GOOD", &good);
    cadena.write("bad-url", &format!("{bad}\n"));
    let channel = |name: &str, url: &str| format!("[[notify]]\ntype = 'webhook'\nname = '{name}'\n{url}\n");
    let config = channel("good", "url_env = 'GOOD'\ntemplate = 'slack'") + &channel("bad", "url_file = 'bad-url'");
    cadena.write("cadena.toml", &config);
    let answer = cadena.run(&["notify", "test", "--json", "-vvv"]);
    without_token(&answer);
    let report = answer.json();
    assert_eq!((answer.code, &report["ok"]), (1, &false.into()));
    assert_eq!((&report["channels"][0]["ok"], &report["channels"][0]["answer"]["code"]), (&true.into(), &200.into()));
    let refused = &report["channels"][1]["error"];
    assert_eq!((&refused["key"], &refused["status"]), (&"notify-refused".into(), &404.into()));
    assert!(refused["answer"].as_str().is_some_and(|text| text.starts_with("no such hook")), "{refused}");
    assert!(next(&posted)["blocks"][0]["text"]["text"].as_str().is_some_and(|text| text.contains("This is a test")));

    let spanish = cadena.run(&["notify", "test", "good", "--lang", "es"]);
    without_token(&spanish);
    assert!(spanish.code == 0 && spanish.stdout.contains("aceptó el mensaje (200"), "{spanish:?}");
    assert!(next(&posted)["text"].as_str().is_some_and(|text| text.contains("Esta es una prueba del canal good")));
    let unknown = cadena.run(&["notify", "test", "guardia"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("good, bad"), "{unknown:?}");
    // Where a secret should be, and is not.
    std::fs::remove_file(cadena.path("bad-url")).expect("it was there");
    let absent = cadena.run(&["notify", "test", "bad"]);
    assert!(
        absent.code == 1 && absent.stdout.contains("bad-url") && absent.stdout.contains("first line"),
        "{absent:?}"
    );
    assert_eq!(cadena.run(&["list"]).code, 6, "a channel is no reason for another command to fail");
}

#[test]
fn commands_tell_of_success_failure_and_its_end_when_there_is_no_daemon() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &options());
    let cadena = cadena_for(&cluster);
    let (url, posted) = hook(200);
    let (ping, pinged) = hook(200);
    cadena.write("url", &url);
    cadena.write("ping", &ping);
    let config = "[general]\ncluster_name = 'nexoryn'\nlang = 'es'\n\
                  [[notify]]\ntype = 'webhook'\nurl_file = 'url'\non = ['failure', 'success']\n\
                  [[notify]]\ntype = 'ping'\nurl_file = 'ping'\non = ['success', 'failure', 'start']\n";
    cadena.write("cadena.toml", config);
    let path_end = |value: &Value| value.as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
    ok(&cadena, &["full"]);
    assert_eq!(path_end(&next(&pinged)).as_deref(), Some("start"));
    assert_eq!(path_end(&next(&pinged)).as_deref(), Some(TOKEN));
    let told = next(&posted);
    assert_eq!((&told["key"], &told["phase"]), (&"news-backup-completed".into(), &"news".into()));
    let title = told["title"].as_str().unwrap_or_default();
    assert!(title.starts_with("nexoryn: El backup full_") && title.contains("está completo"), "{title}");

    cluster.stop();
    let failed = cadena.run(&["full"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    without_token(&failed);
    let told = next(&posted);
    assert_eq!((&told["key"], &told["phase"]), (&"problem-backup-failing".into(), &"problem".into()));
    assert_eq!((&told["subject"], &told["arguments"]["kind"]), (&"FULL".into(), &"FULL".into()));
    assert!(told["text"].as_str().is_some_and(|text| !text.is_empty()), "no remedy: {told}");
    assert_eq!(path_end(&next(&pinged)).as_deref(), Some("fail"));

    cluster.start();
    ok(&cadena, &["full"]);
    let mut phases: Vec<String> = [next(&posted), next(&posted)].iter().map(|told| told["phase"].to_string()).collect();
    phases.sort();
    assert_eq!(phases, ["\"news\"", "\"resolved\""]);
}

#[test]
fn a_daemon_serves_metrics_and_health_and_tells_of_what_others_do() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &options());
    let cadena = cadena_for(&cluster);
    let (url, posted) = hook(200);
    cadena.write("url", &url);
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let config = format!(
        "[metrics]\nlisten = '127.0.0.1:{port}'\n[[notify]]\ntype = 'webhook'\nurl_file = 'url'\non = ['risk', 'success']\n"
    );
    cadena.write("cadena.toml", &config);
    let daemon = Daemon::start_with(&cadena, &["--no-schedule"]);
    let metrics = || get(port, "/metrics").map(|(_, page)| page).unwrap_or_default();
    wait_for("the receiver", || sample(&metrics(), "cadena_wal_receiver_streaming") == Some(1.0));
    // There is no backup yet, which is an error, and told.
    let (status, body) = get(port, "/health").expect("an answer");
    let health: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &health["status"]), (503, &"error".into()), "{body}");
    assert_eq!(next(&posted)["key"], "attention-no-backup");

    ok(&cadena, &["full"]);
    let mut keys: Vec<Value> = [next(&posted), next(&posted)].into_iter().map(|mut told| told["key"].take()).collect();
    keys.sort_by_key(Value::to_string);
    assert_eq!(keys, ["attention-no-backup", "news-backup-completed"]);
    wait_for("health", || get(port, "/health").is_some_and(|(status, _)| status == 200));
    assert_eq!(get(port, "/ready").map(|(status, _)| status), Some(200));
    let page = metrics();
    for name in [
        "cadena_backups{kind=\"FULL\",state=\"COMPLETADO\"}",
        "cadena_wal_receiver_up",
        "cadena_wal_slot_up",
        "cadena_backup_attempts_total{kind=\"FULL\",outcome=\"completed\"}",
        "cadena_restorable_windows",
        "cadena_notify_channel_up{channel=\"webhook-1\"}",
    ] {
        assert_eq!(sample(&page, name), Some(1.0), "{name} in {page}");
    }
    for name in [
        "cadena_wal_lag_bytes",
        "cadena_wal_lag_seconds",
        "cadena_wal_slot_retained_bytes",
        "cadena_restorable_first_timestamp_seconds",
        "cadena_restorable_last_timestamp_seconds",
        "cadena_backup_last_completed_timestamp_seconds{kind=\"FULL\"}",
    ] {
        assert!(sample(&page, name).is_some(), "{name} in {page}");
    }
    assert_eq!(sample(&page, "cadena_wal_gaps"), Some(0.0));
    assert!(page.ends_with("# EOF\n"), "{page}");
    assert_eq!(daemon.stop(), Some(0));
    assert!(get(port, "/ready").is_none(), "the page outlives the daemon");
    assert!(!daemon_log(&cadena).contains(TOKEN), "{}", daemon_log(&cadena));
    let memory = std::fs::read_to_string(cadena.path("backups_incrementales/notify.json")).expect("notify.json");
    assert!(!memory.contains(TOKEN), "{memory}");
}

#[test]
fn a_daemon_refuses_to_serve_others_than_this_host_and_channels_that_make_no_sense() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &options());
    let cadena = cadena_for(&cluster);
    for (config, key) in [
        ("[metrics]\nlisten = '0.0.0.0:0'", "metrics-remote"),
        ("[[notify]]\ntype = 'webhook'\nurl_env = 'X'\ntemplate = 'telegram'", "notify-settings"),
        ("[[notify]]\ntype = 'webhook'\nurl_env = 'Y'", "config-secret-variable"),
    ] {
        cadena.write("cadena.toml", config);
        let mut command = cadena.command(&["start", "--json"]);
        let output = command.env("X", format!("http://127.0.0.1:1/{TOKEN}")).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(key) && !text.contains(TOKEN), "{key}: {output:?}");
    }
}
