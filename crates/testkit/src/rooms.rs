//! Do the sources keep to the rooms of ARCHITECTURE.md? A lint over each crate's Cargo.toml and sources.
//!
//! The rules are listed in this file, each with its reason, which is printed with every breach.

mod source;

use source::Source;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomViolation {
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// The line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// What was found, and why it may not be there.
    pub what: String,
}

impl fmt::Display for RoomViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// Which of our crates each crate may stand on.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("pgformat", &[]),
    ("vault", &["pgformat"]),
    ("stores", &["vault"]),
    ("engine", &["pgformat", "vault"]),
    ("service", &["pgformat", "vault", "engine"]),
    ("cadena", &["pgformat", "vault", "stores", "engine", "service"]),
    ("cli", &["cadena", "service"]),
    ("testkit", &["pgformat", "vault", "engine", "cadena"]),
];

/// Crates that may print, read the environment and end the process.
const EDGES: [&str; 3] = ["cli", "service", "testkit"];

/// Folders of SQL. Tests and testkit talk to servers of their own.
const SQL_ROOMS: [&str; 2] = ["crates/engine/src/cluster", "crates/service/src/catalog"];

/// Words that a room may not use: room, words, reason.
const FORBIDDEN: [(&str, &[&str], &str); 3] = [
    (
        "crates/vault/src/archive",
        &["crate::repository", "super::repository", "super::super::repository"],
        "an archive is a file of its own and does not know the repository it lies in",
    ),
    (
        "crates/engine/src/pipeline",
        &["pgformat", "std::path", "crate::cluster", "super::cluster", "crate::reader", "vault"],
        "the pipeline moves bytes and knows neither PostgreSQL nor paths",
    ),
    (
        "crates/pgformat/src",
        &["std::fs", "std::io", "std::net", "std::thread", "std::time"],
        "pgformat turns bytes into values, without I/O, clock or threads",
    ),
];

/// What only the edges do: words and reason.
const EDGE_WORDS: [(&[&str], &str); 3] = [
    (&["println!", "eprintln!", "print!", "eprint!", "dbg!"], "a library returns data; cli and service print"),
    (
        &["env::var", "env::vars", "env::args", "env::set_var", "env::current_dir", "env::home_dir"],
        "settings come in as values; only cli and service read the environment",
    ),
    (&["process::exit", "process::abort"], "only cli and service end the process"),
];

/// Checks every crate of the workspace at `root` and returns all breaches.
///
/// # Panics
/// When the sources can't be read.
pub fn check_rooms(root: &Path) -> Vec<RoomViolation> {
    let mut found = Vec::new();
    let mut crates = entries(&root.join("crates"));
    crates.sort();
    for folder in crates.iter().filter(|folder| folder.join("Cargo.toml").is_file()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        check_dependencies(root, folder, &name, &mut found);
        for file in rust_files(&folder.join("src")) {
            check_source(root, &file, &name, &mut found);
        }
    }
    found
}

fn check_dependencies(root: &Path, folder: &Path, name: &str, found: &mut Vec<RoomViolation>) {
    let manifest = folder.join("Cargo.toml");
    let mut report = |what: String| found.push(RoomViolation { file: relative(root, &manifest), line: 0, what });
    let Some((_, allowed)) = MAY_USE.iter().find(|(room, _)| *room == name) else {
        return report(format!("crate {name} is in no room: add it to MAY_USE in crates/testkit/src/rooms.rs"));
    };
    let table: toml::Table = read(&manifest).parse().unwrap_or_else(|error| panic!("{}: {error}", manifest.display()));
    for section in ["dependencies", "build-dependencies"] {
        let dependencies = table.get(section).and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(toml::Table::keys) {
            let ours = MAY_USE.iter().any(|(room, _)| room == dependency);
            if ours && !allowed.contains(&dependency.as_str()) {
                let list = if allowed.is_empty() { "no other room".to_owned() } else { allowed.join(", ") };
                report(format!("{name} depends on {dependency}, but stands on {list} only"));
            }
        }
    }
}

fn check_source(root: &Path, file: &Path, crate_name: &str, found: &mut Vec<RoomViolation>) {
    let path = relative(root, file);
    let source = Source::read(&read(file));
    let mut report = |line: usize, what: String| found.push(RoomViolation { file: path.clone(), line, what });
    for (room, words, reason) in FORBIDDEN {
        if path.starts_with(room) {
            for (line, word) in source.uses_of(words) {
                report(line, format!("{word}: {reason}"));
            }
        }
    }
    if !EDGES.contains(&crate_name) {
        for (words, reason) in EDGE_WORDS {
            for (line, word) in source.uses_of(words) {
                report(line, format!("{word}: {reason}"));
            }
        }
    }
    if crate_name != "testkit" && !SQL_ROOMS.iter().any(|room| path.starts_with(room)) {
        for (line, text) in source.literals() {
            if let Some(word) = sql_in(text) {
                report(*line, format!("{word}: SQL lives in {} and sql/", SQL_ROOMS.join(", ")));
            }
        }
    }
}

/// Finds what looks like SQL in a string literal: a statement's beginning in capitals, or a call of one of PostgreSQL's functions.
fn sql_in(text: &str) -> Option<String> {
    const STATEMENTS: [&str; 6] =
        ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "BEGIN;", "START_REPLICATION"];
    if let Some(word) = STATEMENTS.iter().find(|word| text.contains(**word)) {
        return Some(word.trim_end().to_owned());
    }
    text.match_indices("pg_").find_map(|(start, _)| {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let name: String = text[start..].chars().take_while(|c| is_name(*c)).collect();
        let begins_word = !text[..start].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        (begins_word && text[start + name.len()..].starts_with('(')).then(|| format!("{name}()"))
    })
}

fn relative(root: &Path, file: &Path) -> PathBuf {
    file.strip_prefix(root).unwrap_or(file).to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    listing.map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path()).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a workspace of the given files and returns what is found in it.
    fn found_in(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join("crates").join(path);
            fs::create_dir_all(path.parent().unwrap().join("src")).unwrap();
            fs::write(path, text).unwrap();
        }
        for (name, _) in MAY_USE {
            let folder = root.path().join("crates").join(name);
            if folder.exists() && !folder.join("Cargo.toml").exists() {
                fs::write(folder.join("Cargo.toml"), "").unwrap();
            }
        }
        check_rooms(root.path()).iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn assert_only(found: &[String], place: &str, word: &str) {
        assert!(found.len() == 1 && found[0].contains(place) && found[0].contains(word), "{found:?}");
    }

    #[test]
    fn finds_a_dependency_that_goes_up() {
        let up = [("vault/Cargo.toml", "[dependencies]\nengine.workspace = true\npgformat.workspace = true\n")];
        assert_only(&found_in(&up), "crates/vault/Cargo.toml", "engine");
        let of_tests = [("vault/Cargo.toml", "[dev-dependencies]\ntestkit.workspace = true\n")];
        assert_eq!(found_in(&of_tests), [""; 0]);
        let product = [("engine/Cargo.toml", "[dependencies]\ntestkit = { path = \"../testkit\" }\n")];
        assert_only(&found_in(&product), "crates/engine/Cargo.toml", "testkit");
    }

    #[test]
    fn finds_a_crate_without_a_room() {
        assert_only(&found_in(&[("utils/Cargo.toml", "")]), "crates/utils/Cargo.toml", "utils");
    }

    #[test]
    fn finds_an_archive_that_knows_the_repository() {
        let file = ("vault/src/archive/reader.rs", "// crate::repository\nuse crate::repository::Layout;\n");
        assert_only(&found_in(&[file]), "reader.rs:2", "crate::repository");
        assert_eq!(found_in(&[("vault/src/repository/open.rs", "use crate::repository::Layout;")]), [""; 0]);
        let nested = ("vault/src/archive/x.rs", "use crate::{repository::Layout, storage};");
        assert_only(&found_in(&[nested]), "x.rs:1", "crate::repository");
    }

    #[test]
    fn finds_a_pipeline_that_knows_postgresql_or_paths() {
        let lines =
            "use std::path::Path;\nuse pgformat::Lsn;\nuse crate::{cluster, Error};\nuse std::{io, path::PathBuf};\n";
        let found = found_in(&[("engine/src/pipeline/rate.rs", lines)]);
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn finds_printing_environment_and_exits_outside_the_edges() {
        let lines = "fn f() {\n println!(\"x\");\n std::env::var(\"X\");\n std::process::exit(1);\n}\n";
        assert_eq!(found_in(&[("engine/src/lib.rs", lines)]).len(), 3);
        assert_eq!(found_in(&[("cli/src/main.rs", lines)]), [""; 0]);
        let harmless =
            "fn f() { std::env::consts::EXE_SUFFIX; env!(\"CARGO_PKG_VERSION\"); writeln!(x, \"println!\"); }";
        assert_eq!(found_in(&[("engine/src/lib.rs", harmless)]), [""; 0]);
    }

    #[test]
    fn finds_sql_outside_its_rooms() {
        let file = |text| ("engine/src/backup/run.rs", text);
        assert_only(&found_in(&[file("f(\"SELECT 1\");")]), "run.rs:1", "SELECT");
        assert_only(&found_in(&[file("f(r#\"\nx := pg_backup_stop()\"#);")]), "run.rs:1", "pg_backup_stop()");
        assert_eq!(found_in(&[file("f(\"run pg_ctl (or pg_dump)\"); // SELECT x\n")]), [""; 0]);
        assert_eq!(found_in(&[("engine/src/cluster/probe.rs", "f(\"SELECT 1\");")]), [""; 0]);
    }

    #[test]
    fn leaves_tests_alone() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n fn g() { println!(\"SELECT 1\"); }\n}\n";
        assert_eq!(found_in(&[("engine/src/lib.rs", text)]), [""; 0]);
        let after = format!("{text}fn h() {{ println!(\"x\"); }}\n");
        assert_only(&found_in(&[("engine/src/lib.rs", &after)]), "lib.rs:6", "println!");
    }
}
