use serde::Serialize;

/// Says why something can't be sealed or opened. Never carries a secret. Serializes to `{"key": …, arguments}`.
#[derive(Debug, Clone, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs)] // of the fields: each is named by the sentence above it
pub enum EncryptionError {
    /// Nobody gave an identity.
    #[error("{object} in {storage} is encrypted, and no identity was given")]
    EncryptionIdentityMissing { storage: String, object: String },
    /// None of the identities opens it.
    #[error("{object} in {storage} is encrypted for others than the identities that were given")]
    EncryptionIdentityWrong { storage: String, object: String },
    /// Bytes were changed, cut or added since it was sealed.
    #[error("{object} in {storage} can't be decrypted: {detail}")]
    EncryptionDamaged { storage: String, object: String, detail: String },
    /// No age recipient.
    #[error("{recipient:?} is no age recipient: {detail}")]
    EncryptionRecipient { recipient: String, detail: String },
    /// No age identity.
    #[error("{origin} holds no age identity: {detail}")]
    EncryptionIdentity { origin: String, detail: String },
    /// An identity is under a passphrase, and nobody gave one.
    #[error("the identity in {origin} is protected by a passphrase, and none was given")]
    EncryptionPassphraseMissing { origin: String },
    /// The passphrase is another one.
    #[error("the passphrase does not open the identity in {origin}")]
    EncryptionPassphraseWrong { origin: String },
    /// Anybody would guess it.
    #[error("the passphrase is shorter than {least} characters")]
    EncryptionPassphraseShort { least: usize },
    /// The list of recipients can't be read.
    #[error("{object} in {storage} can't be read: {detail}")]
    EncryptionUnreadable { storage: String, object: String, detail: String },
    /// Made by a newer version.
    #[error("{object} has format version {found}; this program reads up to {supported}")]
    EncryptionNewer { object: String, found: u64, supported: u64 },
    /// The configuration pins other recipients than the repository has.
    #[error("the repository in {storage} encrypts for {found}; the configuration names {wanted}")]
    EncryptionRecipientsDiffer { storage: String, found: String, wanted: String },
    /// The last one can't go.
    #[error("{recipient} is the only recipient of the repository in {storage}")]
    EncryptionLastRecipient { storage: String, recipient: String },
    /// The system gives no random numbers, or age refuses.
    #[error("encryption failed: {detail}")]
    EncryptionFailed { detail: String },
}
