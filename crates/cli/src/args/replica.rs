use super::values;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct ReplicaOptions {
    #[command(subcommand)]
    pub command: ReplicaCommand,
}

#[derive(Debug, Subcommand)]
pub enum ReplicaCommand {
    List,
    Push(ReplicaPushOptions),
    Pull(ReplicaPullOptions),
    Verify(ReplicaVerifyOptions),
    Cleanup(ReplicaCleanupOptions),
    Forget(ReplicaForgetOptions),
}

#[derive(Debug, Args)]
pub struct ReplicaPushOptions {
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[arg(long, value_name = "ID", value_parser = values::backup_id)]
    pub backup: Option<u64>,
}

#[derive(Debug, Args)]
pub struct ReplicaPullOptions {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, value_name = "ID", value_parser = values::backup_id)]
    pub backup: Option<u64>,
    #[arg(long)]
    pub no_wal: bool,
}

#[derive(Debug, Args)]
pub struct ReplicaVerifyOptions {
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[arg(long)]
    pub quick: bool,
    #[arg(long)]
    pub repair: bool,
}

#[derive(Debug, Args)]
pub struct ReplicaCleanupOptions {
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct ReplicaForgetOptions {
    #[arg(value_name = "NAME")]
    pub name: String,
}
