//! One request: signed, sent, and its answer understood.

use super::xml;
use crate::failure::Failure;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// So many bytes a second have to get through, at least, on top of the time that a request without content has.
const SLOWEST_BYTES_PER_SECOND: u64 = 128 << 10;

/// What is asked for.
pub(super) struct Ask<'a> {
    pub method: Method,
    /// The whole key in the bucket; empty for the bucket itself.
    pub object: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    pub headers: Vec<(&'static str, String)>,
    pub content: Bytes,
    /// How many bytes the answer may bring.
    pub expected_bytes: u64,
}

impl<'a> Ask<'a> {
    pub fn new(method: Method, object: &'a str) -> Self {
        Ask { method, object, query: &[], headers: Vec::new(), content: Bytes::new(), expected_bytes: 0 }
    }
}

/// What was answered, when it was not a refusal.
pub(super) struct Answer {
    pub headers: HeaderMap,
    pub content: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the object's tag, as it was sent: with its quotes.
    pub fn etag(&self) -> String {
        self.header("etag").unwrap_or_default().to_owned()
    }
}

impl super::S3 {
    /// Sends a request and waits for the whole answer.
    pub(super) fn ask(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        crate::runtime::wait(self.runtime, self.send(ask))
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let moved_bytes = (ask.content.len() as u64).max(ask.expected_bytes);
        let time = self.patience.call + Duration::from_secs(moved_bytes / SLOWEST_BYTES_PER_SECOND);
        let (object, method) = (ask.object.to_owned(), ask.method.clone());
        match tokio::time::timeout(time, self.send_untimed(ask)).await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::debug!(%method, object, ?time, "no answer");
                Err(Failure::Unreachable(format!("no answer within {} s", time.as_secs())))
            }
        }
    }

    async fn send_untimed(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let is_head = ask.method == Method::HEAD;
        let mut parts = self.head_of(&ask)?;
        self.signer.sign(&mut parts, None).await.map_err(|error| credentials_failure(&error))?;
        let request = http::Request::from_parts(parts, reqwest::Body::from(ask.content));
        let request =
            reqwest::Request::try_from(request).map_err(|error| Failure::Other(error.without_url().to_string()))?;
        let answer = self.http.execute(request).await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let content = answer.bytes().await.map_err(unreachable)?;
        // A copy that was made at last may be told of as a success whose content is an error.
        let is_refusal = !status.is_success() || (!is_head && xml::is_error(&content));
        if is_refusal {
            return Err(refusal(status, &headers, &content));
        }
        Ok(Answer { headers, content })
    }

    fn head_of(&self, ask: &Ask<'_>) -> Result<http::request::Parts, Failure> {
        let mut uri = self.base.clone();
        uri.push('/');
        uri.push_str(&encoded(ask.object, true));
        for (at, (name, value)) in ask.query.iter().enumerate() {
            uri.push(if at == 0 { '?' } else { '&' });
            uri.push_str(&encoded(name, false));
            uri.push('=');
            uri.push_str(&encoded(value, false));
        }
        let mut request = http::Request::new(());
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = uri.parse().map_err(|_| Failure::Other(format!("{:?} makes no address", ask.object)))?;
        let headers = request.headers_mut();
        // Signed with the request, so that the store finds out what was changed on the way, TLS or not.
        let digest = hex::encode(Sha256::digest(&ask.content));
        for (name, value) in
            ask.headers.iter().map(|(name, value)| (*name, value)).chain([("x-amz-content-sha256", &digest)])
        {
            let value = HeaderValue::from_str(value).map_err(|_| Failure::Other(format!("{name} can't be sent")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if !ask.content.is_empty() {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
        }
        Ok(request.into_parts().0)
    }
}

/// Encodes a path, or a part of a query, as SigV4 wants it.
pub(crate) fn encoded(text: &str, keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            b'/' if keep_slash => encoded.push('/'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn unreachable(error: reqwest::Error) -> Failure {
    // The innermost cause says what happened; the outer ones repeat the address, with its signature.
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure::Unreachable(cause.to_string())
}

fn credentials_failure(error: &reqsign_core::Error) -> Failure {
    match error.is_retryable() {
        true => Failure::Unreachable(format!("credentials: {error}")),
        false => Failure::Credentials(error.to_string()),
    }
}

/// Understands a refusal.
fn refusal(status: StatusCode, headers: &HeaderMap, content: &[u8]) -> Failure {
    let (code, message) = xml::error_code(content).unwrap_or_default();
    let said = match (code.is_empty(), message.is_empty()) {
        (true, _) => status.to_string(),
        (false, true) => format!("{} {code}", status.as_u16()),
        (false, false) => format!("{} {code}: {message}", status.as_u16()),
    };
    let retry_after = || {
        let text = headers.get("retry-after")?.to_str().ok()?;
        // In seconds, or as a date: of that only the store's own clock is compared.
        text.trim().parse().ok().map(Duration::from_secs).or_else(|| {
            let until = http_date(text)?;
            let now = http_date(headers.get("date")?.to_str().ok()?)?;
            u64::try_from(until - now).ok().map(Duration::from_secs)
        })
    };
    match code.as_str() {
        "NoSuchKey" | "NoSuchUpload" => return Failure::Missing,
        "NoSuchBucket" => return Failure::Setting { setting: "url", detail: said },
        "PreconditionFailed" => return Failure::Condition,
        "ConditionalRequestConflict" | "OperationAborted" => return Failure::Collision(said),
        "SlowDown" | "Throttling" | "TooManyRequests" => {
            return Failure::Throttled { cause: said, retry_after: retry_after() };
        }
        "RequestTimeout" => return Failure::Unreachable(said),
        "BadDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" | "InvalidDigest" => {
            return Failure::WrongBytes(said);
        }
        "QuotaExceeded" | "QuotaExceededException" | "XMinioStorageFull" => return Failure::Full,
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" | "RequestTimeTooSkewed" => {
            return Failure::Credentials(said);
        }
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => {
            let region = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
            let detail = region.map_or(said, |region| format!("the bucket is in {region}"));
            return Failure::Setting { setting: "region", detail };
        }
        "AccessDenied" | "InvalidRequest" | "ObjectLocked" if super::object_lock::says_kept(&message) => {
            return Failure::Locked(said);
        }
        // A bucket without object lock is asked to lock.
        "InvalidRequest" if message.contains("ObjectLock") => {
            return Failure::Setting { setting: "lock_mode", detail: said };
        }
        "NotImplemented" => return Failure::Other(said),
        _ => {}
    }
    match status {
        StatusCode::NOT_FOUND => Failure::Missing,
        StatusCode::PRECONDITION_FAILED => Failure::Condition,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Denied(said),
        StatusCode::CONFLICT => Failure::Collision(said),
        StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT => {
            let region = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
            let detail = region.map_or(said, |region| format!("the bucket is in {region}"));
            Failure::Setting { setting: "region", detail }
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Failure::Throttled { cause: said, retry_after: retry_after() }
        }
        StatusCode::INSUFFICIENT_STORAGE => Failure::Full,
        StatusCode::REQUEST_TIMEOUT => Failure::Unreachable(said),
        // A success whose content is an error, and all faults of the store itself.
        status if status.is_success() || status.is_server_error() => Failure::Unreachable(said),
        _ => Failure::Other(said),
    }
}

/// Reads the date of an HTTP header as seconds since the Unix epoch.
pub(super) fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, header: Option<(&'static str, &'static str)>, content: &str) -> Failure {
        let mut headers = HeaderMap::new();
        headers.insert("date", HeaderValue::from_static("Wed, 25 Nov 2026 22:40:00 GMT"));
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        refusal(StatusCode::from_u16(status).unwrap(), &headers, content.as_bytes())
    }

    #[test]
    fn refusals_are_understood() {
        let error =
            |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
        assert!(matches!(refused(404, None, ""), Failure::Missing));
        assert!(matches!(refused(404, None, &error("NoSuchBucket")), Failure::Setting { setting: "url", .. }));
        assert!(matches!(refused(412, None, ""), Failure::Condition));
        assert!(matches!(refused(409, None, &error("ConditionalRequestConflict")), Failure::Collision(_)));
        assert!(matches!(refused(403, None, &error("AccessDenied")), Failure::Denied(_)));
        assert!(matches!(refused(403, None, &error("RequestTimeTooSkewed")), Failure::Credentials(_)));
        assert!(matches!(refused(400, None, &error("BadDigest")), Failure::WrongBytes(_)));
        assert!(matches!(refused(500, None, ""), Failure::Unreachable(_)));
        assert!(matches!(refused(200, None, &error("InternalError")), Failure::Unreachable(_)));
        let region = refused(301, Some(("x-amz-bucket-region", "eu-west-1")), &error("PermanentRedirect"));
        assert!(matches!(region, Failure::Setting { setting: "region", detail } if detail.contains("eu-west-1")));
    }

    #[test]
    fn a_store_may_say_how_long_to_wait() {
        for (value, seconds) in [("7", 7), ("Wed, 25 Nov 2026 22:41:30 GMT", 90)] {
            let Failure::Throttled { retry_after, .. } = refused(503, Some(("retry-after", value)), "") else {
                panic!("{value} is not understood");
            };
            assert_eq!(retry_after, Some(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn keys_are_encoded_once() {
        assert_eq!(encoded("a b/ñ+", true), "a%20b/%C3%B1%2B");
        assert_eq!(encoded("a/b", false), "a%2Fb");
    }
}
