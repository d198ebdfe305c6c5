//! Values of options: read here once, for the command line, the environment and `cadena.toml` alike.
//!
//! What a parser returns as its error is what is allowed, in a form that needs no translation (`1..64`, `auto | local | sql`).

use crate::render::units::parse_size;
use cadena::backup::ChangesChoice;
use cadena::pgformat::Lsn;
use cadena::reader::ReaderChoice;
use cadena::restore::{ArchiveMode, TargetAction, WalDelivery};
use cadena::scheduler::{Job, Rule};
use cadena::verify::ValidationLevel;
use clap::ValueEnum;
use std::path::PathBuf;
use std::str::FromStr;

/// The most workers that a backup may have.
pub const MAX_JOBS: usize = 64;
/// More segments ahead than these would make the server wait for one call for seconds.
pub const MAX_PUSH_AHEAD: usize = 32;

/// `--method`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    #[default]
    Physical,
    Logical,
}

/// `--reader`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReaderArg {
    Auto,
    Local,
    Sql,
}

/// `--checkpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckpointArg {
    Fast,
    Spread,
}

/// `--changes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChangesArg {
    Auto,
    Wal,
    Server,
    Scan,
}

/// `validate --level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    Checksum,
    Deep,
}

/// `--target-action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TargetActionArg {
    Promote,
    Pause,
    Shutdown,
}

/// `--archive-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArchiveModeArg {
    Off,
    Preserve,
}

/// `--wal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WalDeliveryArg {
    Auto,
    Fetch,
    Stage,
}

impl From<TargetActionArg> for TargetAction {
    fn from(action: TargetActionArg) -> TargetAction {
        match action {
            TargetActionArg::Promote => TargetAction::Promote,
            TargetActionArg::Pause => TargetAction::Pause,
            TargetActionArg::Shutdown => TargetAction::Shutdown,
        }
    }
}

impl From<ArchiveModeArg> for ArchiveMode {
    fn from(mode: ArchiveModeArg) -> ArchiveMode {
        match mode {
            ArchiveModeArg::Off => ArchiveMode::Off,
            ArchiveModeArg::Preserve => ArchiveMode::Preserve,
        }
    }
}

impl From<WalDeliveryArg> for WalDelivery {
    fn from(delivery: WalDeliveryArg) -> WalDelivery {
        match delivery {
            WalDeliveryArg::Auto => WalDelivery::Auto,
            WalDeliveryArg::Fetch => WalDelivery::Fetch,
            WalDeliveryArg::Stage => WalDelivery::Stage,
        }
    }
}

/// `--tablespace OLD=NEW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablespaceMapping {
    /// A tablespace's name, OID or old directory.
    pub old: String,
    pub new: PathBuf,
}

impl From<ReaderArg> for ReaderChoice {
    fn from(reader: ReaderArg) -> ReaderChoice {
        match reader {
            ReaderArg::Auto => ReaderChoice::Auto,
            ReaderArg::Local => ReaderChoice::Local,
            ReaderArg::Sql => ReaderChoice::Sql,
        }
    }
}

impl From<ChangesArg> for ChangesChoice {
    fn from(changes: ChangesArg) -> ChangesChoice {
        match changes {
            ChangesArg::Auto => ChangesChoice::Auto,
            ChangesArg::Wal => ChangesChoice::Wal,
            ChangesArg::Server => ChangesChoice::Server,
            ChangesArg::Scan => ChangesChoice::Scan,
        }
    }
}

impl From<LevelArg> for ValidationLevel {
    fn from(level: LevelArg) -> ValidationLevel {
        match level {
            LevelArg::Checksum => ValidationLevel::Checksum,
            LevelArg::Deep => ValidationLevel::Deep,
        }
    }
}

/// Reads one of an enum's names; the error lists them all.
pub fn parse_choice<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        names.join(" | ")
    })
}

/// Reads a whole number from `low` to `high`; the error is that range.
pub fn parse_bounded<T: FromStr + PartialOrd + std::fmt::Display>(text: &str, low: T, high: T) -> Result<T, String> {
    match text.trim().parse::<T>() {
        Ok(number) if number >= low && number <= high => Ok(number),
        _ => Err(format!("{low}..{high}")),
    }
}

/// Reads a rate in bytes a second, such as `50MB`, `1.5GB` or `800kB/s`.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let size = text.strip_suffix("/s").unwrap_or(text);
    parse_size(size).filter(|bytes| *bytes > 0).ok_or_else(|| "800kB | 50MB | 1.5GB".to_owned())
}

/// Reads a size, or `off` for none.
pub fn parse_limit(text: &str) -> Result<Option<u64>, String> {
    match text.trim() {
        "off" => Ok(None),
        size => match parse_size(size).filter(|bytes| *bytes > 0) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err("10GB | 500MB | off".to_owned()),
        },
    }
}

/// Reads when a job runs: `off`, or a cron pattern.
pub fn parse_rule(text: &str) -> Result<Rule, String> {
    Rule::parse(text)
        .map_err(|_| "off | MINUTE HOUR DAY MONTH WEEKDAY | SECOND MINUTE HOUR DAY MONTH WEEKDAY".to_owned())
}

/// Reads a day of the week, from 0 for Monday to 6 for Sunday, or by its name in English or Spanish, whole or its first three letters.
pub(super) fn weekday(text: &str) -> Result<u8, String> {
    const NAMES: [[&str; 2]; 7] = [
        ["monday", "lunes"],
        ["tuesday", "martes"],
        ["wednesday", "miércoles"],
        ["thursday", "jueves"],
        ["friday", "viernes"],
        ["saturday", "sábado"],
        ["sunday", "domingo"],
    ];
    let plain = |text: &str| text.trim().to_lowercase().replace('á', "a").replace('é', "e");
    let wanted = plain(text);
    let is_it = |name: &&str| {
        let name = plain(name);
        wanted == name || (wanted.len() == 3 && name.starts_with(&wanted))
    };
    let named = NAMES.iter().position(|names| names.iter().any(is_it));
    match named.and_then(|position| u8::try_from(position).ok()) {
        Some(day) => Ok(day),
        None => parse_bounded(text, 0, 6).map_err(|range| format!("{range} | monday … sunday | lunes … domingo")),
    }
}

pub(super) fn job(text: &str) -> Result<Job, String> {
    Job::parse(text).map_err(|_| Job::ALL.map(Job::word).join(" | "))
}

pub(super) fn month_day(text: &str) -> Result<u8, String> {
    parse_bounded(text, 1, 31)
}

pub(super) fn hour(text: &str) -> Result<u8, String> {
    parse_bounded(text, 0, 23)
}

pub(super) fn minute(text: &str) -> Result<u8, String> {
    parse_bounded(text, 0, 59)
}

pub(super) fn rule(text: &str) -> Result<Rule, String> {
    parse_rule(text)
}

/// Reads the name of a replication slot, as PostgreSQL allows it (upstream `ReplicationSlotValidateName`).
pub fn parse_slot_name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match (1..64).contains(&text.len()) && text.chars().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("[a-z0-9_], 1..63".to_owned()),
    }
}

/// Reads `OLD=NEW`; `\=` stands for an equals sign in a directory's name, as in pg_basebackup.
fn parse_tablespace(text: &str) -> Result<TablespaceMapping, String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = character == '\\' && characters.next_if_eq(&'=').is_some();
        match (character, parts.last_mut()) {
            ('=', _) | (_, None) => parts.push(String::new()),
            (_, Some(part)) => part.push(if escaped { '=' } else { character }),
        }
    }
    match <[String; 2]>::try_from(parts) {
        Ok([old, new]) if !old.is_empty() && !new.is_empty() => Ok(TablespaceMapping { old, new: new.into() }),
        _ => Err("OLD=NEW".to_owned()),
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    parse_bounded(text, 1, u16::MAX)
}

/// Reads a time such as `90s`, `2h` or `1h 30m`.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let read = text.trim().parse::<jiff::SignedDuration>().ok();
    let positive = read.and_then(|time| std::time::Duration::try_from(time).ok()).filter(|time| !time.is_zero());
    positive.ok_or_else(|| "90s | 30m | 2h | 1h 30m".to_owned())
}

pub(super) fn jobs(text: &str) -> Result<usize, String> {
    parse_bounded(text, 1, MAX_JOBS)
}

pub(super) fn backup_id(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "1, 2, 3, …".to_owned())
}

pub(super) fn compression_level(text: &str) -> Result<i32, String> {
    parse_bounded(text, 1, 19)
}

pub(super) fn lsn(text: &str) -> Result<Lsn, String> {
    text.trim().parse().map_err(|_| "0/3000148".to_owned())
}

pub(super) fn timeline(text: &str) -> Result<u32, String> {
    parse_bounded(text, 1, u32::MAX)
}

pub(super) fn rate(text: &str) -> Result<u64, String> {
    parse_rate(text)
}

pub(super) fn tablespace(text: &str) -> Result<TablespaceMapping, String> {
    parse_tablespace(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rates_in_postgresql_units() {
        assert_eq!(parse_rate("50MB"), Ok(50 << 20));
        assert_eq!(parse_rate("50 MiB/s"), Ok(50 << 20));
        assert_eq!(parse_rate("1.5GB"), Ok(3 << 29));
        assert_eq!(parse_rate("800kB/s"), Ok(800 << 10));
        assert_eq!(parse_rate("4096"), Ok(4096));
    }

    #[test]
    fn refuses_rates_that_are_no_rate() {
        for text in
            ["", "0", "0MB", "-1MB", "fast", "MB", "1XB", "1e400GB", "nan", "inf", "99999999999999GB", "1.2.3MB"]
        {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_out_of_range_is_answered_with_the_range() {
        assert_eq!(parse_bounded("65", 1, 64), Err("1..64".to_owned()));
        assert_eq!(parse_bounded("0", 1, 64), Err("1..64".to_owned()));
        assert_eq!(parse_bounded("two", 1, 64), Err("1..64".to_owned()));
        assert_eq!(parse_bounded(" 64 ", 1, 64), Ok(64));
    }

    #[test]
    fn a_tablespace_mapping_may_hold_escaped_equals_signs() {
        let mapping = |old: &str, new: &str| Ok(TablespaceMapping { old: old.into(), new: new.into() });
        assert_eq!(parse_tablespace("fast=/disk/fast"), mapping("fast", "/disk/fast"));
        assert_eq!(parse_tablespace(r"/a\=b=/c\=d"), mapping("/a=b", "/c=d"));
        assert_eq!(parse_tablespace(r"a\b=/c"), mapping(r"a\b", "/c"));
        for bad in ["fast", "=/disk", "fast=", "a=b=c", ""] {
            assert!(parse_tablespace(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_weekday_has_a_number_or_a_name() {
        for (text, day) in [
            ("0", 0),
            ("6", 6),
            ("Sunday", 6),
            ("domingo", 6),
            ("MIÉ", 2),
            ("miercoles", 2),
            ("wed", 2),
            ("mar", 1),
            ("sab", 5),
        ] {
            assert_eq!(weekday(text), Ok(day), "{text}");
        }
        for text in ["7", "-1", "", "mo", "someday", "mondays"] {
            assert!(weekday(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_choice_is_answered_with_all_choices() {
        assert_eq!(parse_choice::<ReaderArg>("remote"), Err("auto | local | sql".to_owned()));
        assert_eq!(parse_choice::<ReaderArg>("sql"), Ok(ReaderArg::Sql));
    }
}
