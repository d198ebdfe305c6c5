//! Do the indexes of a cluster say the same as its tables?
//!
//! pg_amcheck looks at heaps and B-trees only, and at no visibility map. Here every index is asked in the way that its access method
//! answers, and once more without it. An index-only scan of a B-tree believes the visibility map: a bit too many brings back rows that
//! were deleted.

use crate::cluster::TestCluster;

/// The access methods and key columns of every index of plain tables that belongs to us. Only columns by themselves: an
/// expression would have to be asked for in its own words.
const INDEXES: &str = "
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), m.amname, quote_ident(a.attname), t.typname
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
    JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relkind IN ('r', 'm') AND n.nspname = 'public' AND i.indisvalid AND i.indnatts = 1 AND i.indpred IS NULL
    ORDER BY 1, 2, 3";

/// Settings under which the planner reads a table itself, and under which it uses an index wherever one can answer. A hash, GIN or
/// BRIN index answers a bitmap scan; a B-tree is to be read without its table.
const WITHOUT_INDEX: &str = "SET enable_seqscan = on; SET enable_indexscan = off; SET enable_indexonlyscan = off; \
     SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0;";
const WITH_INDEX: &str = "SET enable_seqscan = off; SET enable_indexscan = on; SET enable_indexonlyscan = on; \
     SET enable_bitmapscan = BITMAP; SET max_parallel_workers_per_gather = 0;";

/// Returns a query that an index of this method on this column can answer, or `None` for one that we know nothing to ask.
fn question(table: &str, method: &str, column: &str, type_name: &str) -> Option<String> {
    let per_value = |condition: &str| {
        Some(format!(
            "SELECT string_agg(g || ':' || found, ',' ORDER BY g) FROM generate_series(0, 49) g, \
             LATERAL (SELECT count(*) AS found FROM {table} WHERE {condition}) each"
        ))
    };
    match (method, type_name) {
        ("btree", "int4" | "int8") => Some(format!(
            "SELECT count({column}) || ',' || coalesce(sum({column}), 0) FROM {table} WHERE {column} > -1000000000"
        )),
        ("btree" | "spgist", "text") => Some(format!(
            "SELECT count({column}) || ',' || coalesce(sum(hashtext({column})::bigint), 0) FROM {table} WHERE {column} >= ''"
        )),
        ("brin", "int4" | "int8") => per_value(&format!("{column} >= g * 100 AND {column} < g * 100 + 90")),
        ("hash", _) => per_value(&format!("{column} = g")),
        ("gin", "_int8") => per_value(&format!("{column} @> ARRAY[g::bigint]")),
        ("gist" | "spgist", "point") => per_value(&format!("{column} <@ box(point(g, g - 20), point(g + 2, g + 3))")),
        ("gist", "int4range") => per_value(&format!("{column} && int4range(g * 10, g * 10 + 7)")),
        _ => None,
    }
}

/// Asks every index of a database and compares with what its table says; returns a sentence for each that differs. Prepared
/// transactions may be open.
///
/// # Panics
/// When a query fails: an index that can't be read is worse than one that is wrong. When an index is of a kind that nothing is asked of.
#[track_caller]
pub fn index_disagreements(cluster: &TestCluster, database: &str) -> Vec<String> {
    let mut session = cluster.session(database);
    let mut run = |sql: &str| session.run(sql).unwrap_or_else(|failure| panic!("{database}: {sql}\n{failure}"));
    let listed = run(INDEXES);
    let mut disagreements = Vec::new();
    for line in listed.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [table, method, column, type_name] = fields[..] else { panic!("{line:?}") };
        let Some(question) = question(table, method, column, type_name) else {
            panic!("{database}: nothing to ask a {method} index on {table} ({column} {type_name})")
        };
        let truth = run(&format!("{WITHOUT_INDEX} {question}"));
        let bitmap = if method == "btree" { "off" } else { "on" };
        let said = run(&format!("{} {question}", WITH_INDEX.replace("BITMAP", bitmap)));
        if truth != said {
            disagreements.push(format!("{database}: {method} on {table} ({column}): {said} instead of {truth}"));
        }
    }
    disagreements
}
