use super::http::HttpClient;
use super::sender::{Answer, Sender};
use super::template::{Extras, Template};
use super::{ChannelSettings, Notification, NotifyError, Occasion, Phase, TemplateChoice, WebhookSettings};

/// Templates that can't do without the name of a chat or topic.
const NEED_TARGET: [&str; 2] = ["telegram", "ntfy"];

/// Posts messages to an address.
pub(super) struct WebhookSender {
    settings: WebhookSettings,
    channel: String,
    template: Template,
    client: HttpClient,
}

impl WebhookSender {
    pub fn new(settings: &ChannelSettings, webhook: &WebhookSettings) -> Result<Self, NotifyError> {
        let template =
            Template::new(&webhook.template).map_err(|detail| wrong_template(&settings.name, webhook, detail))?;
        if let TemplateChoice::BuiltIn(name) = &webhook.template {
            if NEED_TARGET.contains(&name.as_str()) && webhook.target.is_none() {
                return Err(settings.wrong(format!("template {name} needs target: the chat or the topic")));
            }
            if name == "pagerduty" && webhook.routing_key.is_none() {
                return Err(settings.wrong("template pagerduty needs routing_key"));
            }
            if name == "pagerduty" && settings.on.contains(&Occasion::Success) {
                return Err(settings.wrong("PagerDuty would open an incident for each success: leave it out of on"));
            }
        }
        let others: Vec<_> = webhook.token.iter().chain(&webhook.routing_key).collect();
        let client =
            HttpClient::new(settings, &webhook.url, webhook.ca_file.as_deref(), webhook.proxy.as_ref(), &others)?;
        Ok(WebhookSender { settings: webhook.clone(), channel: settings.name.clone(), template, client })
    }

    fn post(&self, message: &Notification) -> Result<Answer, NotifyError> {
        let extras = Extras {
            target: self.settings.target.as_deref(),
            routing_key: self.settings.routing_key.as_ref().map(super::Secret::expose),
        };
        let body = self
            .template
            .render(message, &extras)
            .map_err(|detail| wrong_template(&self.channel, &self.settings, detail))?;
        let mut request =
            self.client.post(self.settings.url.expose()).header("Content-Type", self.template.media_type()).body(body);
        if let Some(token) = &self.settings.token {
            request = request.bearer_auth(token.expose());
        }
        self.client.send(request)
    }
}

impl Sender for WebhookSender {
    fn send(&self, message: &Notification) -> Result<Answer, NotifyError> {
        let answer = self.post(message)?;
        let is_pager = self.settings.template == TemplateChoice::BuiltIn("pagerduty".to_owned());
        if is_pager && message.phase == Phase::Test {
            // Nobody should be woken up by a test for longer than it takes.
            return self.post(&Notification { phase: Phase::Resolved, ..message.clone() });
        }
        Ok(answer)
    }
}

fn wrong_template(channel: &str, webhook: &WebhookSettings, detail: String) -> NotifyError {
    NotifyError::NotifyTemplate { channel: channel.to_owned(), template: webhook.template.name(), detail }
}
