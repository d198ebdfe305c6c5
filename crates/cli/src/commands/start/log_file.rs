use super::rotating::RotatingFile;
use crate::app::Session;
use crate::failure::Failure;
use crate::render::described;
use cadena::daemon::{DaemonEvent, DaemonLog};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The log's name, which the seed's users know.
pub const LOG_NAME: &str = "backup_scheduler.log";
/// A log of this size is put aside as `backup_scheduler.log.1`, and so many old ones stay.
const ROTATE_BYTES: u64 = 10 << 20;
const KEPT: u32 = 5;

/// Says why the log can't be opened. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum LogError {
    #[error("{file} can't be opened: {cause}")]
    LogFile { file: String, cause: String },
}

/// Writes the daemon's events as lines, in the user's language, and shows them.
pub struct LogFile<'a> {
    session: &'a Session,
    /// `None` beside a repository elsewhere: there no file grows line by line, and standard error has the lines.
    file: Option<(PathBuf, Mutex<RotatingFile>)>,
}

impl<'a> LogFile<'a> {
    /// Opens the log in the repository's folder, for its owner only.
    ///
    /// # Errors
    /// `LogFile`.
    pub fn open(session: &'a Session) -> Result<Self, Failure> {
        let Some(folder) = session.settings.repository_folder() else { return Ok(LogFile { session, file: None }) };
        let path = folder.join(LOG_NAME);
        let file = RotatingFile::open(&path, ROTATE_BYTES, KEPT)
            .map_err(|error| LogError::LogFile { file: path.display().to_string(), cause: error.to_string() })?;
        Ok(LogFile { session, file: Some((path, Mutex::new(file))) })
    }

    fn write(&self, line: &str) {
        let Some((path, file)) = &self.file else { return };
        // What can't be written is shown, at least.
        if let Err(error) = file.lock().unwrap_or_else(PoisonError::into_inner).write_line(line) {
            self.session.screen.remark(&format!("{}: {error}", path.display()));
        }
    }

    /// Returns the sentence of an event and, if there is one, its remedy.
    fn sentence(&self, value: &Value) -> String {
        let (locale, zone) = (&self.session.locale, self.session.zone());
        let mut text = described(value, locale, zone);
        // What went wrong is named with its own remedy.
        let subject = value.get("error").unwrap_or(value);
        let key = subject["key"].as_str().unwrap_or_default();
        let arguments = subject.as_object().cloned().unwrap_or_default();
        let remedies = [format!("{key}-remedy"), format!("error-{key}-remedy")];
        if let Some(remedy) = remedies.iter().find_map(|key| locale.try_described(key, &arguments, zone)) {
            text.push_str(" -> ");
            text.push_str(&remedy);
        }
        // One event is one line, whatever the server's own words are.
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl DaemonLog for LogFile<'_> {
    fn record(&self, event: &DaemonEvent) {
        let value = serde_json::to_value(event).unwrap_or_default();
        let now = jiff::Timestamp::now().to_zoned(self.session.zone().clone());
        let time = now.strftime("%Y-%m-%d %H:%M:%S%.3f%:z");
        let line = format!("{time} {} {}\n", event.level().word(), self.sentence(&value));
        self.write(&line);
        let screen = self.session.screen;
        if screen.json {
            let shown = serde_json::json!({
                "at": now.timestamp(), "level": event.level().word(), "event": value, "message": self.sentence(&value),
            });
            // Nobody may be listening any more; the file has it.
            let _ = screen.out(&format!("{shown}\n"));
        } else if !screen.quiet {
            screen.remark(line.trim_end());
        }
    }
}
