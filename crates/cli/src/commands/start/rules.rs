use crate::app::Session;
use crate::config::FileConfig;
use crate::failure::Failure;
use cadena::scheduler::{FileRules, RuleFile};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::path::PathBuf;

/// The schedule and the time zone of the configuration file, read anew whenever they are asked for.
pub struct ConfigRules {
    file: Option<PathBuf>,
    /// `CADENA_TIME_ZONE` wins over the file.
    zone: Option<TimeZone>,
}

impl ConfigRules {
    /// Reads the file that the command has read; without one there is none later, either.
    pub fn of(session: &Session) -> Self {
        ConfigRules { file: session.settings.config_file.clone(), zone: session.settings.time_zone_variable.clone() }
    }
}

impl RuleFile for ConfigRules {
    fn read(&self) -> Result<FileRules, Value> {
        let config = match &self.file {
            Some(path) => FileConfig::read(path).map_err(|error| Failure::from(error).value())?,
            None => FileConfig::default(),
        };
        let zone = self.zone.clone().or(config.time_zone).unwrap_or_else(TimeZone::system);
        Ok(FileRules { rules: config.schedule, zone })
    }
}
