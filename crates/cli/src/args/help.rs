//! How is help translated? By walking clap's `Command` and giving every part its text from the message catalogue.

use super::Cli;
use crate::locale::Locale;
use clap::{Arg, ArgAction, Command, CommandFactory};

/// The name of the program.
const PROGRAM: &str = "cadena";

/// Options of every command; their keys are `help-global-OPTION`.
const GLOBAL: &[&str] = &[
    "config",
    "repository",
    "host",
    "port",
    "dbname",
    "user",
    "lang",
    "json",
    "quiet",
    "no_progress",
    "verbose",
    "help",
];

/// Commands that share their options; the keys of these are `help-backup-OPTION`.
const BACKUPS: &[&str] = &["full", "diferencial", "incremental"];

/// Commands that raise a throw-away cluster, and the options that they have of `restore`.
const RAISING: &[&str] = &["export", "explore"];
const OF_RESTORE: &[&str] = &["at", "lsn", "name", "latest", "backup", "timeline", "owner", "jobs", "wal", "work_dir"];

/// Returns what an option's help text is named after.
fn owner<'a>(id: &str, command: &'a str) -> &'a str {
    if GLOBAL.contains(&id) {
        "global"
    } else if BACKUPS.contains(&command) {
        "backup"
    } else if RAISING.contains(&command) && OF_RESTORE.contains(&id) {
        "restore"
    } else {
        command
    }
}

/// Builds the command line, without any help.
pub fn bare_command() -> Command {
    Cli::command()
        .arg(Arg::new("help").short('h').long("help").action(ArgAction::Help).global(true))
        .arg(Arg::new("version").short('V').long("version").action(ArgAction::Version))
}

/// Builds the command line with help in the locale's language.
pub fn localized_command(locale: &Locale) -> Command {
    let root = bare_command().after_help(locale.say("help-after"));
    translate(root, PROGRAM, locale)
}

/// Names a command below another one: `schedule-set`, and `full` below the program itself.
fn path_of(outer: &str, inner: &str) -> String {
    if outer == PROGRAM { inner.to_owned() } else { format!("{outer}-{inner}") }
}

/// Translates one command and those below it. `name` is its path.
fn translate(command: Command, name: &str, locale: &Locale) -> Command {
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{}: {{usage}}\n\n{{all-args}}{{after-help}}",
        locale.say("help-heading-usage")
    );
    let command = command
        .about(locale.text(&format!("help-{name}"), &[]))
        .subcommand_help_heading(locale.say("help-heading-commands"))
        .subcommand_value_name(locale.say("help-value-command"))
        .help_template(template)
        .mut_args(|argument| translate_argument(argument, name, locale))
        .mut_subcommands(|subcommand| {
            let inner = subcommand.get_name().to_owned();
            translate(subcommand, &path_of(name, &inner), locale)
        });
    // clap writes "[OPTIONS]" itself, in English; the rest of a usage line is our own value names.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).replace("[OPTIONS]", &locale.say("help-value-options"));
    // A command without options of its own still takes those of every command.
    let options = locale.say("help-value-options");
    let last = command.get_name();
    let usage = match usage.strip_prefix(last) {
        Some(rest) if !usage.contains(&options) => format!("{last} {options}{rest}"),
        _ => usage,
    };
    // A command knows its own name only, not the one that it stands below.
    let above = name.strip_suffix(last).unwrap_or_default().replace('-', " ");
    let usage = if name == PROGRAM { usage } else { format!("{PROGRAM} {above}{usage}") };
    command.override_usage(usage)
}

fn translate_argument(argument: Arg, command: &str, locale: &Locale) -> Arg {
    let id = argument.get_id().as_str().to_owned();
    let owner = owner(&id, command);
    let help = locale.text(&format!("help-{owner}-{}", id.replace('_', "-")), &[]);
    let heading = match (argument.is_positional(), owner) {
        (true, _) => "help-heading-arguments",
        (false, "global") => "help-heading-global",
        (false, _) => "help-heading-options",
    };
    let value_names: Vec<String> =
        argument.get_value_names().unwrap_or_default().iter().map(|name| name.to_lowercase()).collect();
    let argument = match value_names.as_slice() {
        [name] if argument.get_action().takes_values() => {
            argument.value_name(locale.text(&format!("help-value-{}", name.replace('=', "-")), &[]))
        }
        _ => argument,
    };
    argument.help(help).help_heading(locale.text(heading, &[]))
}

/// Returns the key of every help text that the command line needs, for the catalogue's test.
#[cfg(test)]
pub fn needed_keys() -> Vec<String> {
    let mut keys = Vec::new();
    let root = localized_command(&Locale::new(crate::locale::Language::English));
    let mut commands = vec![(PROGRAM.to_owned(), &root)];
    while let Some((name, command)) = commands.pop() {
        let name = name.as_str();
        commands.extend(command.get_subcommands().map(|inner| (path_of(name, inner.get_name()), inner)));
        keys.push(format!("help-{name}"));
        for argument in command.get_arguments() {
            // In English the names are the keys.
            let value_names = argument.get_value_names().filter(|_| argument.get_action().takes_values());
            for value in value_names.unwrap_or_default() {
                keys.push(format!("help-value-{}", value.to_lowercase().replace('=', "-")));
            }
            let id = argument.get_id().as_str();
            let owner = owner(id, name);
            keys.push(format!("help-{owner}-{}", id.replace('_', "-")));
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::Language;
    use clap::FromArgMatches;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let command = localized_command(&Locale::new(Language::English));
        Cli::from_arg_matches(&command.try_get_matches_from(line.split(' '))?)
    }

    #[test]
    fn the_command_line_is_consistent_in_both_languages() {
        for language in Language::ALL {
            localized_command(&Locale::new(language)).debug_assert();
        }
    }

    #[test]
    fn spanish_help_holds_no_english_frame() {
        let locale = Locale::new(Language::Spanish);
        let mut command = localized_command(&locale);
        let mut pages = vec![command.render_help().to_string()];
        for name in ["full", "restore", "validate", "demo", "schedule"] {
            let page = command.find_subcommand_mut(name).map(|found| found.render_help().to_string());
            pages.push(page.unwrap_or_default());
        }
        for page in pages {
            assert!(page.contains("Uso: cadena"), "{page}");
            for english in
                ["Usage", "Options", "Commands:", "[OPTIONS]", "Arguments", "default:", "possible values", "<COMMAND>"]
            {
                assert!(!page.contains(english), "{english} in:\n{page}");
            }
        }
    }

    #[test]
    fn restore_wants_one_point_and_a_target() {
        assert!(parse("cadena restore --latest --to /x").is_ok());
        assert!(parse("cadena restore --backup 3 --to /x").is_ok());
        assert!(parse("cadena restore --to /x").is_err());
        for point in ["--at '2026-11-24'", "--lsn 0/3000000", "--name before", "--latest"] {
            let line = format!("cadena restore {} --to /x", point.replace('\'', ""));
            assert!(parse(&line).is_ok(), "{line}");
            assert!(parse(&format!("{line} --backup 3 --timeline 2")).is_ok(), "{line}");
            for other in ["--at 2026-11-24", "--lsn 0/1", "--name x", "--latest"] {
                assert!(parse(&format!("{line} {other}")).is_err(), "{line} {other}");
            }
        }
        assert!(parse("cadena restore --timeline 2 --to /x").is_err());
        assert!(parse("cadena restore --latest").is_err());
    }

    #[test]
    fn start_wants_no_dry_run() {
        assert!(parse("cadena restore --latest --to /x --start --port 5544").is_ok());
        assert!(parse("cadena restore --latest --to /x --start --port 5544 --dry-run").is_err());
    }

    #[test]
    fn there_is_no_password_option() {
        assert!(parse("cadena full --password secret").is_err());
    }

    #[test]
    fn global_options_are_read_on_either_side_of_the_command() {
        for line in ["cadena --json --lang es list", "cadena list --json --lang es"] {
            let cli = parse(line).map(|cli| (cli.global.json, cli.global.lang));
            assert_eq!(cli.ok(), Some((true, Some(Language::Spanish))), "{line}");
        }
    }
}
