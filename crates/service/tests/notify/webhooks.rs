use crate::http_server::{HttpServer, Reply};
use crate::support::{PlainWords, TOKEN, channel, matter, ping, problem, start, webhook, webhook_to};
use service::notify::{ChannelKind, NotifyError, Occasion, Secret, WebhookSettings, check_channel, send_test};
use std::time::{Duration, Instant};

fn test(settings: &service::notify::ChannelSettings) -> Result<service::notify::Answer, NotifyError> {
    send_test(settings, "prod", "db1", &PlainWords)
}

/// What people and programs may see of an error.
fn shown(error: &NotifyError) -> String {
    format!("{error} {error:?} {}", serde_json::to_string(error).unwrap())
}

#[test]
fn a_message_is_posted_as_json_with_its_token_and_the_answer_is_told() {
    let server = HttpServer::start(vec![Reply::Say(200, "", "  ok,\n taken\u{7} ".to_owned())]);
    let kind = WebhookSettings { token: Some(Secret::new(TOKEN)), ..webhook_to(&server.url("/a?b=c"), "json") };
    let answer = test(&channel("json", ChannelKind::Webhook(kind))).unwrap();
    let asked = server.next();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/a?b=c"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("cadena/")));
    let body = asked.json();
    assert_eq!((&body["phase"], &body["title"]), (&"test".into(), &"test: notify-test".into()));
    assert_eq!((&body["cluster"], &body["host"]), (&"prod".into(), &"db1".into()));
    assert_eq!((answer.code, answer.text.as_str()), (200, "ok, taken"));
    assert_eq!(answer.host, format!("http://{}", server.address));
}

#[test]
fn a_server_that_fails_is_asked_again_and_its_recovery_is_told() {
    let server = HttpServer::start(vec![
        Reply::Say(500, "", format!("broken at /hooks/{TOKEN}")),
        Reply::Say(200, "", String::new()),
    ]);
    let (notifier, seen) = start(vec![webhook("hook", &server.url(&format!("/hooks/{TOKEN}")))]);
    notifier.problems(&[problem("problem-x")]);
    let (first, second) = (server.next(), server.next());
    assert_eq!(first.json()["key"], second.json()["key"]);
    assert!(notifier.settle(Duration::from_secs(10)));
    assert_eq!(notifier.channels(), [("hook".to_owned(), true)]);
    notifier.problems(&[problem("problem-x")]);
    assert!(server.is_left_alone_for(Duration::from_millis(300)), "a problem was told twice");
    notifier.problems(&[]);
    assert_eq!(server.next().json()["title"], "resolved: problem-x");
    notifier.stop();
    let log = seen.text();
    assert!(log.contains("notify-failing") && log.contains("notify-recovered") && log.contains("500"), "{log}");
    assert!(!log.contains(TOKEN), "{log}");
}

#[test]
fn a_redirection_is_not_followed_and_gives_no_address_away() {
    let elsewhere = HttpServer::start(Vec::new());
    for status in [301, 302, 307, 308] {
        let location: &'static str = format!("Location: {}\r\n", elsewhere.url(&format!("/{TOKEN}"))).leak();
        let server = HttpServer::start(vec![Reply::Say(status, location, String::new())]);
        let error = test(&webhook("hook", &server.url(&format!("/{TOKEN}")))).unwrap_err();
        assert!(matches!(error, NotifyError::NotifyRedirected { status: found, .. } if found == status), "{error}");
        assert!(!error.may_pass() && !shown(&error).contains(TOKEN), "{}", shown(&error));
    }
    assert!(elsewhere.is_left_alone_for(Duration::from_millis(100)));
}

#[test]
fn errors_hold_no_secret_whatever_the_server_repeats() {
    let answer = format!("no such hook: http://user:{TOKEN}@x/services/{TOKEN}?key={TOKEN}, {TOKEN}");
    let server = HttpServer::start(vec![Reply::Say(404, "", answer)]);
    let url = format!("http://user:{TOKEN}@{}/services/{TOKEN}?key={TOKEN}", server.address);
    let error = test(&webhook("hook", &url)).unwrap_err();
    assert!(matches!(error, NotifyError::NotifyRefused { status: 404, .. }) && !error.may_pass(), "{error}");
    assert!(shown(&error).contains("no such hook") && !shown(&error).contains(TOKEN), "{}", shown(&error));

    // A port on which nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = test(&webhook("hook", &format!("http://{free}/{TOKEN}"))).unwrap_err();
    assert!(matches!(error, NotifyError::NotifyUnreachable { .. }) && error.may_pass(), "{error}");
    assert!(shown(&error).contains("refused") && !shown(&error).contains(TOKEN), "{}", shown(&error));

    for wrong in [format!("ftp://x/{TOKEN}"), TOKEN.to_owned(), format!("http:///{TOKEN}"), format!("file:///{TOKEN}")]
    {
        let settings = webhook("hook", &wrong);
        let error = check_channel(&settings).err();
        if let Some(error) = &error {
            assert!(!shown(error).contains(TOKEN), "{}", shown(error));
        }
        // `http:///x` is read as the host `x`, by the rules of addresses.
        assert!(error.is_some() || wrong.starts_with("http:///"), "{wrong}");
        assert!(!format!("{settings:?}").contains(TOKEN), "{settings:?}");
    }
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let server = HttpServer::start(vec![Reply::Silence]);
    let mut settings = webhook("hook", &server.url("/"));
    settings.timeout = Duration::from_secs(1);
    let begin = Instant::now();
    let error = test(&settings).unwrap_err();
    assert!(matches!(error, NotifyError::NotifyTimeout { seconds: 1, .. }) && error.may_pass(), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn an_endless_answer_is_cut() {
    let server = HttpServer::start(vec![Reply::Say(400, "", "x".repeat(1 << 20))]);
    let error = test(&webhook("hook", &server.url("/"))).unwrap_err();
    let NotifyError::NotifyRefused { answer, .. } = error else { panic!("{error}") };
    assert_eq!(answer.len(), 300);
}

#[test]
fn pings_go_to_success_fail_and_start() {
    let server = HttpServer::start(Vec::new());
    let (notifier, _) = start(vec![ping(&server.url("/uuid/?rid=1"))]);
    for occasion in [Occasion::Start, Occasion::Failure, Occasion::Success] {
        notifier.news(&matter("news-x", occasion));
    }
    let asked = [server.next(), server.next(), server.next()];
    assert!(asked.iter().all(|asked| asked.method == "GET" && asked.body.is_empty()));
    assert_eq!(asked.map(|asked| asked.path), ["/uuid/start?rid=1", "/uuid/fail?rid=1", "/uuid/?rid=1"]);
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    let refused = |settings: &service::notify::ChannelSettings| check_channel(settings).unwrap_err().to_string();
    let hook = |template: &str| channel("c", ChannelKind::Webhook(webhook_to("http://127.0.0.1:1/", template)));
    assert!(refused(&hook("telegram")).contains("needs target"));
    assert!(refused(&hook("ntfy")).contains("needs target"));
    assert!(refused(&hook("pagerduty")).contains("needs routing_key"));
    assert!(refused(&hook("slak")).contains("known: discord, google-chat"));
    let mut noisy =
        WebhookSettings { routing_key: Some(Secret::new("x")), ..webhook_to("http://127.0.0.1:1/", "pagerduty") };
    noisy.ca_file = None;
    let mut noisy = channel("c", ChannelKind::Webhook(noisy));
    noisy.on.push(Occasion::Success);
    assert!(refused(&noisy).contains("incident for each success"));
    let mut ping = ping("http://127.0.0.1:1/");
    ping.on.push(Occasion::Risk);
    assert!(refused(&ping).contains("success, failure and start only"));
    let mut with_ca = webhook_to("https://127.0.0.1:1/", "json");
    with_ca.ca_file = Some("/nowhere/ca.pem".into());
    assert!(refused(&channel("c", ChannelKind::Webhook(with_ca))).contains("/nowhere/ca.pem"));
}

#[test]
fn a_test_of_pagerduty_opens_an_incident_and_closes_it() {
    let server = HttpServer::start(vec![
        Reply::Say(202, "", "{\"status\":\"success\"}".to_owned()),
        Reply::Say(202, "", "{\"status\":\"success\"}".to_owned()),
    ]);
    let kind = WebhookSettings {
        routing_key: Some(Secret::new(TOKEN)),
        ..webhook_to(&server.url("/v2/enqueue"), "pagerduty")
    };
    let answer = test(&channel("pager", ChannelKind::Webhook(kind))).unwrap();
    assert_eq!(answer.code, 202);
    let (first, second) = (server.next().json(), server.next().json());
    assert_eq!((&first["event_action"], &second["event_action"]), (&"trigger".into(), &"resolve".into()));
    assert_eq!((&first["dedup_key"], &first["routing_key"]), (&second["dedup_key"], &TOKEN.into()));
}
