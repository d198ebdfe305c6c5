//! What a channel needs to know, and whether it makes sense.

use super::{NotifyError, Occasion, Secret, template};
use crate::metrics::LOGICAL;
use std::path::PathBuf;
use std::time::Duration;
use vault::repository::BackupKind;

/// One channel.
#[derive(Debug, Clone)]
pub struct ChannelSettings {
    /// Its name, in messages of ours and for `cadena notify test NAME`.
    pub name: String,
    /// How it speaks.
    pub kind: ChannelKind,
    /// On which occasions.
    pub on: Vec<Occasion>,
    /// Of which backups; empty: of all, and of everything else.
    pub kinds: Vec<BackupKind>,
    /// A problem that lasts is told again after so long.
    pub repeat_after: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// How a channel speaks.
#[derive(Debug, Clone)]
pub enum ChannelKind {
    /// A request with a text made by a template.
    Webhook(WebhookSettings),
    /// A mail.
    Mail(MailSettings),
    /// A dead-man's switch, such as healthchecks.io: it tells its people when nothing is heard.
    Ping(PingSettings),
}

/// A template: one of ours, or the users' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateChoice {
    /// One of [`template::BUILT_IN`].
    BuiltIn(String),
    /// A file. One that is named `….json` or `….json.j2` gives JSON, and its values are put in as JSON; any other gives plain text.
    File(PathBuf),
}

/// Of a webhook.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Where to. It may hold a token.
    pub url: Secret,
    /// What is sent.
    pub template: TemplateChoice,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// Telegram's chat, ntfy's topic, and the like: what the template needs besides.
    pub target: Option<String>,
    /// PagerDuty's integration key.
    pub routing_key: Option<Secret>,
    /// PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// A proxy to go through. None is taken from the environment.
    pub proxy: Option<Secret>,
}

/// How a mail's way is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// Begins in the clear and goes over to TLS, or ends: port 587.
    StartTls,
    /// TLS from the first byte: port 465.
    Tls,
    /// In the clear: port 25.
    None,
}

/// Of mail.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way is protected.
    pub tls: MailTls,
    /// Who logs in, with `password`.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The sender's address.
    pub from: String,
    /// The addresses.
    pub to: Vec<String>,
    /// PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Of a ping.
#[derive(Debug, Clone)]
pub struct PingSettings {
    /// Asked for on success; with `/fail` after it on failure, and `/start` at the start.
    pub url: Secret,
    /// PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// A proxy to go through.
    pub proxy: Option<Secret>,
}

/// Looks whether a channel's settings make sense: address, template, mail addresses. Sends nothing.
///
/// # Errors
/// `NotifySettings`, `NotifyTemplate`.
pub fn check_channel(settings: &ChannelSettings) -> Result<(), NotifyError> {
    super::sender::sender_for(settings).map(drop)
}

impl ChannelSettings {
    /// Says what is wrong with the settings.
    pub(super) fn wrong(&self, detail: impl Into<String>) -> NotifyError {
        NotifyError::NotifySettings { channel: self.name.clone(), detail: detail.into() }
    }

    /// Tells whether a problem is told here.
    pub(super) fn wants_problem(&self, matter: &super::Matter) -> bool {
        !self.is_ping() && self.on.contains(&matter.occasion) && self.wants_kind(matter)
    }

    /// Tells whether news are told here. Failures are news to a ping only: everybody else hears of the problem, and of its end.
    pub(super) fn wants_news(&self, matter: &super::Matter) -> bool {
        let is_theirs = self.is_ping() || matter.occasion == Occasion::Success;
        is_theirs && self.on.contains(&matter.occasion) && self.wants_kind(matter)
    }

    fn is_ping(&self) -> bool {
        matches!(self.kind, ChannelKind::Ping(_))
    }

    fn wants_kind(&self, matter: &super::Matter) -> bool {
        let kind = matter.arguments.get("kind").and_then(serde_json::Value::as_str);
        // Of FULL backups, logical ones are; but a ping for the cluster's must not come for a dump.
        let is_dump = |known: BackupKind| kind == Some(LOGICAL) && known == BackupKind::Full && !self.is_ping();
        match (self.kinds.is_empty(), kind) {
            (true, _) => true,
            (false, Some(kind)) => self.kinds.iter().any(|known| known.word() == kind || is_dump(*known)),
            // What is about no backup concerns whoever is told of problems; a ping of one kind of backup means only that.
            (false, None) => !self.is_ping(),
        }
    }
}

impl TemplateChoice {
    /// Returns the name for messages.
    pub(super) fn name(&self) -> String {
        match self {
            TemplateChoice::BuiltIn(name) => name.clone(),
            TemplateChoice::File(path) => path.display().to_string(),
        }
    }

    /// Reads the template: its text, and whether it gives JSON.
    pub(super) fn read(&self) -> Result<(String, bool), String> {
        match self {
            TemplateChoice::BuiltIn(name) => template::built_in(name)
                .map(|text| (text.to_owned(), true))
                .ok_or_else(|| format!("known: {}", template::BUILT_IN.map(|(name, _)| name).join(", "))),
            TemplateChoice::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
                Ok((text, name.ends_with(".json") || name.ends_with(".json.j2")))
            }
        }
    }
}
