use super::{SelectorOptions, WorkOptions, values};
use cadena::verify::ValidationLevel;
use clap::{Args, ValueEnum};

/// `validate --level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValidateLevelArg {
    Checksum,
    Deep,
    Drill,
}

impl ValidateLevelArg {
    /// Returns how much of an archive is read; a drill is no reading.
    pub fn reading(self) -> ValidationLevel {
        match self {
            ValidateLevelArg::Checksum => ValidationLevel::Checksum,
            ValidateLevelArg::Deep | ValidateLevelArg::Drill => ValidationLevel::Deep,
        }
    }
}

/// Of `validate --level drill`: the point that is to be reached, and where.
#[derive(Debug, Args)]
pub struct DrillOptions {
    #[arg(long, value_name = "TIME", conflicts_with_all = ["lsn", "name", "due"])]
    pub at: Option<String>,
    #[arg(long, value_name = "LSN", value_parser = values::lsn, conflicts_with_all = ["name", "due"])]
    pub lsn: Option<cadena::pgformat::Lsn>,
    #[arg(long, value_name = "NAME", conflicts_with = "due")]
    pub name: Option<String>,
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    #[command(flatten)]
    pub work: WorkOptions,
}

impl DrillOptions {
    /// Returns the point as a restore takes it: a backup alone means its end, nothing at all the end of the archived WAL.
    pub fn selector(&self, id: Option<u64>) -> SelectorOptions {
        let (at, lsn, name) = (self.at.clone(), self.lsn, self.name.clone());
        let latest = id.is_none() && at.is_none() && lsn.is_none() && name.is_none();
        SelectorOptions { at, lsn, name, latest, backup: id, timeline: None }
    }

    /// Tells whether anything was said that only a drill understands.
    pub fn is_given(&self) -> bool {
        self.at.is_some()
            || self.lsn.is_some()
            || self.name.is_some()
            || self.owner.is_some()
            || self.work.work_dir.is_some()
    }
}
