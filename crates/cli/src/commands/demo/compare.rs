//! Does the restored cluster hold what the source held when the backup ended?
//!
//! The load went on after that, so the source of now is the wrong measure. Each row of the ledger says where the WAL
//! stood while its transaction ran. From the backup's stop LSN follows which transactions were acknowledged before the
//! backup ended: those must all be there. The last one that is there of each worker gives a cut through the source's
//! ledger; at that cut the right content of every table is computed on the source, and must be the restored one's.

use super::error::DemoError;
use super::load::WORKERS;
use crate::failure::Failure;
use cadena::cluster::{Connection, LocalServer, SqlParameter};
use cadena::pgformat::Lsn;
use serde::Serialize;
use std::collections::BTreeMap;

const ACKNOWLEDGED: &str = include_str!("../../../sql/demo/acknowledged.sql");
const REACHED: &str = include_str!("../../../sql/demo/reached.sql");
const LEDGER: &str = include_str!("../../../sql/demo/ledger.sql");
/// The tables with the statement for the source, at the cut, and the one for the restored cluster, as it is.
const TABLES: [(&str, &str, Option<&str>); 3] = [
    ("ledger", LEDGER, None),
    (
        "account",
        include_str!("../../../sql/demo/account_expected.sql"),
        Some(include_str!("../../../sql/demo/account.sql")),
    ),
    (
        "document",
        include_str!("../../../sql/demo/document_expected.sql"),
        Some(include_str!("../../../sql/demo/document.sql")),
    ),
];

/// What was compared.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Transactions that were acknowledged before the backup ended.
    pub acknowledged: u64,
    /// Those of them that the restored cluster lacks.
    pub missing: u64,
    /// Transactions in the restored cluster.
    pub restored: u64,
    pub tables: Vec<TableComparison>,
}

/// One table of both clusters.
#[derive(Debug, Serialize)]
pub struct TableComparison {
    pub table: &'static str,
    pub source_rows: u64,
    pub restored_rows: u64,
    pub source_digest: String,
    pub restored_digest: String,
}

impl Comparison {
    /// Tells whether nothing is missing and nothing differs.
    pub fn is_same(&self) -> bool {
        self.missing == 0 && self.tables.iter().all(TableComparison::is_same)
    }
}

impl TableComparison {
    /// Tells whether rows and digests are equal.
    pub fn is_same(&self) -> bool {
        self.source_rows == self.restored_rows && self.source_digest == self.restored_digest
    }
}

/// Compares the restored cluster with the source at the restored cluster's own cut, which must lie beyond `stop_lsn`.
pub fn compare(source: &LocalServer, restored: &LocalServer, stop_lsn: Option<Lsn>) -> Result<Comparison, Failure> {
    let incomplete = |what: &str| Failure::from(DemoError::DemoIncomplete { what: what.to_owned() });
    let stop_lsn = stop_lsn.ok_or_else(|| incomplete("stop_lsn"))?.to_string();
    let mut source = Connection::connect(&source.connection_settings("postgres"))?;
    let mut restored = Connection::connect(&restored.connection_settings("postgres"))?;

    let acknowledged = acknowledged(&mut source, &stop_lsn)?;
    let (reached, restored_count) = reached(&mut restored)?;
    let missing = acknowledged.iter().map(|(worker, seq)| seq.saturating_sub(at(&reached, *worker))).sum::<u64>();
    // A hole below the last transaction is a lost one as well.
    let holes = reached.values().sum::<u64>().saturating_sub(restored_count);
    let cut: Vec<String> = (1..=WORKERS).map(|worker| at(&reached, worker).to_string()).collect();
    let cut = format!("{{{}}}", cut.join(","));
    let mut tables = Vec::new();
    for (table, on_source, on_restored) in TABLES {
        let (source_rows, source_digest) = digest(&mut source, on_source, Some(&cut))?;
        let (restored_rows, restored_digest) = match on_restored {
            Some(sql) => digest(&mut restored, sql, None)?,
            None => digest(&mut restored, on_source, Some(&cut))?,
        };
        tables.push(TableComparison { table, source_rows, restored_rows, source_digest, restored_digest });
    }
    let acknowledged = acknowledged.values().sum();
    Ok(Comparison { acknowledged, missing: missing + holes, restored: restored_count, tables })
}

fn at(transactions: &BTreeMap<u32, u64>, worker: u32) -> u64 {
    transactions.get(&worker).copied().unwrap_or(0)
}

fn acknowledged(source: &mut Connection, stop_lsn: &str) -> Result<BTreeMap<u32, u64>, Failure> {
    let rows = source.query("demo comparison", ACKNOWLEDGED, &[SqlParameter::Text(stop_lsn)])?;
    let mut found = BTreeMap::new();
    for row in 0..rows.rows() {
        found.insert(rows.parse(row, 0)?, rows.parse(row, 1)?);
    }
    Ok(found)
}

fn reached(restored: &mut Connection) -> Result<(BTreeMap<u32, u64>, u64), Failure> {
    let rows = restored.query("demo comparison", REACHED, &[])?;
    let (mut found, mut count) = (BTreeMap::new(), 0);
    for row in 0..rows.rows() {
        found.insert(rows.parse(row, 0)?, rows.parse(row, 1)?);
        count += rows.parse::<u64>(row, 2)?;
    }
    Ok((found, count))
}

/// Returns count and digest of a table as it is.
pub fn digest_of(connection: &mut Connection, sql: &str) -> Result<(u64, String), Failure> {
    digest(connection, sql, None)
}

fn digest(connection: &mut Connection, sql: &str, cut: Option<&str>) -> Result<(u64, String), Failure> {
    let parameters: Vec<SqlParameter<'_>> = cut.into_iter().map(SqlParameter::Text).collect();
    let rows = connection.query("demo comparison", sql, &parameters)?;
    Ok((rows.parse(0, 0)?, rows.text(0, 1)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(source: (u64, &str), restored: (u64, &str)) -> TableComparison {
        TableComparison {
            table: "account",
            source_rows: source.0,
            restored_rows: restored.0,
            source_digest: source.1.into(),
            restored_digest: restored.1.into(),
        }
    }

    #[test]
    fn a_missing_transaction_or_another_digest_is_not_the_same() {
        let comparison = |missing, tables| Comparison { acknowledged: 5, missing, restored: 5, tables };
        assert!(comparison(0, vec![table((1, "a"), (1, "a"))]).is_same());
        assert!(!comparison(1, vec![table((1, "a"), (1, "a"))]).is_same());
        assert!(!comparison(0, vec![table((1, "a"), (1, "b"))]).is_same());
        assert!(!comparison(0, vec![table((1, "a"), (2, "a"))]).is_same());
    }

    /// A cluster with a load that has ended, and the LSN at that moment.
    fn loaded() -> Option<(testkit::TestCluster, Lsn)> {
        let version = testkit::available_versions().pop()?;
        let cluster = testkit::TestCluster::new(version, &testkit::ClusterOptions::default());
        let owner = &cluster.owner().name;
        if owner != cluster.user() {
            // The demo's own clusters have the operating system's user as superuser.
            cluster.sql(&format!("CREATE ROLE \"{owner}\" SUPERUSER LOGIN"));
        }
        let cancel = cadena::Cancel::new();
        let load = super::super::load::create_tables(cluster.server(), &cancel)
            .and_then(|()| super::super::load::Load::start(cluster.server()));
        let committed = load.and_then(|load| load.wait_for(300, &cancel).and_then(|_| load.stop()));
        assert!(committed.as_ref().is_ok_and(|count| *count >= 300), "{committed:?}");
        let lsn = cluster.current_lsn();
        Some((cluster, lsn))
    }

    fn compared(cluster: &testkit::TestCluster, lsn: Lsn) -> Comparison {
        compare(cluster.server(), cluster.server(), Some(lsn)).unwrap_or_else(|error| panic!("{error:?}"))
    }

    #[test]
    fn what_the_load_did_follows_from_its_ledger_and_any_tampering_shows() {
        let Some((cluster, lsn)) = loaded() else { return };
        let whole = compared(&cluster, lsn);
        assert!(whole.is_same(), "{whole:?}");
        // Every row is below the LSN; of each worker the last one may have been committed after it, as far as its row tells.
        assert_eq!(whole.acknowledged, whole.restored - u64::from(WORKERS), "{whole:?}");

        let differing = |undo: &str, change: &str| -> Vec<&str> {
            cluster.sql(change);
            let found = compared(&cluster, lsn);
            cluster.sql(undo);
            assert!(!found.is_same(), "{change} is not seen: {found:?}");
            found.tables.iter().filter(|table| !table.is_same()).map(|table| table.table).collect()
        };
        let account = "UPDATE public.account SET balance = balance";
        assert_eq!(
            differing(&format!("{account} - 1 WHERE id = 7"), &format!("{account} + 1 WHERE id = 7")),
            ["account"]
        );
        let document = "UPDATE public.document SET body = reverse(body) WHERE id = 7";
        assert_eq!(differing(document, document), ["document"]);
        assert!(compared(&cluster, lsn).is_same());
    }

    #[test]
    fn a_transaction_that_is_lost_is_counted() {
        let Some((cluster, lsn)) = loaded() else { return };
        let restored = testkit::available_versions()
            .pop()
            .map(|version| testkit::TestCluster::new(version, &testkit::ClusterOptions::default()));
        let Some(restored) = restored else { return };
        assert_eq!(missing_after(&cluster, &restored, lsn, "seq <= 40"), Some(true));
        assert_eq!(missing_after(&cluster, &restored, lsn, "seq <> 20"), Some(true));
        assert_eq!(missing_after(&cluster, &restored, lsn, "true"), Some(false));
    }

    /// Copies a part of the ledger into another cluster, and tells whether transactions are found missing there.
    fn missing_after(
        cluster: &testkit::TestCluster,
        other: &testkit::TestCluster,
        lsn: Lsn,
        part: &str,
    ) -> Option<bool> {
        let owner = &other.owner().name;
        other.sql("DROP TABLE IF EXISTS public.ledger, public.account, public.document");
        if owner != other.user() {
            other.sql(&format!("DROP ROLE IF EXISTS \"{owner}\"; CREATE ROLE \"{owner}\" SUPERUSER LOGIN"));
        }
        super::super::load::create_tables(other.server(), &cadena::Cancel::new()).ok()?;
        let rows = cluster.sql(&format!(
            "SELECT string_agg(format('(%s,%s,%s,%s,%s,''%s'')', worker, seq, account_id, document_id, amount, at_lsn), ',') \
             FROM public.ledger WHERE {part}"
        ));
        other.sql(&format!("INSERT INTO public.ledger VALUES {rows}"));
        compare(cluster.server(), other.server(), Some(lsn)).ok().map(|found| found.missing > 0)
    }
}
