//! One request: bounded in time and answer, not redirected, its errors without the address.

use super::sender::Answer;
use super::{ChannelSettings, NotifyError, Secret};
use reqwest::blocking::{Client, RequestBuilder, Response};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// How much of an answer is read.
const ANSWER_LIMIT_BYTES: u64 = 4 << 10;
/// How much of it is shown.
const SHOWN_CHARACTERS: usize = 300;
/// Nobody takes longer than this to accept a connection and still means to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Talks to one address.
pub(super) struct HttpClient {
    client: Client,
    channel: String,
    /// Scheme, host and port: what may be shown.
    host: String,
    timeout: Duration,
    secrets: Vec<Secret>,
}

impl HttpClient {
    /// Makes one for `url`; nothing is sent.
    ///
    /// # Errors
    /// `NotifySettings`.
    pub fn new(
        settings: &ChannelSettings,
        url: &Secret,
        ca_file: Option<&Path>,
        proxy: Option<&Secret>,
        others: &[&Secret],
    ) -> Result<Self, NotifyError> {
        let host =
            host_of(url).ok_or_else(|| settings.wrong("url is no address that begins with http:// or https://"))?;
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .timeout(settings.timeout)
            // What the environment says is the edge's to read.
            .no_proxy()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("cadena/", env!("CARGO_PKG_VERSION")));
        for certificate in read_certificates(settings, ca_file)? {
            builder = builder.add_root_certificate(certificate);
        }
        if let Some(proxy) = proxy {
            let proxy = reqwest::Proxy::all(proxy.expose()).map_err(|_| settings.wrong("proxy is no address"))?;
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| settings.wrong(chain(&error.without_url())))?;
        let secrets = [url].into_iter().chain(others.iter().copied()).chain(proxy).cloned().collect();
        Ok(HttpClient { client, channel: settings.name.clone(), host, timeout: settings.timeout, secrets })
    }

    /// Begins a GET.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url)
    }

    /// Begins a POST.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends it and reads the answer.
    ///
    /// # Errors
    /// `NotifyUnreachable`, `NotifyTimeout`, `NotifyRedirected`, `NotifyRefused`.
    pub fn send(&self, request: RequestBuilder) -> Result<Answer, NotifyError> {
        let response = request.send().map_err(|error| self.failed(error))?;
        let status = response.status();
        let (channel, host) = (self.channel.clone(), self.host.clone());
        if status.is_redirection() {
            return Err(NotifyError::NotifyRedirected { channel, host, status: status.as_u16() });
        }
        let answer = self.read(response);
        if !status.is_success() {
            return Err(NotifyError::NotifyRefused { channel, host, status: status.as_u16(), answer });
        }
        Ok(Answer { host, code: status.as_u16(), text: answer })
    }

    /// Reads the beginning of an answer as one line. One that breaks off says what it has said.
    fn read(&self, response: Response) -> String {
        let mut bytes = Vec::new();
        if let Err(error) = response.take(ANSWER_LIMIT_BYTES).read_to_end(&mut bytes) {
            tracing::debug!(channel = self.channel, kind = ?error.kind(), "the answer broke off");
        }
        let text = String::from_utf8_lossy(&bytes);
        let line: Vec<&str> = text.split_whitespace().collect();
        self.hide(&line.join(" ")).chars().filter(|c| !c.is_control()).take(SHOWN_CHARACTERS).collect()
    }

    fn failed(&self, error: reqwest::Error) -> NotifyError {
        let (channel, host) = (self.channel.clone(), self.host.clone());
        if error.is_timeout() {
            return NotifyError::NotifyTimeout { channel, host, seconds: self.timeout.as_secs() };
        }
        NotifyError::NotifyUnreachable { channel, host, detail: self.hide(&chain(&error.without_url())) }
    }

    fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.hide_in(&text))
    }
}

/// Returns scheme, host and port of an address: what may be shown of it.
pub(super) fn host_of(url: &Secret) -> Option<String> {
    let parsed = reqwest::Url::parse(url.expose()).ok()?;
    let host = parsed.host_str().filter(|host| !host.is_empty())?;
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    matches!(parsed.scheme(), "http" | "https").then(|| format!("{}://{host}{port}", parsed.scheme()))
}

fn read_certificates(
    settings: &ChannelSettings,
    ca_file: Option<&Path>,
) -> Result<Vec<reqwest::Certificate>, NotifyError> {
    let Some(path) = ca_file else { return Ok(Vec::new()) };
    let wrong = |detail: String| settings.wrong(format!("ca_file {}: {detail}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(chain(&error)))?;
    if certificates.is_empty() { Err(wrong("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

/// Returns an error with its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}
