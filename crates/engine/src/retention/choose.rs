//! Whose policy counts? The catalog's, the last known one, that of `cadena.toml`, the standard.

use super::{LastKnownPolicy, Policy, STANDARD_NAME};
use serde::{Deserialize, Serialize};

/// The newest active row of `seguridad.backup_retention_policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// Its values. A row has none for WAL.
    pub policy: Policy,
    /// Whether it is the row that the catalog was born with, and nobody has changed it: then nobody has decided anything by it.
    pub is_untouched_standard: bool,
}

/// What the catalog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogAnswer {
    /// It could not be asked: no database, or no connection to it.
    Away,
    /// It is there, and has no active row.
    NoRow,
    /// This row.
    Row(PolicyRow),
}

/// Where a policy came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySource {
    /// The newest active row of the catalog.
    Catalog,
    /// The row that the catalog had when it was last asked.
    LastKnown,
    /// `[retention]` in `cadena.toml`.
    File,
    /// Nobody said anything: 12 months, 8 weeks, 7 days, 2 chains.
    Standard,
}

/// The policy that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyChoice {
    /// Its values.
    pub policy: Policy,
    /// Where it came from.
    pub source: PolicySource,
}

/// Chooses: the catalog's row; when the catalog can't be asked, the row that it last had; else `cadena.toml`; else the standard. A row
/// that nobody ever touched gives way to `cadena.toml`. How far back WAL goes is said by `cadena.toml` alone.
pub fn choose_policy(
    catalog: &CatalogAnswer,
    last_known: Option<&LastKnownPolicy>,
    file: Option<&Policy>,
) -> PolicyChoice {
    let row = match catalog {
        CatalogAnswer::Row(row) => Some((row, PolicySource::Catalog)),
        CatalogAnswer::Away => last_known.map(|known| (&known.row, PolicySource::LastKnown)),
        CatalogAnswer::NoRow => None,
    };
    let mut choice = match (row, file) {
        (Some((row, source)), file) if file.is_none() || !row.is_untouched_standard => {
            PolicyChoice { policy: row.policy.clone(), source }
        }
        (_, Some(file)) => PolicyChoice { policy: file.clone(), source: PolicySource::File },
        (_, None) => PolicyChoice { policy: Policy::standard(), source: PolicySource::Standard },
    };
    choice.policy.wal = file.map(|file| file.wal).unwrap_or_default();
    choice
}

impl PolicyRow {
    /// Makes a row; `is_untouched_standard` is told from its values.
    pub fn new(policy: Policy) -> Self {
        let is_untouched_standard =
            policy.name == STANDARD_NAME && Policy { wal: Default::default(), ..policy.clone() } == Policy::standard();
        PolicyRow { policy, is_untouched_standard }
    }
}

#[cfg(test)]
mod tests {
    use super::super::WalRetention;
    use super::*;

    fn policy(name: &str, full_months: u32) -> Policy {
        Policy { name: name.to_owned(), full_months, ..Policy::standard() }
    }

    fn chosen(catalog: &CatalogAnswer, last_known: Option<PolicyRow>, file: Option<&Policy>) -> (u32, PolicySource) {
        let last_known = last_known.map(|row| LastKnownPolicy { row, known_at: jiff::Timestamp::UNIX_EPOCH });
        let choice = choose_policy(catalog, last_known.as_ref(), file);
        (choice.policy.full_months, choice.source)
    }

    #[test]
    fn the_catalog_wins_then_what_it_last_said_then_the_file() {
        use CatalogAnswer::{Away, NoRow, Row};
        let row = PolicyRow::new(policy("PERSONALIZADA", 24));
        let older = PolicyRow::new(policy("ANTERIOR", 36));
        let file = policy("cadena.toml", 3);
        assert_eq!(chosen(&Row(row.clone()), Some(older.clone()), Some(&file)), (24, PolicySource::Catalog));
        assert_eq!(chosen(&Away, Some(older.clone()), Some(&file)), (36, PolicySource::LastKnown));
        assert_eq!(chosen(&Away, None, Some(&file)), (3, PolicySource::File));
        assert_eq!(chosen(&Away, None, None), (12, PolicySource::Standard));
        // Its rows were switched off: what it said before counts no more.
        assert_eq!(chosen(&NoRow, Some(older.clone()), Some(&file)), (3, PolicySource::File));
        assert_eq!(chosen(&NoRow, Some(older), None), (12, PolicySource::Standard));
    }

    #[test]
    fn a_row_that_nobody_touched_gives_way_to_the_file() {
        let born = PolicyRow::new(Policy::standard());
        assert!(born.is_untouched_standard);
        let file = policy("cadena.toml", 3);
        let row = CatalogAnswer::Row(born.clone());
        assert_eq!(chosen(&row, None, Some(&file)), (3, PolicySource::File));
        assert_eq!(chosen(&row, None, None), (12, PolicySource::Catalog));
        assert_eq!(chosen(&CatalogAnswer::Away, Some(born), Some(&file)), (3, PolicySource::File));
        // One that was changed under its old name was touched.
        assert!(!PolicyRow::new(policy(STANDARD_NAME, 11)).is_untouched_standard);
    }

    #[test]
    fn the_file_says_how_far_back_wal_goes() {
        let file = Policy { wal: WalRetention::Days(14), ..policy("cadena.toml", 3) };
        let row = CatalogAnswer::Row(PolicyRow::new(policy("PERSONALIZADA", 24)));
        let choice = choose_policy(&row, None, Some(&file));
        assert_eq!((choice.policy.full_months, choice.policy.wal), (24, WalRetention::Days(14)));
    }
}
