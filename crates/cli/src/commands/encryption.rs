//! `cadena encryption`: for whom is encrypted, and with what is opened?

use super::{Outcome, storage};
use crate::app::Session;
use crate::args::{EncryptionCommand, EncryptionOptions, PassphraseOptions};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use cadena::encryption::{
    EncryptionError, ExposeSecret, Keys, NewIdentity, Recipients, SecretString, open_protected, protect_identity,
};
use cadena::repository::{BackupState, IDENTITY_KEY, Repository};
use cadena::storage::StorageError;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// A shorter passphrase is found by trying.
const PASSPHRASE_LEAST: usize = 8;

/// What can't be done, because of what was typed or configured.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum EncryptionUseError {
    #[error("no recipient was named, here or in the configuration")]
    UsageNoRecipient {},
    #[error("no passphrase was given")]
    UsageNoPassphrase {},
    #[error("{file} can't be made: {cause}")]
    EncryptionIdentityFile { file: String, cause: String },
}

/// What is known of a repository's encryption.
#[derive(Serialize)]
struct EncryptionReport {
    repository: String,
    /// For whom new backups and new WAL are encrypted; empty: for nobody.
    recipients: Vec<RecipientReport>,
    /// Whether an identity under a passphrase lies in the repository.
    passphrase: bool,
    /// Completed backups that are encrypted, and those that are not.
    encrypted_backups: usize,
    plain_backups: usize,
}

#[derive(Serialize)]
struct RecipientReport {
    recipient: String,
    /// Whether an identity that was given opens what is encrypted for it.
    opened: bool,
    /// Whether the configuration names it.
    configured: bool,
}

/// Does what was asked for.
pub fn run(session: &Session, options: &EncryptionOptions) -> Outcome {
    match &options.command {
        EncryptionCommand::Show => {}
        EncryptionCommand::Set(options) => {
            let wanted = match options.recipients.is_empty() {
                true => session.settings.encryption.recipients.clone(),
                false => options.recipients.clone(),
            };
            if wanted.is_empty() {
                return Err(EncryptionUseError::UsageNoRecipient {}.into());
            }
            change(&open(session)?, &mut |_| Ok(wanted.clone()))?;
        }
        EncryptionCommand::Add(options) => {
            change(&open(session)?, &mut |present| Ok([present, options.recipients.as_slice()].concat()))?;
        }
        EncryptionCommand::Remove(options) => {
            let repository = open(session)?;
            // One that nobody has is a slip of the pen, and not a list that is right already.
            let gone = Recipients::parse(&options.recipients)?;
            let gone: Vec<String> = gone.map_or_else(Vec::new, |gone| gone.texts().to_vec());
            change(&repository, &mut |present| {
                if let Some(unknown) = gone.iter().find(|gone| !present.contains(gone)) {
                    let (recipient, detail) = (unknown.clone(), "the repository does not have it".to_owned());
                    return Err(EncryptionError::EncryptionRecipient { recipient, detail });
                }
                Ok(present.iter().filter(|recipient| !gone.contains(recipient)).cloned().collect())
            })?;
        }
        EncryptionCommand::Passphrase(options) => {
            let opened = passphrase(session, &open(session)?, options)?;
            return show(session, opened);
        }
        EncryptionCommand::Identity(options) => return new_identity(session, &options.file),
    }
    let opened = keys(session, &open(session)?)?.recipients()?;
    show(session, opened)
}

/// Returns the identities that were given: a file's, and that in the repository, if there is a passphrase for it.
pub fn keys(session: &Session, repository: &Repository) -> Result<Keys, Failure> {
    let config = &session.settings.encryption;
    let mut keys = Keys::default();
    let passphrase = config.passphrase()?;
    if let Some(identity) = config.identity()? {
        match &passphrase {
            Some(passphrase) if Keys::needs_passphrase(&identity.content) => {
                keys.add_protected(identity.content, passphrase.clone(), &identity.origin);
            }
            _ => keys.add(&identity.content, passphrase.as_ref(), &identity.origin)?,
        }
    }
    if let Some(passphrase) = passphrase
        && let Some(content) = repository.storage().get(IDENTITY_KEY)?
    {
        keys.add_protected(content, passphrase, IDENTITY_KEY);
    }
    Ok(keys)
}

/// Makes sure that there is what `init` needs for a passphrase, before it makes anything.
pub fn check_passphrase(session: &Session) -> Result<(), Failure> {
    match session.settings.encryption.passphrase()? {
        Some(passphrase) => long_enough(passphrase).map(drop).map_err(Failure::from),
        None => Err(EncryptionUseError::UsageNoPassphrase {}.into()),
    }
}

/// Encrypts a repository that was made just now for whom the command names, or the configuration.
pub fn begin(
    session: &Session,
    repository: &Repository,
    recipients: &[String],
    passphrase: bool,
) -> Result<(), Failure> {
    if !recipients.is_empty() {
        change(repository, &mut |present| Ok([present, recipients].concat()))?;
    }
    if passphrase {
        self::passphrase(session, repository, &PassphraseOptions { new_file: None })?;
    }
    Ok(())
}

fn open(session: &Session) -> Result<Repository, Failure> {
    Ok(Repository::open(storage(session)?)?)
}

fn change(
    repository: &Repository,
    how: &mut dyn FnMut(&[String]) -> Result<Vec<String>, EncryptionError>,
) -> Result<(), Failure> {
    repository.change_recipients(how)?;
    Ok(())
}

/// Makes an identity under a passphrase and keeps it in the repository; one that is there gets a new passphrase. Returns its recipient.
fn passphrase(session: &Session, repository: &Repository, options: &PassphraseOptions) -> Result<Vec<String>, Failure> {
    let config = &session.settings.encryption;
    let Some(present) = config.passphrase()? else { return Err(EncryptionUseError::UsageNoPassphrase {}.into()) };
    let new = config.new_passphrase(options.new_file.as_deref())?;
    let storage = repository.storage();
    let secret = match storage.get(IDENTITY_KEY)? {
        None => {
            let chosen = new.unwrap_or(present);
            let identity = NewIdentity::generate(jiff::Timestamp::now());
            let content = protect_identity(&identity.file, long_enough(chosen.clone())?)?;
            match storage.put_if_absent(IDENTITY_KEY, &content) {
                Ok(()) => identity.file,
                // Another process was faster: its identity counts, if the passphrase is the same.
                Err(StorageError::StorageExists { .. }) => {
                    let content = storage.get(IDENTITY_KEY)?.unwrap_or_default();
                    open_protected(&content, &chosen, IDENTITY_KEY)?
                }
                Err(error) => return Err(error.into()),
            }
        }
        Some(content) => {
            let secret = open_protected(&content, &present, IDENTITY_KEY)?;
            if let Some(new) = new {
                storage.put(IDENTITY_KEY, &protect_identity(&secret, long_enough(new)?)?)?;
            }
            secret
        }
    };
    let mut keys = Keys::default();
    keys.add(secret.expose_secret().as_bytes(), None, IDENTITY_KEY)?;
    let recipients = keys.recipients()?;
    change(repository, &mut |present| Ok([present, recipients.as_slice()].concat()))?;
    Ok(recipients)
}

fn long_enough(passphrase: SecretString) -> Result<SecretString, EncryptionError> {
    match passphrase.expose_secret().chars().count() {
        0..PASSPHRASE_LEAST => Err(EncryptionError::EncryptionPassphraseShort { least: PASSPHRASE_LEAST }),
        _ => Ok(passphrase),
    }
}

fn new_identity(session: &Session, file: &Path) -> Outcome {
    let identity = NewIdentity::generate(jiff::Timestamp::now());
    write_private(file, identity.file.expose_secret()).map_err(|cause| EncryptionUseError::EncryptionIdentityFile {
        file: file.display().to_string(),
        cause: cause.to_string(),
    })?;
    let value = serde_json::json!({ "file": file, "recipient": identity.recipient });
    session.screen.result(&value, || {
        let values = [("file", file.display().to_string().into()), ("recipient", identity.recipient.as_str().into())];
        session.locale.say_with("encryption-identity-made", &values) + "\n"
    })?;
    Ok(ExitStatus::Success)
}

/// Writes a file that is new and its owner's only, durably.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Tells all; `opened` are the recipients of the identities that are known.
fn show(session: &Session, opened: Vec<String>) -> Outcome {
    let repository = open(session)?;
    let configured = &session.settings.encryption.recipients;
    let recipients = repository.recipients().map_or(&[][..], Recipients::texts).iter().map(|recipient| {
        let (opened, configured) = (opened.contains(recipient), configured.contains(recipient));
        RecipientReport { recipient: recipient.clone(), opened, configured }
    });
    let contents = repository.contents()?;
    let completed = || contents.records.iter().filter(|record| record.state == BackupState::Completed);
    let encrypted_backups = completed().filter(|record| record.encryption.is_some()).count();
    let report = EncryptionReport {
        repository: repository.storage().describe(),
        recipients: recipients.collect(),
        passphrase: repository.storage().size_bytes(IDENTITY_KEY)?.is_some(),
        encrypted_backups,
        plain_backups: completed().count() - encrypted_backups,
    };
    session.screen.result(&report, || text(session, &report))?;
    Ok(ExitStatus::Success)
}

fn text(session: &Session, report: &EncryptionReport) -> String {
    let locale = &session.locale;
    let mut lines = vec![match report.recipients.is_empty() {
        true => locale.say_with("encryption-off", &[("repository", report.repository.as_str().into())]),
        false => locale.say_with("encryption-on", &[("repository", report.repository.as_str().into())]),
    }];
    for recipient in &report.recipients {
        let opened = locale.say(if recipient.opened { "encryption-opened" } else { "encryption-not-opened" });
        lines.push(format!("  {}  {opened}", recipient.recipient));
    }
    if report.passphrase {
        lines.push(locale.say_with("encryption-passphrase", &[("object", IDENTITY_KEY.into())]));
    }
    let values = [("encrypted", report.encrypted_backups.into()), ("plain", report.plain_backups.into())];
    lines.push(locale.say_with("encryption-backups", &values));
    if !report.recipients.is_empty() {
        lines.push(locale.say("encryption-daemons"));
    }
    lines.join("\n") + "\n"
}
