//! Who can read what lies here? age: recipients seal, identities open.
//!
//! docs/format/encryption.md is the contract. An archive and a sealed segment are age files as they are: `age -d` opens them. What
//! has to be known of one without an identity stands in its header as a *note*, a stanza that age passes over.

mod error;
mod keys;
mod recipients;
mod unsealed;

pub use age::secrecy::{ExposeSecret, SecretString};
pub use error::EncryptionError;
pub use keys::{Keys, NewIdentity, open_protected, protect_identity};
pub use recipients::{Recipients, SealingWriter};
pub use unsealed::{UnsealedObject, read_note, unseal_bytes};

/// The type of the stanza that holds a note.
const NOTE_TAG: &str = "cadena-note";
