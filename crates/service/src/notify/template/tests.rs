use super::*;
use crate::notify::{Fact, Occasion};
use serde_json::{Value as Json, json};

/// Everything in it tries to break out of something.
const HOSTILE: &str = "\"}],\\ <!channel> <b>x</b> @all & *y* _z_ {{ 7 * 7 }} `k`\nnext line \u{1} ñ 🔥";

fn message(phase: Phase, level: EventLevel) -> Notification {
    Notification {
        key: "problem-backup-failing".to_owned(),
        subject: "FULL".to_owned(),
        identity: "cadena/prod/problem-backup-failing/FULL".to_owned(),
        occasion: Occasion::Failure,
        phase,
        level,
        title: format!("prod: FULL failed {HOSTILE}"),
        text: format!("Look at it. {HOSTILE}"),
        facts: vec![
            Fact { name: "Cluster".to_owned(), value: "prod".to_owned() },
            Fact { name: "Name \"x\" @all".to_owned(), value: HOSTILE.to_owned() },
        ],
        at: "2026-11-25T03:04:05Z".parse().unwrap(),
        since: "2026-11-25T01:00:00Z".parse().unwrap(),
        cluster: "prod".to_owned(),
        host: "db1".to_owned(),
        arguments: json!({"kind": "FULL", "hostile": HOSTILE}).as_object().unwrap().clone(),
    }
}

fn render(name: &str, message: &Notification) -> Json {
    let template = Template::new(&TemplateChoice::BuiltIn(name.to_owned())).unwrap();
    let extras = Extras { target: Some("-100123"), routing_key: Some("R0UT1NG") };
    let text = template.render(message, &extras).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error} in {text}"))
}

fn problem(name: &str) -> Json {
    render(name, &message(Phase::Problem, EventLevel::Error))
}

fn text<'a>(value: &'a Json, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Json::as_str).unwrap_or_else(|| panic!("no text at {pointer} in {value:#}"))
}

fn keys(value: &Json) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_template_gives_json_in_every_phase_and_without_text_and_facts() {
    for (name, _) in BUILT_IN {
        for phase in [Phase::Problem, Phase::Reminder, Phase::Resolved, Phase::News, Phase::Test] {
            for level in [EventLevel::Info, EventLevel::Warning, EventLevel::Error] {
                let whole = message(phase, level);
                render(name, &whole);
                render(name, &Notification { text: String::new(), facts: Vec::new(), ..whole });
            }
        }
    }
}

#[test]
fn slack_gets_blocks_that_mention_nobody() {
    let value = problem("slack");
    assert_eq!(keys(&value), ["blocks", "text"]);
    assert_eq!(text(&value, "/blocks/0/type"), "header");
    assert_eq!(text(&value, "/blocks/0/text/type"), "plain_text");
    assert!(text(&value, "/blocks/0/text/text").chars().count() <= 150);
    assert_eq!(text(&value, "/blocks/1/type"), "section");
    assert_eq!(text(&value, "/blocks/1/text/type"), "plain_text");
    assert_eq!(text(&value, "/blocks/2/fields/0/text"), "*Cluster*\nprod");
    for mrkdwn in [text(&value, "/text"), text(&value, "/blocks/2/fields/1/text")] {
        assert!(mrkdwn.contains("&lt;!channel&gt;") && !mrkdwn.contains("<!channel>"), "{mrkdwn}");
    }
    let many = Notification {
        facts: (0..40).map(|n| Fact { name: n.to_string(), value: "x".repeat(5000) }).collect(),
        text: "y".repeat(9000),
        ..message(Phase::Problem, EventLevel::Error)
    };
    let value = render("slack", &many);
    // Slack refuses more than ten fields, 2,000 characters in one, 3,000 in a section.
    assert_eq!(value.pointer("/blocks/2/fields").and_then(Json::as_array).map(Vec::len), Some(10));
    assert_eq!(text(&value, "/blocks/2/fields/9/text").chars().count(), 2000);
    assert_eq!(text(&value, "/blocks/1/text/text").chars().count(), 3000);
}

#[test]
fn discord_gets_an_embed_within_its_limits_and_no_mention_is_parsed() {
    let value = problem("discord");
    assert_eq!(value["allowed_mentions"], json!({"parse": []}));
    let embed = &value["embeds"][0];
    assert_eq!(embed["color"], json!(0xe0_1e5a));
    assert_eq!(text(embed, "/timestamp"), "2026-11-25T03:04:05Z");
    assert_eq!(embed["fields"][0], json!({"name": "Cluster", "value": "prod", "inline": true}));
    assert!(text(embed, "/title").chars().count() <= 256);
    let many = Notification {
        facts: (0..40).map(|_| Fact { name: "n".repeat(400), value: "x".repeat(5000) }).collect(),
        text: "y".repeat(9000),
        title: "z".repeat(900),
        ..message(Phase::Problem, EventLevel::Error)
    };
    let embed = &render("discord", &many)["embeds"][0];
    let all = ["/title", "/description", "/footer/text"].map(|part| text(embed, part).chars().count());
    let fields = embed["fields"].as_array().unwrap();
    let in_fields: usize =
        fields.iter().map(|field| text(field, "/name").chars().count() + text(field, "/value").chars().count()).sum();
    assert!(fields.len() <= 25 && all[0] <= 256 && all[1] <= 4096, "{all:?}");
    assert!(fields.iter().all(|field| text(field, "/value").chars().count() <= 1024));
    // An embed as a whole may have 6,000 characters.
    assert!(all.iter().sum::<usize>() + in_fields <= 6000, "{all:?} + {in_fields}");
}

#[test]
fn teams_gets_a_message_with_one_adaptive_card() {
    let value = problem("teams");
    assert_eq!(keys(&value), ["attachments", "type"]);
    assert_eq!(text(&value, "/type"), "message");
    assert_eq!(text(&value, "/attachments/0/contentType"), "application/vnd.microsoft.card.adaptive");
    let card = &value["attachments"][0]["content"];
    assert_eq!((text(card, "/type"), text(card, "/version")), ("AdaptiveCard", "1.4"));
    assert_eq!((text(card, "/body/0/type"), text(card, "/body/0/color")), ("TextBlock", "Attention"));
    assert_eq!((text(card, "/body/2/type"), text(card, "/body/2/facts/0/title")), ("FactSet", "Cluster"));
    let over = render("teams", &message(Phase::Resolved, EventLevel::Error));
    assert_eq!(text(&over, "/attachments/0/content/body/0/color"), "Good");
}

#[test]
fn telegram_gets_html_without_foreign_tags() {
    let value = problem("telegram");
    assert_eq!((text(&value, "/chat_id"), text(&value, "/parse_mode")), ("-100123", "HTML"));
    let html = text(&value, "/text");
    assert!(html.starts_with("<b>🔴 prod: FULL failed") && html.contains("\n<b>Cluster:</b> prod"), "{html}");
    // Telegram refuses a message with a tag that it does not know, or one that is not closed.
    let without_ours = html.replace("<b>", "").replace("</b>", "");
    assert!(!without_ours.contains('<') && !without_ours.contains('>'), "{html}");
    assert_eq!(html.matches("<b>").count(), html.matches("</b>").count());
    assert!(html.contains("&lt;b&gt;x&lt;/b&gt;"), "{html}");
    let long = Notification {
        facts: (0..40).map(|_| Fact { name: "n".repeat(400), value: "<&>".repeat(900) }).collect(),
        text: "&".repeat(9000),
        title: "z".repeat(900),
        ..message(Phase::Problem, EventLevel::Error)
    };
    let html = render("telegram", &long);
    // Counted after entities are read, as Telegram does.
    let plain = text(&html, "/text").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    assert!(plain.chars().count() <= 4096, "{}", plain.chars().count());
    assert_eq!(value["disable_notification"], json!(false));
    assert_eq!(render("telegram", &message(Phase::Resolved, EventLevel::Error))["disable_notification"], json!(true));
}

#[test]
fn mattermost_gets_an_attachment_that_mentions_nobody() {
    let value = problem("mattermost");
    let attachment = &value["attachments"][0];
    assert_eq!(text(attachment, "/color"), "#e01e5a");
    assert_eq!(attachment["fields"][0], json!({"short": true, "title": "Cluster", "value": "prod"}));
    assert!(!value.to_string().contains("@all"), "{value}");
}

#[test]
fn google_chat_gets_a_card_and_a_text() {
    let value = problem("google-chat");
    assert_eq!(keys(&value), ["cardsV2", "text"]);
    let card = &value["cardsV2"][0]["card"];
    assert!(text(card, "/header/title").starts_with("prod: FULL failed"));
    assert!(text(card, "/sections/0/widgets/0/textParagraph/text").contains("&lt;!channel&gt;"));
    assert_eq!(text(card, "/sections/0/widgets/1/decoratedText/topLabel"), "Cluster");
    // `<users/all>` in the text would call everybody.
    assert!(!text(&value, "/text").contains('<'));
}

#[test]
fn pagerduty_gets_an_event_that_its_end_resolves() {
    let value = problem("pagerduty");
    assert_eq!((text(&value, "/routing_key"), text(&value, "/event_action")), ("R0UT1NG", "trigger"));
    assert_eq!(text(&value, "/dedup_key"), "cadena/prod/problem-backup-failing/FULL");
    let payload = &value["payload"];
    assert_eq!((text(payload, "/severity"), text(payload, "/source")), ("critical", "db1"));
    assert!(text(payload, "/summary").chars().count() <= 1024);
    assert_eq!(text(payload, "/custom_details/Cluster"), "prod");
    let warned = render("pagerduty", &message(Phase::Reminder, EventLevel::Warning));
    assert_eq!((text(&warned, "/event_action"), text(&warned, "/payload/severity")), ("trigger", "warning"));
    let over = render("pagerduty", &message(Phase::Resolved, EventLevel::Error));
    assert_eq!((text(&over, "/event_action"), &over["dedup_key"]), ("resolve", &value["dedup_key"]));
}

#[test]
fn ntfy_gets_topic_priority_and_tag() {
    let value = problem("ntfy");
    assert_eq!((text(&value, "/topic"), &value["priority"]), ("-100123", &json!(5)));
    assert_eq!(value["tags"], json!(["rotating_light"]));
    assert!(text(&value, "/message").ends_with(&format!("Name \"x\" @all: {HOSTILE}")));
}

#[test]
fn plain_json_holds_everything_as_it_is() {
    let message = message(Phase::Problem, EventLevel::Error);
    let mut expected = serde_json::to_value(&message).unwrap();
    expected["format"] = json!("cadena-notification/1");
    assert_eq!(render("json", &message), expected);
}

fn own(name: &str, content: &str) -> (tempfile::TempDir, Result<Template, String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let template = Template::new(&TemplateChoice::File(path));
    (folder, template)
}

#[test]
fn an_own_template_puts_values_in_as_json_or_as_they_are() {
    let message = message(Phase::Problem, EventLevel::Error);
    let extras = Extras::default();
    let (_folder, json_template) = own("my.json.j2", "{\"say\": {{ title }}, \"of\": {{ facts[0].value }}}");
    let text = json_template.unwrap().render(&message, &extras).unwrap();
    assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), json!({"say": message.title, "of": "prod"}));
    let (_folder, plain) = own("my.txt", "{{ level }} {{ cluster }}: {{ arguments.kind }}");
    let plain = plain.unwrap();
    assert_eq!(plain.render(&message, &extras).unwrap(), "ERROR prod: FULL");
    assert_eq!(plain.media_type(), "text/plain; charset=utf-8");
}

#[test]
fn an_own_template_that_is_wrong_says_where() {
    let message = message(Phase::Problem, EventLevel::Error);
    let (_folder, broken) = own("x.json", "{\n{% if %}");
    assert!(broken.err().unwrap().starts_with("line 2: syntax error"));
    let (_folder, unknown) = own("x.json", "{\"a\":\n{{ titel }}}");
    let error = unknown.unwrap().render(&message, &Extras::default()).unwrap_err();
    assert!(error.starts_with("line 2: undefined value"), "{error}");
    let (_folder, no_json) = own("x.json", "{\"a\": {{ title }}");
    let error = no_json.unwrap().render(&message, &Extras::default()).unwrap_err();
    assert!(error.starts_with("it gives no JSON"), "{error}");
    let (_folder, endless) =
        own("x.txt", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}");
    assert!(endless.unwrap().render(&message, &Extras::default()).is_err());
    let absent = Template::new(&TemplateChoice::File("/nowhere/x.json".into()));
    assert!(absent.is_err());
}
