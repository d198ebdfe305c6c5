//! For whom is encrypted, and with what is opened?

use super::description::ENCRYPTED_FORMAT_VERSION;
use super::layout::{DESCRIPTION_KEY, ENCRYPTION_KEY};
use super::{Repository, RepositoryDescription, RepositoryError};
use crate::encryption::{EncryptionError, Keys, Recipients};
use crate::storage::{Storage, StorageError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of `encryption.json` that this program writes, and the newest that it reads.
const ENCRYPTION_VERSION: u64 = 1;

/// The content of `encryption.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EncryptionFile {
    format_version: u64,
    recipients: Vec<String>,
}

/// What a repository knows of encryption.
#[derive(Clone, Default)]
pub(super) struct Encryption {
    recipients: Option<Recipients>,
    keys: Keys,
}

impl Encryption {
    /// Reads for whom is encrypted: `encryption.json`, or what the repository was made with.
    pub(super) fn read(storage: &dyn Storage, description: &RepositoryDescription) -> Result<Self, RepositoryError> {
        let texts = match storage.get(ENCRYPTION_KEY)? {
            Some(content) => parse(storage, &content).map_err(StorageError::from)?,
            None => description.encryption_recipients.clone(),
        };
        let recipients = Recipients::parse(&texts).map_err(StorageError::from)?;
        if recipients.is_none() && description.format_version >= ENCRYPTED_FORMAT_VERSION {
            // Nobody goes on in plain because a file was lost.
            let (storage, object) = (storage.describe(), ENCRYPTION_KEY.to_owned());
            let detail = "it is missing, and the repository is encrypted".to_owned();
            return Err(StorageError::from(EncryptionError::EncryptionUnreadable { storage, object, detail }).into());
        }
        Ok(Encryption { recipients, keys: Keys::default() })
    }
}

fn parse(storage: &dyn Storage, content: &[u8]) -> Result<Vec<String>, EncryptionError> {
    let unreadable = |detail: String| EncryptionError::EncryptionUnreadable {
        storage: storage.describe(),
        object: ENCRYPTION_KEY.to_owned(),
        detail,
    };
    let value: serde_json::Value = serde_json::from_slice(content).map_err(|error| unreadable(error.to_string()))?;
    match value["format_version"].as_u64() {
        Some(found) if found > ENCRYPTION_VERSION => {
            return Err(EncryptionError::EncryptionNewer {
                object: ENCRYPTION_KEY.to_owned(),
                found,
                supported: ENCRYPTION_VERSION,
            });
        }
        None | Some(0) => return Err(unreadable("it has no format_version".to_owned())),
        Some(_) => {}
    }
    let file: EncryptionFile = serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
    // Nobody's list would mean: no longer encrypted. That is never meant.
    if file.recipients.is_empty() {
        return Err(unreadable("it names no recipient".to_owned()));
    }
    Ok(file.recipients)
}

impl Repository {
    /// Returns the same repository, read with these keys.
    #[must_use]
    pub fn with_keys(&self, keys: Keys) -> Self {
        let encryption = Encryption { recipients: self.encryption.recipients.clone(), keys };
        let mut with = self.clone();
        with.encryption = Arc::new(encryption);
        with
    }

    /// Returns for whom new backups and new WAL are encrypted; `None` when they are not.
    pub fn recipients(&self) -> Option<&Recipients> {
        self.encryption.recipients.as_ref()
    }

    /// Returns what opens encrypted objects.
    pub fn keys(&self) -> &Keys {
        &self.encryption.keys
    }

    /// Tells whether what is written now can be read again by this process, for what is known without trying.
    pub fn can_read_back(&self) -> bool {
        self.encryption.recipients.is_none() || !self.encryption.keys.is_empty()
    }

    /// Makes sure that the repository encrypts for those whom the configuration names, and for nobody else: who can write to the
    /// storage could enter another one. With none named the repository's own list counts.
    ///
    /// # Errors
    /// `EncryptionRecipientsDiffer`.
    pub fn check_recipients(&self, wanted: Option<&Recipients>) -> Result<(), EncryptionError> {
        let Some(wanted) = wanted else { return Ok(()) };
        if self.recipients() == Some(wanted) {
            return Ok(());
        }
        Err(EncryptionError::EncryptionRecipientsDiffer {
            storage: self.storage().describe(),
            found: self.recipients().map_or_else(|| "-".to_owned(), ToString::to_string),
            wanted: wanted.to_string(),
        })
    }

    /// Changes for whom is encrypted from now on, in one step: `change` is given those of now. What is there already stays as it is.
    /// Returns the new list.
    ///
    /// # Errors
    /// What `change` returns; `EncryptionUnreadable`, `EncryptionRecipient`; storage errors.
    pub fn change_recipients(
        &self,
        change: &mut dyn FnMut(&[String]) -> Result<Vec<String>, EncryptionError>,
    ) -> Result<Recipients, RepositoryError> {
        let storage = self.storage().as_ref();
        let mut outcome: Result<Option<Recipients>, EncryptionError> = Ok(None);
        storage.update(ENCRYPTION_KEY, &mut |there| {
            let changed = (|| {
                let present = match there {
                    Some(content) => parse(storage, content)?,
                    None => self.description().encryption_recipients.clone(),
                };
                let wanted =
                    Recipients::parse(&change(&present)?)?.ok_or_else(|| EncryptionError::EncryptionLastRecipient {
                        storage: storage.describe(),
                        recipient: present.join(", "),
                    })?;
                let file = EncryptionFile { format_version: ENCRYPTION_VERSION, recipients: wanted.texts().to_vec() };
                let mut content = serde_json::to_vec_pretty(&file)
                    .map_err(|error| EncryptionError::EncryptionFailed { detail: error.to_string() })?;
                content.push(b'\n');
                Ok((wanted, content))
            })();
            match changed {
                Ok((wanted, content)) => {
                    outcome = Ok(Some(wanted));
                    Some(content)
                }
                Err(error) => {
                    outcome = Err(error);
                    None
                }
            }
        })?;
        match outcome.map_err(StorageError::from)? {
            Some(recipients) => {
                self.mark_as_encrypted(&recipients)?;
                Ok(recipients)
            }
            // The storage did not ask.
            None => {
                Err(StorageError::StorageChanged { storage: storage.describe(), object: ENCRYPTION_KEY.to_owned() }
                    .into())
            }
        }
    }

    /// Makes `cadena.json` say that it is encrypted, so that an older program, which knows nothing of that, writes nothing here.
    fn mark_as_encrypted(&self, recipients: &Recipients) -> Result<(), RepositoryError> {
        if self.description().format_version >= ENCRYPTED_FORMAT_VERSION {
            return Ok(());
        }
        self.storage().update(DESCRIPTION_KEY, &mut |there| {
            let mut description: serde_json::Value = serde_json::from_slice(there?).ok()?;
            description["format_version"] = ENCRYPTED_FORMAT_VERSION.into();
            description["encryption_recipients"] = recipients.texts().into();
            let mut content = serde_json::to_vec_pretty(&description).ok()?;
            content.push(b'\n');
            Some(content)
        })?;
        Ok(())
    }
}
