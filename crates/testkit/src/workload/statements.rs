//! What the writers say. Each kind keeps to its own tables, so that none waits for another's lock, let alone deadlocks.

use pgformat::MajorVersion;

/// One kind of writer.
#[derive(Debug)]
pub(super) enum Kind {
    Rows,
    Definitions { tablespace: Option<String> },
    Databases { version: MajorVersion },
    Prepared,
}

/// Text that does not compress well, long enough to be moved out of line.
const LONG_TEXT: &str = "(SELECT string_agg(md5(random()::text || n), '') FROM generate_series(1, 400) n)";

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Rows => "rows",
            Kind::Definitions { .. } => "definitions",
            Kind::Databases { .. } => "databases",
            Kind::Prepared => "prepared",
        }
    }

    /// Returns the statements that make what the rounds need; run before the first, harmless when run again.
    pub fn preparation(&self) -> &'static str {
        match self {
            Kind::Rows => {
                "CREATE TABLE IF NOT EXISTS account (id int PRIMARY KEY, balance bigint NOT NULL DEFAULT 0, filler char(84) DEFAULT '');
                 INSERT INTO account SELECT n FROM generate_series(1, 20000) n ON CONFLICT DO NOTHING;
                 CREATE TABLE IF NOT EXISTS history (id bigserial PRIMARY KEY, account int, delta int, at timestamptz DEFAULT clock_timestamp());
                 CREATE TABLE IF NOT EXISTS document (id int PRIMARY KEY, body text, tags jsonb);
                 CREATE INDEX IF NOT EXISTS document_tags ON document USING gin (tags);
                 CREATE INDEX IF NOT EXISTS document_hash ON document USING hash (id);
                 CREATE TABLE IF NOT EXISTS picture (id oid PRIMARY KEY, round int);"
            }
            Kind::Definitions { .. } => {
                "CREATE TABLE IF NOT EXISTS steady (id int PRIMARY KEY, note text);
                 INSERT INTO steady SELECT n, repeat('x', n % 100) FROM generate_series(1, 5000) n ON CONFLICT DO NOTHING;
                 CREATE UNLOGGED TABLE IF NOT EXISTS unlogged_steady (id int PRIMARY KEY, note text);"
            }
            Kind::Databases { .. } => "SELECT 1",
            Kind::Prepared => "CREATE TABLE IF NOT EXISTS promise (id serial PRIMARY KEY, round int, kept bool)",
        }
    }

    /// Returns the statements of one round; `round` counts from 0 and makes them differ.
    pub fn round(&self, round: u64) -> Vec<String> {
        match self {
            Kind::Rows => rows(round),
            Kind::Definitions { tablespace } => definitions(round, tablespace.as_deref()),
            Kind::Databases { version } => databases(round, *version),
            Kind::Prepared => prepared(round),
        }
    }
}

fn rows(round: u64) -> Vec<String> {
    let first = (round * 911) % 19_000 + 1;
    let mut statements: Vec<String> = (0..10)
        .map(|n| {
            let (account, delta) = ((first + n * 1931) % 20_000 + 1, (round + n) % 500);
            format!(
                "BEGIN; UPDATE account SET balance = balance + {delta} WHERE id = {account};
                 INSERT INTO history (account, delta) VALUES ({account}, {delta}); COMMIT"
            )
        })
        .collect();
    let document = round % 40;
    statements.extend([
        format!(
            "INSERT INTO document SELECT {document}, {LONG_TEXT}, jsonb_build_object('round', {round}, 'tags', ARRAY['a','b'])
             ON CONFLICT (id) DO UPDATE SET body = excluded.body, tags = excluded.tags"
        ),
        format!("UPDATE account SET filler = 'round {round}' WHERE id BETWEEN {first} AND {first} + 500"),
        format!("BEGIN; DELETE FROM account WHERE id = {first}; INSERT INTO account VALUES ({first}, {round}); COMMIT"),
        format!("BEGIN; SAVEPOINT s; INSERT INTO history (account, delta) SELECT n, 0 FROM generate_series(1, 200) n; ROLLBACK TO s; INSERT INTO history (account, delta) VALUES ({first}, -1); COMMIT"),
        "BEGIN; INSERT INTO history (account, delta) SELECT n, 1 FROM generate_series(1, 300) n; ROLLBACK".to_owned(),
        format!("INSERT INTO picture SELECT lo_from_bytea(0, decode(repeat(md5('{round}'), 400), 'hex')), {round}"),
        format!("WITH gone AS (DELETE FROM picture WHERE round < {round}::int - 10 RETURNING id) SELECT count(lo_unlink(id)) FROM gone"),
        "DELETE FROM history WHERE id % 3 = 0 AND id < (SELECT max(id) FROM history) - 2000".to_owned(),
    ]);
    if round % 7 == 3 {
        statements.push("VACUUM (TRUNCATE) history".to_owned());
    }
    statements
}

fn definitions(round: u64, tablespace: Option<&str>) -> Vec<String> {
    let mut statements = vec![
        format!("CREATE TABLE made_{round} (id int, note text)"),
        format!("INSERT INTO made_{round} SELECT n, md5(n::text) FROM generate_series(1, 3000) n"),
        format!("CREATE INDEX made_{round}_note ON made_{round} (note)"),
        format!("ALTER TABLE made_{round} ADD COLUMN extra int DEFAULT 7"),
        format!("DELETE FROM made_{round} WHERE id > 500"),
        format!("VACUUM (TRUNCATE) made_{round}"),
        format!("UPDATE steady SET note = 'round {round}' WHERE id % 50 = {round} % 50"),
        "VACUUM FULL steady".to_owned(),
        "REINDEX TABLE steady".to_owned(),
        format!("BEGIN; CREATE TABLE undone_{round} AS SELECT n FROM generate_series(1, 2000) n; ROLLBACK"),
        "CREATE TEMP TABLE passing AS SELECT n, repeat('t', 200) AS note FROM generate_series(1, 2000) n".to_owned(),
        "CREATE INDEX ON passing (n)".to_owned(),
        "DROP TABLE passing".to_owned(),
        format!(
            "INSERT INTO unlogged_steady SELECT n, 'r{round}' FROM generate_series(1, 500) n ON CONFLICT (id) DO UPDATE SET note = excluded.note"
        ),
        format!("CREATE UNLOGGED TABLE unlogged_{round} AS SELECT n FROM generate_series(1, 1000) n"),
        format!("ALTER TABLE unlogged_{round} SET LOGGED"),
    ];
    if let Some(tablespace) = tablespace {
        let other = if round.is_multiple_of(2) { tablespace } else { "pg_default" };
        statements.extend([
            format!("CREATE TABLE placed_{round} (id int PRIMARY KEY) TABLESPACE {tablespace}"),
            format!("INSERT INTO placed_{round} SELECT generate_series(1, 2000)"),
            format!("ALTER TABLE steady SET TABLESPACE {other}"),
        ]);
    }
    // What is left over from earlier rounds: truncated first, then dropped, so that some of each is always there.
    if let Some(old) = round.checked_sub(3) {
        statements.push(format!("TRUNCATE made_{old}, unlogged_{old}"));
        statements.push(format!("INSERT INTO made_{old} VALUES (1, 'after truncate', 0)"));
        statements.push(format!("CLUSTER made_{old} USING made_{old}_note"));
    }
    if let Some(old) = round.checked_sub(6) {
        statements.push(format!("DROP TABLE made_{old}, unlogged_{old}"));
        if tablespace.is_some() {
            statements.push(format!("DROP TABLE placed_{old}"));
        }
    }
    statements
}

fn databases(round: u64, version: MajorVersion) -> Vec<String> {
    // Before 15 there is one way only, which copies files.
    let strategy = |name: &str| if version >= MajorVersion::V15 { format!(" STRATEGY {name}") } else { String::new() };
    let fill = "CREATE TABLE filled AS SELECT n, md5(n::text) AS note FROM generate_series(1, 2000) n; CREATE INDEX ON filled (n);";
    let mut statements = vec![
        format!("CREATE DATABASE copied_{round} TEMPLATE template0{}", strategy("file_copy")),
        format!("\\c copied_{round}\n{fill}\n\\c {}", super::DATABASE),
        format!("CREATE DATABASE logged_{round} TEMPLATE copied_{round}{}", strategy("wal_log")),
        format!(
            "\\c logged_{round}\nINSERT INTO filled SELECT n, 'more' FROM generate_series(1, 500) n;\n\\c {}",
            super::DATABASE
        ),
        format!("ALTER DATABASE copied_{round} RENAME TO renamed_{round}"),
    ];
    if let Some(old) = round.checked_sub(2) {
        statements.push(format!("DROP DATABASE renamed_{old} WITH (FORCE)"));
        statements.push(format!("DROP DATABASE logged_{old} WITH (FORCE)"));
    }
    statements
}

fn prepared(round: u64) -> Vec<String> {
    let prepare = |gid: &str, kept: bool| {
        format!(
            "BEGIN; INSERT INTO promise (round, kept) SELECT {round}, {kept} FROM generate_series(1, 20); PREPARE TRANSACTION '{gid}'"
        )
    };
    let mut statements = vec![
        prepare(&format!("commit_{round}"), true),
        prepare(&format!("rollback_{round}"), false),
        format!("COMMIT PREPARED 'commit_{round}'"),
        format!("ROLLBACK PREPARED 'rollback_{round}'"),
    ];
    // One is always open, across checkpoints and across the end of the backup; it holds no lock that a dump waits for.
    if let Some(old) = round.checked_sub(1) {
        statements.push(format!("COMMIT PREPARED 'open_{old}'"));
    }
    statements.push(prepare(&format!("open_{round}"), true));
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_strategies_only_where_they_exist() {
        assert!(databases(0, MajorVersion::V14).iter().all(|statement| !statement.contains("STRATEGY")));
        let new = databases(0, MajorVersion::V15).join("\n");
        assert!(new.contains("STRATEGY file_copy") && new.contains("STRATEGY wal_log"));
    }
}
