use super::{JobTime, Rule, ScheduleError};
use serde::{Deserialize, Serialize};
use std::fmt;
use vault::repository::BackupKind;

/// Something that the schedule runs. The order is that in which runs that are due together are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Job {
    /// A FULL backup.
    #[serde(rename = "FULL")]
    Full,
    /// A DIFERENCIAL backup.
    #[serde(rename = "DIFERENCIAL")]
    Differential,
    /// An INCREMENTAL backup.
    #[serde(rename = "INCREMENTAL")]
    Incremental,
    /// The daily validation.
    #[serde(rename = "VALIDATE")]
    Validate,
    /// The removal of what the retention policy no longer keeps.
    #[serde(rename = "CLEANUP")]
    Cleanup,
    /// The weekly drill: a restore that is looked at and thrown away.
    #[serde(rename = "DRILL")]
    Drill,
}

impl Job {
    /// Every job, in the order in which they run when they are due together: what others stand on comes first, and nothing is
    /// cleaned up before it was validated.
    pub const ALL: [Job; 6] = [Job::Full, Job::Differential, Job::Incremental, Job::Validate, Job::Cleanup, Job::Drill];

    /// Returns the job's word, as it stands in logs and files.
    pub fn word(self) -> &'static str {
        match self {
            Job::Full => "FULL",
            Job::Differential => "DIFERENCIAL",
            Job::Incremental => "INCREMENTAL",
            Job::Validate => "VALIDATE",
            Job::Cleanup => "CLEANUP",
            Job::Drill => "DRILL",
        }
    }

    /// Returns the job's key in `[schedule]` of `cadena.toml`.
    pub fn config_key(self) -> &'static str {
        match self {
            Job::Full => "full",
            Job::Differential => "diferencial",
            Job::Incremental => "incremental",
            Job::Validate => "validate",
            Job::Cleanup => "cleanup",
            Job::Drill => "drill",
        }
    }

    /// Returns what is backed up, of a job that makes a backup.
    pub fn backup_kind(self) -> Option<BackupKind> {
        match self {
            Job::Full => Some(BackupKind::Full),
            Job::Differential => Some(BackupKind::Differential),
            Job::Incremental => Some(BackupKind::Incremental),
            Job::Validate | Job::Cleanup | Job::Drill => None,
        }
    }

    /// Reads a job's name: its word or another that people use for it, Spanish or English, in any case.
    ///
    /// # Errors
    /// `ScheduleUnknownJob`.
    pub fn parse(name: &str) -> Result<Job, ScheduleError> {
        match name.trim().to_lowercase().as_str() {
            "full" | "completo" | "completa" => Ok(Job::Full),
            "diferencial" | "differential" | "dif" | "diff" => Ok(Job::Differential),
            "incremental" | "inc" | "incr" => Ok(Job::Incremental),
            "validate" | "validation" | "validacion" | "validación" | "validar" => Ok(Job::Validate),
            "cleanup" | "limpieza" | "limpiar" => Ok(Job::Cleanup),
            "drill" | "simulacro" => Ok(Job::Drill),
            _ => Err(ScheduleError::ScheduleUnknownJob {
                name: name.to_owned(),
                known: Job::ALL.map(Job::word).join(", "),
            }),
        }
    }

    /// Returns when the job runs unless somebody says otherwise: the seed's times.
    pub fn default_rule(self) -> Rule {
        const SUNDAY: u8 = 6;
        const MONDAY: u8 = 0;
        let (day, weekday, hour, minute) = match self {
            Job::Full => (Some(1), None, 0, 0),
            Job::Differential => (None, Some(SUNDAY), 23, 30),
            Job::Incremental => (None, None, 23, 0),
            Job::Validate => (None, None, 1, 0),
            Job::Cleanup => (None, Some(MONDAY), 2, 0),
            Job::Drill => (None, Some(SUNDAY), 4, 0),
        };
        Rule::Time(JobTime { day, weekday, hour, minute })
    }

    /// Returns the job's place in [`Job::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_known_by_its_names_in_both_languages_and_any_case() {
        for (name, job) in [
            ("FULL", Job::Full),
            ("Diferencial", Job::Differential),
            ("differential", Job::Differential),
            ("INCREMENTAL", Job::Incremental),
            ("Validación", Job::Validate),
            ("VALIDATION", Job::Validate),
            (" limpieza ", Job::Cleanup),
            ("CleanUp", Job::Cleanup),
        ] {
            assert_eq!(Job::parse(name).ok(), Some(job), "{name}");
        }
        for job in Job::ALL {
            assert_eq!(Job::parse(job.word()).ok(), Some(job));
            assert_eq!(Job::parse(job.config_key()).ok(), Some(job));
            assert_eq!(Job::ALL[job.index()], job);
        }
        for name in ["", "hourly", "FUL"] {
            let text = Job::parse(name).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains("FULL, DIFERENCIAL"), "{name}: {text}");
        }
    }
}
