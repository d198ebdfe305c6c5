use serde::Serialize;

/// Says why a message did not get through. Serializes to `{"key": …, arguments}`. Holds no address and no password: `channel` is the
/// name that the configuration gives, and what servers answer has been gone through for secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum NotifyError {
    /// The settings of a channel make no sense.
    #[error("channel {channel}: {detail}")]
    NotifySettings { channel: String, detail: String },
    /// No channel is configured, or none of that name.
    #[error("no channel {name}; known: {known}")]
    NotifyNoChannel { name: String, known: String },
    /// The own template can't be used, or does not give JSON.
    #[error("channel {channel}: the template {template} can't be used: {detail}")]
    NotifyTemplate { channel: String, template: String, detail: String },
    /// The server can't be reached.
    #[error("channel {channel}: {host} can't be reached: {detail}")]
    NotifyUnreachable { channel: String, host: String, detail: String },
    /// It did not answer in time.
    #[error("channel {channel}: {host} has not answered within {seconds} s")]
    NotifyTimeout { channel: String, host: String, seconds: u64 },
    /// It answered that it did not take the message.
    #[error("channel {channel}: {host} answered {status}: {answer}")]
    NotifyRefused { channel: String, host: String, status: u16, answer: String },
    /// It sent us elsewhere, which is not followed: the message, and a token with it, would go to whoever it names.
    #[error("channel {channel}: {host} answered {status}, a redirection")]
    NotifyRedirected { channel: String, host: String, status: u16 },
    /// The mail server did not take the mail.
    #[error("channel {channel}: {host} did not take the mail: {detail}")]
    NotifyMail { channel: String, host: String, detail: String, permanent: bool },
}

impl NotifyError {
    /// Tells whether the same message may get through later.
    pub fn may_pass(&self) -> bool {
        match self {
            NotifyError::NotifyUnreachable { .. } | NotifyError::NotifyTimeout { .. } => true,
            NotifyError::NotifyRefused { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            NotifyError::NotifyMail { permanent, .. } => !permanent,
            NotifyError::NotifySettings { .. }
            | NotifyError::NotifyNoChannel { .. }
            | NotifyError::NotifyTemplate { .. }
            | NotifyError::NotifyRedirected { .. } => false,
        }
    }
}
