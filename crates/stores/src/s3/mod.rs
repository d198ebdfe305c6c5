//! S3 and what speaks it. A client of our own: an upload must go on after a crash, appear on a condition, and be told from
//! somebody else's when its answer was lost; no library that we know of does all of it.

mod credentials;
mod object_lock;
mod request;
mod stream;
mod uploads;
mod xml;

use crate::client::{Client, ClientStream, Condition, Found};
use crate::failure::Failure;
use crate::open::Transfer;
use crate::patience::Patience;
use crate::settings::Address;
use base64::Engine;
use bytes::Bytes;
use http::Method;
use reqsign_aws_v4::Credential;
use reqsign_core::Signer;
use request::{Answer, Ask};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use stream::PartStream;
use tokio::runtime::Runtime;
use vault::storage::{StorageError, StoredObject};

const OPTIONS: &[&str] = &[
    "region",
    "endpoint",
    "addressing",
    "profile",
    "storage_class",
    "encryption",
    "kms_key",
    "checksums",
    "lock_mode",
    "lock_days",
    "prefix",
];
const SECRETS: &[&str] = &["access_key", "secret_key", "session_token"];

/// A bucket, or what lies in it under a prefix. Cheap to copy.
#[derive(Clone)]
pub(crate) struct S3 {
    shared: Arc<Shared>,
}

impl std::ops::Deref for S3 {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

pub(crate) use request::encoded;

pub(crate) struct Shared {
    runtime: &'static Runtime,
    http: reqwest::Client,
    signer: Signer<Credential>,
    /// Scheme, host and, in the older form, bucket.
    base: String,
    /// Ends with a slash, or is empty.
    prefix: String,
    patience: Patience,
    transfer: Transfer,
    /// Sent with whatever makes an object.
    new_object: Vec<(&'static str, String)>,
    has_checksums: bool,
    /// How objects that are never written again are kept from being removed.
    object_lock: Option<object_lock::ObjectLock>,
}

impl S3 {
    pub fn new(
        address: &Address,
        runtime: &'static Runtime,
        patience: Patience,
        transfer: Transfer,
    ) -> Result<Self, StorageError> {
        address.refuse_unknown(OPTIONS, SECRETS)?;
        let region = address.option("region").unwrap_or("us-east-1");
        let base = base(address, region)?;
        let http = reqwest::Client::builder()
            .connect_timeout(patience.call.min(Duration::from_secs(10)))
            .pool_idle_timeout(Duration::from_secs(20))
            // A redirect would be followed with a signature that is not for it.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| address.bad("tls", error.to_string()))?;
        let mut new_object = Vec::new();
        if let Some(class) = address.option("storage_class") {
            new_object.push(("x-amz-storage-class", class.to_owned()));
        }
        if let Some(algorithm) = address.option("encryption") {
            new_object.push(("x-amz-server-side-encryption", algorithm.to_owned()));
        }
        if let Some(key) = address.option("kms_key") {
            new_object.push(("x-amz-server-side-encryption-aws-kms-key-id", key.to_owned()));
        }
        let signer = credentials::signer(address, &http, region)?;
        let prefix = if address.path.is_empty() { String::new() } else { format!("{}/", address.path) };
        let has_checksums = address.choice("checksums", &["on", "off"], "on")? == "on";
        let object_lock = object_lock::ObjectLock::of(address, has_checksums)?;
        Ok(S3 {
            shared: Arc::new(Shared {
                runtime,
                http,
                signer,
                base,
                prefix,
                patience,
                transfer,
                new_object,
                has_checksums,
                object_lock,
            }),
        })
    }

    fn object(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn checksum(&self, content: &[u8]) -> Option<String> {
        self.has_checksums
            .then(|| base64::engine::general_purpose::STANDARD.encode(crc32c::crc32c(content).to_be_bytes()))
    }
}

/// Returns the address before the key.
fn base(address: &Address, region: &str) -> Result<String, StorageError> {
    let bucket = &address.host;
    let valid = bucket.len() >= 3 && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !valid || address.user.is_some() || address.port.is_some() {
        return Err(address.bad("url", "s3://BUCKET/PREFIX".to_owned()));
    }
    let endpoint = address.option("endpoint");
    let default = format!("https://s3.{region}.amazonaws.com");
    let url = endpoint.unwrap_or(&default).trim_end_matches('/');
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
    let parsed = reqwest::Url::parse(&with_scheme).map_err(|error| address.bad("endpoint", error.to_string()))?;
    let is_plain = matches!(parsed.scheme(), "http" | "https") && parsed.path() == "/" && parsed.query().is_none();
    if !is_plain || !parsed.username().is_empty() {
        return Err(address.bad("endpoint", "https://HOST or https://HOST:PORT".to_owned()));
    }
    // A bucket with a dot in its name is no host that the certificate would be for.
    let natural = if endpoint.is_some() || bucket.contains('.') { "path" } else { "virtual" };
    let (scheme, rest) = with_scheme.split_once("://").unwrap_or(("https", &with_scheme));
    Ok(match address.choice("addressing", &["path", "virtual"], natural)? {
        "virtual" => format!("{scheme}://{bucket}.{rest}"),
        _ => format!("{scheme}://{rest}/{bucket}"),
    })
}

impl Client for S3 {
    fn has_conditions(&self) -> bool {
        true
    }

    fn head(&self, key: &str) -> Result<Option<Found>, Failure> {
        match self.ask(Ask::new(Method::HEAD, &self.object(key))) {
            Ok(answer) => {
                let size_bytes = answer.header("content-length").and_then(|text| text.parse().ok());
                let size_bytes =
                    size_bytes.ok_or_else(|| Failure::Unreachable("an answer without a length".to_owned()))?;
                Ok(Some(Found { size_bytes, ..found(&answer) }))
            }
            Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn get(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<Option<(Bytes, Found)>, Failure> {
        let object = self.object(key);
        let mut ask = Ask::new(Method::GET, &object);
        if range.is_none() && self.has_checksums {
            ask.headers.push(("x-amz-checksum-mode", "ENABLED".to_owned()));
        }
        if let Some(range) = &range {
            ask.headers.push(("range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1))));
            ask.expected_bytes = range.end - range.start;
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
            ask.headers.push(("if-match", tag.to_owned()));
        }
        match self.ask(ask) {
            Ok(answer) => {
                let whole = answer.header("content-range").and_then(|range| range.rsplit('/').next()?.parse().ok());
                let length = answer.content.len() as u64;
                if range.as_ref().is_some_and(|range| range.end - range.start != length) {
                    return Err(Failure::Unreachable(format!(
                        "{length} bytes came instead of those that were asked for"
                    )));
                }
                // Of an object that was sent in parts it is a checksum of checksums, with a dash.
                let stored = answer.header("x-amz-checksum-crc32c").filter(|stored| !stored.contains('-'));
                if stored.is_some() && stored != self.checksum(&answer.content).as_deref() {
                    return Err(Failure::WrongBytes("the checksum that is kept beside it differs".to_owned()));
                }
                let found = Found { size_bytes: whole.unwrap_or(length), ..found(&answer) };
                Ok(Some((answer.content, found)))
            }
            Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn put(&self, key: &str, content: Bytes, condition: Condition<'_>, writer: &str) -> Result<String, Failure> {
        let object = self.object(key);
        let mut ask = Ask::new(Method::PUT, &object);
        ask.headers = self.new_object.clone();
        ask.headers.push(("x-amz-meta-cadena-writer", writer.to_owned()));
        if let Some(checksum) = self.checksum(&content) {
            ask.headers.push(("x-amz-sdk-checksum-algorithm", "CRC32C".to_owned()));
            ask.headers.push(("x-amz-checksum-crc32c", checksum));
        }
        match condition {
            Condition::Always => {}
            Condition::Absent => ask.headers.push(("if-none-match", "*".to_owned())),
            Condition::Final => {
                ask.headers.push(("if-none-match", "*".to_owned()));
                ask.headers.extend(self.retention());
            }
            Condition::Unchanged(tag) => ask.headers.push(("if-match", tag.to_owned())),
        }
        ask.content = content;
        match self.ask(ask) {
            Ok(answer) => Ok(answer.etag()),
            // What should be unchanged is gone.
            Err(Failure::Missing) if matches!(condition, Condition::Unchanged(_)) => Err(Failure::Condition),
            Err(failure) => Err(failure),
        }
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        match self.ask(Ask::new(Method::DELETE, &self.object(key))) {
            Ok(_) | Err(Failure::Missing) => Ok(()),
            Err(Failure::Denied(said)) => Err(match self.why_kept(key) {
                Some(reason) => Failure::Locked(reason),
                None => Failure::Denied(said),
            }),
            Err(failure) => Err(failure),
        }
    }

    fn list(&self, prefix: &str, limit: Option<usize>) -> Result<Vec<StoredObject>, Failure> {
        let prefix = self.object(prefix);
        let page = limit.unwrap_or(1000).clamp(1, 1000).to_string();
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("list-type", "2"), ("max-keys", page.as_str()), ("prefix", prefix.as_str())];
            query.extend(token.as_deref().map(|token| ("continuation-token", token)));
            let answer = self.patiently(|_| {
                let mut ask = Ask::new(Method::GET, "");
                ask.query = &query;
                self.ask(ask)
            })?;
            let listing: xml::Listing = xml::read(&answer.content)?;
            for listed in listing.contents {
                let Some(key) = listed.key.strip_prefix(&self.prefix) else { continue };
                let modified = listed.last_modified.parse::<jiff::Timestamp>();
                let modified_seconds = modified.map_or(0, |time| time.as_second());
                found.push(StoredObject { key: key.to_owned(), size_bytes: listed.size, modified_seconds });
            }
            token = listing.next_continuation_token;
            let is_enough = limit.is_some_and(|limit| found.len() >= limit);
            if !listing.is_truncated || is_enough {
                return Ok(found);
            }
            if token.is_none() {
                return Err(Failure::Unreachable("a listing that says that it goes on, but not where".to_owned()));
            }
        }
    }

    fn stream(&self, key: &str, writer: &str) -> Result<Box<dyn ClientStream>, Failure> {
        Ok(Box::new(PartStream::new(self.clone(), key, writer)))
    }

    fn resumed_stream(&self, key: &str, writer: &str, size_bytes: u64) -> Result<Box<dyn ClientStream>, Failure> {
        Ok(Box::new(PartStream::resuming(self.clone(), key, writer, size_bytes)?))
    }

    fn sweep(&self, prefix: &str, exactly: bool, age_seconds: i64) -> Result<(), Failure> {
        self.sweep_uploads(prefix, exactly, age_seconds)
    }
}

impl S3 {
    /// For the requests of what is more than one request: each is tried for as long as a single one would be.
    fn patiently<T>(&self, attempt: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, Failure> {
        self.patience.run(attempt).map_err(|gave_up| gave_up.failure)
    }
}

fn found(answer: &Answer) -> Found {
    let seconds = |name: &str| answer.header(name).and_then(request::http_date);
    Found {
        size_bytes: 0,
        etag: answer.etag(),
        modified_seconds: seconds("last-modified").unwrap_or_default(),
        answered_seconds: seconds("date"),
        writer: answer.header("x-amz-meta-cadena-writer").map(str::to_owned),
    }
}
