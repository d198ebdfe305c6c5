//! Options of what is done with one database, or with a throw-away cluster.

use super::commands::SelectorOptions;
use super::values::{self, WalDeliveryArg};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Where and how a throw-away cluster is made.
#[derive(Debug, Clone, Args)]
pub struct WorkOptions {
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
}

/// `restore --database`: one database, into a live server.
#[derive(Debug, Args)]
pub struct DatabaseOptions {
    #[arg(long, value_name = "NAME", conflicts_with_all = ["to", "tablespace", "delta", "start", "target_action", "archive_mode"])]
    pub database: Option<String>,
    #[arg(long = "as", value_name = "NAME", requires = "database")]
    pub as_name: Option<String>,
    #[arg(long, value_name = "CONNINFO", requires = "database")]
    pub into: Option<String>,
    #[arg(long, requires = "database")]
    pub replace: bool,
    #[arg(long, requires = "replace")]
    pub drop_old: bool,
    #[arg(long, requires = "database")]
    pub create_roles: bool,
    #[arg(long, requires = "database")]
    pub no_owner: bool,
    #[arg(long, requires = "database")]
    pub no_privileges: bool,
    #[arg(long, requires = "database")]
    pub no_tablespaces: bool,
    #[arg(long, requires = "database")]
    pub schema_only: bool,
    #[arg(long, value_name = "NAME", requires = "database", conflicts_with = "schema")]
    pub table: Vec<String>,
    #[arg(long, value_name = "NAME", requires = "database")]
    pub schema: Vec<String>,
    #[command(flatten)]
    pub work: WorkOptions,
}

/// What `export` writes.
#[derive(Debug, Args)]
pub struct ExportOptions {
    #[command(flatten)]
    pub selector: SelectorOptions,
    #[arg(long, group = "selector", conflicts_with_all = ["at", "lsn", "name", "latest", "backup", "timeline"])]
    pub live: bool,
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    #[arg(long, value_name = "PATTERN")]
    pub table: Vec<String>,
    #[arg(long, value_name = "PATTERN")]
    pub schema: Vec<String>,
    #[arg(long, conflicts_with = "data_only")]
    pub schema_only: bool,
    #[arg(long)]
    pub data_only: bool,
    #[command(flatten)]
    pub raised: RaisedOptions,
}

/// How long a throw-away cluster stays, and how it is reached.
#[derive(Debug, Args)]
pub struct ExploreOptions {
    #[command(flatten)]
    pub selector: SelectorOptions,
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    #[arg(long)]
    pub read_only: bool,
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub for_time: Option<Duration>,
    #[command(flatten)]
    pub raised: RaisedOptions,
}

/// Options of every throw-away cluster.
#[derive(Debug, Args)]
pub struct RaisedOptions {
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    pub jobs: Option<usize>,
    #[arg(long, value_enum, hide_possible_values = true, value_name = "HOW", default_value = "auto")]
    #[arg(hide_default_value = true)]
    pub wal: WalDeliveryArg,
    #[command(flatten)]
    pub work: WorkOptions,
}
