//! What is done to everything that is neither table nor database: views, sequences, large objects, catalogs, transactions.

use super::prng::Prng;
use super::step::Step;
use super::tables::rows;
use super::world::{MaterializedView, PreparedTransaction, TableKind, World, sql};

pub(super) fn materialized_view(world: &mut World, random: &mut Prng) -> Option<Step> {
    if let Some(at) = random.position(world.views.len()) {
        let name = world.views[at].name.clone();
        if world.tables.iter().any(|table| table.is_locked && table.name == world.views[at].table) || random.percent(70)
        {
            return sql("refresh view", format!("REFRESH MATERIALIZED VIEW {name}"));
        }
        world.views.remove(at);
        return sql("drop view", format!("DROP MATERIALIZED VIEW {name}"));
    }
    let at = world.free_table(random, |table| table.kind == TableKind::Plain)?;
    let (name, table) = (format!("v{}", world.number()), world.tables[at].name.clone());
    let text = format!(
        "CREATE MATERIALIZED VIEW {name} AS SELECT id, note FROM {table} WHERE id % 3 = 0; CREATE INDEX ON {name} (id)"
    );
    world.views.push(MaterializedView { name, table });
    sql("create view", text)
}

pub(super) fn sequence(world: &mut World, random: &mut Prng) -> Option<Step> {
    let Some(at) = random.position(world.sequences.len()).filter(|_| random.percent(80)) else {
        let name = format!("s{}", world.number());
        world.sequences.push(name.clone());
        return sql("create sequence", format!("CREATE SEQUENCE {name}; SELECT nextval('{name}')"));
    };
    let name = world.sequences[at].clone();
    match random.below(5) {
        0 => sql("set sequence", format!("SELECT setval('{name}', {})", random.between(1, 100_000))),
        1 => sql("restart sequence", format!("ALTER SEQUENCE {name} RESTART WITH {}", random.between(1, 1000))),
        2 => {
            world.sequences.remove(at);
            sql("drop sequence", format!("DROP SEQUENCE {name}"))
        }
        _ => {
            let count = random.between(1, 100);
            sql("nextval", format!("SELECT max(nextval('{name}')) FROM generate_series(1, {count})"))
        }
    }
}

/// Makes the table that knows the large objects.
pub(super) const PICTURES: &str = "CREATE TABLE picture (id oid, n bigint)";

pub(super) fn large_object(world: &mut World, random: &mut Prng) -> Option<Step> {
    let salt = random.below(1 << 20);
    if world.pictures == 0 || random.percent(40) {
        world.pictures += 1;
        let (number, length) = (world.pictures, random.pick(&[1, 200, 2000]));
        let content =
            format!("decode((SELECT string_agg(md5('{salt}-' || n), '') FROM generate_series(1, {length}) n), 'hex')");
        return sql("create large object", format!("INSERT INTO picture SELECT lo_from_bytea(0, {content}), {number}"));
    }
    let number = random.between(1, world.pictures);
    match random.below(3) {
        0 => sql(
            "drop large object",
            format!(
                "WITH gone AS (DELETE FROM picture WHERE n = {number} RETURNING id) SELECT lo_unlink(id) FROM gone"
            ),
        ),
        1 => sql("vacuum large objects", "VACUUM pg_largeobject".to_owned()),
        _ => {
            let offset = random.below(5000);
            sql(
                "change large object",
                format!(
                    "SELECT lo_put(id, {offset}, convert_to(repeat(md5('{salt}'), 70), 'UTF8')) FROM picture WHERE n = {number}"
                ),
            )
        }
    }
}

pub(super) fn temporary_table(world: &mut World, random: &mut Prng) -> Option<Step> {
    let name = format!("passing{}", world.number());
    let count = random.between(1, 3000);
    sql(
        "temporary table",
        format!(
            "CREATE TEMP TABLE {name} AS SELECT n, repeat('t', 90) AS note FROM generate_series(1, {count}) n; \
             CREATE INDEX ON {name} (n); DELETE FROM {name} WHERE n % 2 = 0; VACUUM {name}"
        ),
    )
}

/// System tables that are moved to another file; for the first and the last pg_filenode.map says which.
pub(super) fn catalog(_: &mut World, random: &mut Prng) -> Option<Step> {
    let text = *random.pick(&[
        "VACUUM FULL pg_class",
        "VACUUM FULL pg_attribute",
        "REINDEX TABLE pg_class",
        "VACUUM FULL pg_largeobject",
        "VACUUM FULL pg_database",
    ]);
    sql("rewrite catalog", text.to_owned())
}

pub(super) fn role(world: &mut World, _: &mut Prng) -> Option<Step> {
    let number = world.number();
    let table = &world.tables.first()?.name;
    sql(
        "create role",
        format!(
            "CREATE ROLE r{number}; GRANT CONNECT ON DATABASE postgres TO r{number}; \
             COMMENT ON TABLE {table} IS 'comment {number}'; \
             CREATE FUNCTION f{number}() RETURNS int LANGUAGE sql AS 'SELECT {number}'"
        ),
    )
}

pub(super) fn checkpoint(_: &mut World, random: &mut Prng) -> Option<Step> {
    let text = *random.pick(&["CHECKPOINT", "SELECT pg_switch_wal()", "SELECT pg_switch_wal(); CHECKPOINT"]);
    sql("checkpoint or switch", text.to_owned())
}

pub(super) fn prepared_transaction(world: &mut World, random: &mut Prng) -> Option<Step> {
    if let Some(at) = random.position(world.prepared.len()).filter(|_| random.percent(60)) {
        return Some(end_prepared(world, random, at));
    }
    if world.prepared.len() >= 2 {
        return None;
    }
    let at = world.free_table(random, |table| table.kind != TableKind::Unlogged)?;
    let number = world.number();
    let (gid, table) = (format!("g{number}"), &mut world.tables[at]);
    let insert = format!(
        "INSERT INTO {} (id, k, note, body, tags, spot, span) {}",
        table.name,
        rows(table.next_id, 120, number)
    );
    table.next_id += 120;
    let work = match random.below(2) {
        0 => insert,
        _ => format!("{insert}; UPDATE {} SET note = 'promised' WHERE id % 20 = 3", table.name),
    };
    let text = format!("BEGIN; {work}; PREPARE TRANSACTION '{gid}'");
    table.is_locked = true;
    let table = table.name.clone();
    world.prepared.push(PreparedTransaction { gid, table });
    sql("prepare transaction", text)
}

/// Ends a prepared transaction and lets its table go.
pub(super) fn end_prepared(world: &mut World, random: &mut Prng, at: usize) -> Step {
    let PreparedTransaction { gid, table } = world.prepared.remove(at);
    for each in world.tables.iter_mut().filter(|each| each.name == table) {
        each.is_locked = false;
    }
    let word = if random.percent(60) { "COMMIT" } else { "ROLLBACK" };
    Step::Sql { what: "end prepared", database: super::world::MAIN.to_owned(), sql: format!("{word} PREPARED '{gid}'") }
}

/// Definitions that never come to be leave their files for a moment, or for good when the server dies.
pub(super) fn undone(world: &mut World, random: &mut Prng) -> Option<Step> {
    let text = open_work(world, random);
    if random.percent(60) {
        sql("definitions rolled back", format!("{text}; ROLLBACK"))
    } else {
        Some(Step::Crash { open: text })
    }
}

fn open_work(world: &mut World, random: &mut Prng) -> String {
    let number = world.number();
    let count = random.between(1, 3000);
    let made = format!(
        "BEGIN; CREATE TABLE undone{number} AS SELECT n, md5(n::text) AS note FROM generate_series(1, {count}) n; \
         CREATE INDEX ON undone{number} (n)"
    );
    match world.free_table(random, |table| table.kind == TableKind::Plain) {
        Some(at) if random.percent(50) => {
            let table = &world.tables[at].name;
            format!("{made}; TRUNCATE {table}; INSERT INTO {table} (id, note) VALUES (0, 'undone')")
        }
        _ => made,
    }
}
