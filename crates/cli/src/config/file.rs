//! Reads `cadena.toml`. Every complaint names file, line and what would be right.

use super::drill::{DRILL, take_drill};
use super::encryption::EncryptionSection;
use super::notify::take_channels;
use super::replica::{REPLICA, take_replicas};
use super::store::{SecretPlace, StoreSection};
use super::{
    CatalogConfig, ChannelConfig, ConfigError, DrillConfig, MetricsConfig, ReplicaConfig, ValidationConfig, schema,
};
use crate::args::{
    CheckpointArg, LevelArg, MAX_JOBS, MAX_PUSH_AHEAD, ReaderArg, parse_bounded, parse_choice, parse_limit, parse_rate,
    parse_rule, parse_slot_name,
};
use crate::locale::Language;
use cadena::retention::{Policy, WalRetention};
use cadena::scheduler::{Job, Rules};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the file says. Nothing in it is required.
#[derive(Default)]
pub struct FileConfig {
    /// The file, when there is one.
    pub path: Option<PathBuf>,
    /// `[connection] url`: a libpq URI or keyword string.
    pub url: Option<String>,
    /// `[connection]`: the other keys are libpq's keywords.
    pub keywords: Vec<(String, String)>,
    /// `[repository]`: a path, made absolute from the file's folder, or the address of a storage elsewhere.
    pub store: StoreSection,
    pub reader: Option<ReaderArg>,
    pub jobs: Option<usize>,
    pub compression_level: Option<i32>,
    pub wal_compression_level: Option<i32>,
    /// `[wal] push_ahead`
    pub wal_push_ahead: Option<usize>,
    pub max_rate_bytes: Option<u64>,
    pub checkpoint: Option<CheckpointArg>,
    pub slot: Option<String>,
    /// `[wal] max_slot_retained`; the inner `None` is `off`.
    pub max_slot_retained_bytes: Option<Option<u64>>,
    /// `[restore] work_dir`.
    pub work_folder: Option<PathBuf>,
    /// `[schedule]`: what the file says of a job, `cadena schedule set` can't change.
    pub schedule: Rules,
    pub validation: ValidationConfig,
    /// `[retention]`; what the section leaves out is the standard's. `None` without the section.
    pub retention: Option<Policy>,
    pub catalog: CatalogConfig,
    pub notify: Vec<ChannelConfig>,
    pub replicas: Vec<ReplicaConfig>,
    pub drill: DrillConfig,
    pub encryption: EncryptionSection,
    pub metrics: MetricsConfig,
    pub cluster_name: Option<String>,
    pub lang: Option<Language>,
    pub time_zone: Option<jiff::tz::TimeZone>,
    pub pg_bin_path: Option<PathBuf>,
}

impl FileConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// `ConfigUnreadable`, `ConfigSyntax`, `ConfigUnknownSection`, `ConfigUnknownKey`, `ConfigBadValue`,
    /// `ConfigPasswordReadable`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |cause: std::io::Error| ConfigError::ConfigUnreadable {
            file: path.display().to_string(),
            cause: cause.to_string(),
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let config = Self::parse(path, &text)?;
        if config.holds_password() {
            refuse_readable_by_others(path).map_err(unreadable)??;
        }
        Ok(config)
    }

    /// Checks the text of a file.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let place = Place { path, text };
        let document = DeTable::parse(text).map_err(|error| ConfigError::ConfigSyntax {
            file: place.file(),
            line: place.line(error.span().map_or(0, |span| span.start)),
            detail: error.message().to_owned(),
        })?;
        let mut config = FileConfig { path: Some(path.to_owned()), ..Self::default() };
        for (name, value) in document.get_ref().iter() {
            config.take_section(&place, name, value)?;
        }
        Ok(config)
    }

    fn take_section(
        &mut self,
        place: &Place<'_>,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let section = name.get_ref().as_ref();
        if section == schema::NOTIFY {
            self.notify = take_channels(place, value)?;
            return Ok(());
        }
        if section == DRILL {
            self.drill = take_drill(place, value)?;
            return Ok(());
        }
        if section == REPLICA {
            self.replicas = take_replicas(place, value)?;
            return Ok(());
        }
        let Some(known) = schema::keys_of(section) else {
            return Err(place.unknown_section(section, name.span().start));
        };
        let Some(table) = value.get_ref().as_table() else {
            return Err(place.bad_value(section, value, format!("[{section}]")));
        };
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            let is_known = known.contains(&name);
            if !is_known && section == "repository" && self.store.take(place, name, value)? {
                continue;
            }
            if !is_known {
                return Err(place.unknown_key(section, known, name, key.span().start));
            }
            self.take_value(place, section, name, value)?;
        }
        Ok(())
    }

    fn take_value(
        &mut self,
        place: &Place<'_>,
        section: &str,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let text = || place.parsed(name, value, |text| Ok(text.to_owned()));
        match (section, name) {
            ("connection", "url") => self.url = Some(text()?),
            ("connection", "port") => {
                let port = place.parsed(name, value, |text| parse_bounded(text, 1, u16::MAX))?;
                self.keywords.push((name.to_owned(), port.to_string()));
            }
            ("connection", _) => self.keywords.push((name.to_owned(), text()?)),
            ("repository", _) => self.store.url = Some(place.beside_file(&text()?).display().to_string()),
            ("backup", "reader") => self.reader = Some(place.parsed(name, value, parse_choice)?),
            ("backup", "jobs") => self.jobs = Some(place.parsed(name, value, |text| parse_bounded(text, 1, MAX_JOBS))?),
            ("backup", "compression_level") => {
                self.compression_level = Some(place.parsed(name, value, |text| parse_bounded(text, 1, 19))?);
            }
            ("backup", "max_rate") => self.max_rate_bytes = Some(place.parsed(name, value, parse_rate)?),
            ("backup", _) => self.checkpoint = Some(place.parsed(name, value, parse_choice)?),
            ("wal", "slot") => self.slot = Some(place.parsed(name, value, parse_slot_name)?),
            ("wal", "compression_level") => {
                self.wal_compression_level = Some(place.parsed(name, value, parse_wal_level)?);
            }
            ("wal", "push_ahead") => {
                self.wal_push_ahead = Some(place.parsed(name, value, |text| parse_bounded(text, 0, MAX_PUSH_AHEAD))?);
            }
            ("wal", _) => self.max_slot_retained_bytes = Some(place.parsed(name, value, parse_limit)?),
            ("encryption", key) => self.take_encryption(place, key, value)?,
            ("restore", _) => self.work_folder = Some(place.beside_file(&text()?)),
            ("schedule", key) => {
                let rule = place.parsed(name, value, parse_rule)?;
                self.schedule.extend(Job::ALL.into_iter().find(|job| job.config_key() == key).map(|job| (job, rule)));
            }
            ("validation", "level") => {
                self.validation.level = place.parsed(name, value, parse_choice::<LevelArg>)?.into();
            }
            ("validation", "again_days") => {
                self.validation.again_days = place.parsed(name, value, |text| parse_bounded(text, 1, 3650))?;
            }
            ("validation", _) => self.validation.max_minutes = place.parsed(name, value, parse_minutes)?,
            ("retention", _) => self.take_retention(place, name, value)?,
            ("catalog", "enabled") => self.catalog.enabled = place.parsed(name, value, parse_choice)?,
            ("catalog", _) => self.catalog.language = place.parsed(name, value, parse_choice)?,
            ("metrics", _) => self.metrics.take(place, name, value)?,
            ("general", "cluster_name") => self.cluster_name = Some(text()?),
            ("general", "lang") => self.lang = Some(place.parsed(name, value, parse_choice)?),
            ("general", "time_zone") => self.time_zone = Some(place.parsed(name, value, parse_time_zone)?),
            _ => self.pg_bin_path = Some(place.beside_file(&text()?)),
        }
        Ok(())
    }

    fn take_encryption(
        &mut self,
        place: &Place<'_>,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let text = |value| place.parsed(name, value, |text| Ok(text.to_owned()));
        let section = &mut self.encryption;
        match name {
            "recipients" => {
                section.recipients = match value.get_ref().as_array() {
                    Some(array) => array.iter().map(text).collect::<Result<_, _>>()?,
                    None => vec![text(value)?],
                };
            }
            "identity_file" => section.identity_file = Some(place.beside_file(&text(value)?)),
            "passphrase_file" => section.passphrase = Some(SecretPlace::File(place.beside_file(&text(value)?))),
            _ => section.passphrase = Some(SecretPlace::Variable(text(value)?)),
        }
        Ok(())
    }

    fn take_retention(
        &mut self,
        place: &Place<'_>,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let number = |least: u32, most: u32| place.parsed(name, value, |text| parse_bounded(text, least, most));
        let policy = self
            .retention
            .get_or_insert_with(|| Policy { name: super::DEFAULT_CONFIG.to_owned(), ..Policy::standard() });
        match name {
            "full_months" => policy.full_months = number(0, 1_200)?,
            "differential_weeks" => policy.differential_weeks = number(0, 5_200)?,
            "incremental_days" => policy.incremental_days = number(0, 36_500)?,
            "min_chains" => policy.min_chains = number(1, 1_000)?,
            _ => policy.wal = WalRetention::Days(number(0, 36_500)?),
        }
        Ok(())
    }

    /// Tells whether a secret stands in the file: a password, or a URL that may carry one.
    fn holds_password(&self) -> bool {
        let in_url = self.url.as_deref().is_some_and(|url| {
            let user_info = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(info, _)| info);
            url.contains("password") || user_info.is_some_and(|info| info.contains(':'))
        });
        let in_channel = self.notify.iter().any(ChannelConfig::holds_secret);
        in_url
            || in_channel
            || self.store.holds_secret()
            || self.replicas.iter().any(ReplicaConfig::holds_secret)
            || self.keywords.iter().any(|(name, _)| name == "password")
    }
}

/// Reads a zstd level for WAL: the fast ones, below zero, too.
fn parse_wal_level(text: &str) -> Result<i32, String> {
    let allowed = |level: &i32| (-7..=-1).contains(level) || (1..=19).contains(level);
    text.parse().ok().filter(allowed).ok_or_else(|| "-7 to -1, 1 to 19".to_owned())
}

/// Reads a number of minutes; `off` is no limit.
fn parse_minutes(text: &str) -> Result<Option<u32>, String> {
    if text == "off" {
        return Ok(None);
    }
    parse_bounded(text, 1, 10_080).map(Some).map_err(|range| format!("{range} | off"))
}

/// Reads the name of a time zone.
pub fn parse_time_zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(name).map_err(|_| "IANA (America/Argentina/Buenos_Aires, Europe/Madrid, UTC, …)".to_owned())
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path) -> std::io::Result<Result<(), ConfigError>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
    Ok(if mode & 0o077 == 0 {
        Ok(())
    } else {
        let (file, mode) = (path.display().to_string(), format!("{mode:04o}"));
        Err(ConfigError::ConfigPasswordReadable { file, mode })
    })
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_path: &Path) -> std::io::Result<Result<(), ConfigError>> {
    Ok(Ok(()))
}

/// The file that is being read, for complaints.
pub(super) struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    pub(super) fn file(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    /// A relative path in the file is meant from the file's folder, so that the file says the same from everywhere.
    pub(super) fn beside_file(&self, path: &str) -> PathBuf {
        self.path.parent().map_or_else(|| path.into(), |folder| folder.join(path))
    }

    /// Reads a string, or a number where its text will do.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => return Err(self.bad_value(name, value, "\"…\"".to_owned())),
        };
        parse(text).map_err(|allowed| self.bad_value(name, value, allowed))
    }

    /// Reads a secret; a complaint does not repeat it.
    pub(super) fn secret(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            _ => {
                let (file, line) = (self.file(), self.line(value.span().start));
                let (value, allowed) = ("…".to_owned(), "\"…\"".to_owned());
                Err(ConfigError::ConfigBadValue { file, line, name: name.to_owned(), value, allowed })
            }
        }
    }

    pub(super) fn bad_value(&self, name: &str, value: &Spanned<DeValue<'_>>, allowed: String) -> ConfigError {
        let secret = matches!(name, "password" | "url" | "token" | "routing_key" | "proxy");
        let shown = if secret { "…" } else { self.text.get(value.span()).unwrap_or_default() };
        ConfigError::ConfigBadValue {
            file: self.file(),
            line: self.line(value.span().start),
            name: name.to_owned(),
            value: shown.lines().next().unwrap_or_default().to_owned(),
            allowed,
        }
    }

    fn unknown_section(&self, name: &str, offset: usize) -> ConfigError {
        ConfigError::ConfigUnknownSection {
            file: self.file(),
            line: self.line(offset),
            name: name.to_owned(),
            nearest: schema::nearest(name, schema::section_names()),
        }
    }

    pub(super) fn unknown_key(&self, section: &str, known: &[&str], name: &str, offset: usize) -> ConfigError {
        let stores = if section == "repository" { StoreSection::keys() } else { Vec::new() };
        let known = known.iter().copied().chain(stores.iter().map(String::as_str));
        ConfigError::ConfigUnknownKey {
            file: self.file(),
            line: self.line(offset),
            section: section.to_owned(),
            name: name.to_owned(),
            nearest: schema::nearest(name, known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::CatalogUse;
    use super::*;

    fn parse(text: &str) -> Result<FileConfig, ConfigError> {
        FileConfig::parse(Path::new("/etc/cadena/cadena.toml"), text)
    }

    fn complaint(text: &str) -> String {
        parse(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_known_key_is_accepted() {
        let whole = r#"
[connection]
url = "postgresql://localhost/nexoryn_tech"
host = "localhost"
port = 5433
dbname = "nexoryn_tech"
user = "respaldo"
password = "secret"
passfile = "/home/respaldo/.pgpass"
service = "nexoryn"
sslmode = "verify-full"
sslrootcert = "system"
[repository]
path = "backups"
[backup]
reader = "local"
jobs = 2
compression_level = 3
max_rate = "50MB"
checkpoint = "spread"
[wal]
slot = "cadena_2"
max_slot_retained = "10GB"
compression_level = -3
push_ahead = 0
[encryption]
recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
identity_file = "identity.txt"
passphrase_file = "passphrase.txt"
passphrase_env = "PASSPHRASE"
[catalog]
enabled = "on"
lang = "en"
[schedule]
full = "0 0 1 * *"
diferencial = "30 23 * * SUN"
incremental = "*/3 * * * * *"
validate = "off"
cleanup = "0 2 * * 1"
drill = "off"
[validation]
level = "deep"
again_days = 3
max_minutes = "off"
[restore]
work_dir = "/var/tmp"
[retention]
full_months = 24
differential_weeks = 16
incremental_days = 14
min_chains = 3
wal_days = 30
[metrics]
listen = "127.0.0.1:9855"
allow_remote = false
[general]
cluster_name = "nexoryn"
lang = "es"
time_zone = "UTC"
pg_bin_path = "/usr/lib/postgresql/17/bin"
"#;
        let config = parse(whole).ok().unwrap_or_default();
        for (_, keys) in schema::SECTIONS {
            for key in *keys {
                assert!(whole.contains(&format!("\n{key} = ")), "the test lacks {key}");
            }
        }
        assert_eq!(config.keywords.len(), 9);
        assert_eq!(config.store.url.as_deref(), Some("/etc/cadena/backups"));
        assert_eq!(config.reader, Some(ReaderArg::Local));
        assert_eq!((config.jobs, config.compression_level, config.max_rate_bytes), (Some(2), Some(3), Some(50 << 20)));
        assert_eq!(config.checkpoint, Some(CheckpointArg::Spread));
        assert_eq!(config.slot.as_deref(), Some("cadena_2"));
        assert_eq!(config.max_slot_retained_bytes, Some(Some(10 << 30)));
        assert_eq!((config.wal_compression_level, config.wal_push_ahead), (Some(-3), Some(0)));
        assert_eq!((config.catalog.enabled, config.catalog.language), (CatalogUse::On, Language::English));
        assert_eq!(config.schedule.len(), 6);
        assert_eq!((config.validation.again_days, config.validation.max_minutes), (3, None));
        let policy = config.retention.unwrap_or_else(Policy::standard);
        let numbers = (policy.full_months, policy.differential_weeks, policy.incremental_days, policy.min_chains);
        assert_eq!((numbers, policy.wal), ((24, 16, 14, 3), WalRetention::Days(30)));
        assert_eq!(config.lang, Some(Language::Spanish));
        assert!(config.time_zone.is_some() && config.pg_bin_path.is_some() && config.url.is_some());
    }

    #[test]
    fn an_unknown_key_names_file_line_and_the_nearest() {
        let wanted = "/etc/cadena/cadena.toml, line 3: unknown key job in [backup]; nearest: jobs";
        assert_eq!(complaint("# x\n[backup]\njob = 2\n"), wanted);
    }

    #[test]
    fn an_unknown_section_names_the_nearest() {
        assert!(complaint("\n[repo]\npath = 'x'").contains("line 2: unknown section [repo]; nearest: [repository]"));
        assert!(complaint("jobs = 1").contains("unknown section [jobs]"));
    }

    #[test]
    fn a_bad_value_names_line_and_what_is_allowed() {
        assert!(complaint("[backup]\njobs = 0").ends_with("line 2: jobs = 0; allowed: 1..64"));
        assert!(complaint("[backup]\nreader = 'x'").ends_with("line 2: reader = 'x'; allowed: auto | local | sql"));
        for level in [-8, 0, 20] {
            let text = complaint(&format!("[wal]\ncompression_level = {level}"));
            assert!(text.ends_with("allowed: -7 to -1, 1 to 19"), "{text}");
        }
        assert!(complaint("[wal]\npush_ahead = 33").ends_with("line 2: push_ahead = 33; allowed: 0..32"));
        assert!(complaint("[backup]\ncompression_level = -1").contains("allowed: 1..19"));
        assert!(complaint("[schedule]\nfull = 'daily'").contains("line 2: full = 'daily'; allowed: off | MINUTE HOUR"));
        assert!(complaint("[schedule]\nfull = '0 0 30 2 *'").contains("allowed: off"));
        assert!(complaint("[backup]\njobs = true").ends_with("jobs = true; allowed: \"…\""));
        assert!(complaint("[retention]\nmin_chains = 0").ends_with("allowed: 1..1000"));
        assert!(complaint("[retention]\nfull_months = 1201").ends_with("allowed: 0..1200"));
        assert!(complaint("[general]\ntime_zone = 'Mars/Base'").contains("allowed: IANA"));
        assert!(complaint("[connection]\nport = 70000").contains("allowed: 1..65535"));
        assert!(complaint("backup = 3").contains("allowed: [backup]"));
    }

    #[test]
    fn a_complaint_never_repeats_a_password() {
        let text = complaint("[connection]\npassword = ['hush']");
        assert!(text.contains("password = …") && !text.contains("hush"), "{text}");
    }

    #[test]
    fn bad_syntax_names_the_line() {
        assert!(complaint("[backup]\njobs = 1\njobs").contains("cadena.toml, line 3: "));
        assert!(complaint("[backup]\njobs = 1\njobs = 2").contains("line 3"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_a_password_must_be_its_owners_alone() -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("cadena.toml");
        let secrets = ["password = 'x'", "url = 'postgresql://u:x@h/d'", "url = 'host=h password=x'"];
        for (content, mode, allowed) in [
            (secrets[0], 0o644, false),
            (secrets[0], 0o640, false),
            (secrets[0], 0o600, true),
            (secrets[1], 0o644, false),
            (secrets[2], 0o604, false),
            ("url = 'postgresql://u@h/d'", 0o644, true),
            ("host = 'h'", 0o644, true),
        ] {
            std::fs::write(&path, format!("[connection]\n{content}\n"))?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
            let refused = matches!(FileConfig::read(&path), Err(ConfigError::ConfigPasswordReadable { .. }));
            assert_eq!(refused, !allowed, "{content} with mode {mode:o}");
        }
        Ok(())
    }
}
