//! What is done to tables and their indexes.

use super::prng::Prng;
use super::step::Step;
use super::world::{INDEX_SHAPES, Index, Table, TableKind, World, sql, tablespace_name};

/// More would make the dumps slow.
const MOST_TABLES: usize = 7;

/// Returns a query that makes rows: hardly compressible notes, bodies that are moved out of line, values for every kind of index.
pub(super) fn rows(from: u64, count: u64, salt: u64) -> String {
    let to = from + count.max(1) - 1;
    format!(
        "SELECT n, n % 50, md5('{salt}-' || n), \
         CASE WHEN n % 40 = 0 THEN (SELECT string_agg(md5(n * m || '-{salt}'), '') FROM generate_series(1, 150) m) END, \
         ARRAY[n % 10, n % 7], point(n % 100, n % 37), int4range((n % 500)::int, (n % 500 + n % 20 + 1)::int) \
         FROM generate_series({from}::bigint, {to}) n"
    )
}

fn some_count(random: &mut Prng) -> u64 {
    *random.pick_weighted(&[(3, 1), (3, 20), (4, 300), (2, 2000)])
}

/// Returns a condition that some of the rows fulfil: from all to one in a thousand.
fn some_rows(random: &mut Prng) -> String {
    let modulus = *random.pick_weighted(&[(1, 1), (2, 5), (3, 50), (3, 1000)]);
    format!("id % {modulus} = {}", random.below(modulus))
}

pub(super) fn create(world: &mut World, random: &mut Prng) -> Option<Step> {
    if world.tables.len() >= MOST_TABLES {
        return None;
    }
    let number = world.number();
    let kind = *random.pick_weighted(&[(6, TableKind::Plain), (2, TableKind::Unlogged), (2, TableKind::Partitioned)]);
    let name = format!("t{number}");
    let tablespace = world.some_tablespace(random).filter(|_| kind != TableKind::Partitioned);
    let count = some_count(random);
    let mut text = format!(
        "CREATE {}TABLE {name} (id bigint, k int, note text, body text, tags bigint[], spot point, span int4range){}",
        if kind == TableKind::Unlogged { "UNLOGGED " } else { "" },
        if kind == TableKind::Partitioned { " PARTITION BY HASH (id)" } else { "" },
    );
    if random.percent(30) && kind != TableKind::Partitioned {
        text.push_str(" WITH (fillfactor = 50)");
    }
    if let Some(tablespace) = &tablespace {
        text.push_str(&format!(" TABLESPACE {tablespace}"));
    }
    if kind == TableKind::Partitioned {
        for part in 0..3 {
            let bounds = format!("FOR VALUES WITH (MODULUS 3, REMAINDER {part})");
            text.push_str(&format!("; CREATE TABLE {name}_{part} PARTITION OF {name} {bounds}"));
        }
    }
    let mut indexes = Vec::new();
    let fill = format!("; INSERT INTO {name} {}", rows(1, count, number));
    // Filled first, its indexes are built at once; else they grow.
    let is_filled_first = random.percent(50);
    text.extend(is_filled_first.then_some(fill.as_str()));
    for place in 0..random.below(3) {
        let (method, column) = *random.pick(&INDEX_SHAPES);
        let index = Index { name: format!("i{number}_{place}"), method };
        text.push_str(&format!("; CREATE INDEX {} ON {name} USING {method} ({column})", index.name));
        indexes.push(index);
    }
    text.extend((!is_filled_first).then_some(fill.as_str()));
    // All at once or one after the other: a new file and its first pages in one transaction, or not.
    if random.percent(50) {
        text = format!("BEGIN; {text}; COMMIT");
    }
    let table = Table {
        name,
        kind,
        tablespace,
        indexes,
        columns: Vec::new(),
        k_is_bigint: false,
        next_id: 1 + count,
        is_locked: false,
    };
    world.tables.push(table);
    sql("create table", text)
}

pub(super) fn drop(world: &mut World, random: &mut Prng) -> Option<Step> {
    // Some are always left to be changed.
    if world.tables.len() < 3 {
        return None;
    }
    let at = world.free_table(random, |_| true)?;
    let table = world.tables.remove(at);
    world.views.retain(|view| view.table != table.name);
    sql("drop table", format!("DROP TABLE {} CASCADE", table.name))
}

pub(super) fn insert(world: &mut World, random: &mut Prng) -> Option<Step> {
    let (at, count, salt) = (world.choose(random, |_| true)?, some_count(random), world.number());
    let table = &mut world.tables[at];
    let statement = format!(
        "INSERT INTO {} (id, k, note, body, tags, spot, span) {}",
        table.name,
        rows(table.next_id, count, salt)
    );
    table.next_id += count;
    match random.below(10) {
        0 => sql("insert rolled back", format!("BEGIN; {statement}; ROLLBACK")),
        1 => sql(
            "insert after savepoint",
            format!("BEGIN; SAVEPOINT s; {statement}; ROLLBACK TO s; {statement}; COMMIT"),
        ),
        _ => sql("insert", statement),
    }
}

pub(super) fn copy(world: &mut World, random: &mut Prng) -> Option<Step> {
    let (at, count) = (world.choose(random, |_| true)?, random.between(1, 60));
    let table = &mut world.tables[at];
    let mut text = format!("COPY {} (id, k, note, tags) FROM stdin;\n", table.name);
    for id in table.next_id..table.next_id + count {
        text.push_str(&format!("{id}\t{}\tcopied {:016x}\t{{{},{}}}\n", id % 50, random.next_u64(), id % 10, id % 7));
    }
    table.next_id += count;
    // An empty statement, which is what would follow, keeps psql from giving out what comes after it.
    text.push_str(&format!("\\.\nANALYZE {}", table.name));
    sql("copy", text)
}

pub(super) fn update(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |_| true)?;
    let (table, salt) = (&world.tables[at].name, random.below(1 << 20));
    let change = *random.pick(&[
        "k = (k + 1) % 50",
        "note = md5(note || 'SALT')",
        "body = (SELECT string_agg(md5(id * m || 'SALT'), '') FROM generate_series(1, 150) m)",
        "tags = tags || (id % 10)",
        "spot = point(id % 90, id % 41), span = int4range((id % 400)::int, (id % 400 + 9)::int)",
        // From the tail of the table to its free room in front.
        "id = id",
    ]);
    let condition = if change.starts_with("body") { "id % 40 = 0".to_owned() } else { some_rows(random) };
    let change = change.replace("SALT", &salt.to_string());
    sql("update", format!("UPDATE {table} SET {change} WHERE {condition}"))
}

pub(super) fn delete(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |_| true)?;
    let table = &world.tables[at];
    let condition = match random.below(3) {
        // Its end, which VACUUM then cuts off.
        0 => format!("id > {}", random.below(table.next_id)),
        1 => format!("id < {}", random.below(table.next_id)),
        _ => some_rows(random),
    };
    let vacuum = if random.percent(40) { format!("; VACUUM {}", table.name) } else { String::new() };
    sql("delete", format!("DELETE FROM {} WHERE {condition}{vacuum}", table.name))
}

/// Rows locked by one subtransaction and changed by another have more than one owner: pg_multixact is written.
pub(super) fn lock_rows(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |table| table.kind != TableKind::Unlogged)?;
    let (table, condition) = (&world.tables[at].name, some_rows(random));
    sql(
        "lock rows",
        format!(
            "BEGIN; SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {condition} FOR KEY SHARE) locked; SAVEPOINT s; \
             UPDATE {table} SET k = k WHERE {condition}; COMMIT"
        ),
    )
}

pub(super) fn truncate(world: &mut World, random: &mut Prng) -> Option<Step> {
    let (at, count, salt) = (world.free_table(random, |_| true)?, some_count(random), world.number());
    let table = &mut world.tables[at];
    let name = table.name.clone();
    let refill =
        format!("INSERT INTO {name} (id, k, note, body, tags, spot, span) {}", rows(table.next_id, count, salt));
    table.next_id += count;
    match random.below(4) {
        0 => sql("truncate", format!("TRUNCATE {name}")),
        1 => sql("truncate and fill", format!("BEGIN; TRUNCATE {name}; {refill}; COMMIT")),
        2 => sql("truncate, then fill", format!("TRUNCATE {name}; {refill}")),
        _ => sql("truncate rolled back", format!("BEGIN; TRUNCATE {name}; {refill}; ROLLBACK")),
    }
}

pub(super) fn create_index(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |table| table.indexes.len() < 4)?;
    let (number, tablespace) = (world.number(), world.some_tablespace(random));
    let (method, column) = *random.pick(&INDEX_SHAPES);
    let table = &mut world.tables[at];
    let name = format!("i{number}");
    let place = match tablespace {
        Some(tablespace) if random.percent(30) => format!(" TABLESPACE {tablespace}"),
        _ => String::new(),
    };
    let text = format!("CREATE INDEX {name} ON {} USING {method} ({column}){place}", table.name);
    table.indexes.push(Index { name, method });
    sql("create index", text)
}

pub(super) fn drop_index(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |table| !table.indexes.is_empty())?;
    let indexes = &mut world.tables[at].indexes;
    let at = random.position(indexes.len())?;
    sql("drop index", format!("DROP INDEX {}", indexes.remove(at).name))
}

pub(super) fn reindex(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |table| !table.indexes.is_empty())?;
    let table = &world.tables[at];
    let index = &random.pick(&table.indexes).name;
    let brin = table.indexes.iter().find(|index| index.method == "brin").filter(|_| table.kind == TableKind::Plain);
    match (random.below(3), brin) {
        (0, _) => sql("reindex table", format!("REINDEX TABLE {}", table.name)),
        // It waits for every older transaction, prepared ones included.
        (1, _) if world.prepared.is_empty() => {
            sql("reindex concurrently", format!("REINDEX INDEX CONCURRENTLY {index}"))
        }
        (2, Some(brin)) => sql("summarize brin", format!("SELECT brin_summarize_new_values('{}')", brin.name)),
        _ => sql("reindex index", format!("REINDEX INDEX {index}")),
    }
}

pub(super) fn vacuum(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |_| true)?;
    let options = *random.pick_weighted(&[
        (4, ""),
        (2, "(FREEZE)"),
        (2, "(INDEX_CLEANUP ON, DISABLE_PAGE_SKIPPING)"),
        (3, "(FULL)"),
        (1, "(ANALYZE)"),
    ]);
    let what = if options == "(FULL)" { "vacuum full" } else { "vacuum" };
    sql(what, format!("VACUUM {options} {}", world.tables[at].name))
}

pub(super) fn cluster(world: &mut World, random: &mut Prng) -> Option<Step> {
    let has_btree = |table: &Table| table.indexes.iter().any(|index| index.method == "btree");
    let at = world.free_table(random, |table| table.kind != TableKind::Partitioned && has_btree(table))?;
    let table = &world.tables[at];
    let index = table.indexes.iter().find(|index| index.method == "btree")?;
    sql("cluster", format!("CLUSTER {} USING {}", table.name, index.name))
}

pub(super) fn alter(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = world.free_table(random, |_| true)?;
    let (number, tablespace) = (world.number(), world.some_tablespace(random));
    let table = &mut world.tables[at];
    let name = table.name.clone();
    match random.below(7) {
        0 => {
            table.columns.push(format!("x{number}"));
            sql("add column", format!("ALTER TABLE {name} ADD COLUMN x{number} int DEFAULT {number}"))
        }
        1 => {
            table.columns.push(format!("x{number}"));
            let default = "md5(clock_timestamp()::text)";
            sql("add column by rewriting", format!("ALTER TABLE {name} ADD COLUMN x{number} text DEFAULT {default}"))
        }
        2 => {
            let at = random.position(table.columns.len())?;
            sql("drop column", format!("ALTER TABLE {name} DROP COLUMN {}", table.columns.remove(at)))
        }
        3 => {
            table.k_is_bigint = !table.k_is_bigint;
            let type_name = if table.k_is_bigint { "bigint" } else { "int" };
            sql("alter type", format!("ALTER TABLE {name} ALTER COLUMN k TYPE {type_name}"))
        }
        4 => {
            let (kind, words) = match table.kind {
                TableKind::Plain => (TableKind::Unlogged, "UNLOGGED"),
                TableKind::Unlogged => (TableKind::Plain, "LOGGED"),
                TableKind::Partitioned => return None,
            };
            // A view's rows would be those that the table loses in a crash.
            if world.views.iter().any(|view| view.table == name) {
                return None;
            }
            world.tables[at].kind = kind;
            sql("set logged or unlogged", format!("ALTER TABLE {name} SET {words}"))
        }
        5 => {
            if table.kind == TableKind::Partitioned {
                let place = tablespace_name(tablespace.as_ref());
                return sql("move partition", format!("ALTER TABLE {name}_{} SET TABLESPACE {place}", random.below(3)));
            }
            let there = format!("ALTER TABLE {name} SET TABLESPACE {}", tablespace_name(tablespace.as_ref()));
            let back = format!("ALTER TABLE {name} SET TABLESPACE {}", tablespace_name(table.tablespace.as_ref()));
            if random.percent(40) {
                return sql("set tablespace and back", format!("{there}; {back}"));
            }
            table.tablespace = tablespace;
            sql("set tablespace", there)
        }
        _ => {
            if table.kind != TableKind::Partitioned {
                return None;
            }
            let part = random.below(3);
            sql(
                "detach and attach partition",
                format!(
                    "ALTER TABLE {name} DETACH PARTITION {name}_{part}; TRUNCATE {name}_{part}; \
                     ALTER TABLE {name} ATTACH PARTITION {name}_{part} FOR VALUES WITH (MODULUS 3, REMAINDER {part})"
                ),
            )
        }
    }
}
