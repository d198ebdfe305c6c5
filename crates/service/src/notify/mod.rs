//! Who is told when something goes wrong, and how? Problems and news go through channels (webhooks, mail, pings), each with a queue
//! and a thread of its own, so that an endpoint that does not answer holds up nobody.
//!
//! A problem is told once, again after some hours if it lasts, and once more when it is over. The words are the edge's
//! ([`NotifyWords`]); addresses and passwords ([`Secret`]) are in no log, error or report.

mod error;
mod http;
mod line;
mod mail;
mod matters;
mod memory;
mod message;
mod notifier;
mod ping;
mod secret;
mod sender;
mod settings;
mod template;
mod webhook;

pub use error::NotifyError;
pub use matters::{News, Problem, news, problems, unreadable};
pub use memory::MEMORY_KEY;
pub use message::{Fact, Matter, Notification, NotifyWords, Occasion, Phase, Wording};
pub use notifier::{Notifier, NotifyEvent, NotifyLog, NotifySettings, send_test};
pub use secret::Secret;
pub use sender::Answer;
pub use settings::{
    ChannelKind, ChannelSettings, MailSettings, MailTls, PingSettings, TemplateChoice, WebhookSettings, check_channel,
};
pub use template::BUILT_IN;
