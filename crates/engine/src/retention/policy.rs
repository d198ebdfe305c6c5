//! How long is what kept?

use super::RetentionError;
use jiff::civil::Date;
use jiff::{ToSpan, Zoned};
use serde::{Deserialize, Serialize};
use vault::repository::{BackupKind, BackupRecord, BackupState};

/// The name of the policy that the catalog is born with.
pub const STANDARD_NAME: &str = "ESTANDAR";

/// For how long each kind of backup is kept, and the log beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What it is called: a row's name, `cadena.toml`, `ESTANDAR`.
    pub name: String,
    /// Calendar months for FULL backups, 0 to 1,200.
    pub full_months: u32,
    /// Calendar weeks for DIFERENCIAL backups, 0 to 5,200; and for the records of failed ones.
    pub differential_weeks: u32,
    /// Calendar days for INCREMENTAL backups, 0 to 36,500.
    pub incremental_days: u32,
    /// How many of the newest FULL backups stay however old they are, 1 to 1,000.
    pub min_chains: u32,
    /// How far back archived WAL goes.
    #[serde(default)]
    pub wal: WalRetention,
}

/// How far back archived WAL goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WalRetention {
    /// As far as backups do: from each of them every later instant can be reached.
    #[default]
    WithBackups,
    /// So that every instant of these last days can be reached, 0 to 36,500; older backups restore to their own end only.
    Days(u32),
}

impl Policy {
    /// Returns the seed's policy: 12 months, 8 weeks, 7 days, 2 chains.
    pub fn standard() -> Self {
        Policy {
            name: STANDARD_NAME.to_owned(),
            full_months: 12,
            differential_weeks: 8,
            incremental_days: 7,
            min_chains: 2,
            wal: WalRetention::WithBackups,
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// `RetentionValue` names the first that is out of range.
    pub fn check(&self) -> Result<(), RetentionError> {
        let bounds = [
            ("full_months", self.full_months, 0, 1_200, "0..1200"),
            ("differential_weeks", self.differential_weeks, 0, 5_200, "0..5200"),
            ("incremental_days", self.incremental_days, 0, 36_500, "0..36500"),
            ("min_chains", self.min_chains, 1, 1_000, "1..1000"),
            ("wal_days", self.wal_days(), 0, 36_500, "0..36500"),
        ];
        match bounds.into_iter().find(|(_, value, least, most, _)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((name, value, _, _, allowed)) => {
                Err(RetentionError::RetentionValue { policy: self.name.clone(), name, value, allowed })
            }
        }
    }

    /// Returns the first day whose backups of a record's kind are not too old. A day is kept whole, so that nothing depends on the hour
    /// of a cleanup, nor on hours that a clock repeats or leaves out. A month's end that the earlier month lacks is brought to its
    /// last day: that keeps more.
    pub(super) fn first_day(&self, record: &BackupRecord, today: Date) -> Date {
        let months = || today.checked_sub(i64::from(self.full_months).months());
        let weeks = || today.checked_sub(i64::from(self.differential_weeks).weeks());
        let days = || today.checked_sub(i64::from(self.incremental_days).days());
        let first = match (record.state, record.kind) {
            (BackupState::Completed, BackupKind::Full) => months(),
            (BackupState::Completed, BackupKind::Incremental) => days(),
            (BackupState::Completed, BackupKind::Differential) => weeks(),
            // Only a record tells of it; it goes when nobody asks any more why.
            (BackupState::Failed | BackupState::InProgress, _) => weeks(),
        };
        first.unwrap_or(Date::MIN)
    }

    /// Returns of how many days every instant shall be reachable; 0 when WAL goes as far back as backups.
    pub(super) fn wal_days(&self) -> u32 {
        match self.wal {
            WalRetention::WithBackups => 0,
            WalRetention::Days(days) => days,
        }
    }

    /// Returns the first day of which every instant shall be reachable; `None` when WAL goes as far back as backups.
    pub(super) fn first_wal_day(&self, now: &Zoned) -> Option<Date> {
        match self.wal {
            WalRetention::WithBackups => None,
            WalRetention::Days(days) => Some(now.date().checked_sub(i64::from(days).days()).unwrap_or(Date::MIN)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_policy_is_the_seeds() {
        let policy = Policy::standard();
        policy.check().unwrap();
        let numbers = (policy.full_months, policy.differential_weeks, policy.incremental_days, policy.min_chains);
        assert_eq!(numbers, (12, 8, 7, 2));
        let json = serde_json::to_value(&policy).unwrap();
        assert_eq!(json["wal"], "with-backups");
        assert_eq!(serde_json::from_value::<Policy>(json).unwrap(), policy);
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (change, wanted) in [
            ((|policy| policy.full_months = 1_201) as fn(&mut Policy), "full_months"),
            (|policy| policy.differential_weeks = 5_201, "differential_weeks"),
            (|policy| policy.incremental_days = 36_501, "incremental_days"),
            (|policy| policy.min_chains = 0, "min_chains"),
            (|policy| policy.min_chains = 1_001, "min_chains"),
            (|policy| policy.wal = WalRetention::Days(36_501), "wal_days"),
        ] {
            let mut policy = Policy::standard();
            change(&mut policy);
            match policy.check() {
                Err(RetentionError::RetentionValue { name, .. }) => assert_eq!(name, wanted),
                other => panic!("{wanted}: {other:?}"),
            }
        }
        let least =
            Policy { full_months: 0, differential_weeks: 0, incremental_days: 0, min_chains: 1, ..Policy::standard() };
        least.check().unwrap();
    }
}
