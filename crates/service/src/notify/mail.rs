use super::http::chain;
use super::sender::{Answer, Sender};
use super::{ChannelSettings, MailSettings, MailTls, Notification, NotifyError, Phase, Secret};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport};

/// Sends mails through an SMTP server.
pub(super) struct MailSender {
    settings: MailSettings,
    channel: String,
    seconds: u64,
    from: Mailbox,
    to: Vec<Mailbox>,
    transport: SmtpTransport,
    secrets: Vec<Secret>,
}

impl MailSender {
    pub fn new(settings: &ChannelSettings, mail: &MailSettings) -> Result<Self, NotifyError> {
        let address = |text: &String| {
            text.parse::<Mailbox>().map_err(|error| settings.wrong(format!("{text} is no mail address: {error}")))
        };
        let to = mail.to.iter().map(address).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(settings.wrong("to names nobody"));
        }
        let mut builder = SmtpTransport::builder_dangerous(&mail.host)
            .port(mail.port)
            .timeout(Some(settings.timeout))
            .hello_name(ClientId::Domain(vault::storage::host_name()))
            .tls(tls(settings, mail)?);
        match (&mail.user, &mail.password) {
            (Some(user), Some(password)) => {
                if mail.tls == MailTls::None && !is_local(&mail.host) {
                    return Err(settings.wrong("a password is not sent in the clear to another host: set tls"));
                }
                builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
            }
            (None, None) => {}
            _ => return Err(settings.wrong("user and password go together")),
        }
        Ok(MailSender {
            settings: mail.clone(),
            channel: settings.name.clone(),
            seconds: settings.timeout.as_secs(),
            from: address(&mail.from)?,
            to,
            transport: builder.build(),
            secrets: secrets(mail),
        })
    }

    fn host(&self) -> String {
        format!("smtp://{}:{}", self.settings.host, self.settings.port)
    }

    fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.hide_in(&text))
    }

    fn message(&self, notification: &Notification) -> Result<Message, lettre::error::Error> {
        let mut builder: MessageBuilder =
            Message::builder().from(self.from.clone()).message_id(None).subject(one_line(&notification.title));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        // A vacation notice in answer to it would help nobody (RFC 3834).
        for (name, value) in [("Auto-Submitted", "auto-generated"), ("X-Cadena-Key", notification.key.as_str())] {
            if let Ok(name) = HeaderName::new_from_ascii(name.to_owned()) {
                builder = builder.raw_header(HeaderValue::new(name, one_line(value)));
            }
        }
        builder.header(ContentType::TEXT_PLAIN).body(body(notification))
    }

    fn failed(&self, error: &lettre::transport::smtp::Error) -> NotifyError {
        let (channel, host) = (self.channel.clone(), self.host());
        if error.is_timeout() {
            return NotifyError::NotifyTimeout { channel, host, seconds: self.seconds };
        }
        // Wrong settings (no TLS there, say) are not told apart from a server that has a bad day, so it is tried again.
        let permanent = error.is_permanent();
        NotifyError::NotifyMail { channel, host, detail: self.hide(&one_line(&chain(error))), permanent }
    }
}

impl Sender for MailSender {
    fn send(&self, message: &Notification) -> Result<Answer, NotifyError> {
        let mail = self.message(message).map_err(|error| NotifyError::NotifyMail {
            channel: self.channel.clone(),
            host: self.host(),
            detail: error.to_string(),
            permanent: true,
        })?;
        let response = self.transport.send(&mail).map_err(|error| self.failed(&error))?;
        let text = self.hide(&one_line(&response.message().collect::<Vec<_>>().join(" ")));
        Ok(Answer { host: self.host(), code: response.code().into(), text })
    }
}

/// Returns the password, and the forms in which a login sends it: a server may repeat what it was sent.
fn secrets(mail: &MailSettings) -> Vec<Secret> {
    let (Some(user), Some(password)) = (&mail.user, &mail.password) else { return Vec::new() };
    let encode = |text: &str| Secret::new(BASE64_STANDARD.encode(text));
    let plain = password.expose();
    vec![encode(&format!("\0{user}\0{plain}")), encode(plain), password.clone()]
}

fn tls(settings: &ChannelSettings, mail: &MailSettings) -> Result<Tls, NotifyError> {
    if mail.tls == MailTls::None {
        return Ok(Tls::None);
    }
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(path) = &mail.ca_file {
        let wrong = |detail: String| settings.wrong(format!("ca_file {}: {detail}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| wrong(chain(&error)))?);
    }
    let parameters = builder.build().map_err(|error| settings.wrong(chain(&error)))?;
    Ok(if mail.tls == MailTls::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

/// Tells whether what is sent there does not leave this host.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn body(message: &Notification) -> String {
    let mut text = format!("{}\n", message.title);
    if !message.text.is_empty() {
        text.push_str(&format!("\n{}\n", message.text));
    }
    if !message.facts.is_empty() {
        text.push('\n');
    }
    for fact in &message.facts {
        text.push_str(&format!("{}: {}\n", fact.name, fact.value));
    }
    // The same line in every message about one matter, for filters.
    let phase = if message.phase == Phase::Resolved { " (resolved)" } else { "" };
    text.push_str(&format!("\n-- \n{}{phase}\n", message.identity));
    text
}
