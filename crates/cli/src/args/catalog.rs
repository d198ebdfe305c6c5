use clap::{Args, ValueEnum};

/// `catalog ACTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CatalogAction {
    /// Brings it to what the repository says.
    Sync,
    /// Empties it first.
    Rebuild,
    /// Makes it.
    Install,
}

#[derive(Debug, Args)]
pub struct CatalogOptions {
    #[arg(value_name = "ACTION", value_enum, hide_possible_values = true)]
    pub action: CatalogAction,
}
