//! `cadena completions SHELL`.

use super::Outcome;
use crate::args::{CompletionsOptions, localized_command};
use crate::exit::ExitStatus;
use crate::locale::Locale;
use crate::render::Screen;

/// Prints the completion script of a shell.
pub fn run(options: &CompletionsOptions, locale: &Locale, screen: Screen) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut localized_command(locale), "cadena", &mut script);
    screen.out(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Success)
}
