//! What has to be known of a storage before it can be opened.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use vault::storage::StorageError;

/// Where a storage is, and how it is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// `s3://bucket/prefix`, `gdrive://folder-id/prefix`, `azblob://container/prefix`, `gcs://bucket/prefix`, `webdav://host/path`, `webdavs://…`,
    /// `sftp://user@host/path`, `file:///path`, or a plain path. Options may follow as a query: `?region=eu-west-1`.
    pub url: String,
    /// Options that are no secret, by name; they win over those in the address.
    pub options: BTreeMap<String, String>,
    /// Passwords and keys, by name.
    pub secrets: Secrets,
}

/// Passwords and keys, by name. Shows only the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// Keeps a secret.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// Returns a secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Tells whether an address names a storage elsewhere; else it is a path.
pub fn is_remote(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.eq_ignore_ascii_case("file")
            && scheme.len() > 1
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// An address, taken apart, with its options.
#[derive(Debug)]
pub(crate) struct Address {
    pub scheme: String,
    /// Bucket, container or host.
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Without a slash at either end; may be empty.
    pub path: String,
    options: BTreeMap<String, String>,
    pub secrets: Secrets,
    /// The address as it may be shown.
    pub shown: String,
}

/// Options that every storage elsewhere has.
const COMMON: &[&str] =
    &["timeout_seconds", "give_up_seconds", "concurrency", "part_size", "lease_seconds", "lease_host", "sync_seconds"];

impl Address {
    /// Takes the settings apart.
    pub fn parse(settings: &StoreSettings) -> Result<Self, StorageError> {
        let bare = settings.url.split(['?', '#']).next().unwrap_or_default();
        // What stands before an @ may hold a password: it is not repeated before it was looked at.
        let hidden = match (bare.split_once("://"), bare.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            _ => bare.to_owned(),
        };
        let bad = |detail: String| StorageError::StorageSetting {
            storage: hidden.clone(),
            setting: "url".to_owned(),
            detail,
        };
        let url = reqwest::Url::parse(&settings.url).map_err(|error| bad(error.to_string()))?;
        if url.password().is_some() {
            return Err(bad("a password does not belong into an address: use the option password".to_owned()));
        }
        let path = decoded(url.path()).ok_or_else(|| bad("its path is not UTF-8".to_owned()))?;
        let path = path.trim_matches('/').to_owned();
        if !path.is_empty() {
            vault::storage::key_parts(&path)?;
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(bad("it names no bucket or host".to_owned()));
        }
        let user = Some(url.username()).filter(|user| !user.is_empty()).and_then(decoded);
        let scheme = url.scheme().to_ascii_lowercase();
        let mut options: BTreeMap<String, String> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        options.extend(settings.options.clone());
        let port = url.port();
        let at = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let colon = port.map(|port| format!(":{port}")).unwrap_or_default();
        let slash = if path.is_empty() { "" } else { "/" };
        let shown = format!("{scheme}://{at}{host}{colon}{slash}{path}");
        Ok(Address { scheme, host, user, port, path, options, secrets: settings.secrets.clone(), shown })
    }

    /// Tells this place from every other: the address alone does not, where an endpoint says whose bucket it is.
    pub fn identity(&self) -> String {
        let shown = self.shown.trim_end_matches('/');
        let Some(endpoint) = self.option("endpoint") else { return shown.to_owned() };
        let host = |url: reqwest::Url| Some((url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()));
        match reqwest::Url::parse(endpoint).ok().and_then(host) {
            // A name of a bucket is there once among all regions.
            Some((host, _)) if self.scheme == "s3" && host.ends_with(".amazonaws.com") => shown.to_owned(),
            Some((host, Some(port))) => format!("{shown} at {host}:{port}"),
            _ => format!("{shown} at {endpoint}"),
        }
    }

    /// Refuses options and secrets that this storage does not have.
    pub fn refuse_unknown(&self, options: &[&str], secrets: &[&str]) -> Result<(), StorageError> {
        let known = |name: &str| COMMON.contains(&name) || options.contains(&name);
        if let Some(name) = self.options.keys().find(|name| !known(name)) {
            // An option that is a secret elsewhere must not be repeated, and has no place in an address.
            let detail = match secrets.contains(&name.as_str()) {
                true => "a secret does not belong into an address".to_owned(),
                false => format!("unknown; {} has: {}", self.scheme, [COMMON, options].concat().join(", ")),
            };
            return Err(self.bad(name, detail));
        }
        match self.secrets.names().find(|name| !secrets.contains(name)) {
            Some(name) => Err(self.bad(name, format!("unknown; {} has: {}", self.scheme, secrets.join(", ")))),
            None => Ok(()),
        }
    }

    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn number(&self, name: &str, least: u64, most: u64, default: u64) -> Result<u64, StorageError> {
        let Some(text) = self.option(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.bad(name, format!("allowed: {least} to {most}")))
    }

    pub fn seconds(&self, name: &str, least: u64, most: u64, default: u64) -> Result<Duration, StorageError> {
        Ok(Duration::from_secs(self.number(name, least, most, default)?))
    }

    pub fn choice<'a>(&self, name: &str, allowed: &[&'a str], default: &'a str) -> Result<&'a str, StorageError> {
        let Some(text) = self.option(name) else { return Ok(default) };
        let found = allowed.iter().find(|word| **word == text);
        found.copied().ok_or_else(|| self.bad(name, format!("allowed: {}", allowed.join(", "))))
    }

    pub fn bad(&self, setting: &str, detail: String) -> StorageError {
        StorageError::StorageSetting { storage: self.shown.clone(), setting: setting.to_owned(), detail }
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address, StorageError> {
        Address::parse(&StoreSettings { url: url.to_owned(), ..StoreSettings::default() })
    }

    #[test]
    fn an_address_is_taken_apart() {
        let address = address("s3://backups/db1/main?region=eu-west-1&endpoint=http://127.0.0.1:5000").unwrap();
        assert_eq!(
            (address.scheme.as_str(), address.host.as_str(), address.path.as_str()),
            ("s3", "backups", "db1/main")
        );
        assert_eq!(address.option("endpoint"), Some("http://127.0.0.1:5000"));
        assert_eq!(address.shown, "s3://backups/db1/main");
        let sftp = super::tests::address("sftp://respaldo@nas:2222/srv/copias%20a/").unwrap();
        assert_eq!(
            (sftp.user.as_deref(), sftp.port, sftp.path.as_str()),
            (Some("respaldo"), Some(2222), "srv/copias a")
        );
    }

    #[test]
    fn the_same_bucket_at_another_endpoint_is_another_place() {
        let identity = |url: &str| address(url).unwrap().identity();
        let same = |one: &str, other: &str| identity(one) == identity(other);
        assert!(same("s3://b/p?endpoint=http://nas:9000", "s3://b/p/?endpoint=http://NAS:9000/&region=x"));
        assert!(same("s3://b/p?endpoint=https://nas", "s3://b/p?endpoint=https://nas:443"));
        assert!(same("s3://b/p?region=eu-west-1", "s3://b/p?endpoint=https://s3.eu-west-1.amazonaws.com"));
        assert!(!same("s3://b/p?endpoint=http://nas:9000", "s3://b/p?endpoint=http://nas:9001"));
        assert!(!same("s3://b/p", "s3://b/p?endpoint=http://nas:9000"));
        assert!(!same("s3://b/p", "s3://b/q"));
    }

    #[test]
    fn paths_are_told_from_addresses() {
        for url in ["s3://b", "webdavs://h/p", "gdrive://x"] {
            assert!(is_remote(url), "{url}");
        }
        for path in ["/srv/backups", "backups", "file:///srv", "C:\\x", "a/b://c", ""] {
            assert!(!is_remote(path), "{path}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let mut settings = StoreSettings { url: "s3://b".to_owned(), ..StoreSettings::default() };
        settings.secrets.set("secret_key", "hush".to_owned());
        assert!(!format!("{settings:?}").contains("hush"));
        assert!(!format!("{:?}", Address::parse(&settings).unwrap()).contains("hush"));
        let refused = address("webdav://u:hush@h/p").unwrap_err().to_string();
        assert!(!refused.contains("hush"), "{refused}");
        let refused = address("s3://b?secret_key=hush").unwrap().refuse_unknown(&[], &["secret_key"]).unwrap_err();
        assert!(!refused.to_string().contains("hush"), "{refused}");
    }

    #[test]
    fn hostile_prefixes_are_refused() {
        for url in ["s3:///x", "s3://b/a//b", "s3://b/%2e%2e%2fx", "s3://b/a%00"] {
            assert!(address(url).is_err(), "{url} was taken");
        }
    }
}
