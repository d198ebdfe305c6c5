use clap::Args;

/// What may be said of a cleanup; how long what is kept stands in the policy.
#[derive(Debug, Args)]
pub struct CleanupOptions {
    #[arg(long)]
    pub dry_run: bool,
}
