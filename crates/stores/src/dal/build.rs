//! Makes OpenDAL's operators from our settings.

use crate::patience::Patience;
use crate::settings::Address;
use opendal::layers::{HttpClientLayer, RetryLayer, TimeoutLayer};
use opendal::raw::{HttpBody, HttpClient, HttpFetch};
use opendal::services::{Azblob, Gcs, Webdav};
use opendal::{Buffer, Builder, Operator};
use std::time::Duration;
use vault::storage::StorageError;

/// The same store twice.
pub(super) struct Operators {
    /// For single requests, which are tried again above, where it is known what a lost answer means.
    pub single: Operator,
    /// For streamed writes and sweeps, whose steps nobody else takes again.
    pub streams: Operator,
}

/// Makes the operators for an address.
pub(super) fn operators(address: &Address, patience: Patience) -> Result<Operators, StorageError> {
    let root = format!("/{}", address.path);
    match address.scheme.as_str() {
        "azblob" => {
            address.refuse_unknown(&["account", "endpoint"], &["account_key", "sas_token"])?;
            let mut builder = Azblob::default().container(&address.host).root(&root);
            let account = address.option("account");
            let default = account.map(|account| format!("https://{account}.blob.core.windows.net"));
            match address.option("endpoint").map(str::to_owned).or(default) {
                Some(endpoint) => builder = builder.endpoint(&endpoint),
                None => return Err(address.bad("account", "the name of the storage account is missing".to_owned())),
            }
            if let Some(account) = account {
                builder = builder.account_name(account);
            }
            if let Some(key) = address.secrets.get("account_key") {
                builder = builder.account_key(key);
            }
            if let Some(token) = address.secrets.get("sas_token") {
                builder = builder.sas_token(token);
            }
            web(address, builder, patience)
        }
        "gcs" => {
            address.refuse_unknown(&["endpoint", "storage_class"], &["credentials"])?;
            // OpenDAL encodes others twice for one request, once for the next, and not at all for a third.
            if !address.path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.*".contains(&byte)) {
                return Err(
                    address.bad("url", "on gcs a prefix has letters of ASCII, digits, - _ . * and / only".to_owned())
                );
            }
            let mut builder = Gcs::default().bucket(&address.host).root(&root);
            if let Some(endpoint) = address.option("endpoint") {
                builder = builder.endpoint(endpoint);
            }
            if let Some(class) = address.option("storage_class") {
                builder = builder.default_storage_class(class);
            }
            if let Some(credentials) = address.secrets.get("credentials") {
                // OpenDAL wants the key file of a service account as base 64.
                use base64::Engine;
                builder = builder.credential(&base64::engine::general_purpose::STANDARD.encode(credentials));
            }
            web(address, builder, patience)
        }
        _ => {
            address.refuse_unknown(&["user"], &["password", "token"])?;
            let scheme = if address.scheme == "webdav" { "http" } else { "https" };
            let port = address.port.map(|port| format!(":{port}")).unwrap_or_default();
            let mut builder = Webdav::default().endpoint(&format!("{scheme}://{}{port}", address.host)).root(&root);
            if let Some(user) = address.user.as_deref().or(address.option("user")) {
                builder = builder.username(user);
            }
            if let Some(password) = address.secrets.get("password") {
                builder = builder.password(password);
            }
            if let Some(token) = address.secrets.get("token") {
                builder = builder.token(token);
            }
            web(address, builder, patience)
        }
    }
}

fn web(address: &Address, builder: impl Builder, patience: Patience) -> Result<Operators, StorageError> {
    let client = http(address, patience)?;
    let client = HttpClient::with(Polite { client, longest: patience.give_up_after });
    let operator = Operator::new(builder).map_err(|error| address.bad("url", error.message().to_owned()))?.finish();
    let time = TimeoutLayer::new().with_timeout(patience.call).with_io_timeout(patience.call * 2);
    let single = operator.layer(HttpClientLayer::new(client)).layer(time);
    // Pauses of 1, 2, 4 and 8 seconds, as far as the patience reaches.
    let times = (1..=4).take_while(|times| (1_u64 << times) - 1 <= patience.give_up_after.as_secs()).count();
    let streams = single.clone().layer(RetryLayer::new().with_max_times(times));
    Ok(Operators { single, streams })
}

/// Makes a client whose requests end when nothing comes for too long.
pub(super) fn http(address: &Address, patience: Patience) -> Result<reqwest::Client, StorageError> {
    reqwest::Client::builder()
        .connect_timeout(patience.call.min(Duration::from_secs(10)))
        .read_timeout(patience.call)
        .pool_idle_timeout(Duration::from_secs(20))
        .build()
        .map_err(|error| address.bad("tls", error.to_string()))
}

/// Waits as long as a store asks for before its refusal is passed on, so that whoever tries again comes no sooner.
struct Polite {
    client: reqwest::Client,
    longest: Duration,
}

impl HttpFetch for Polite {
    async fn fetch(&self, request: http::Request<Buffer>) -> opendal::Result<http::Response<HttpBody>> {
        let response = self.client.fetch(request).await?;
        if matches!(response.status().as_u16(), 429 | 503) {
            let seconds =
                response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
            if let Some(wanted) = seconds.map(Duration::from_secs).filter(|wanted| *wanted < self.longest) {
                tokio::time::sleep(wanted).await;
            }
        }
        Ok(response)
    }
}
