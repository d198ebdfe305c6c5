use super::http::HttpClient;
use super::sender::{Answer, Sender};
use super::{ChannelSettings, Notification, NotifyError, Occasion, PingSettings};

/// Tells a dead-man's switch that a backup began, ended or failed, in the manner of healthchecks.io.
pub(super) struct PingSender {
    settings: PingSettings,
    client: HttpClient,
}

impl PingSender {
    pub fn new(settings: &ChannelSettings, ping: &PingSettings) -> Result<Self, NotifyError> {
        if settings.on.contains(&Occasion::Risk) {
            return Err(settings.wrong("a ping tells of success, failure and start only"));
        }
        let client = HttpClient::new(settings, &ping.url, ping.ca_file.as_deref(), ping.proxy.as_ref(), &[])?;
        Ok(PingSender { settings: ping.clone(), client })
    }

    /// Returns the address for an occasion: what is added stands before a query.
    fn address(&self, occasion: Occasion) -> String {
        let url = self.settings.url.expose();
        let (base, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        let path = match occasion {
            Occasion::Success => return url.to_owned(),
            Occasion::Start => "/start",
            Occasion::Failure | Occasion::Risk => "/fail",
        };
        format!("{}{path}{query}", base.trim_end_matches('/'))
    }
}

impl Sender for PingSender {
    fn send(&self, message: &Notification) -> Result<Answer, NotifyError> {
        self.client.send(self.client.get(&self.address(message.occasion)))
    }
}
