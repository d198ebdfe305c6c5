//! `[[notify]]` and `[metrics]`: who is told, and what monitoring systems may read.

use super::file::Place;
use super::schema::NOTIFY;
use super::table::{Table, tables_of, text};
use super::{ConfigError, Environment};
use crate::args::parse_choice;
use cadena::notify::{
    BUILT_IN, ChannelKind, ChannelSettings, MailSettings, MailTls, Occasion, PingSettings, Secret, TemplateChoice,
    WebhookSettings,
};
use cadena::repository::BackupKind;
use clap::ValueEnum;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// Keys of `[[notify]]` that every channel may have.
const COMMON: &[&str] = &["type", "name", "on", "kinds", "repeat_hours", "timeout_seconds", "ca_file"];
const WEBHOOK: &[&str] = &[
    "url",
    "url_file",
    "url_env",
    "template",
    "template_file",
    "token",
    "token_file",
    "token_env",
    "routing_key",
    "routing_key_file",
    "routing_key_env",
    "target",
    "proxy",
];
const MAIL: &[&str] = &["host", "port", "tls", "user", "password", "password_file", "password_env", "from", "to"];
const PING: &[&str] = &["url", "url_file", "url_env", "proxy"];
/// Where PagerDuty takes events, unless somebody says otherwise.
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";
const DEFAULT_REPEAT_HOURS: u32 = 24;
const DEFAULT_TIMEOUT_SECONDS: u32 = 10;

/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ChannelType {
    Webhook,
    Mail,
    Ping,
}

/// `on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OccasionArg {
    Failure,
    Success,
    Risk,
    Start,
}

/// `kinds`: the words of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    Full,
    Diferencial,
    Incremental,
}

/// `tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TlsArg {
    Starttls,
    Tls,
    None,
}

/// Where a secret stands.
#[derive(Debug, Clone)]
enum SecretPlace {
    /// In `cadena.toml` itself.
    Here(Secret),
    /// In a file: its first line.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
}

/// One `[[notify]]`, its secrets not read yet: who calls `wal-fetch` may not be allowed to.
#[derive(Debug, Clone)]
pub struct ChannelConfig {
    settings: ChannelSettings,
    url: Option<SecretPlace>,
    token: Option<SecretPlace>,
    routing_key: Option<SecretPlace>,
    password: Option<SecretPlace>,
    holds_secret: bool,
}

/// `[metrics]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `None`: nothing is served.
    pub listen: Option<SocketAddr>,
    pub allow_remote: bool,
}

/// Reads `[[notify]]`, or a single `[notify]`.
///
/// # Errors
/// `ConfigUnknownKey`, `ConfigBadValue`, `ConfigMissingKey`, `ConfigNameTwice`.
pub(super) fn take_channels(
    place: &Place<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<ChannelConfig>, ConfigError> {
    let mut channels: Vec<ChannelConfig> = Vec::new();
    for table in tables_of(place, NOTIFY, value)? {
        let channel = take_channel(&table, channels.len() + 1)?;
        if channels.iter().any(|known| known.settings.name == channel.settings.name) {
            let (file, line, name) = (place.file(), place.line(table.offset), channel.settings.name);
            return Err(ConfigError::ConfigNameTwice { file, line, name });
        }
        channels.push(channel);
    }
    Ok(channels)
}

fn take_channel(table: &Table<'_>, number: usize) -> Result<ChannelConfig, ConfigError> {
    let kind: ChannelType = table.required("type", parse_choice)?;
    let (own, word) = match kind {
        ChannelType::Webhook => (WEBHOOK, "webhook"),
        ChannelType::Mail => (MAIL, "mail"),
        ChannelType::Ping => (PING, "ping"),
    };
    table.refuse_unknown(&[COMMON, own].concat())?;
    let url = table.secret("url")?;
    let template = table.template()?;
    let is_pager = template == TemplateChoice::BuiltIn("pagerduty".to_owned());
    if kind != ChannelType::Mail && url.is_none() && !is_pager {
        return Err(table.missing("url"));
    }
    let settings = ChannelSettings {
        name: table.optional("name", text)?.unwrap_or_else(|| format!("{word}-{number}")),
        kind: match kind {
            ChannelType::Webhook => ChannelKind::Webhook(WebhookSettings {
                url: Secret::new(PAGERDUTY_URL),
                template,
                token: None,
                target: table.optional("target", text)?,
                routing_key: None,
                ca_file: table.path("ca_file")?,
                proxy: table.optional("proxy", text)?.map(Secret::new),
            }),
            ChannelType::Mail => ChannelKind::Mail(take_mail(table)?),
            ChannelType::Ping => ChannelKind::Ping(PingSettings {
                url: Secret::new(""),
                ca_file: table.path("ca_file")?,
                proxy: table.optional("proxy", text)?.map(Secret::new),
            }),
        },
        on: match table.list("on", parse_choice::<OccasionArg>)? {
            Some(on) => on.into_iter().map(Occasion::from).collect(),
            None if kind == ChannelType::Ping => vec![Occasion::Success, Occasion::Failure],
            None => vec![Occasion::Failure, Occasion::Risk],
        },
        kinds: table
            .list("kinds", parse_choice::<KindArg>)?
            .unwrap_or_default()
            .into_iter()
            .map(KindArg::kind)
            .collect(),
        repeat_after: Duration::from_secs(
            u64::from(table.number("repeat_hours", 1, 8_760)?.unwrap_or(DEFAULT_REPEAT_HOURS)) * 3600,
        ),
        timeout: Duration::from_secs(
            table.number("timeout_seconds", 1, 120)?.unwrap_or(DEFAULT_TIMEOUT_SECONDS).into(),
        ),
    };
    let (token, routing_key, password) =
        (table.secret("token")?, table.secret("routing_key")?, table.secret("password")?);
    let is_here = |place: &Option<SecretPlace>| matches!(place, Some(SecretPlace::Here(_)));
    let holds_secret = [&url, &token, &routing_key, &password].into_iter().any(is_here) || table.has("proxy");
    Ok(ChannelConfig { settings, url, token, routing_key, password, holds_secret })
}

fn take_mail(table: &Table<'_>) -> Result<MailSettings, ConfigError> {
    let (tls, port) = match table.optional("tls", parse_choice)?.unwrap_or(TlsArg::Starttls) {
        TlsArg::Starttls => (MailTls::StartTls, 587),
        TlsArg::Tls => (MailTls::Tls, 465),
        TlsArg::None => (MailTls::None, 25),
    };
    let to = match table.list("to", text)? {
        Some(to) if !to.is_empty() => to,
        _ => return Err(table.missing("to")),
    };
    Ok(MailSettings {
        host: table.required("host", text)?,
        port: table.number("port", 1, u16::MAX.into())?.and_then(|port| u16::try_from(port).ok()).unwrap_or(port),
        tls,
        user: table.optional("user", text)?,
        password: None,
        from: table.required("from", text)?,
        to,
        ca_file: table.path("ca_file")?,
    })
}

impl ChannelConfig {
    /// Returns the channel's name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Tells whether a secret of it stands in `cadena.toml`.
    pub fn holds_secret(&self) -> bool {
        self.holds_secret
    }

    /// Reads the secrets.
    ///
    /// # Errors
    /// `ConfigSecretFile`, `ConfigSecretVariable`.
    pub fn resolve(&self, environment: &Environment) -> Result<ChannelSettings, ConfigError> {
        let mut settings = self.settings.clone();
        let read = |place: &Option<SecretPlace>| -> Result<Option<Secret>, ConfigError> {
            place.as_ref().map(|place| place.read(&self.settings.name, environment)).transpose()
        };
        match &mut settings.kind {
            ChannelKind::Webhook(webhook) => {
                webhook.url = read(&self.url)?.unwrap_or_else(|| webhook.url.clone());
                (webhook.token, webhook.routing_key) = (read(&self.token)?, read(&self.routing_key)?);
            }
            ChannelKind::Mail(mail) => mail.password = read(&self.password)?,
            ChannelKind::Ping(ping) => ping.url = read(&self.url)?.unwrap_or_else(|| ping.url.clone()),
        }
        Ok(settings)
    }
}

impl SecretPlace {
    fn read(&self, channel: &str, environment: &Environment) -> Result<Secret, ConfigError> {
        let channel = || channel.to_owned();
        match self {
            SecretPlace::Here(secret) => Ok(secret.clone()),
            SecretPlace::Variable(name) => environment
                .text(name)?
                .map(Secret::new)
                .ok_or_else(|| ConfigError::ConfigSecretVariable { channel: channel(), variable: name.clone() }),
            SecretPlace::File(path) => {
                let unreadable = |cause: String| ConfigError::ConfigSecretFile {
                    channel: channel(),
                    file: path.display().to_string(),
                    cause,
                };
                let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
                let line = text.lines().next().unwrap_or_default().trim();
                if line.is_empty() {
                    Err(unreadable("the first line is empty".to_owned()))
                } else {
                    Ok(Secret::new(line))
                }
            }
        }
    }
}

impl MetricsConfig {
    /// Reads one key of `[metrics]`.
    ///
    /// # Errors
    /// `ConfigBadValue`.
    pub(super) fn take(
        &mut self,
        place: &Place<'_>,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        if name == "listen" {
            self.listen = place.parsed(name, value, parse_listen)?;
        } else {
            self.allow_remote =
                value.get_ref().as_bool().ok_or_else(|| place.bad_value(name, value, "true | false".to_owned()))?;
        }
        Ok(())
    }
}

/// Reads an address with a port; `localhost` is the one of version 4.
fn parse_listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    let allowed = || "127.0.0.1:9855 | [::1]:9855 | off".to_owned();
    if let Some(port) = text.strip_prefix("localhost:") {
        return port.parse().map(|port| Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))).map_err(|_| allowed());
    }
    text.parse().map(Some).map_err(|_| allowed())
}

impl From<OccasionArg> for Occasion {
    fn from(occasion: OccasionArg) -> Occasion {
        match occasion {
            OccasionArg::Failure => Occasion::Failure,
            OccasionArg::Success => Occasion::Success,
            OccasionArg::Risk => Occasion::Risk,
            OccasionArg::Start => Occasion::Start,
        }
    }
}

impl KindArg {
    fn kind(self) -> BackupKind {
        match self {
            KindArg::Full => BackupKind::Full,
            KindArg::Diferencial => BackupKind::Differential,
            KindArg::Incremental => BackupKind::Incremental,
        }
    }
}

impl Table<'_> {
    /// Reads where a secret stands: `NAME`, `NAME_file` or `NAME_env`, one of them.
    fn secret(&self, name: &str) -> Result<Option<SecretPlace>, ConfigError> {
        let (file, variable) = (format!("{name}_file"), format!("{name}_env"));
        let found = [
            self.optional(name, text)?.map(|text| SecretPlace::Here(Secret::new(text))),
            self.path(&file)?.map(SecretPlace::File),
            self.optional(&variable, text)?.map(SecretPlace::Variable),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (one, None) => Ok(one),
            (_, Some(_)) => {
                let value = [name, &file, &variable].into_iter().rev().find_map(|name| self.table.get(name));
                let allowed = format!("{name} | {file} | {variable}");
                let wrong = value.map(|value| self.place.bad_value("url", value, allowed));
                Err(wrong.unwrap_or_else(|| self.missing(name)))
            }
        }
    }

    fn template(&self) -> Result<TemplateChoice, ConfigError> {
        if let Some(path) = self.path("template_file")? {
            return Ok(TemplateChoice::File(path));
        }
        let known = |text: &str| {
            let names = BUILT_IN.map(|(name, _)| name);
            if names.contains(&text) { Ok(text.to_owned()) } else { Err(names.join(" | ")) }
        };
        Ok(TemplateChoice::BuiltIn(self.optional("template", known)?.unwrap_or_else(|| "json".to_owned())))
    }
}

/// Everything about notifications and metrics, as commands need it.
#[derive(Debug, Clone, Default)]
pub struct MonitoringConfig {
    pub channels: Vec<ChannelConfig>,
    pub metrics: MetricsConfig,
    /// What messages call the cluster.
    pub cluster_name: Option<String>,
    /// The environment, for secrets that stand there.
    pub environment: Environment,
}

impl MonitoringConfig {
    /// Reads the secrets of all channels.
    ///
    /// # Errors
    /// Those of [`ChannelConfig::resolve`].
    pub fn resolve_channels(&self) -> Result<Vec<ChannelSettings>, ConfigError> {
        self.channels.iter().map(|channel| channel.resolve(&self.environment)).collect()
    }
}

#[cfg(test)]
mod tests;
