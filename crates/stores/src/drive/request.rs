//! One request: with a token, sent, and its answer understood.

use super::Drive;
use super::credentials::Hidden;
use crate::failure::Failure;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use std::time::Duration;

/// So many bytes a second have to get through, at least, on top of the time that a request without content has.
const SLOWEST_BYTES_PER_SECOND: u64 = 128 << 10;

/// Where a request goes.
pub(super) enum Target<'a> {
    /// A path at the endpoint, with its query.
    Path(&'a str, &'a [(&'a str, &'a str)]),
    /// The address of an upload: whoever knows it can write there.
    Session(&'a Hidden),
}

/// What is asked for.
pub(super) struct Ask<'a> {
    pub method: Method,
    pub target: Target<'a>,
    pub headers: Vec<(&'static str, String)>,
    pub content: Bytes,
    /// How many bytes the answer may bring.
    pub expected_bytes: u64,
}

impl<'a> Ask<'a> {
    pub fn new(method: Method, path: &'a str, query: &'a [(&'a str, &'a str)]) -> Self {
        Ask { method, target: Target::Path(path, query), headers: Vec::new(), content: Bytes::new(), expected_bytes: 0 }
    }
}

/// What was answered, when it was not a refusal.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Understands the content.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        // An answer that breaks off may still look whole to HTTP: it is asked for again.
        serde_json::from_slice(&self.content)
            .map_err(|error| Failure::Unreachable(format!("an answer that can't be read: {:?}", error.classify())))
    }
}

impl Drive {
    /// Sends a request and waits for the whole answer. A token that is refused is replaced once.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        crate::runtime::wait(self.shared.runtime, async {
            match self.send(ask).await? {
                (answer, token) if answer.status == StatusCode::UNAUTHORIZED => {
                    self.shared.tokens.forget(&token);
                    let (answer, _) = self.send(ask).await?;
                    understood(answer)
                }
                (answer, _) => understood(answer),
            }
        })
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<(Answer, Hidden), Failure> {
        let token = self.shared.tokens.token(&self.shared.http, self.shared.patience.call).await?;
        let moved_bytes = (ask.content.len() as u64).max(ask.expected_bytes);
        let time = self.shared.patience.call + Duration::from_secs(moved_bytes / SLOWEST_BYTES_PER_SECOND);
        match tokio::time::timeout(time, self.send_untimed(ask, &token)).await {
            Ok(answer) => Ok((answer?, token)),
            Err(_) => Err(Failure::Unreachable(format!("no answer within {} s", time.as_secs()))),
        }
    }

    async fn send_untimed(&self, ask: &Ask<'_>, token: &Hidden) -> Result<Answer, Failure> {
        let address = match &ask.target {
            Target::Path(path, query) => {
                let query: Vec<_> = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
                let mark = if query.is_empty() { "" } else { "?" };
                format!("{}{path}{mark}{}", self.shared.endpoint, form_encoded(&query))
            }
            Target::Session(address) => address.0.clone(),
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.0))
            .map_err(|_| Failure::Credentials("the token can't be sent".to_owned()))?;
        bearer.set_sensitive(true);
        let mut request = self.shared.http.request(ask.method.clone(), address).header(AUTHORIZATION, bearer);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if matches!(ask.method, Method::POST | Method::PUT | Method::PATCH) {
            request = request.header("content-length", ask.content.len());
        }
        let unreachable = |error| Failure::Unreachable(innermost(error));
        let answer = request.body(ask.content.clone()).send().await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let content = answer.bytes().await.map_err(unreachable)?;
        Ok(Answer { status, headers, content })
    }
}

fn understood(answer: Answer) -> Result<Answer, Failure> {
    // 308 says how far an upload is.
    match answer.status.is_success() || answer.status == StatusCode::PERMANENT_REDIRECT {
        true => Ok(answer),
        false => Err(refusal(&answer)),
    }
}

/// An address is spoken to encrypted, or it is on this host.
pub(super) fn check_endpoint(address: &str) -> Result<(), String> {
    let parsed = reqwest::Url::parse(address).map_err(|error| error.to_string())?;
    let is_here = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if is_here => Ok(()),
        _ => Err("it has to begin with https://".to_owned()),
    }
}

/// Encodes a form, or a query.
pub(super) fn form_encoded(pairs: &[(&str, String)]) -> String {
    let encoded = |text: &str| crate::s3::encoded(text, false);
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// Returns the innermost cause: it says what happened; the outer ones repeat the address.
pub(super) fn innermost(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get("retry-after")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    error: RefusalBody,
}

#[derive(Deserialize, Default)]
struct RefusalBody {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<RefusalReason>,
}

#[derive(Deserialize)]
struct RefusalReason {
    #[serde(default)]
    reason: String,
}

/// Understands a refusal.
fn refusal(answer: &Answer) -> Failure {
    let body = serde_json::from_slice::<Refusal>(&answer.content).unwrap_or_default().error;
    let reason = body.errors.first().map(|error| error.reason.as_str()).unwrap_or_default();
    let status = answer.status;
    let message: String = body.message.chars().filter(|c| !c.is_control()).take(300).collect();
    let said = match reason.is_empty() {
        true => status.to_string(),
        false => format!("{} {reason}: {message}", status.as_u16()),
    };
    let throttled = |cause| Failure::Throttled { cause, retry_after: retry_after(&answer.headers) };
    match reason {
        "rateLimitExceeded" | "userRateLimitExceeded" | "dailyLimitExceeded" | "sharingRateLimitExceeded" => {
            return throttled(said);
        }
        "storageQuotaExceeded" if message.contains("Service Accounts") => {
            let detail = "a service account has no storage of its own: use a folder of a shared drive, \
                          or a person's credentials (cadena drive login)";
            return Failure::Setting { setting: "gdrive_folder_id", detail: detail.to_owned() };
        }
        "storageQuotaExceeded"
        | "teamDriveFileLimitExceeded"
        | "numChildrenInNonRootLimitExceeded"
        | "activeItemCreationLimitExceeded"
        | "quotaExceeded" => return Failure::Full,
        "accessNotConfigured" => return Failure::Credentials(said),
        _ => {}
    }
    match status.as_u16() {
        404 | 410 => Failure::Missing,
        401 => Failure::Credentials(said),
        403 => Failure::Denied(said),
        429 => throttled(said),
        // The object has become shorter.
        412 | 416 => Failure::Condition,
        408 | 500.. => match answer.headers.contains_key("retry-after") {
            true => throttled(said),
            false => Failure::Unreachable(said),
        },
        _ => Failure::Other(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, reason: &str, message: &str) -> Failure {
        let content =
            serde_json::json!({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}});
        let status = StatusCode::from_u16(status).unwrap();
        refusal(&Answer { status, headers: HeaderMap::new(), content: content.to_string().into() })
    }

    #[test]
    fn refusals_are_understood() {
        assert!(matches!(refused(403, "userRateLimitExceeded", ""), Failure::Throttled { .. }));
        assert!(matches!(refused(403, "rateLimitExceeded", ""), Failure::Throttled { .. }));
        assert!(matches!(refused(429, "", ""), Failure::Throttled { .. }));
        assert!(matches!(refused(403, "storageQuotaExceeded", "full"), Failure::Full));
        let own = refused(403, "storageQuotaExceeded", "Service Accounts do not have storage quota.");
        assert!(matches!(own, Failure::Setting { detail, .. } if detail.contains("shared drive")));
        assert!(matches!(refused(403, "insufficientFilePermissions", ""), Failure::Denied(_)));
        assert!(matches!(refused(403, "accessNotConfigured", ""), Failure::Credentials(_)));
        assert!(matches!(refused(401, "authError", ""), Failure::Credentials(_)));
        assert!(matches!(refused(404, "notFound", ""), Failure::Missing));
        assert!(matches!(refused(416, "", ""), Failure::Condition));
        assert!(matches!(refused(500, "backendError", ""), Failure::Unreachable(_)));
        assert!(matches!(refused(400, "invalid", ""), Failure::Other(_)));
    }

    #[test]
    fn only_this_host_is_spoken_to_in_the_clear() {
        for address in
            ["https://www.googleapis.com", "http://127.0.0.1:1", "http://localhost:1/token", "http://[::1]:2"]
        {
            assert!(check_endpoint(address).is_ok(), "{address}");
        }
        for address in ["http://www.googleapis.com", "ftp://x", "x", "http://127.0.0.1.example.com"] {
            assert!(check_endpoint(address).is_err(), "{address}");
        }
    }
}
