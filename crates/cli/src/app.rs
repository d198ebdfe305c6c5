//! From the process's arguments to its exit code.

use crate::args::{Cli, Prescan, bare_command, localized_command, usage_failure};
use crate::commands;
use crate::config::{ConfigError, Environment, FileConfig, Settings, choose_language};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::locale::{Language, Locale};
use crate::render::{Screen, problem_of, progress_for};
use crate::{log, signals};
use cadena::{Cancel, Progress};
use clap::FromArgMatches;
use clap::error::ErrorKind;
use jiff::tz::TimeZone;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What every command works with.
pub struct Session {
    pub settings: Settings,
    pub locale: Locale,
    pub screen: Screen,
    pub cancel: Cancel,
    show_progress: bool,
}

impl Session {
    /// Returns who is to be told of progress.
    pub fn progress(&self) -> Box<dyn Progress> {
        progress_for(self.show_progress, &self.locale)
    }

    /// Returns who asks for something, as records of it say: `user@host`.
    pub fn who(&self) -> String {
        let user = self.settings.user_name.as_deref().unwrap_or("cadena");
        format!("{user}@{}", cadena::storage::host_name())
    }

    /// Returns the zone in which times are shown.
    pub fn zone(&self) -> &TimeZone {
        &self.settings.time_zone
    }
}

/// Runs the program.
pub fn main() -> ExitStatus {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if !is_wal_fetch(&arguments) {
        return run_arguments(&arguments);
    }
    // A server in recovery takes every code up to 125 for "the WAL ends here", that of a panic too.
    match std::panic::catch_unwind(|| run_arguments(&arguments)) {
        Ok(status @ (ExitStatus::Success | ExitStatus::Interrupted)) => status,
        Ok(ExitStatus::NotFound) => ExitStatus::Failed,
        _ => ExitStatus::StopRecovery,
    }
}

/// Tells whether a restored server calls, however wrong the rest of the command line is.
fn is_wal_fetch(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).any(|argument| argument == "wal-fetch")
}

fn run_arguments(arguments: &[OsString]) -> ExitStatus {
    let prescan = Prescan::of(arguments.get(1..).unwrap_or_default());
    let environment = Environment::of_process();
    let file = read_config(prescan.config.as_deref(), &environment);
    let file_lang = file.as_ref().ok().and_then(|file| file.lang);
    let (language, language_error) = match choose_language(prescan.lang.as_deref(), &environment, file_lang) {
        Ok(language) => (language, None),
        Err(error) => (Language::English, Some(error)),
    };
    let locale = Locale::new(language);
    let cli = match parse(arguments, &locale) {
        Ok(cli) => cli,
        Err(Parsed::Text(text, status)) => return answer(&text, status, &locale),
        Err(Parsed::Wrong(failure)) => {
            return report(&failure, Screen { json: prescan.json, quiet: false }, &locale, &TimeZone::UTC);
        }
    };
    let screen = Screen { json: cli.global.json, quiet: cli.global.quiet };
    if let Some(outcome) = commands::run_without_settings(&cli.command, &locale, screen) {
        return outcome.unwrap_or_else(|failure| report(&failure, screen, &locale, &TimeZone::UTC));
    }
    let settings = language_error
        .map_or(Ok(()), Err)
        .and(file)
        .and_then(|file| Settings::resolve(&cli.global, &environment, file));
    match settings {
        Ok(settings) => run(cli, settings, locale, screen),
        Err(error) => report(&error.into(), screen, &locale, &TimeZone::UTC),
    }
}

/// Runs a command with all that it needs.
fn run(cli: Cli, settings: Settings, locale: Locale, screen: Screen) -> ExitStatus {
    log::install(cli.global.verbose);
    let show_progress = !cli.global.no_progress && !cli.global.quiet;
    let session = Session { settings, locale, screen, cancel: Cancel::new(), show_progress };
    let language = session.locale.language();
    let notice = (!screen.json && !screen.quiet).then_some(move || Locale::new(language).say("signal-notice"));
    signals::install(&session.cancel, notice);
    let outcome = commands::run(&session, &cli);
    outcome.unwrap_or_else(|failure| {
        if cli.global.verbose > 0 {
            session.screen.remark(failure.english());
        }
        report(&failure, screen, &session.locale, session.zone())
    })
}

/// Reads the configuration file: the one that is named, or `cadena.toml` in the present folder if there is one.
fn read_config(flag: Option<&Path>, environment: &Environment) -> Result<FileConfig, ConfigError> {
    let named: Option<PathBuf> = flag.map(Path::to_owned).or_else(|| environment.path("CADENA_CONFIG"));
    match named {
        Some(path) => FileConfig::read(&path),
        None if Path::new(crate::config::DEFAULT_CONFIG).exists() => {
            FileConfig::read(Path::new(crate::config::DEFAULT_CONFIG))
        }
        None => Ok(FileConfig::default()),
    }
}

/// Why there is no command to run.
enum Parsed {
    /// Help or the version is the answer.
    Text(String, ExitStatus),
    Wrong(Failure),
}

fn parse(arguments: &[OsString], locale: &Locale) -> Result<Cli, Parsed> {
    // Most command lines are right, and nobody reads the help that translating takes the time for.
    let matches = bare_command().try_get_matches_from(arguments);
    if let Ok(cli) = matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        return Ok(cli);
    }
    let mut command = localized_command(locale);
    let matches = command.try_get_matches_from_mut(arguments);
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Text(error.to_string(), ExitStatus::Success),
        // Without a command the help is the best answer, but nothing was done.
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Parsed::Text(command.render_help().to_string(), ExitStatus::Usage)
        }
        _ => Parsed::Wrong(usage_failure(&error, &command)),
    })
}

fn answer(text: &str, status: ExitStatus, locale: &Locale) -> ExitStatus {
    let screen = Screen { json: false, quiet: false };
    match screen.out(text) {
        Ok(()) => status,
        Err(failure) => report(&failure, screen, locale, &TimeZone::UTC),
    }
}

/// Tells of an error: a sentence and its remedy on stderr, or JSON on stdout. Returns the exit code.
fn report(failure: &Failure, screen: Screen, locale: &Locale, zone: &TimeZone) -> ExitStatus {
    let problem = problem_of(failure, locale, zone);
    let status = failure.exit_status();
    if screen.json {
        let value = json!({ "error": problem, "exit_code": status.code() });
        if let Err(second) = screen.result(&value, String::new) {
            screen.remark(second.english());
        }
    } else {
        screen.remark(&problem.text(locale));
    }
    status
}
