//! What may be typed? The command line, its values, its translated help, and what is said when it is wrong.

mod commands;
mod help;
mod instant;
mod prescan;
mod usage;
mod values;

pub use commands::{
    BackupArgs, Cli, Command, CompletionsOptions, DemoOptions, GlobalOptions, HelpOptions, IncrementArgs, InitOptions,
    MergeOptions, PreviewOptions, RestoreOptions, SelectorOptions, StartOptions, ValidateOptions, WalFetchOptions,
    WalPushOptions,
};
#[cfg(test)]
pub use help::needed_keys;
pub use help::{bare_command, localized_command};
pub use instant::parse_instant;
pub use prescan::Prescan;
pub use usage::{UsageError, usage_failure};
pub use values::{
    CheckpointArg, LevelArg, MAX_JOBS, MAX_PUSH_AHEAD, ReaderArg, parse_bounded, parse_choice, parse_limit, parse_rate,
    parse_slot_name,
};
