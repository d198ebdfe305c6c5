use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct NotifyOptions {
    #[command(subcommand)]
    pub command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    Test(NotifyTestOptions),
}

#[derive(Debug, Args)]
pub struct NotifyTestOptions {
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}
