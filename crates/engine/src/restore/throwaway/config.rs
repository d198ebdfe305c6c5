//! What of the source's configuration does a throw-away cluster need? The libraries without which its data can't be read or recovered:
//! everything else is left out.

use crate::backup::EXTERNAL_CONFIG_FOLDER;
use crate::cluster::{PostgresBinaries, ServerOwner};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The setting that names them.
const LIBRARIES: &str = "shared_preload_libraries";

/// Returns the libraries that the source loads at its start, in its order.
pub(super) fn source_libraries(
    binaries: &PostgresBinaries,
    data_directory: &Path,
    owner: &ServerOwner,
    empty_config: &Path,
) -> Vec<String> {
    let external = data_directory.join(EXTERNAL_CONFIG_FOLDER).join("postgresql.conf");
    let auto = data_directory.join("postgresql.auto.conf");
    // A file that was kept elsewhere is read as text: what it includes was not kept, so that PostgreSQL would refuse it.
    let value = match external.is_file() {
        true => setting_in_file(&auto, LIBRARIES).or_else(|| setting_in_file(&external, LIBRARIES)),
        false => asked(binaries, data_directory, owner, None, LIBRARIES)
            .or_else(|| setting_in_file(&auto, LIBRARIES))
            .or_else(|| setting_in_file(&data_directory.join("postgresql.conf"), LIBRARIES)),
    };
    // Nothing was found to set it, such as where an include is broken: then at least what ALTER SYSTEM says.
    let value =
        value.or_else(|| asked(binaries, data_directory, owner, Some(empty_config), LIBRARIES)).unwrap_or_default();
    list_items(&value)
}

/// Asks PostgreSQL itself what its configuration says; `None` when it can't read it.
fn asked(
    binaries: &PostgresBinaries,
    data_directory: &Path,
    owner: &ServerOwner,
    config_file: Option<&Path>,
    name: &str,
) -> Option<String> {
    let mut command = owner.command(binaries.program("postgres").ok()?);
    command.arg("-D").arg(data_directory).stdin(Stdio::null()).stderr(Stdio::null());
    command.arg("-c").arg(format!("data_directory={}", data_directory.display()));
    if let Some(file) = config_file {
        command.arg("-c").arg(format!("config_file={}", file.display()));
    }
    let output = command.args(["-C", name]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Reads the last value of a setting in a configuration file, includes not followed (upstream `guc-file.l`).
fn setting_in_file(file: &PathBuf, name: &str) -> Option<String> {
    let content = std::fs::read(file).ok()?;
    setting_in(&String::from_utf8_lossy(&content), name)
}

fn setting_in(content: &str, name: &str) -> Option<String> {
    content.lines().rev().find_map(|line| {
        let line = line.trim_start();
        let found = line.get(..name.len()).filter(|word| word.eq_ignore_ascii_case(name))?;
        let rest = &line[found.len()..];
        if !rest.starts_with([' ', '\t', '=']) {
            return None;
        }
        let rest = rest.trim_start().strip_prefix('=').unwrap_or(rest.trim_start()).trim_start();
        let Some(quoted) = rest.strip_prefix('\'') else {
            return Some(rest.split([' ', '\t', '#']).next().unwrap_or_default().to_owned());
        };
        let mut value = String::new();
        let mut characters = quoted.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\'' if characters.next_if_eq(&'\'').is_some() => value.push('\''),
                '\'' => return Some(value),
                '\\' => value.extend(characters.next()),
                other => value.push(other),
            }
        }
        None
    })
}

/// Cuts a list of libraries (upstream `varlena.c`, `SplitDirectoriesString`).
fn list_items(value: &str) -> Vec<String> {
    let items = value.split(',').map(|item| item.trim().trim_matches('"').to_owned());
    items.filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_sets_it_counts() {
        let file = "#shared_preload_libraries = 'no'\nshared_preload_libraries = 'a'\n  Shared_Preload_Libraries='b, \"c\"' # x\n\
                    shared_preload_libraries_of_mine = 'no'\nport = 1\n";
        assert_eq!(setting_in(file, LIBRARIES).as_deref(), Some("b, \"c\""));
        assert_eq!(list_items("b, \"c\", "), ["b", "c"]);
        assert_eq!(setting_in("shared_preload_libraries\tpg_cron # x", LIBRARIES).as_deref(), Some("pg_cron"));
        assert_eq!(setting_in("shared_preload_libraries = 'it''s'", LIBRARIES).as_deref(), Some("it's"));
        assert_eq!(setting_in("shared_preload_libraries = 'open", LIBRARIES), None);
        assert_eq!(setting_in("port = 1", LIBRARIES), None);
    }
}
