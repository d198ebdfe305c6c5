use super::statements::POLICY;
use super::transaction::in_transaction;
use super::{CatalogError, CatalogState, state};
use engine::cluster::{Connection, QueryResult};
use engine::retention::{self, CatalogAnswer, Policy};
use serde::Serialize;

/// The retention policy that counts: the newest active row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyRow {
    /// The row's number.
    pub id: i64,
    /// `nombre`.
    pub name: String,
    /// `retencion_full_meses`.
    pub full_months: u32,
    /// `retencion_diferencial_semanas`.
    pub differential_weeks: u32,
    /// `retencion_incremental_dias`.
    pub incremental_days: u32,
    /// `min_cadenas_activas`, at least 1.
    pub min_chains: u32,
    /// `fecha_creacion`; `None` for `infinity`.
    pub created_at: Option<jiff::Timestamp>,
    /// Whether it is the row ESTANDAR as it was installed: nobody has chosen anything.
    pub is_untouched_standard: bool,
}

/// Reads the policy that counts. `None` when there is no catalog, or no active row in it. Works on a standby.
///
/// # Errors
/// `CatalogPolicy` for values that make no sense, with the row's number and name: a policy that nobody understands must not remove
/// backups. `CatalogForeign`, `CatalogPrivilege`, `CatalogBusy` and such; those of the server.
pub fn policy(connection: &mut Connection) -> Result<Option<PolicyRow>, CatalogError> {
    if state(connection)? == CatalogState::Absent {
        return Ok(None);
    }
    super::state::demand(connection, true)?;
    in_transaction(connection, |connection| {
        let rows = connection.query("read the retention policy", POLICY, &[])?;
        if rows.rows() == 0 { Ok(None) } else { row(&rows).map(Some) }
    })
}

/// Asks the catalog which retention policy counts, for [`engine::retention::settle_policy`]. Where there is none that is ours, what it last said
/// counts, as when it can't be reached.
///
/// # Errors
/// Those of [`policy`].
pub fn policy_answer(connection: &mut Connection) -> Result<CatalogAnswer, CatalogError> {
    if matches!(state(connection)?, CatalogState::Absent | CatalogState::Foreign { .. }) {
        return Ok(CatalogAnswer::Away);
    }
    let row = policy(connection)?.map(|row| {
        let values = Policy {
            name: row.name,
            full_months: row.full_months,
            differential_weeks: row.differential_weeks,
            incremental_days: row.incremental_days,
            min_chains: row.min_chains,
            wal: Default::default(),
        };
        retention::PolicyRow::new(values)
    });
    Ok(row.map_or(CatalogAnswer::NoRow, CatalogAnswer::Row))
}

fn row(rows: &QueryResult) -> Result<PolicyRow, CatalogError> {
    let (id, name) = (rows.parse::<i64>(0, 0)?, rows.text(0, 1)?.to_owned());
    let number = |column: usize, field: &str, least: u32| -> Result<u32, CatalogError> {
        let text = rows.bytes(0, column).map_or_else(|| "NULL".into(), String::from_utf8_lossy);
        text.parse().ok().filter(|number| *number >= least).ok_or_else(|| CatalogError::CatalogPolicy {
            id: id.to_string(),
            name: name.clone(),
            detail: format!("{field} = {text}"),
        })
    };
    let (full_months, differential_weeks) =
        (number(2, "retencion_full_meses", 0)?, number(3, "retencion_diferencial_semanas", 0)?);
    let (incremental_days, min_chains) =
        (number(4, "retencion_incremental_dias", 0)?, number(5, "min_cadenas_activas", 1)?);
    let created_at = match rows.bytes(0, 6) {
        Some(_) => jiff::Timestamp::from_microsecond(rows.parse(0, 6)?).ok(),
        None => None,
    };
    let is_untouched_standard =
        name == "ESTANDAR" && (full_months, differential_weeks, incremental_days, min_chains) == (12, 8, 7, 2);
    Ok(PolicyRow {
        id,
        name,
        full_months,
        differential_weeks,
        incremental_days,
        min_chains,
        created_at,
        is_untouched_standard,
    })
}
