//! `cadena drive login`: a person allows this program the use of a Google Drive.

use super::Outcome;
use crate::args::{DriveCommand, DriveLoginOptions, DriveOptions};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::locale::Locale;
use crate::render::Screen;
use cadena::storage::StorageError;
use cadena::stores::drive::{DriveLogin, LoginOptions};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

#[derive(Serialize)]
struct LoggedIn {
    credentials_file: String,
}

/// Runs a command on Google Drive. None needs a configuration: its credentials may be what that waits for.
pub fn run(options: &DriveOptions, locale: &Locale, screen: Screen) -> Outcome {
    let DriveCommand::Login(options) = &options.command;
    let file = options.output.display().to_string();
    // Told before a person has gone through it all.
    if options.output.try_exists().map_err(|error| failed(&options.output, "open", &error))? {
        let storage = folder_of(&options.output);
        return Err(StorageError::StorageExists { storage, object: file }.into());
    }
    let credentials = log_in(options, locale, screen)?;
    write_private(&options.output, &credentials).map_err(|error| failed(&options.output, "write", &error))?;
    let values = [("file", file.as_str().into())];
    screen
        .result(&LoggedIn { credentials_file: file.clone() }, || locale.say_with("drive-logged-in", &values) + "\n")?;
    Ok(ExitStatus::Success)
}

fn log_in(options: &DriveLoginOptions, locale: &Locale, screen: Screen) -> Result<String, Failure> {
    let client_json =
        std::fs::read_to_string(&options.client).map_err(|error| failed(&options.client, "open", &error))?;
    let scope = options.scope.clone();
    let login = DriveLogin::begin(&LoginOptions { client_json, scope, ..LoginOptions::default() })?;
    screen.remark(&locale.say_with("drive-open", &[("url", login.url().into())]));
    Ok(login.finish(Duration::from_secs(options.wait))?)
}

/// Writes a file that only its owner may read, and never over another one.
fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

fn folder_of(path: &Path) -> String {
    path.parent()
        .map(|folder| folder.display().to_string())
        .filter(|folder| !folder.is_empty())
        .unwrap_or(".".to_owned())
}

fn failed(path: &Path, action: &'static str, error: &io::Error) -> StorageError {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    StorageError::from_io(&folder_of(path), &name, action, error)
}
