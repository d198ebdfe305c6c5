//! Where does a setting come from? Flags over environment over `cadena.toml` over defaults.

mod catalog;
mod drill;
mod encryption;
mod environment;
mod error;
mod file;
mod notify;
mod replica;
mod schema;
mod settings;
mod store;
mod table;
mod validation;

pub use catalog::{CatalogConfig, CatalogUse};
pub use drill::DrillConfig;
pub use encryption::EncryptionConfig;
pub use environment::Environment;
pub use error::ConfigError;
pub use file::FileConfig;
pub use notify::{ChannelConfig, MetricsConfig, MonitoringConfig};
pub use replica::ReplicaConfig;
pub use schema::nearest;
pub use settings::{DEFAULT_CONFIG, Settings, choose_language};
pub use validation::ValidationConfig;
