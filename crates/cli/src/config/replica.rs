//! `[[replica]]`: where copies of the repository go.

use super::file::Place;
use super::store::StoreSection;
use super::table::{Table, tables_of, text};
use super::{ConfigError, Environment};
use crate::args::{parse_bounded, parse_choice, parse_rate};
use crate::failure::Failure;
use cadena::replica::{DailyWindow, Replica, ReplicaRetention, ReplicaSettings};
use cadena::retention::{Policy, WalRetention};
use clap::ValueEnum;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// The section's name.
pub const REPLICA: &str = "replica";
/// What every replica may say, wherever it is.
const COMMON: &[&str] = &[
    "name",
    "provider",
    "wal",
    "partial_seconds",
    "max_rate",
    "write_only",
    "backups_between",
    "retention",
    "full_months",
    "differential_weeks",
    "incremental_days",
    "min_chains",
    "wal_days",
];
/// Where it is, beside what [`StoreSection`] understands.
const PATH: &str = "path";
const DEFAULT_PARTIAL_SECONDS: u64 = 10;

/// `provider`: the catalog's words, with the schemes of their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProviderArg {
    #[value(name = "LOCAL", alias = "local")]
    Local,
    #[value(name = "S3", alias = "s3")]
    S3,
    #[value(name = "GOOGLE_DRIVE", alias = "google_drive")]
    GoogleDrive,
    #[value(name = "AZURE", alias = "azure")]
    Azure,
    #[value(name = "GCS", alias = "gcs")]
    Gcs,
    #[value(name = "WEBDAV", alias = "webdav")]
    Webdav,
    #[value(name = "SFTP", alias = "sftp")]
    Sftp,
}

/// `retention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RetentionArg {
    Repository,
    Everything,
}

/// One `[[replica]]`; the storage is opened when it is needed.
#[derive(Clone)]
pub struct ReplicaConfig {
    pub name: String,
    provider: ProviderArg,
    store: StoreSection,
    wal: bool,
    partial_every: Option<Duration>,
    max_rate_bytes: Option<u64>,
    backups_between: Option<DailyWindow>,
    retention: ReplicaRetention,
    write_only: bool,
}

impl ReplicaConfig {
    /// Returns who keeps it, in the catalog's word.
    pub fn provider(&self) -> &str {
        self.provider.word()
    }

    /// Says where it is, without secrets.
    pub fn location(&self) -> String {
        let url = self.store.url.as_deref().unwrap_or_default();
        url.split('?').next().unwrap_or_default().to_owned()
    }

    /// Returns what may go from it.
    pub fn retention(&self) -> &ReplicaRetention {
        &self.retention
    }

    /// Tells whether a secret of it stands in `cadena.toml`.
    pub fn holds_secret(&self) -> bool {
        self.store.holds_secret()
    }

    /// Tells whether WAL goes there.
    pub fn sends_wal(&self) -> bool {
        self.wal
    }

    /// Opens the storage.
    ///
    /// # Errors
    /// Whatever is wrong with its settings.
    pub fn open(&self, environment: &Environment) -> Result<ReplicaSettings, Failure> {
        let storage = cadena::stores::open(&self.store.resolve(None, environment)?)?;
        Ok(ReplicaSettings {
            replica: Replica {
                name: self.name.clone(),
                provider: self.provider.word().to_owned(),
                storage,
                retention: self.retention.clone(),
                write_only: self.write_only,
                max_rate_bytes: self.max_rate_bytes,
            },
            wal: self.wal,
            partial_every: self.partial_every,
            backups_between: self.backups_between,
        })
    }
}

/// Reads `[[replica]]`, or a single `[replica]`.
///
/// # Errors
/// `ConfigUnknownKey`, `ConfigBadValue`, `ConfigMissingKey`, `ConfigNameTwice`.
pub(super) fn take_replicas(
    place: &Place<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<ReplicaConfig>, ConfigError> {
    let mut replicas: Vec<ReplicaConfig> = Vec::new();
    for table in tables_of(place, REPLICA, value)? {
        let replica = take_replica(&table)?;
        if replicas.iter().any(|known| known.name == replica.name) {
            let (file, line, name) = (place.file(), place.line(table.offset), replica.name);
            return Err(ConfigError::ConfigNameTwice { file, line, name });
        }
        replicas.push(replica);
    }
    Ok(replicas)
}

fn take_replica(table: &Table<'_>) -> Result<ReplicaConfig, ConfigError> {
    let store_keys = StoreSection::keys();
    let known: Vec<&str> = COMMON.iter().copied().chain([PATH]).chain(store_keys.iter().map(String::as_str)).collect();
    table.refuse_unknown(&known)?;
    let mut store = StoreSection::default();
    for (key, value) in table.table.iter() {
        store.take(table.place, key.get_ref().as_ref(), value)?;
    }
    if let Some(path) = table.path(PATH)? {
        store.url = Some(std::path::absolute(&path).unwrap_or(path).display().to_string());
    }
    let provider = match &store.url {
        Some(url) => ProviderArg::of(url),
        None => return Err(table.missing("url")),
    };
    if table.optional("provider", parse_choice)?.is_some_and(|named: ProviderArg| named != provider) {
        return Err(table.conflict("provider", provider.word()));
    }
    let seconds = table.optional("partial_seconds", |text| match text {
        "off" => Ok(None),
        text => parse_bounded(text, 1, 3600).map(Some).map_err(|range| format!("{range} | off")),
    })?;
    let write_only = table.flag("write_only")?.unwrap_or(false);
    let retention = match (write_only, take_retention(table)?) {
        // From here nothing can be removed there.
        (true, ReplicaRetention::AsRepository) if !table.has("retention") => ReplicaRetention::Everything,
        (true, retention) if retention != ReplicaRetention::Everything => {
            return Err(table.conflict("write_only", "retention = \"everything\""));
        }
        (_, retention) => retention,
    };
    Ok(ReplicaConfig {
        name: table.required("name", parse_name)?,
        provider,
        store,
        wal: table.flag("wal")?.unwrap_or(true),
        partial_every: seconds.unwrap_or(Some(DEFAULT_PARTIAL_SECONDS)).map(Duration::from_secs),
        max_rate_bytes: table.optional("max_rate", parse_rate)?,
        backups_between: table
            .optional("backups_between", |text| text.parse().map_err(|_: String| "22:00-06:00".to_owned()))?,
        retention,
        write_only,
    })
}

/// A name is part of a key, and of a command line.
fn parse_name(name: &str) -> Result<String, String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_name = text(name)?.bytes().all(is_fine) && name.len() <= 64 && !name.starts_with('-');
    if is_name { Ok(name.to_owned()) } else { Err("A-Z a-z 0-9 - _".to_owned()) }
}

fn take_retention(table: &Table<'_>) -> Result<ReplicaRetention, ConfigError> {
    let numbers = ["full_months", "differential_weeks", "incremental_days", "min_chains", "wal_days"];
    let has_own = numbers.iter().any(|key| table.has(key));
    match table.optional("retention", parse_choice)? {
        Some(RetentionArg::Everything) if !has_own => return Ok(ReplicaRetention::Everything),
        Some(RetentionArg::Repository) if !has_own => return Ok(ReplicaRetention::AsRepository),
        Some(_) => return Err(table.conflict("retention", &numbers.join(" | "))),
        None if !has_own => return Ok(ReplicaRetention::AsRepository),
        None => {}
    }
    let standard = Policy::standard();
    let number = |key: &str, least, most, standard| Ok(table.number(key, least, most)?.unwrap_or(standard));
    Ok(ReplicaRetention::Own(Policy {
        name: table.required("name", parse_name)?,
        full_months: number("full_months", 0, 1_200, standard.full_months)?,
        differential_weeks: number("differential_weeks", 0, 5_200, standard.differential_weeks)?,
        incremental_days: number("incremental_days", 0, 36_500, standard.incremental_days)?,
        min_chains: number("min_chains", 1, 1_000, standard.min_chains)?,
        wal: table.number("wal_days", 0, 36_500)?.map_or(WalRetention::WithBackups, WalRetention::Days),
    }))
}

impl ProviderArg {
    /// Says who keeps what is at an address.
    fn of(url: &str) -> Self {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("s3") => ProviderArg::S3,
            Some("gdrive") => ProviderArg::GoogleDrive,
            Some("azblob") => ProviderArg::Azure,
            Some("gcs") => ProviderArg::Gcs,
            Some("webdav" | "webdavs") => ProviderArg::Webdav,
            Some("sftp") => ProviderArg::Sftp,
            _ => ProviderArg::Local,
        }
    }

    fn word(self) -> &'static str {
        match self {
            ProviderArg::Local => "LOCAL",
            ProviderArg::S3 => "S3",
            ProviderArg::GoogleDrive => "GOOGLE_DRIVE",
            ProviderArg::Azure => "AZURE",
            ProviderArg::Gcs => "GCS",
            ProviderArg::Webdav => "WEBDAV",
            ProviderArg::Sftp => "SFTP",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FileConfig;
    use super::*;
    use std::path::Path;

    fn parse(text: &str) -> Result<Vec<ReplicaConfig>, String> {
        let config = FileConfig::parse(Path::new("/etc/cadena/cadena.toml"), text);
        config.map(|config| config.replicas).map_err(|error| error.to_string())
    }

    #[test]
    fn a_replica_says_where_it_is_and_the_rest_has_defaults() {
        let text = "[[replica]]\nname = 'nube'\nprovider = 'S3'\ns3_bucket = 'copias'\ns3_region = 'sa-east-1'\n";
        let nube = &parse(text).unwrap_or_default()[0];
        assert_eq!((nube.provider(), nube.location().as_str()), ("S3", "s3://copias"));
        let replicas = parse("[[replica]]\nname = 'usb'\nsync_dir = 'copies'\n").unwrap_or_default();
        let usb = &replicas[0];
        assert_eq!((usb.name.as_str(), usb.provider(), usb.wal), ("usb", "LOCAL", true));
        assert_eq!(usb.location(), "/etc/cadena/copies");
        assert_eq!((usb.partial_every, usb.max_rate_bytes), (Some(Duration::from_secs(10)), None));
        assert_eq!(usb.retention, ReplicaRetention::AsRepository);
        let text = "[[replica]]\nname = 'a'\nprovider = 'LOCAL'\nurl = '/a'\nwal = false\npartial_seconds = 'off'\nmax_rate = '5MB'\n\
            backups_between = '22:00-06:00'\nretention = 'everything'\n[[replica]]\nname = 'b'\npath = '/b'\nfull_months = 36\n";
        let replicas = parse(text).unwrap_or_default();
        assert_eq!(
            (replicas[0].wal, replicas[0].partial_every, replicas[0].max_rate_bytes),
            (false, None, Some(5 << 20))
        );
        assert!(replicas[0].backups_between.is_some());
        assert_eq!(replicas[0].retention, ReplicaRetention::Everything);
        let ReplicaRetention::Own(policy) = &replicas[1].retention else { panic!("no policy of its own") };
        assert_eq!((policy.full_months, policy.min_chains), (36, 2));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wanted) in [
            ("[[replica]]\npath = '/a'", "name is missing in [replica]"),
            ("[[replica]]\nname = 'a'", "url is missing in [replica]"),
            ("[[replica]]\nname = '../a'\npath = '/a'", "allowed: A-Z a-z 0-9 - _"),
            ("[[replica]]\nname = 'a'\npaht = '/a'", "unknown key paht in [replica]; nearest: path"),
            ("[[replica]]\nname = 'a'\npath = '/a'\n[[replica]]\nname = 'a'\npath = '/b'", "of the name a"),
            ("[[replica]]\nname = 'a'\npath = '/a'\nbackups_between = 'night'", "allowed: 22:00-06:00"),
            (
                "[[replica]]\nname = 'a'\npath = '/a'\nretention = 'everything'\nwal_days = 3",
                "retention = 'everything'",
            ),
            ("[[replica]]\nname = 'a'\nprovider = 'LOCAL'\nurl = 's3://b'", "provider = 'LOCAL'; allowed: S3"),
            ("replica = 1", "allowed: [[replica]]"),
        ] {
            let complaint = parse(text).err().unwrap_or_default();
            assert!(complaint.contains(wanted), "{text}: {complaint}");
        }
    }
}
