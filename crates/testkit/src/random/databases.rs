//! What is done to whole databases and to tablespaces.

use super::prng::Prng;
use super::step::Step;
use super::world::{Database, World, sql, tablespace_name};
use pgformat::MajorVersion;

/// Each costs a dump in every comparison.
const MOST_DATABASES: usize = 2;
const MOST_TABLESPACES: usize = 2;
/// OIDs that we choose: above those that the server gives out in a test's time.
const FIRST_OID: u64 = 900_000;

/// Returns ` STRATEGY …` where the server knows it: before 15 there is one way only, which copies files.
fn strategy(world: &World, random: &mut Prng) -> &'static str {
    match world.version >= MajorVersion::V15 {
        true if random.percent(50) => " STRATEGY file_copy",
        true => " STRATEGY wal_log",
        false => "",
    }
}

/// Returns a database to copy.
fn template(world: &World, random: &mut Prng, except: &str) -> String {
    let others: Vec<&str> =
        world.databases.iter().map(|each| each.name.as_str()).filter(|name| *name != except).collect();
    match random.position(others.len()) {
        Some(at) if random.percent(60) => others[at].to_owned(),
        _ => "template0".to_owned(),
    }
}

pub(super) fn create(world: &mut World, random: &mut Prng) -> Option<Step> {
    if world.databases.len() >= MOST_DATABASES {
        return None;
    }
    let number = world.number();
    let name = format!("d{number}");
    let oid = (world.version >= MajorVersion::V15).then_some(FIRST_OID + number);
    let tablespace = world.some_tablespace(random).filter(|_| random.percent(50));
    let mut text =
        format!("CREATE DATABASE {name} TEMPLATE {}{}", template(world, random, ""), strategy(world, random));
    text.extend(oid.map(|oid| format!(" OID {oid}")));
    // Left out, it would be the template's.
    text.push_str(&format!(" TABLESPACE {}", tablespace_name(tablespace.as_ref())));
    world.databases.push(Database { name, oid, tablespace });
    sql("create database", text)
}

pub(super) fn write(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = random.position(world.databases.len())?;
    let salt = world.number();
    let count = random.pick(&[1, 50, 2000]);
    let text = format!(
        "CREATE TABLE IF NOT EXISTS filled (id bigint, note text); CREATE INDEX IF NOT EXISTS filled_id ON filled (id); \
         INSERT INTO filled SELECT n, md5('{salt}-' || n) FROM generate_series(1, {count}) n; \
         UPDATE filled SET note = 'seen' WHERE id % 20 = {}",
        random.below(20)
    );
    let further = *random.pick(&[
        "",
        "; DELETE FROM filled WHERE id > 100; VACUUM filled",
        "; VACUUM FULL filled",
        "; VACUUM FULL pg_class",
    ]);
    let database = world.databases[at].name.clone();
    Some(Step::Sql { what: "write to database", database, sql: text + further })
}

pub(super) fn change(world: &mut World, random: &mut Prng) -> Option<Step> {
    let at = random.position(world.databases.len())?;
    let Database { name, oid, tablespace } = world.databases[at].clone();
    match random.below(4) {
        0 => {
            world.databases.remove(at);
            sql("drop database", format!("DROP DATABASE {name} WITH (FORCE)"))
        }
        1 => {
            let other = world.some_tablespace(random);
            if other == tablespace {
                return None;
            }
            let there = format!("ALTER DATABASE {name} SET TABLESPACE {}", tablespace_name(other.as_ref()));
            if random.percent(40) {
                let back = format!("ALTER DATABASE {name} SET TABLESPACE {}", tablespace_name(tablespace.as_ref()));
                return sql("move database and back", format!("{there}; {back}"));
            }
            world.databases[at].tablespace = other;
            sql("move database", there)
        }
        // The same OID again: every file of the old database's may have a namesake in the new one.
        _ => {
            let oid = oid?;
            let (from, how) = (template(world, random, &name), strategy(world, random));
            let place = tablespace_name(tablespace.as_ref());
            sql(
                "same OID again",
                format!(
                    "DROP DATABASE {name} WITH (FORCE); CREATE DATABASE {name} TEMPLATE {from}{how} OID {oid} TABLESPACE {place}"
                ),
            )
        }
    }
}

pub(super) fn tablespace(world: &mut World, random: &mut Prng) -> Option<Step> {
    let is_used = |world: &World, name: &String| {
        world.tables.iter().any(|table| table.tablespace.as_ref() == Some(name))
            || world.databases.iter().any(|database| database.tablespace.as_ref() == Some(name))
    };
    // The first one stays. Indexes and partitions are not in the model, so whatever is left is moved away.
    if let Some(name) = world.tablespaces.get(1).cloned() {
        if is_used(world, &name) || !world.prepared.is_empty() || random.percent(50) {
            return None;
        }
        world.tablespaces.remove(1);
        return sql(
            "drop tablespace",
            format!(
                "ALTER TABLE ALL IN TABLESPACE {name} SET TABLESPACE pg_default; \
                 ALTER INDEX ALL IN TABLESPACE {name} SET TABLESPACE pg_default; DROP TABLESPACE {name}"
            ),
        );
    }
    if world.tablespaces.len() >= MOST_TABLESPACES {
        return None;
    }
    let name = format!("space{}", world.number());
    world.tablespaces.push(name.clone());
    Some(Step::CreateTablespace { name })
}
