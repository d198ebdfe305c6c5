use super::EncryptionError;
use age::secrecy::{ExposeSecret, SecretString};
use age_core::format::FileKey;
use std::cell::RefCell;
use std::fmt;
use std::io::Read;
use std::sync::{Arc, OnceLock};

/// What opens sealed objects: identities, or none.
#[derive(Clone, Default)]
pub struct Keys {
    identities: Vec<Opener>,
    protected: Vec<Arc<Protected>>,
}

/// An identity, and what seals for it.
#[derive(Clone)]
pub(super) struct Opener {
    identity: Arc<dyn age::Identity + Send + Sync>,
    recipient: String,
}

/// Identities under a passphrase, opened when they are first needed: that takes a second.
struct Protected {
    content: Vec<u8>,
    passphrase: SecretString,
    origin: String,
    opened: OnceLock<Result<Vec<Opener>, EncryptionError>>,
}

impl Protected {
    fn opened(&self) -> Result<&[Opener], EncryptionError> {
        let open = || {
            let mut keys = Keys::default();
            keys.add(&self.content, Some(&self.passphrase), &self.origin)?;
            Ok(keys.identities)
        };
        match self.opened.get_or_init(open) {
            Ok(identities) => Ok(identities),
            Err(error) => Err(error.clone()),
        }
    }
}

/// An identity that was made just now.
pub struct NewIdentity {
    /// The content of an identity file, as `age-keygen` writes it: a secret.
    pub file: SecretString,
    /// What seals for it.
    pub recipient: String,
}

impl NewIdentity {
    /// Makes one.
    pub fn generate(now: jiff::Timestamp) -> Self {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        let secret = identity.to_string();
        let file = format!("# created: {now:.0}\n# public key: {recipient}\n{}\n", secret.expose_secret());
        NewIdentity { file: file.into(), recipient }
    }
}

/// Puts an identity file under a passphrase; `age -d` and `age -i` ask for it.
///
/// # Errors
/// `EncryptionFailed`.
pub fn protect_identity(file: &SecretString, passphrase: SecretString) -> Result<Vec<u8>, EncryptionError> {
    let recipient = age::scrypt::Recipient::new(passphrase);
    age::encrypt(&recipient, file.expose_secret().as_bytes())
        .map_err(|error| EncryptionError::EncryptionFailed { detail: error.to_string() })
}

/// Opens an identity file that is under a passphrase.
///
/// # Errors
/// `EncryptionIdentity`, `EncryptionPassphraseWrong`.
pub fn open_protected(
    content: &[u8],
    passphrase: &SecretString,
    origin: &str,
) -> Result<SecretString, EncryptionError> {
    let invalid = |detail: String| EncryptionError::EncryptionIdentity { origin: origin.to_owned(), detail };
    let decryptor = age::Decryptor::new_buffered(age::armor::ArmoredReader::new(content))
        .map_err(|error| invalid(error.to_string()))?;
    if !decryptor.is_scrypt() {
        return Err(invalid("it is encrypted for a recipient, not under a passphrase".to_owned()));
    }
    let identity = age::scrypt::Identity::new(passphrase.clone());
    let opened = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity));
    let mut reader = opened.map_err(|error| match error {
        age::DecryptError::DecryptionFailed | age::DecryptError::NoMatchingKeys => {
            EncryptionError::EncryptionPassphraseWrong { origin: origin.to_owned() }
        }
        error => invalid(error.to_string()),
    })?;
    let mut plain = String::new();
    reader.read_to_string(&mut plain).map_err(|error| invalid(error.to_string()))?;
    Ok(plain.into())
}

impl Keys {
    /// Tells whether there is any identity.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.protected.is_empty()
    }

    /// Tells whether an identity file's content is under a passphrase.
    pub fn needs_passphrase(content: &[u8]) -> bool {
        content.starts_with(b"age-encryption.org/") || content.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
    }

    /// Adds the identities of a file, which may be under a passphrase. `origin` says in errors where they came from.
    ///
    /// # Errors
    /// `EncryptionIdentity`, `EncryptionPassphraseMissing`, `EncryptionPassphraseWrong`.
    pub fn add(
        &mut self,
        content: &[u8],
        passphrase: Option<&SecretString>,
        origin: &str,
    ) -> Result<(), EncryptionError> {
        if !Self::needs_passphrase(content) {
            return self.add_plain(content, origin);
        }
        match passphrase {
            Some(passphrase) => {
                let plain = open_protected(content, passphrase, origin)?;
                self.add_plain(plain.expose_secret().as_bytes(), origin)
            }
            None => Err(EncryptionError::EncryptionPassphraseMissing { origin: origin.to_owned() }),
        }
    }

    /// Adds the identities of a file that is under a passphrase. They are opened when they are needed, and errors come then.
    pub fn add_protected(&mut self, content: Vec<u8>, passphrase: SecretString, origin: &str) {
        let origin = origin.to_owned();
        self.protected.push(Arc::new(Protected { content, passphrase, origin, opened: OnceLock::new() }));
    }

    fn add_plain(&mut self, content: &[u8], origin: &str) -> Result<(), EncryptionError> {
        // What the file says is a secret, so the error does not repeat it.
        let invalid =
            |detail: &str| EncryptionError::EncryptionIdentity { origin: origin.to_owned(), detail: detail.to_owned() };
        let text = std::str::from_utf8(content).map_err(|_| invalid("it is no text"))?;
        let before = self.identities.len();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let identity: age::x25519::Identity = line.parse().map_err(|_| {
                invalid(match line.starts_with("age1") {
                    true => "it has a recipient, which is the public half",
                    false => "a line is no AGE-SECRET-KEY-1…",
                })
            })?;
            let recipient = identity.to_public().to_string();
            self.identities.push(Opener { identity: Arc::new(identity), recipient });
        }
        if self.identities.len() == before {
            return Err(invalid("it has no AGE-SECRET-KEY-1… line"));
        }
        Ok(())
    }

    /// Returns the recipients of all identities.
    ///
    /// # Errors
    /// Those of [`Keys::add`], of identities that were added to be opened now.
    pub fn recipients(&self) -> Result<Vec<String>, EncryptionError> {
        Ok(self.opened()?.into_iter().map(|opener| opener.recipient).collect())
    }

    /// Returns them all, those under a passphrase last.
    ///
    /// # Errors
    /// Those of [`Keys::add`], of identities that were added to be opened now.
    pub(super) fn opened(&self) -> Result<Vec<Opener>, EncryptionError> {
        let mut all = self.identities.clone();
        for protected in &self.protected {
            all.extend_from_slice(protected.opened()?);
        }
        Ok(all)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} open, {} under a passphrase)", self.identities.len(), self.protected.len())
    }
}

/// The key of one file, so that further readers of it need no identity again.
#[derive(Clone)]
pub(super) struct KnownKey(Arc<FileKey>);

impl age::Identity for KnownKey {
    fn unwrap_stanza(&self, _stanza: &age_core::format::Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        Some(Ok(copy(&self.0)))
    }
}

/// Asks identities for a file's key, and keeps it.
pub(super) struct Keeping {
    identities: Vec<Opener>,
    kept: RefCell<Option<KnownKey>>,
}

impl Keeping {
    pub(super) fn new(keys: &Keys) -> Result<Self, EncryptionError> {
        Ok(Keeping { identities: keys.opened()?, kept: RefCell::new(None) })
    }

    pub(super) fn kept(self) -> Option<KnownKey> {
        self.kept.into_inner()
    }
}

impl age::Identity for Keeping {
    fn unwrap_stanza(&self, stanza: &age_core::format::Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        let found = self.identities.iter().find_map(|opener| opener.identity.unwrap_stanza(stanza))?;
        if let Ok(key) = &found {
            *self.kept.borrow_mut() = Some(KnownKey(Arc::new(copy(key))));
        }
        Some(found)
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::init_with_mut(|into: &mut [u8; 16]| into.copy_from_slice(key.expose_secret()))
}
