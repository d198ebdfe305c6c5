use super::CatalogOptions;
use super::cleanup::CleanupOptions;
use super::database::{DatabaseOptions, ExploreOptions, ExportOptions};
use super::drill::{DrillOptions, ValidateLevelArg};
use super::drive::DriveOptions;
use super::encryption::EncryptionOptions;
use super::notify::NotifyOptions;
use super::replica::ReplicaOptions;
use super::schedule::ScheduleOptions;
use super::values::{
    self, ArchiveModeArg, ChangesArg, CheckpointArg, MethodArg, ReaderArg, TablespaceMapping, TargetActionArg,
    WalDeliveryArg,
};
use crate::locale::Language;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// The whole command line. Help texts live in the message catalogues (`help-COMMAND-ARGUMENT`), not here.
#[derive(Debug, Parser)]
#[command(name = "cadena", version, disable_help_flag = true, disable_help_subcommand = true)]
#[command(disable_version_flag = true, subcommand_required = true, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command understands.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalOptions {
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[arg(long, global = true, value_name = "DIR")]
    pub repository: Option<PathBuf>,
    #[arg(long, global = true, value_name = "NAME")]
    pub from_replica: Option<String>,
    #[arg(long, global = true, value_name = "HOST")]
    pub host: Option<String>,
    #[arg(long, global = true, value_name = "PORT", value_parser = values::port)]
    pub port: Option<u16>,
    #[arg(long, global = true, value_name = "NAME")]
    pub dbname: Option<String>,
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,
    #[arg(long, global = true, value_name = "LANG", value_enum, hide_possible_values = true)]
    pub lang: Option<Language>,
    #[arg(long, global = true)]
    pub json: bool,
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[arg(long, global = true)]
    pub no_progress: bool,
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands of this version.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(DemoOptions),
    Init(InitOptions),
    Check,
    Catalog(CatalogOptions),
    Full(FullArgs),
    #[command(visible_alias = "differential")]
    Diferencial(IncrementArgs),
    Incremental(IncrementArgs),
    Merge(MergeOptions),
    Cleanup(CleanupOptions),
    List,
    Status,
    Validate(ValidateOptions),
    Preview(PreviewOptions),
    Restore(RestoreOptions),
    Export(ExportOptions),
    Explore(ExploreOptions),
    Start(StartOptions),
    Schedule(ScheduleOptions),
    Notify(NotifyOptions),
    Replica(ReplicaOptions),
    Encryption(EncryptionOptions),
    Drive(DriveOptions),
    Windows,
    WalFetch(WalFetchOptions),
    WalPush(WalPushOptions),
    Completions(CompletionsOptions),
    Help(HelpOptions),
}

#[derive(Debug, Args)]
pub struct DemoOptions {
    #[arg(long)]
    pub keep: bool,
}

#[derive(Debug, Args)]
pub struct InitOptions {
    #[arg(long)]
    pub print_grants: bool,
    #[arg(long, value_name = "NAME", requires = "print_grants")]
    pub role: Option<String>,
    #[arg(long, conflicts_with = "print_grants")]
    pub slot: bool,
    #[arg(long, conflicts_with = "print_grants")]
    pub no_catalog: bool,
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "print_grants")]
    pub recipient: Vec<String>,
    #[arg(long, conflicts_with = "print_grants")]
    pub passphrase: bool,
}

/// Of a FULL.
#[derive(Debug, Args)]
pub struct FullArgs {
    #[command(flatten)]
    pub method: MethodArgs,
    #[arg(long, value_name = "NAME")]
    pub database: Vec<String>,
    #[command(flatten)]
    pub backup: BackupArgs,
}

/// Of files, or of dumps. A DIFERENCIAL or INCREMENTAL takes it, too, to say why it can't be of dumps.
#[derive(Debug, Args)]
pub struct MethodArgs {
    #[arg(long, value_enum, hide_possible_values = true, value_name = "METHOD", default_value = "physical")]
    #[arg(hide_default_value = true)]
    pub method: MethodArg,
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[arg(long, value_enum, hide_possible_values = true, value_name = "SOURCE")]
    pub reader: Option<ReaderArg>,
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    pub jobs: Option<usize>,
    #[arg(long, value_name = "N", value_parser = values::compression_level, allow_negative_numbers = true)]
    pub level: Option<i32>,
    #[arg(long, value_name = "RATE", value_parser = values::rate)]
    pub max_rate: Option<u64>,
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    #[arg(long, value_enum, hide_possible_values = true, value_name = "HOW")]
    pub checkpoint: Option<CheckpointArg>,
}

/// Of a backup that holds changes only.
#[derive(Debug, Args)]
pub struct IncrementArgs {
    #[command(flatten)]
    pub method: MethodArgs,
    #[command(flatten)]
    pub backup: BackupArgs,
    #[arg(long, value_enum, hide_possible_values = true, value_name = "HOW", default_value = "auto")]
    #[arg(hide_default_value = true)]
    pub changes: ChangesArg,
}

#[derive(Debug, Args)]
pub struct MergeOptions {
    #[arg(value_name = "ID", value_parser = values::backup_id)]
    pub id: Option<u64>,
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    pub jobs: Option<usize>,
    #[arg(long, value_name = "N", value_parser = values::compression_level, allow_negative_numbers = true)]
    pub level: Option<i32>,
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
}

#[derive(Debug, Args)]
pub struct ValidateOptions {
    #[arg(value_name = "ID", value_parser = values::backup_id)]
    pub id: Option<u64>,
    #[command(flatten)]
    pub drill: DrillOptions,
    #[arg(long, requires = "id")]
    pub chain: bool,
    #[arg(long, conflicts_with = "id")]
    pub due: bool,
    #[arg(long, value_enum, default_value = "checksum", hide_possible_values = true, hide_default_value = true)]
    #[arg(value_name = "LEVEL")]
    pub level: ValidateLevelArg,
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    pub jobs: Option<usize>,
}

/// How far, from which backup, along which timeline.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("selector").required(true).multiple(true))]
pub struct SelectorOptions {
    #[arg(long, value_name = "TIME", group = "selector", conflicts_with_all = ["lsn", "name", "latest"])]
    pub at: Option<String>,
    #[arg(long, value_name = "LSN", value_parser = values::lsn, group = "selector", conflicts_with_all = ["name", "latest"])]
    pub lsn: Option<cadena::pgformat::Lsn>,
    #[arg(long, value_name = "NAME", group = "selector", conflicts_with = "latest")]
    pub name: Option<String>,
    #[arg(long, group = "selector")]
    pub latest: bool,
    #[arg(long, value_name = "ID", value_parser = values::backup_id, group = "selector")]
    pub backup: Option<u64>,
    #[arg(long, value_name = "N", value_parser = values::timeline)]
    pub timeline: Option<u32>,
}

#[derive(Debug, Args)]
pub struct PreviewOptions {
    #[command(flatten)]
    pub selector: SelectorOptions,
}

#[derive(Debug, Args)]
pub struct RestoreOptions {
    #[command(flatten)]
    pub selector: SelectorOptions,
    #[arg(long, value_name = "DIR", required_unless_present = "database")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub one: DatabaseOptions,
    #[arg(long, value_name = "OLD=NEW", value_parser = values::tablespace)]
    pub tablespace: Vec<TablespaceMapping>,
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    pub jobs: Option<usize>,
    #[arg(long, value_enum, hide_possible_values = true, value_name = "ACTION", default_value = "promote")]
    #[arg(hide_default_value = true)]
    pub target_action: TargetActionArg,
    #[arg(long, value_enum, hide_possible_values = true, value_name = "MODE", default_value = "off")]
    #[arg(hide_default_value = true)]
    pub archive_mode: ArchiveModeArg,
    #[arg(long, value_enum, hide_possible_values = true, value_name = "HOW", default_value = "auto")]
    #[arg(hide_default_value = true)]
    pub wal: WalDeliveryArg,
    #[arg(long)]
    pub delta: bool,
    #[arg(long)]
    pub dry_run: bool,
    // On the port that `--port` names: a restore connects to nothing, so it has no other use for that option. That one is
    // global, so clap can't require it here; the command does.
    #[arg(long, conflicts_with = "dry_run")]
    pub start: bool,
    #[arg(long, value_name = "DIR", requires = "start")]
    pub socket_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StartOptions {
    #[arg(long, conflicts_with_all = ["no_schedule", "no_wal"])]
    pub once: bool,
    #[arg(long, conflicts_with = "no_wal")]
    pub no_schedule: bool,
    #[arg(long)]
    pub no_wal: bool,
    #[arg(long, conflicts_with = "once")]
    pub wait: bool,
}

/// What `restore_command` passes: `%f %p`.
#[derive(Debug, Args)]
pub struct WalFetchOptions {
    #[arg(value_name = "FILE")]
    pub name: String,
    #[arg(value_name = "TARGET", required_unless_present = "prefetch")]
    pub target: Option<PathBuf>,
    #[arg(long, value_name = "LSN", value_parser = values::lsn)]
    pub until_lsn: Option<cadena::pgformat::Lsn>,
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    // How the command calls itself in the background.
    #[arg(long, value_name = "N", hide = true, requires = "spool")]
    pub prefetch: Option<u32>,
}

/// What `archive_command` passes: `%p`.
#[derive(Debug, Args)]
pub struct WalPushOptions {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct CompletionsOptions {
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct HelpOptions {
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}
