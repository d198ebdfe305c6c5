use jiff::Timestamp;
use serde_json::{Map, json};
use service::notify::{
    ChannelKind, ChannelSettings, Fact, Matter, Notifier, NotifyEvent, NotifyLog, NotifySettings, NotifyWords,
    Occasion, Phase, PingSettings, Secret, TemplateChoice, WebhookSettings, Wording,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vault::journal::EventLevel;

/// Stands in addresses and passwords, and may be nowhere else.
pub const TOKEN: &str = "s3cr3t-t0ken-of-the-hook";

/// Says the key.
pub struct PlainWords;

impl NotifyWords for PlainWords {
    fn wording(&self, matter: &Matter, phase: Phase, _: Timestamp, _: Timestamp) -> Wording {
        let phase = serde_json::to_value(phase).unwrap();
        Wording {
            title: format!("{}: {}", phase.as_str().unwrap(), matter.key),
            text: "Do something. ñ".to_owned(),
            facts: vec![Fact { name: "Kind".to_owned(), value: "FULL".to_owned() }],
        }
    }
}

/// Remembers what the notifier says of itself.
#[derive(Default)]
pub struct Seen(pub Mutex<Vec<NotifyEvent>>);

impl NotifyLog for Seen {
    fn record(&self, event: &NotifyEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Seen {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
    }
}

pub fn webhook_to(url: &str, template: &str) -> WebhookSettings {
    WebhookSettings {
        url: Secret::new(url),
        template: TemplateChoice::BuiltIn(template.to_owned()),
        token: None,
        target: None,
        routing_key: None,
        ca_file: None,
        proxy: None,
    }
}

pub fn channel(name: &str, kind: ChannelKind) -> ChannelSettings {
    let on = match kind {
        ChannelKind::Ping(_) => vec![Occasion::Success, Occasion::Failure, Occasion::Start],
        _ => vec![Occasion::Failure, Occasion::Risk],
    };
    ChannelSettings {
        name: name.to_owned(),
        kind,
        on,
        kinds: Vec::new(),
        repeat_after: Duration::from_secs(6 * 3600),
        timeout: Duration::from_secs(2),
    }
}

pub fn webhook(name: &str, url: &str) -> ChannelSettings {
    channel(name, ChannelKind::Webhook(webhook_to(url, "json")))
}

pub fn ping(url: &str) -> ChannelSettings {
    channel("ping", ChannelKind::Ping(PingSettings { url: Secret::new(url), ca_file: None, proxy: None }))
}

pub fn start(channels: Vec<ChannelSettings>) -> (Notifier, Arc<Seen>) {
    start_with(channels, None)
}

pub fn start_with(
    channels: Vec<ChannelSettings>,
    storage: Option<Arc<dyn vault::storage::Storage>>,
) -> (Notifier, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let settings = NotifySettings { channels, cluster: "prod".to_owned(), host: "db1".to_owned(), storage };
    let log: Arc<dyn NotifyLog> = seen.clone();
    (Notifier::start(settings, Arc::new(PlainWords), log).unwrap(), seen)
}

pub fn problem(key: &str) -> Matter {
    matter(key, Occasion::Failure)
}

pub fn matter(key: &str, occasion: Occasion) -> Matter {
    let mut arguments = Map::new();
    arguments.insert("kind".to_owned(), json!("FULL"));
    Matter { key: key.to_owned(), subject: "FULL".to_owned(), occasion, level: EventLevel::Error, arguments }
}
