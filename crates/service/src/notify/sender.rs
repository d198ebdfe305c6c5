use super::mail::MailSender;
use super::ping::PingSender;
use super::webhook::WebhookSender;
use super::{ChannelKind, ChannelSettings, Notification, NotifyError};
use serde::Serialize;

/// What a server said to a message that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Who: scheme, host and port.
    pub host: String,
    /// The HTTP status or the mail server's code.
    pub code: u16,
    /// The beginning of what else it said, without secrets.
    pub text: String,
}

/// Sends messages through one channel.
pub(super) trait Sender: Send {
    /// Sends one, and waits for the answer, no longer than the channel's timeout.
    fn send(&self, message: &Notification) -> Result<Answer, NotifyError>;
}

/// Makes what speaks through a channel; sends nothing.
///
/// # Errors
/// `NotifySettings`, `NotifyTemplate`.
pub(super) fn sender_for(settings: &ChannelSettings) -> Result<Box<dyn Sender>, NotifyError> {
    Ok(match &settings.kind {
        ChannelKind::Webhook(webhook) => Box::new(WebhookSender::new(settings, webhook)?),
        ChannelKind::Mail(mail) => Box::new(MailSender::new(settings, mail)?),
        ChannelKind::Ping(ping) => Box::new(PingSender::new(settings, ping)?),
    })
}
