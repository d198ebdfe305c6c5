//! `[encryption]`: for whom is encrypted, and with what is opened?

use super::store::{SecretPlace, private_content};
use super::{ConfigError, Environment};
use cadena::encryption::SecretString;
use std::path::{Path, PathBuf};

/// For whom, above the configuration's: separated by commas or blanks.
const RECIPIENTS_VARIABLE: &str = "CADENA_RECIPIENTS";
/// Where the identity's file is, above the configuration's.
const IDENTITY_FILE_VARIABLE: &str = "CADENA_IDENTITY_FILE";
/// The identity itself.
const IDENTITY_VARIABLE: &str = "CADENA_IDENTITY";
/// The passphrase itself.
const PASSPHRASE_VARIABLE: &str = "CADENA_PASSPHRASE";
/// The passphrase that is to come in its place.
const NEW_PASSPHRASE_VARIABLE: &str = "CADENA_NEW_PASSPHRASE";

/// What the file says of encryption.
#[derive(Clone, Default)]
pub struct EncryptionSection {
    /// For whom: the repository must encrypt for these and nobody else. Empty: its own list counts.
    pub recipients: Vec<String>,
    pub(super) identity_file: Option<PathBuf>,
    pub(super) passphrase: Option<SecretPlace>,
}

/// The same, with what the environment says.
pub struct EncryptionConfig {
    pub recipients: Vec<String>,
    section: EncryptionSection,
    environment: Environment,
}

/// The content of an identity file, and where it came from.
pub struct IdentityFile {
    pub content: Vec<u8>,
    pub origin: String,
}

impl EncryptionConfig {
    /// # Errors
    /// `ConfigBadVariable`.
    pub(super) fn new(section: EncryptionSection, environment: &Environment) -> Result<Self, ConfigError> {
        let recipients = match environment.text(RECIPIENTS_VARIABLE)? {
            Some(named) => named
                .split([',', ' ', '\n', '\t'])
                .filter(|recipient| !recipient.is_empty())
                .map(str::to_owned)
                .collect(),
            None => section.recipients.clone(),
        };
        Ok(EncryptionConfig { recipients, section, environment: environment.clone() })
    }

    /// Reads the identity, if one was named.
    ///
    /// # Errors
    /// `ConfigStoreSecretFile`, `ConfigBadVariable`.
    pub fn identity(&self) -> Result<Option<IdentityFile>, ConfigError> {
        if let Some(secret) = self.environment.text(IDENTITY_VARIABLE)? {
            let (content, origin) = (secret.into_bytes(), IDENTITY_VARIABLE.to_owned());
            return Ok(Some(IdentityFile { content, origin }));
        }
        let named = self.environment.path(IDENTITY_FILE_VARIABLE);
        let Some(path) = named.as_deref().or(self.section.identity_file.as_deref()) else { return Ok(None) };
        let (content, origin) = (private("identity_file", path)?, path.display().to_string());
        Ok(Some(IdentityFile { content, origin }))
    }

    /// Reads the passphrase, if one was named.
    ///
    /// # Errors
    /// `ConfigStoreSecretFile`, `ConfigStoreSecretVariable`, `ConfigBadVariable`.
    pub fn passphrase(&self) -> Result<Option<SecretString>, ConfigError> {
        if let Some(secret) = self.environment.text(PASSPHRASE_VARIABLE)? {
            return Ok(Some(secret.into()));
        }
        let place = self.section.passphrase.as_ref();
        Ok(place.map(|place| place.read("passphrase", &self.environment)).transpose()?.map(SecretString::from))
    }

    /// Reads the passphrase that is to come in the other one's place.
    ///
    /// # Errors
    /// `ConfigStoreSecretFile`, `ConfigBadVariable`.
    pub fn new_passphrase(&self, file: Option<&Path>) -> Result<Option<SecretString>, ConfigError> {
        match file {
            Some(path) => {
                SecretPlace::File(path.to_owned()).read("--new-file", &self.environment).map(|text| Some(text.into()))
            }
            None => Ok(self.environment.text(NEW_PASSPHRASE_VARIABLE)?.map(SecretString::from)),
        }
    }
}

fn private(name: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    private_content(path).map_err(|cause| {
        let (name, file) = (name.to_owned(), path.display().to_string());
        ConfigError::ConfigStoreSecretFile { name, file, cause }
    })
}

#[cfg(test)]
mod tests {
    use super::super::FileConfig;
    use super::*;
    use cadena::encryption::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn config(text: &str, folder: &Path, environment: &[(&str, &str)]) -> EncryptionConfig {
        let parsed = FileConfig::parse(&folder.join("cadena.toml"), text).unwrap_or_else(|error| panic!("{error}"));
        let config = EncryptionConfig::new(parsed.encryption, &Environment::of(environment));
        config.unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn recipients_are_one_or_many_and_the_identity_lies_in_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("identity.txt");
        std::fs::write(&file, "AGE-SECRET-KEY-1X\n").unwrap();
        let text =
            "[encryption]\nrecipients = ['age1a', 'age1b']\nidentity_file = 'identity.txt'\npassphrase_env = 'P'\n";
        let config = config(text, folder.path(), &[("P", "hush")]);
        assert_eq!(config.recipients, ["age1a", "age1b"]);
        assert_eq!(config.passphrase().unwrap().unwrap().expose_secret(), "hush");
        for (mode, is_taken) in [(0o600, true), (0o440, false), (0o604, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            match config.identity() {
                Ok(identity) => assert!(is_taken && identity.unwrap().content.starts_with(b"AGE"), "{mode:o}"),
                Err(error) => assert!(!is_taken && !error.to_string().contains("AGE"), "{mode:o}: {error}"),
            }
        }
        assert_eq!(self::config("[encryption]\nrecipients = 'age1a'\n", folder.path(), &[]).recipients, ["age1a"]);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[encryption]\nidentity_file = 'missing.txt'\npassphrase_file = 'missing'\n";
        let variables = [("CADENA_IDENTITY", "AGE-SECRET-KEY-1Y"), ("CADENA_PASSPHRASE", "hush")];
        let config = config(text, folder.path(), &variables);
        assert_eq!(config.identity().unwrap().unwrap().origin, "CADENA_IDENTITY");
        assert_eq!(config.passphrase().unwrap().unwrap().expose_secret(), "hush");
        assert!(self::config(text, folder.path(), &[]).identity().is_err());
        let named = [("CADENA_RECIPIENTS", "age1a, age1b")];
        assert_eq!(
            self::config("[encryption]\nrecipients = 'age1c'\n", folder.path(), &named).recipients,
            ["age1a", "age1b"]
        );
    }
}
