//! Access tokens: asked for when they are needed, kept until shortly before they end.

use super::credentials::{Credentials, Hidden};
use super::request::{check_endpoint, innermost, retry_after};
use crate::failure::Failure;
use serde::Deserialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So long before its end a token is no longer used: a request may take a while to arrive.
const SPARE: Duration = Duration::from_secs(60);
/// What a token lasts when nobody says.
const USUAL_SECONDS: u64 = 3600;

pub(super) struct Tokens {
    credentials: Credentials,
    token_endpoint: String,
    scope: String,
    present: Mutex<Option<Token>>,
}

struct Token {
    value: Hidden,
    until: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Hidden,
    expires_in: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    pub fn new(credentials: Credentials, token_endpoint: Option<String>, scope: String) -> Result<Self, String> {
        let token_endpoint = token_endpoint.unwrap_or_else(|| credentials.token_uri().to_owned());
        check_endpoint(&token_endpoint)?;
        Ok(Tokens { credentials, token_endpoint, scope, present: Mutex::default() })
    }

    pub fn service_email(&self) -> Option<&str> {
        self.credentials.service_email()
    }

    fn present(&self) -> MutexGuard<'_, Option<Token>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a token that was refused, unless there is a newer one already.
    pub fn forget(&self, refused: &Hidden) {
        let mut present = self.present();
        if present.as_ref().is_some_and(|token| token.value.0 == refused.0) {
            *present = None;
        }
    }

    /// Returns a token that is good for a while.
    pub async fn token(&self, http: &reqwest::Client, time: Duration) -> Result<Hidden, Failure> {
        if let Some(token) = self.present().as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.value.clone());
        }
        // Two that ask at once get one each; both are good.
        let begin = Instant::now();
        let granted = match tokio::time::timeout(time, self.ask(http)).await {
            Ok(granted) => granted?,
            Err(_) => {
                return Err(Failure::Unreachable(format!("the token endpoint said nothing for {} s", time.as_secs())));
            }
        };
        let lasts = Duration::from_secs(granted.expires_in.unwrap_or(USUAL_SECONDS));
        let until = begin + lasts.saturating_sub(SPARE.min(lasts / 2));
        *self.present() = Some(Token { value: granted.access_token.clone(), until });
        Ok(granted.access_token)
    }

    async fn ask(&self, http: &reqwest::Client) -> Result<Granted, Failure> {
        let form = self.credentials.form(&self.scope, &self.token_endpoint).map_err(Failure::Credentials)?;
        let unreachable = |error: reqwest::Error| Failure::Unreachable(format!("token: {}", innermost(error)));
        let request = http
            .post(&self.token_endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(super::request::form_encoded(&form));
        let answer = request.send().await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let content = answer.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&content)
                .map_err(|_| Failure::Unreachable("the token endpoint's answer is broken".to_owned()));
        }
        let refused: Refused = serde_json::from_slice(&content).unwrap_or_default();
        let said = match refused.error.is_empty() {
            true => format!("token: {status}"),
            false => format!("token: {} {}", refused.error, self.credentials.hide_in(&refused.error_description)),
        };
        Err(match status.as_u16() {
            429 => Failure::Throttled { cause: said, retry_after: retry_after(&headers) },
            408 | 500.. => Failure::Unreachable(said),
            _ => Failure::Credentials(said.trim_end().to_owned()),
        })
    }
}
