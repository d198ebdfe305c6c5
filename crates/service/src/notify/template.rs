//! What is sent to a webhook: templates, ours and the users' own. Whatever a value holds, it stays a value: in templates of JSON every
//! expression gives a whole JSON value, quotes included.

use super::{Notification, Phase, TemplateChoice};
use minijinja::{AutoEscape, Environment, Value, context};
use vault::journal::EventLevel;

/// Our templates: name and text.
pub const BUILT_IN: [(&str, &str); 9] = [
    ("discord", include_str!("templates/discord.json")),
    ("google-chat", include_str!("templates/google-chat.json")),
    ("json", include_str!("templates/json.json")),
    ("mattermost", include_str!("templates/mattermost.json")),
    ("ntfy", include_str!("templates/ntfy.json")),
    ("pagerduty", include_str!("templates/pagerduty.json")),
    ("slack", include_str!("templates/slack.json")),
    ("teams", include_str!("templates/teams.json")),
    ("telegram", include_str!("templates/telegram.json")),
];

/// The name under which an environment knows its one template.
const NAME: &str = "message";
/// A template gives up after so many steps, whatever loops stand in it.
const FUEL: u64 = 100_000;

/// Returns the text of one of our templates.
pub(super) fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A template that has been read.
pub(super) struct Template {
    environment: Environment<'static>,
    gives_json: bool,
}

/// What a channel adds to a message.
#[derive(Default)]
pub(super) struct Extras<'a> {
    pub target: Option<&'a str>,
    pub routing_key: Option<&'a str>,
}

impl Template {
    /// Reads a template; the error says what is wrong with it.
    pub fn new(choice: &TemplateChoice) -> Result<Self, String> {
        let (text, gives_json) = choice.read()?;
        let mut environment = Environment::new();
        let escape = if gives_json { AutoEscape::Json } else { AutoEscape::None };
        environment.set_auto_escape_callback(move |_| escape);
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("cut", cut);
        environment.add_filter("mrkdwn", escape_angles);
        environment.add_filter("html", escape_angles);
        environment.add_filter("chat", |text: &str| text.replace('<', "‹").replace('>', "›"));
        environment.add_filter("markdown", escape_markdown);
        environment.add_filter("unmentioned", |text: &str| text.replace('@', "@\u{200b}"));
        environment.add_template_owned(NAME, text).map_err(|error| reason(&error))?;
        Ok(Template { environment, gives_json })
    }

    /// Returns the media type of what it gives.
    pub fn media_type(&self) -> &'static str {
        if self.gives_json { "application/json" } else { "text/plain; charset=utf-8" }
    }

    /// Puts a message in; the error says what is wrong.
    pub fn render(&self, message: &Notification, extras: &Extras<'_>) -> Result<String, String> {
        let template = self.environment.get_template(NAME).map_err(|error| reason(&error))?;
        let text = template.render(values(message, extras)).map_err(|error| reason(&error))?;
        if self.gives_json {
            // A server's complaint about bad JSON would come back as its own riddle.
            serde_json::from_str::<serde::de::IgnoredAny>(&text)
                .map_err(|error| format!("it gives no JSON: {error}"))?;
        }
        Ok(text)
    }
}

/// Returns what templates may use: the fields of [`Notification`], and how grave it is in the words of several services.
fn values(message: &Notification, extras: &Extras<'_>) -> Value {
    let is_over = matches!(message.phase, Phase::Resolved | Phase::News) && message.level != EventLevel::Error;
    let is_over = is_over || message.phase == Phase::Resolved;
    let (icon, colour, teams_colour, severity, priority, tag) = match (is_over, message.phase, message.level) {
        (true, ..) => ("✅", "#2eb67d", "Good", "info", 3, "white_check_mark"),
        (_, Phase::Test, _) => ("🔔", "#3b82f6", "Accent", "info", 3, "bell"),
        (.., EventLevel::Error) => ("🔴", "#e01e5a", "Attention", "critical", 5, "rotating_light"),
        (.., EventLevel::Warning) => ("⚠️", "#ecb22e", "Warning", "warning", 4, "warning"),
        (.., EventLevel::Info) => ("ℹ️", "#3b82f6", "Accent", "info", 3, "information_source"),
    };
    let colour_number = u32::from_str_radix(colour.trim_start_matches('#'), 16).unwrap_or_default();
    let extra = context! {
        icon, colour, colour_number, teams_colour, severity, priority, tag,
        is_calm => is_over || message.level == EventLevel::Info,
        target => extras.target.unwrap_or_default(),
        routing_key => extras.routing_key.unwrap_or_default(),
    };
    context! { ..extra, ..Value::from_serialize(message) }
}

/// Shortens a text to so many characters, the sign for what is missing included.
fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// Makes a text harmless for Slack's mrkdwn, and for the HTML of Telegram and Google Chat.
fn escape_angles(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Keeps names such as `full_20261125_000000` from being taken for emphasis, and values from becoming links.
fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' | '|') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Returns an error of the template engine in one line, without a piece of the source.
fn reason(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{line}{}{detail}", error.kind())
}

#[cfg(test)]
mod tests;
