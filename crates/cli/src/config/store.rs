//! A storage by its address: what `[repository]` and each `[[replica]]` may say of it.

use super::file::Place;
use super::{ConfigError, Environment};
use cadena::stores::{Secrets, StoreSettings, is_remote};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeValue;

/// Keys that are no secret. All but `url` are options of the storage, by their own names; the last ones are the seed's spellings.
pub const STORE_KEYS: &[&str] = &[
    "url",
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
    "account",
    "user",
    "key_file",
    "known_hosts",
    "timeout_seconds",
    "give_up_seconds",
    "concurrency",
    "part_size",
    "lease_seconds",
    "lease_host",
    "sync_seconds",
    "s3_bucket",
    "s3_region",
    "gdrive_folder_id",
    "gdrive_scope",
    "gdrive_subject",
    "sync_dir",
];

/// Secrets: each may stand there itself, in a file (`NAME_file`), or in an environment variable (`NAME_env`).
pub const STORE_SECRETS: &[&str] = &[
    "access_key",
    "secret_key",
    "session_token",
    "account_key",
    "sas_token",
    "credentials",
    "password",
    "token",
    "s3_access_key",
    "s3_secret_key",
    "gdrive_credentials",
];

/// The variables that every AWS program knows and that are no secret, with the options that they set.
const AWS_VARIABLES: [(&str, &str); 4] = [
    ("AWS_ENDPOINT_URL_S3", "endpoint"),
    ("AWS_ENDPOINT_URL", "endpoint"),
    ("AWS_REGION", "region"),
    ("AWS_DEFAULT_REGION", "region"),
];

/// Where a secret stands.
#[derive(Clone)]
pub(super) enum SecretPlace {
    /// In `cadena.toml` itself.
    Here(String),
    /// In a file: the first line of it, or, of `credentials`, all of it.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
}

/// What a section says of a storage, its secrets not read yet.
#[derive(Clone, Default)]
pub struct StoreSection {
    /// An address, or a path that is absolute.
    pub url: Option<String>,
    pub(super) options: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<&'static str, SecretPlace>,
}

impl StoreSection {
    /// Returns every key that a section may have because of this.
    pub fn keys() -> Vec<String> {
        let secrets = STORE_SECRETS
            .iter()
            .flat_map(|name| [String::new(), "_file".into(), "_env".into()].map(|end| format!("{name}{end}")));
        STORE_KEYS.iter().map(|name| (*name).to_owned()).chain(secrets).collect()
    }

    /// Takes a key of the section; false when it is none of these.
    ///
    /// # Errors
    /// `ConfigBadValue`.
    pub(super) fn take(
        &mut self,
        place: &Place<'_>,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<bool, ConfigError> {
        let text = || place.parsed(name, value, |text| Ok(text.to_owned()));
        if let Some((secret, kind)) = secret_of(name) {
            let found = match kind {
                "" => match place.secret(name, value)? {
                    // The seed names the file here.
                    path if secret == "gdrive_credentials" && !path.trim_start().starts_with('{') => {
                        SecretPlace::File(place.beside_file(&path))
                    }
                    secret => SecretPlace::Here(secret),
                },
                "_file" => SecretPlace::File(place.beside_file(&text()?)),
                _ => SecretPlace::Variable(text()?),
            };
            self.secrets.insert(canonical(secret), found);
            return Ok(true);
        }
        if !STORE_KEYS.contains(&name) {
            return Ok(false);
        }
        let text = text()?;
        match name {
            "url" | "sync_dir" => self.url = Some(absolute(place, text)),
            "s3_bucket" => self.url = Some(format!("s3://{text}")),
            "gdrive_folder_id" => self.url = Some(format!("gdrive://{text}")),
            "gdrive_scope" | "gdrive_subject" => {
                self.options.insert(name.trim_start_matches("gdrive_").to_owned(), text);
            }
            "s3_region" => {
                self.options.insert("region".to_owned(), text);
            }
            "key_file" => {
                self.options.insert(name.to_owned(), place.beside_file(&text).display().to_string());
            }
            _ => {
                self.options.insert(name.to_owned(), text);
            }
        }
        Ok(true)
    }

    /// Tells whether a secret stands in `cadena.toml` itself, which then must be its owner's only.
    pub fn holds_secret(&self) -> bool {
        self.secrets.values().any(|secret| matches!(secret, SecretPlace::Here(_)))
    }

    /// Returns the settings of the storage, its secrets read. `url` replaces the section's own.
    ///
    /// # Errors
    /// `ConfigStoreSecretFile`, `ConfigStoreSecretVariable`, `ConfigBadVariable`.
    pub fn resolve(&self, url: Option<&str>, environment: &Environment) -> Result<StoreSettings, ConfigError> {
        let url = url.map(str::to_owned).or_else(|| self.url.clone()).unwrap_or_default();
        let mut settings = StoreSettings { url, options: self.options.clone(), secrets: Secrets::default() };
        if !is_remote(&settings.url) {
            // A folder needs none of it, and must not fail for want of it.
            settings.options.clear();
            return Ok(settings);
        }
        if settings.url.starts_with("s3://") {
            for (variable, option) in AWS_VARIABLES {
                let in_address = settings.url.contains(&format!("{option}="));
                if let (false, Some(value)) =
                    (in_address || settings.options.contains_key(option), environment.text(variable)?)
                {
                    settings.options.insert(option.to_owned(), value);
                }
            }
        }
        for (name, place) in &self.secrets {
            settings.secrets.set(name, place.read(name, environment)?);
        }
        Ok(settings)
    }
}

/// Cuts a key into the secret that it is of and the form in which that stands there.
fn secret_of(name: &str) -> Option<(&'static str, &'static str)> {
    STORE_SECRETS.iter().find_map(|secret| {
        let end = name.strip_prefix(secret)?;
        ["", "_file", "_env"].into_iter().find(|known| *known == end).map(|end| (*secret, end))
    })
}

/// Returns the name that the storage knows for a spelling of the seed.
fn canonical(name: &'static str) -> &'static str {
    match name {
        "s3_access_key" => "access_key",
        "s3_secret_key" => "secret_key",
        "gdrive_credentials" => "credentials",
        name => name,
    }
}

/// A relative path is meant from the file's folder.
fn absolute(place: &Place<'_>, url: String) -> String {
    if is_remote(&url) || url.starts_with("file://") { url } else { place.beside_file(&url).display().to_string() }
}

impl SecretPlace {
    pub(super) fn read(&self, name: &str, environment: &Environment) -> Result<String, ConfigError> {
        match self {
            SecretPlace::Here(secret) => Ok(secret.clone()),
            SecretPlace::Variable(variable) => environment.text(variable)?.ok_or_else(|| {
                let (name, variable) = (name.to_owned(), variable.clone());
                ConfigError::ConfigStoreSecretVariable { name, variable }
            }),
            SecretPlace::File(path) => read_private(path, name == "credentials").map_err(|cause| {
                let (name, file) = (name.to_owned(), path.display().to_string());
                ConfigError::ConfigStoreSecretFile { name, file, cause }
            }),
        }
    }
}

/// Reads a file that only its owner may read.
pub(super) fn private_content(path: &Path) -> Result<Vec<u8>, String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!("mode {mode:04o}"));
        }
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

/// The same as text: its first line, or all of it.
fn read_private(path: &Path, whole: bool) -> Result<String, String> {
    let text = String::from_utf8(private_content(path)?).map_err(|error| error.to_string())?;
    let secret = if whole { text.trim() } else { text.lines().next().unwrap_or_default().trim() };
    if secret.is_empty() { Err("empty".to_owned()) } else { Ok(secret.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::super::FileConfig;
    use super::*;

    fn section(text: &str) -> StoreSection {
        let parsed = FileConfig::parse(Path::new("/etc/cadena/cadena.toml"), &format!("[repository]\n{text}"));
        parsed.map(|config| config.store).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_seeds_names_are_spellings_of_ours() {
        let section = section(
            "s3_bucket = \"copias\"\ns3_region = \"sa-east-1\"\ns3_access_key = \"A\"\ns3_secret_key_env = \"KEY\"",
        );
        assert!(section.holds_secret());
        let settings = section.resolve(None, &Environment::of(&[("KEY", "hush")])).ok().unwrap_or_default();
        assert_eq!(settings.url, "s3://copias");
        assert_eq!(settings.options["region"], "sa-east-1");
        assert_eq!((settings.secrets.get("access_key"), settings.secrets.get("secret_key")), (Some("A"), Some("hush")));
        let section = self::section("gdrive_folder_id = \"1AbC_x-Y\"\ngdrive_credentials = \"drive.json\"");
        assert!(!section.holds_secret() && section.url.as_deref() == Some("gdrive://1AbC_x-Y"));
        assert!(
            matches!(&section.secrets["credentials"], SecretPlace::File(path) if path == Path::new("/etc/cadena/drive.json"))
        );
        assert!(self::section("gdrive_credentials = '{\"type\": \"x\"}'").holds_secret());
        assert_eq!(self::section("sync_dir = \"nube\"").url.as_deref(), Some("/etc/cadena/nube"));
    }

    #[test]
    fn a_secret_is_read_from_a_private_file_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "hush\nsecond line\n").unwrap();
        let section = section(&format!(
            "url = \"s3://b1234\"\naccess_key = \"A\"\nsecret_key_file = {:?}",
            file.display().to_string()
        ));
        for (mode, is_taken) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            match section.resolve(None, &Environment::of(&[])) {
                Ok(settings) => assert!(is_taken && settings.secrets.get("secret_key") == Some("hush"), "{mode:o}"),
                Err(error) => assert!(!is_taken && !error.to_string().contains("hush"), "{mode:o}: {error}"),
            }
        }
    }

    #[test]
    fn the_variables_of_aws_fill_what_nobody_says() {
        let environment = Environment::of(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]);
        let resolve =
            |section: StoreSection, url| section.resolve(Some(url), &environment).ok().unwrap_or_default().options;
        let options = resolve(StoreSection::default(), "s3://bucket?region=x");
        assert_eq!(options.get("region"), None);
        assert_eq!(options["endpoint"], "http://127.0.0.1:9");
        assert_eq!(resolve(section("region = \"y\""), "s3://bucket")["region"], "y");
        assert!(resolve(section("region = \"y\""), "/srv/backups").is_empty());
    }
}
