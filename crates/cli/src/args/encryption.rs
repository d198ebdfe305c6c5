use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct EncryptionOptions {
    #[command(subcommand)]
    pub command: EncryptionCommand,
}

#[derive(Debug, Subcommand)]
pub enum EncryptionCommand {
    Show,
    Set(EncryptionSetOptions),
    Add(RecipientsOptions),
    Remove(RecipientsOptions),
    Passphrase(PassphraseOptions),
    Identity(IdentityOptions),
}

#[derive(Debug, Args)]
pub struct EncryptionSetOptions {
    #[arg(value_name = "RECIPIENT")]
    pub recipients: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RecipientsOptions {
    #[arg(value_name = "RECIPIENT", required = true)]
    pub recipients: Vec<String>,
}

#[derive(Debug, Args)]
pub struct PassphraseOptions {
    #[arg(long, value_name = "FILE")]
    pub new_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct IdentityOptions {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
