//! What may be typed? The command line, its values, its translated help, and what is said when it is wrong.

mod catalog;
mod cleanup;
mod commands;
mod database;
mod drill;
mod drive;
mod encryption;
mod help;
mod instant;
mod notify;
mod prescan;
mod replica;
mod schedule;
mod usage;
mod values;

pub use catalog::{CatalogAction, CatalogOptions};
pub use cleanup::CleanupOptions;
pub use commands::{
    BackupArgs, Cli, Command, CompletionsOptions, DemoOptions, FullArgs, GlobalOptions, HelpOptions, IncrementArgs,
    InitOptions, MergeOptions, PreviewOptions, RestoreOptions, SelectorOptions, StartOptions, ValidateOptions,
    WalFetchOptions, WalPushOptions,
};
pub use database::{ExploreOptions, ExportOptions, WorkOptions};
pub use drill::ValidateLevelArg;
pub use drive::{DriveCommand, DriveLoginOptions, DriveOptions};
pub use encryption::{EncryptionCommand, EncryptionOptions, PassphraseOptions};
#[cfg(test)]
pub use help::needed_keys;
pub use help::{bare_command, localized_command};
pub use instant::parse_instant;
pub use notify::{NotifyCommand, NotifyOptions};
pub use prescan::Prescan;
pub use replica::{
    ReplicaCleanupOptions, ReplicaCommand, ReplicaOptions, ReplicaPullOptions, ReplicaPushOptions, ReplicaVerifyOptions,
};
pub use schedule::{ScheduleCommand, ScheduleOptions, ScheduleSetOptions};
pub use usage::{UsageError, usage_failure};
pub use values::{
    CheckpointArg, LevelArg, MAX_JOBS, MAX_PUSH_AHEAD, MethodArg, ReaderArg, WalDeliveryArg, parse_bounded,
    parse_choice, parse_limit, parse_rate, parse_rule, parse_slot_name,
};
