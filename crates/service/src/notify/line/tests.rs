use super::*;
use crate::notify::{ChannelKind, Occasion, PingSettings, Secret, TemplateChoice, WebhookSettings};
use serde_json::{Map, json};
use vault::journal::EventLevel;
use vault::repository::BackupKind;

const HOUR: i64 = 3600;

fn settings(on: &[Occasion]) -> ChannelSettings {
    let webhook = WebhookSettings {
        url: Secret::new("http://127.0.0.1:1/"),
        template: TemplateChoice::BuiltIn("json".to_owned()),
        token: None,
        target: None,
        routing_key: None,
        ca_file: None,
        proxy: None,
    };
    ChannelSettings {
        name: "test".to_owned(),
        kind: ChannelKind::Webhook(webhook),
        on: on.to_vec(),
        kinds: Vec::new(),
        repeat_after: Duration::from_secs(6 * 3600),
        timeout: Duration::from_secs(1),
    }
}

fn line() -> Line {
    Line::new(settings(&[Occasion::Failure, Occasion::Success, Occasion::Risk]), BTreeMap::new())
}

fn matter(key: &str, occasion: Occasion, level: EventLevel) -> Matter {
    Matter { key: key.to_owned(), subject: String::new(), occasion, level, arguments: Map::new() }
}

fn risk(key: &str) -> Matter {
    matter(key, Occasion::Risk, EventLevel::Warning)
}

fn success(key: &str) -> Matter {
    matter(key, Occasion::Success, EventLevel::Info)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Sends everything that there is to send, each with the same outcome; returns keys and phases.
fn drain(line: &mut Line, now: Timestamp, attempt: Attempt) -> Vec<(String, Phase)> {
    let mut sent = Vec::new();
    while let Some(work) = line.next(now) {
        sent.push((work.matter.key.clone(), work.phase));
        line.done(&work, attempt, now);
        assert!(sent.len() < 1000, "it never ends");
    }
    sent
}

fn one(key: &str, phase: Phase) -> Vec<(String, Phase)> {
    vec![(key.to_owned(), phase)]
}

#[test]
fn a_problem_is_told_once_again_after_some_hours_and_once_when_it_is_over() {
    let mut line = line();
    line.problems(&[risk("a")], at(0));
    assert_eq!(drain(&mut line, at(0), Attempt::Taken), one("a", Phase::Problem));
    for minute in 1..300 {
        line.problems(&[risk("a")], at(60 * minute));
        assert_eq!(drain(&mut line, at(60 * minute), Attempt::Taken), [], "minute {minute}");
    }
    line.problems(&[risk("a")], at(6 * HOUR));
    assert_eq!(drain(&mut line, at(6 * HOUR), Attempt::Taken), one("a", Phase::Reminder));
    line.problems(&[], at(7 * HOUR));
    assert_eq!(drain(&mut line, at(7 * HOUR), Attempt::Taken), one("a", Phase::Resolved));
    line.problems(&[], at(8 * HOUR));
    assert_eq!(drain(&mut line, at(8 * HOUR), Attempt::Taken), []);
    line.problems(&[risk("a")], at(9 * HOUR));
    assert_eq!(drain(&mut line, at(9 * HOUR), Attempt::Taken), one("a", Phase::Problem));
}

#[test]
fn the_end_of_what_nobody_heard_of_is_not_told() {
    let mut line = line();
    line.problems(&[risk("a")], at(0));
    let work = line.next(at(0)).unwrap();
    line.done(&work, Attempt::Failed, at(0));
    line.problems(&[], at(1));
    assert_eq!(drain(&mut line, at(HOUR), Attempt::Taken), []);
}

#[test]
fn a_server_that_is_away_hears_of_the_present_state_once_it_is_back() {
    let mut line = line();
    for minute in 0..60 {
        let mut lag = risk("lag");
        lag.arguments.insert("lag_seconds".to_owned(), json!(minute));
        let problems = if minute < 30 { vec![lag, risk("gone")] } else { vec![lag] };
        line.problems(&problems, at(60 * minute));
        while let Some(work) = line.next(at(60 * minute)) {
            line.done(&work, Attempt::Failed, at(60 * minute));
        }
    }
    let work = line.next(at(2 * HOUR)).unwrap();
    assert_eq!((work.matter.arguments["lag_seconds"].clone(), work.since), (json!(59), at(0)));
    assert_eq!(drain(&mut line, at(2 * HOUR), Attempt::Taken), one("lag", Phase::Problem));
}

#[test]
fn pauses_between_attempts_grow_up_to_five_minutes() {
    let mut line = line();
    line.problems(&[risk("a")], at(0));
    let mut now = at(0);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let work = line.next(now).unwrap();
        line.done(&work, Attempt::Failed, now);
        assert!(line.next(now).is_none() && line.is_failing());
        let then = line.wake_at(now).unwrap();
        pauses.push(then.as_second() - now.as_second());
        now = then;
    }
    assert_eq!(pauses, [1, 4, 16, 64, 256, 300, 300]);
    assert_eq!(drain(&mut line, now, Attempt::Taken), one("a", Phase::Problem));
    assert!(!line.is_failing());
}

#[test]
fn what_a_server_refuses_is_offered_again_with_the_reminders_and_its_end_is_not_told() {
    let mut line = line();
    line.problems(&[risk("a")], at(0));
    assert_eq!(drain(&mut line, at(0), Attempt::Refused), one("a", Phase::Problem));
    assert_eq!(drain(&mut line, at(HOUR), Attempt::Taken), []);
    assert!(line.told().is_empty(), "nobody was told");
    assert_eq!(drain(&mut line, at(6 * HOUR), Attempt::Refused), one("a", Phase::Problem));
    line.problems(&[], at(7 * HOUR));
    assert_eq!(drain(&mut line, at(7 * HOUR), Attempt::Taken), []);
}

#[test]
fn the_gravest_comes_first_and_news_last() {
    let mut line = line();
    line.news(&success("news"), at(0));
    line.problems(&[risk("a"), matter("b", Occasion::Failure, EventLevel::Error), risk("c")], at(0));
    let keys: Vec<_> = drain(&mut line, at(0), Attempt::Taken).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["b", "c", "a", "news"]);
}

#[test]
fn news_are_bounded_in_number_and_attempts_and_what_is_dropped_is_counted() {
    let mut line = line();
    for _ in 0..NEWS_AT_MOST + 3 {
        line.news(&success("a"), at(0));
    }
    assert_eq!(line.take_dropped(), 3);
    for round in 0..i64::from(NEWS_ATTEMPTS) {
        let work = line.next(at(round * HOUR)).unwrap();
        line.done(&work, Attempt::Failed, at(round * HOUR));
    }
    assert_eq!((line.take_dropped(), line.news.len()), (1, NEWS_AT_MOST - 1));
    let many: Vec<_> = (0..PROBLEMS_AT_MOST + 5).map(|n| Matter { subject: n.to_string(), ..risk("a") }).collect();
    line.problems(&many, at(0));
    assert_eq!((line.take_dropped(), line.problems.len()), (5, PROBLEMS_AT_MOST));
}

#[test]
fn an_item_that_was_pushed_out_while_it_was_sent_takes_no_other_with_it() {
    let mut line = line();
    line.news(&success("first"), at(0));
    let work = line.next(at(0)).unwrap();
    for _ in 0..NEWS_AT_MOST {
        line.news(&success("later"), at(0));
    }
    line.done(&work, Attempt::Taken, at(0));
    assert_eq!(line.news.len(), NEWS_AT_MOST);
}

#[test]
fn a_problem_that_comes_back_while_its_end_is_told_is_told_anew() {
    let mut line = line();
    line.problems(&[risk("a")], at(0));
    drain(&mut line, at(0), Attempt::Taken);
    line.problems(&[], at(10));
    let work = line.next(at(10)).unwrap();
    line.problems(&[risk("a")], at(11));
    line.done(&work, Attempt::Taken, at(12));
    assert_eq!(drain(&mut line, at(12), Attempt::Taken), one("a", Phase::Problem));
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_no_end() {
    let mut before = line();
    before.problems(&[risk("a"), risk("b")], at(0));
    drain(&mut before, at(0), Attempt::Taken);
    let mut line = Line::new(settings(&[Occasion::Risk]), before.told());
    line.problems(&[risk("a")], at(60));
    assert_eq!(drain(&mut line, at(60), Attempt::Taken), one("b", Phase::Resolved));
}

#[test]
fn a_channel_hears_only_of_its_occasions_and_kinds() {
    let mut risks = Line::new(settings(&[Occasion::Risk]), BTreeMap::new());
    risks.problems(&[risk("a"), matter("b", Occasion::Failure, EventLevel::Error)], at(0));
    risks.news(&success("c"), at(0));
    assert_eq!(drain(&mut risks, at(0), Attempt::Taken), one("a", Phase::Problem));

    let of_kind = |key: &str, occasion, kind: &str| {
        let mut matter = matter(key, occasion, EventLevel::Info);
        matter.arguments.insert("kind".to_owned(), json!(kind));
        matter
    };
    let mut fulls = settings(&[Occasion::Success, Occasion::Failure, Occasion::Start]);
    fulls.kinds = vec![BackupKind::Full];
    fulls.kind = ChannelKind::Ping(PingSettings { url: Secret::new("http://x/"), ca_file: None, proxy: None });
    let mut ping = Line::new(fulls, BTreeMap::new());
    ping.problems(&[of_kind("problem", Occasion::Failure, "FULL")], at(0));
    ping.news(&of_kind("start", Occasion::Start, "FULL"), at(0));
    ping.news(&of_kind("other", Occasion::Success, "INCREMENTAL"), at(0));
    // A dump is no backup of the cluster: whoever waits for those must go on waiting.
    ping.news(&of_kind("dump", Occasion::Success, "LOGICAL"), at(0));
    ping.news(&success("validation"), at(0));
    ping.news(&of_kind("fail", Occasion::Failure, "FULL"), at(0));
    ping.news(&of_kind("done", Occasion::Success, "FULL"), at(0));
    let keys: Vec<_> = drain(&mut ping, at(0), Attempt::Taken).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["start", "fail", "done"]);
    // Whoever reads messages about FULLs reads of dumps, too.
    let mut mail = settings(&[Occasion::Success]);
    mail.kinds = vec![BackupKind::Full];
    let mut mail = Line::new(mail, BTreeMap::new());
    mail.news(&of_kind("dump", Occasion::Success, "LOGICAL"), at(0));
    mail.news(&of_kind("other", Occasion::Success, "DIFERENCIAL"), at(0));
    let keys: Vec<_> = drain(&mut mail, at(0), Attempt::Taken).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["dump"]);
    // Others hear of a failure as a problem, and of its end; not of each attempt.
    let mut line = line();
    line.news(&of_kind("fail", Occasion::Failure, "FULL"), at(0));
    assert_eq!(drain(&mut line, at(0), Attempt::Taken), []);
}
