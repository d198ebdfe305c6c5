use super::{EncryptionError, NOTE_TAG};
use crate::storage::StorageError;
use age_core::format::{FileKey, Stanza};
use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// For whom is sealed: at least one.
#[derive(Clone)]
pub struct Recipients {
    parsed: Arc<[age::x25519::Recipient]>,
    texts: Arc<[String]>,
}

impl Recipients {
    /// Reads recipients such as `age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`; `None` when there are none.
    ///
    /// # Errors
    /// `EncryptionRecipient` for the first that is none.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Option<Self>, EncryptionError> {
        let mut parsed = Vec::new();
        let mut kept: Vec<String> = Vec::new();
        for text in texts {
            let text = text.as_ref().trim();
            // A secret that was put in the wrong place is not repeated.
            let shown = if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                "AGE-SECRET-KEY-…".to_owned()
            } else {
                text.chars().take(80).collect()
            };
            let recipient = text.parse::<age::x25519::Recipient>().map_err(|detail| {
                EncryptionError::EncryptionRecipient { recipient: shown, detail: detail.to_owned() }
            })?;
            let text = recipient.to_string();
            if !kept.contains(&text) {
                parsed.push(recipient);
                kept.push(text);
            }
        }
        Ok((!parsed.is_empty()).then(|| Recipients { parsed: parsed.into(), texts: kept.into() }))
    }

    /// Returns them as text, each once, in the order in which they were given.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Begins an age file: writes its header to `output`, with a note that anybody can read.
    ///
    /// # Errors
    /// Those of `output`; an [`EncryptionError`] inside when age refuses.
    pub fn seal<W: Write>(&self, note: Option<&[u8]>, output: W) -> io::Result<SealingWriter<W>> {
        let noted = Noted { first: &self.parsed[0], note };
        let others = self.parsed[1..].iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&noted as &dyn age::Recipient).chain(others))
            .map_err(|error| {
            StorageError::from(EncryptionError::EncryptionFailed { detail: error.to_string() }).into_io()
        })?;
        Ok(SealingWriter(encryptor.wrap_output(output)?))
    }

    /// Seals a few bytes.
    ///
    /// # Errors
    /// `EncryptionFailed`.
    pub fn seal_bytes(&self, note: Option<&[u8]>, plain: &[u8]) -> Result<Vec<u8>, EncryptionError> {
        let sealed = || -> io::Result<Vec<u8>> {
            let mut writer = self.seal(note, Vec::with_capacity(plain.len() + 1024))?;
            writer.write_all(plain)?;
            writer.finish()
        };
        sealed().map_err(|error| EncryptionError::EncryptionFailed { detail: error.to_string() })
    }
}

impl PartialEq for Recipients {
    /// Whatever their order.
    fn eq(&self, other: &Self) -> bool {
        let set = |of: &Self| of.texts.iter().cloned().collect::<HashSet<_>>();
        set(self) == set(other)
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts.iter()).finish()
    }
}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts.join(", "))
    }
}

/// The first recipient, and the note's stanza behind its own.
struct Noted<'a> {
    first: &'a age::x25519::Recipient,
    note: Option<&'a [u8]>,
}

impl age::Recipient for Noted<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let (mut stanzas, labels) = self.first.wrap_file_key(file_key)?;
        let note = self.note.map(|body| Stanza { tag: NOTE_TAG.to_owned(), args: Vec::new(), body: body.to_vec() });
        stanzas.extend(note);
        Ok((stanzas, labels))
    }
}

/// Seals what is written to it. Without [`SealingWriter::finish`] the file is cut, and nobody opens it.
pub struct SealingWriter<W: Write>(age::stream::StreamWriter<W>);

impl<W: Write> SealingWriter<W> {
    /// Writes the last chunk, and gives the output back.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
