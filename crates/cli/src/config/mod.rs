//! Where does a setting come from? Flags over environment over `cadena.toml` over defaults.

mod catalog;
mod environment;
mod error;
mod file;
mod notify;
mod schema;
mod settings;
mod store;
mod validation;

pub use catalog::{CatalogConfig, CatalogUse};
pub use environment::Environment;
pub use error::ConfigError;
pub use file::FileConfig;
pub use notify::{ChannelConfig, MetricsConfig, MonitoringConfig};
pub use schema::nearest;
pub use settings::{DEFAULT_CONFIG, Settings, choose_language};
#[allow(unused_imports, reason = "the keys are for the sections that flatten this one")]
pub use store::{STORE_KEYS, STORE_SECRETS, StoreSection};
pub use validation::ValidationConfig;
