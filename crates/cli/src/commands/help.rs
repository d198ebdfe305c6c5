//! `cadena help [COMMAND]`.

use super::Outcome;
use crate::args::{HelpOptions, UsageError, localized_command};
use crate::exit::ExitStatus;
use crate::locale::Locale;
use crate::render::Screen;

/// Prints the help of the program or of one command.
pub fn run(options: &HelpOptions, locale: &Locale, screen: Screen) -> Outcome {
    let mut root = localized_command(locale);
    root.build();
    let page = match &options.command {
        None => root.render_help(),
        Some(name) => match root.find_subcommand_mut(name) {
            Some(command) => command.render_help(),
            None => return Err(UsageError::unknown_command(name, &root).into()),
        },
    };
    screen.out(&page.to_string())?;
    Ok(ExitStatus::Success)
}
