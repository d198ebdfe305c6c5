use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct DriveOptions {
    #[command(subcommand)]
    pub command: DriveCommand,
}

#[derive(Debug, Subcommand)]
pub enum DriveCommand {
    Login(DriveLoginOptions),
}

#[derive(Debug, Args)]
pub struct DriveLoginOptions {
    #[arg(long, value_name = "FILE")]
    pub client: PathBuf,
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    #[arg(long, value_name = "NAME")]
    pub scope: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 300, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub wait: u64,
}
