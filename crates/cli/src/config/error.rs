use serde::Serialize;

/// Says what is wrong with the configuration. Serializes to `{"key": …, arguments}`. Never holds a password.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum ConfigError {
    #[error("{file} can't be read: {cause}")]
    ConfigUnreadable { file: String, cause: String },
    #[error("{file}, line {line}: {detail}")]
    ConfigSyntax { file: String, line: usize, detail: String },
    #[error("{file}, line {line}: unknown section [{name}]; nearest: [{nearest}]")]
    ConfigUnknownSection { file: String, line: usize, name: String, nearest: String },
    #[error("{file}, line {line}: unknown key {name} in [{section}]; nearest: {nearest}")]
    ConfigUnknownKey { file: String, line: usize, section: String, name: String, nearest: String },
    #[error("{file}, line {line}: {name} = {value}; allowed: {allowed}")]
    ConfigBadValue { file: String, line: usize, name: String, value: String, allowed: String },
    #[error("{file}, line {line}: {name} is missing in [{section}]")]
    ConfigMissingKey { file: String, line: usize, section: String, name: String },
    #[error("{file}, line {line}: a second channel of the name {name}")]
    ConfigNameTwice { file: String, line: usize, name: String },
    #[error("channel {channel}: {file} can't be read: {cause}")]
    ConfigSecretFile { channel: String, file: String, cause: String },
    #[error("channel {channel}: environment variable {variable} is not set")]
    ConfigSecretVariable { channel: String, variable: String },
    #[error("{name} in {file} can't be used: {cause}")]
    ConfigStoreSecretFile { name: String, file: String, cause: String },
    #[error("{name}: environment variable {variable} is not set")]
    ConfigStoreSecretVariable { name: String, variable: String },
    #[error("{file} holds a password and others may read it (mode {mode})")]
    ConfigPasswordReadable { file: String, mode: String },
    #[error("environment variable {variable} = {value}; allowed: {allowed}")]
    ConfigBadVariable { variable: String, value: String, allowed: String },
}
