//! What the tests of stores share.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stores::{StoreSettings, open};
use testkit::stores::S3Server;
use vault::storage::Storage;

/// Returns the settings of a prefix in the test bucket.
pub fn s3_settings(endpoint: &str, prefix: &str, options: &[(&str, &str)]) -> StoreSettings {
    let mut settings = StoreSettings { url: S3Server::url(prefix, endpoint), ..StoreSettings::default() };
    settings.secrets.set("access_key", S3Server::ACCESS_KEY.to_owned());
    settings.secrets.set("secret_key", S3Server::SECRET_KEY.to_owned());
    settings.options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    settings
}

pub fn s3(endpoint: &str, prefix: &str, options: &[(&str, &str)]) -> Arc<dyn Storage> {
    open(&s3_settings(endpoint, prefix, options)).unwrap()
}

/// Returns a prefix that nobody used yet.
pub fn fresh_prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("prefix-{}/db", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Bytes that repeat nowhere near one another.
pub fn content(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
