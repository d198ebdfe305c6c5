//! Who are we to the store? Keys from the settings, or the chain that every AWS program has: environment, profiles, web identity,
//! container and instance roles.

use crate::settings::Address;
use bytes::Bytes;
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, Error, FileRead, HttpSend, OsEnv, Signer};
use vault::storage::StorageError;

/// Makes the signer of requests; credentials are looked for when the first one is signed.
pub(super) fn signer(
    address: &Address,
    http: &reqwest::Client,
    region: &str,
) -> Result<Signer<Credential>, StorageError> {
    let context = Context::new().with_file_read(Files).with_http_send(Sender(http.clone())).with_env(OsEnv);
    let signer = RequestSigner::new("s3", region);
    let keys = (address.secrets.get("access_key"), address.secrets.get("secret_key"));
    match keys {
        (Some(access), Some(secret)) => {
            let mut provider = StaticCredentialProvider::new(access, secret);
            if let Some(token) = address.secrets.get("session_token") {
                provider = provider.with_session_token(token);
            }
            Ok(Signer::new(context, provider, signer))
        }
        (None, None) => {
            let mut builder = DefaultCredentialProvider::builder();
            if let Some(profile) = address.option("profile") {
                builder = builder.with_profile(profile);
            }
            Ok(Signer::new(context, builder.build(), signer))
        }
        _ => Err(address.bad("access_key", "access_key and secret_key go together".to_owned())),
    }
}

/// Reads files of credentials.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        // Small and local: not worth a thread of its own.
        std::fs::read(path).map_err(|error| Error::unexpected(format!("{path}: {error}")))
    }
}

/// Asks services that give credentials.
#[derive(Debug)]
struct Sender(reqwest::Client);

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let failed = |error: reqwest::Error| Error::unexpected(error.without_url().to_string()).set_retryable(true);
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let answer = self.0.execute(request).await.map_err(failed)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = http::Response::new(answer.bytes().await.map_err(failed)?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
