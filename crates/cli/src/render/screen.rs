//! The only door to standard output and standard error.

use crate::failure::Failure;
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Says why output could not be written. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum OutputError {
    #[error("standard output can't be written: {cause}")]
    OutputFailed { cause: String },
}

/// Writes results to standard output (people's text or JSON), remarks to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    pub json: bool,
    pub quiet: bool,
}

impl Screen {
    /// Writes a command's result: as JSON, or as the text that `human` makes, or not at all.
    ///
    /// # Errors
    /// `OutputFailed`.
    pub fn result<T: Serialize + ?Sized>(&self, value: &T, human: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            let mut text = serde_json::to_string_pretty(value)
                .map_err(|error| OutputError::OutputFailed { cause: error.to_string() })?;
            text.push('\n');
            return self.out(&text);
        }
        self.line(&human())
    }

    /// Writes text for people while a command is at work; nothing in JSON and quiet modes. Adds the line end if it lacks.
    ///
    /// # Errors
    /// `OutputFailed`.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        match self.json || self.quiet {
            true => Ok(()),
            false if text.ends_with('\n') => self.out(text),
            false => self.out(&format!("{text}\n")),
        }
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// `OutputFailed`, but not when the reader has closed the pipe: it has seen what it wanted.
    pub fn out(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(OutputError::OutputFailed { cause: error.to_string() }.into())
            }
            _ => Ok(()),
        }
    }

    /// Writes a warning or an error to standard error, in every mode. When stderr is gone there is nowhere left to say so.
    pub fn remark(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
