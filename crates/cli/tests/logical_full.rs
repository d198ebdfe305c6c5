//! `cadena full --method logical`: dumps of databases as a FULL, which opens with public tools, restores one database at a time, and is
//! no link of any chain.
//!
//! The oracle is a dump taken while nobody writes, by PostgreSQL's newest pg_dump.

#![cfg(unix)]

mod common;

use common::{Answer, Cadena};
use pgformat::MajorVersion;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, TestCluster, TestFolder, oracle};

/// A cluster, a repository, and the command.
struct Site {
    cluster: TestCluster,
    cadena: Cadena,
    /// Where dumps are made files.
    work: TestFolder,
}

impl Site {
    fn new(version: MajorVersion) -> Self {
        let site = Self::unmade(version);
        site.ok(&["init"]);
        site
    }

    /// Without a repository.
    fn unmade(version: MajorVersion) -> Self {
        let cluster = TestCluster::new(version, &ClusterOptions::default());
        let work = TestFolder::new();
        // Those of 14 and 16 have no pg_dump; the newest is found in PATH.
        let clients = testkit::client_program("pg_dump");
        let path = format!("{}:/usr/bin:/bin", clients.parent().unwrap_or(Path::new("/")).display());
        let cadena = Cadena::new()
            .variable("DATABASE_URL", &cluster.conninfo("postgres"))
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
            .variable("PATH", &path)
            .variable("CADENA_WORK_DIR", &work.path().display().to_string());
        Site { cluster, cadena, work }
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.cadena.run(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer
    }

    /// Runs a command that must be refused, and returns its error.
    #[track_caller]
    fn refused(&self, code: i32, arguments: &[&str]) -> Value {
        let answer = self.cadena.run(&[arguments, &["--json"]].concat());
        assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
        let error = answer.json()["error"].clone();
        assert!(error["remedy"].as_str().is_some_and(|remedy| remedy.len() > 20), "{error}");
        error
    }

    /// Takes a logical FULL, and returns its record.
    #[track_caller]
    fn logical(&self, arguments: &[&str]) -> Value {
        self.ok(&[&["full", "--json", "--method", "logical", "--jobs", "2"], arguments].concat()).json()["backup"]
            .clone()
    }

    fn archive(&self, record: &Value) -> PathBuf {
        self.cadena.path("backups_incrementales/full").join(record["archive_name"].as_str().unwrap_or_default())
    }

    /// Dumps a database, its properties included, by the newest pg_dump.
    fn dump(&self, database: &str) -> String {
        let mut command = Command::new(testkit::client_program("pg_dump"));
        command.args(["--create", "--no-sync", "--restrict-key=test", "-d", &self.cluster.conninfo(database)]);
        output_of(command.env("LC_ALL", "C"))
    }

    fn restore(&self, id: &Value, arguments: &[&str]) -> Answer {
        self.cadena.run(&[&["restore", "--json", "--jobs", "2", "--backup", &id.to_string()], arguments].concat())
    }

    /// Makes sure that no folder and no unfinished database is left.
    fn assert_nothing_left(&self) {
        let left = std::fs::read_dir(self.work.path()).unwrap_or_else(|error| panic!("{error}")).flatten();
        let is_ours = |path: &PathBuf| path.to_string_lossy().contains("cadena-throw-away-");
        assert_eq!(left.map(|entry| entry.path()).filter(is_ours).collect::<Vec<_>>(), Vec::<PathBuf>::new());
        assert_eq!(self.cluster.sql("SELECT count(*) FROM pg_database WHERE datname ~ '^cadena_restoring'"), "0");
    }
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a pipeline of public tools writes, as bytes.
fn shell(script: &str) -> Vec<u8> {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[track_caller]
fn assert_same_text(found: &str, expected: &str) {
    if found != expected {
        let line = found.lines().zip(expected.lines()).position(|(one, other)| one != other).unwrap_or(0);
        let lines = |text: &str| text.lines().skip(line.saturating_sub(2)).take(6).collect::<Vec<_>>().join("\n");
        panic!("they differ from line {line} on:\n{}\n--- expected ---\n{}", lines(found), lines(expected));
    }
}

/// A database with a bit of everything that is easily lost.
fn make_shop(cluster: &TestCluster) {
    cluster.sql("CREATE ROLE gerente; CREATE ROLE \"ventas señor\" LOGIN PASSWORD 'hola'; CREATE ROLE auditor");
    cluster.sql("CREATE DATABASE shop OWNER gerente CONNECTION LIMIT 30");
    cluster.sql(
        "COMMENT ON DATABASE shop IS 'it''s the place'; ALTER DATABASE shop SET work_mem TO '5MB'; \
         ALTER DATABASE shop SET search_path TO ventas, \"$user\", public; ALTER ROLE auditor IN DATABASE shop SET statement_timeout TO '1h'; \
         REVOKE CONNECT ON DATABASE shop FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE shop TO \"ventas señor\" WITH GRANT OPTION",
    );
    cluster.sql_in(
        "shop",
        "CREATE EXTENSION hstore; \
         CREATE SCHEMA ventas AUTHORIZATION gerente; GRANT USAGE ON SCHEMA ventas TO \"ventas señor\"; \
         SET ROLE gerente; \
         CREATE TYPE ventas.estado AS ENUM ('nuevo', 'pagado'); CREATE DOMAIN ventas.importe AS numeric CHECK (VALUE >= 0); \
         CREATE TABLE ventas.clientes (id serial PRIMARY KEY, nombre text NOT NULL, datos public.hstore); \
         CREATE TABLE ventas.pedidos (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
           cliente int REFERENCES ventas.clientes, total ventas.importe, estado ventas.estado DEFAULT 'nuevo', foto oid); \
         CREATE TABLE ventas.diario (dia date, texto text) PARTITION BY RANGE (dia); \
         CREATE TABLE ventas.diario_2026 PARTITION OF ventas.diario FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); \
         CREATE VIEW ventas.resumen AS SELECT estado, sum(total) FROM ventas.pedidos GROUP BY 1; \
         CREATE MATERIALIZED VIEW ventas.cuenta AS SELECT count(*) FROM ventas.clientes; \
         GRANT SELECT ON ventas.pedidos TO \"ventas señor\"; GRANT UPDATE (total) ON ventas.pedidos TO auditor; \
         ALTER TABLE ventas.clientes ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY solo ON ventas.clientes FOR SELECT TO auditor USING (id > 10); \
         COMMENT ON TABLE ventas.clientes IS 'quién compra'; \
         INSERT INTO ventas.clientes (nombre, datos) SELECT 'c' || n, public.hstore('n', n::text) FROM generate_series(1, 500) n; \
         INSERT INTO ventas.pedidos (cliente, total) SELECT n % 500 + 1, n FROM generate_series(1, 5000) n; \
         INSERT INTO ventas.diario SELECT '2026-01-01'::date + n, repeat('x', n) FROM generate_series(0, 100) n; \
         REFRESH MATERIALIZED VIEW ventas.cuenta; \
         RESET ROLE; SELECT lo_from_bytea(424242, decode(repeat('0102ff', 100000), 'hex')); COMMENT ON LARGE OBJECT 424242 IS 'foto'; \
         GRANT SELECT ON LARGE OBJECT 424242 TO auditor; UPDATE ventas.pedidos SET foto = 424242 WHERE id = 1; \
         SELECT setval('ventas.clientes_id_seq', 700)",
    );
}

/// More than two parts of a dump, and nothing that shrinks much.
fn make_bulk(cluster: &TestCluster, database: &str) {
    cluster.sql_in(
        database,
        "CREATE TABLE bulk AS SELECT n, md5(n::text) || md5((n * 7)::text) AS body FROM generate_series(1, 300000) n",
    );
}

testkit::on_each_version!(databases_come_back_from_dumps_that_public_tools_open, |version| {
    let site = Site::new(version);
    make_shop(&site.cluster);
    // A name that no shell likes, and one that nobody can connect to.
    let odd = "Ñandú \"x\"/..";
    site.cluster.sql(
        "CREATE DATABASE \"Ñandú \"\"x\"\"/..\"; CREATE DATABASE closed; ALTER DATABASE closed ALLOW_CONNECTIONS false",
    );
    make_bulk(&site.cluster, odd);
    let then = ["shop", odd].map(|name| site.dump(name));

    let record = site.logical(&[]);
    assert_eq!(
        (&record["kind"], &record["method"], &record["record_version"]),
        (&"FULL".into(), &"logical".into(), &2.into())
    );
    let logical = &record["logical"];
    let databases = logical["databases"].as_array().unwrap_or_else(|| panic!("{record}"));
    let names: Vec<&str> = databases.iter().filter_map(|database| database["name"].as_str()).collect();
    let mut wanted = vec!["postgres", "shop", odd];
    wanted.sort_unstable();
    assert_eq!(
        {
            let mut names = names.clone();
            names.sort_unstable();
            names
        },
        wanted
    );
    let of =
        |name: &str| databases.iter().find(|database| database["name"] == name).unwrap_or_else(|| panic!("{name}"));
    assert!(of(odd)["parts"].as_u64() > Some(2), "{record}");
    assert_eq!((&of("shop")["folder"], logical["role_passwords"].as_bool()), (&"shop".into(), Some(true)));

    // By hand: the digest, every frame, the list of members, each dump in pg_restore's eyes, the roles.
    let archive = site.archive(&record);
    assert_eq!(oracle::sha256sum(&archive), record["sha256"].as_str().unwrap_or_default());
    let file = archive.display();
    shell(&format!("zstd -qt '{file}'"));
    let members = String::from_utf8(shell(&format!("zstd -qdc '{file}' | tar -t"))).unwrap_or_default();
    assert!(members.starts_with("globals.sql\ndatabases/\n"), "{members}");
    assert!(members.contains("databases/shop/database.json\ndatabases/shop/dump.00000001\n"), "{members}");
    let globals = String::from_utf8(shell(&format!("zstd -qdc '{file}' | tar -xO globals.sql"))).unwrap_or_default();
    assert!(globals.contains("CREATE ROLE gerente") && globals.contains("SCRAM-SHA-256$"), "{globals}");
    let by_hand = TestFolder::new();
    for database in databases {
        let (folder, dump) = (database["folder"].as_str().unwrap_or_default(), by_hand.path().join("x.dump"));
        let pattern = format!("databases/{folder}/dump.*");
        shell(&format!("zstd -qdc '{file}' | tar -xO --wildcards '{pattern}' > '{}'", dump.display()));
        let length = std::fs::metadata(&dump).map(|of| of.len()).unwrap_or_default();
        assert_eq!(Some(length), database["dump_bytes"].as_u64());
        let list = output_of(Command::new(testkit::client_program("pg_restore")).arg("--list").arg(&dump));
        assert!(list.contains("TOC Entries"), "{list}");
        if folder == "shop" {
            // Loaded without us, by several sessions.
            site.cluster.sql("CREATE DATABASE by_hand");
            let mut load = Command::new(testkit::client_program("pg_restore"));
            load.args(["--jobs=2", "--no-owner", "-d", &site.cluster.conninfo("by_hand")])
                .arg(&dump)
                .stderr(Stdio::null());
            // Newer programs name a setting that older servers do not know; what counts is what is there.
            load.status().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                site.cluster.sql_in("by_hand", "SELECT count(*), sum(total) FROM ventas.pedidos"),
                "5000|12502500"
            );
            assert_eq!(site.cluster.sql_in("by_hand", "SELECT length(lo_get(424242))"), "300000");
        }
    }

    // By us, after everything is gone: owners, rights, settings, large objects and all.
    site.cluster.sql("DROP DATABASE shop");
    for (name, then) in ["shop", odd].iter().zip(&then) {
        let answer = site.restore(&record["id"], &["--database", name, "--as", "back"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let report = answer.json();
        assert_eq!((&report["plan"], &report["backup"]["id"]), (&Value::Null, &record["id"]));
        assert_eq!(report["outcome"]["backups"], serde_json::json!([record["id"]]));
        site.cluster.sql(&format!("ALTER DATABASE back RENAME TO \"{}_2\"", name.replace('"', "\"\"")));
        let back = site.dump(&format!("{name}_2"));
        let quoted = |name: &str| name.replace('"', "\"\"");
        let renamed = back.replace(&format!("{}_2", quoted(name)), &quoted(name));
        assert_same_text(&renamed.replace(&format!("{name}_2"), name), then);
    }
    site.assert_nothing_left();
});

#[test]
fn a_dump_between_a_full_and_an_increment_is_no_link_and_each_restores() {
    for version in [MajorVersion::V15, MajorVersion::V18].into_iter().filter(|version| testkit::is_available(*version))
    {
        let site = Site::new(version);
        site.cluster.sql("CREATE DATABASE shop");
        site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT 1 AS n");
        // Alone, a dump is nothing that a restore of a cluster could begin with, and no base.
        let first = site.logical(&["--database", "shop"]);
        let error = site.refused(6, &["preview", "--latest"]);
        assert_eq!((&error["key"], &error["id"]), (&"repository-only-logical".into(), &"1".into()));
        site.ok(&["full", "--json"]);
        site.cluster.sql_in("shop", "UPDATE t SET n = 2");
        let second = site.logical(&["--database", "shop"]);
        site.cluster.sql_in("shop", "UPDATE t SET n = 3");
        let increment = site.ok(&["incremental", "--json"]).json()["backup"].clone();
        assert_eq!((&increment["kind"], &increment["base_id"]), (&"INCREMENTAL".into(), &2.into()));
        let differential = site.ok(&["diferencial", "--json"]).json()["backup"].clone();
        assert_eq!((&differential["kind"], &differential["base_id"]), (&"DIFERENCIAL".into(), &2.into()));
        // Newer than everything else, and yet not what a restore of the cluster takes.
        let third = site.logical(&[]);
        assert_eq!(third["id"], 6);

        let target = site.work.path().join("restored");
        let answer = site.cadena.run(&[
            "restore",
            "--json",
            "--latest",
            "--to",
            &target.display().to_string(),
            "--owner",
            &site.cluster.owner().name,
        ]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let backups = answer.json()["plan"]["backups"].as_array().map(Vec::len);
        assert_eq!((backups, &answer.json()["plan"]["backups"][1]["id"]), (Some(2), &5.into()));
        std::fs::remove_dir_all(&target).unwrap_or_else(|error| panic!("{error}"));

        for (record, n) in [(&first, "1"), (&second, "2"), (&third, "3")] {
            let name = format!("back_{n}");
            let answer = site.restore(&record["id"], &["--database", "shop", "--as", &name]);
            assert_eq!(answer.code, 0, "{answer:?}");
            assert_eq!(site.cluster.sql_in(&name, "SELECT n FROM t"), n);
        }
        // In place of the damaged one.
        let answer = site.restore(&second["id"], &["--database", "shop", "--replace", "--drop-old"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(site.cluster.sql_in("shop", "SELECT n FROM t"), "2");

        // What stands where.
        let list = site.ok(&["list", "--lang", "es"]).stdout;
        assert_eq!(list.matches("FULL lógico").count(), 3, "{list}");
        let status = site.cadena.run(&["status", "--json"]).json();
        let full = &status["kinds"][0];
        assert_eq!((&full["kind"], &full["last_id"]), (&"FULL".into(), &2.into()), "{status}");
        assert_eq!(status["chains"].as_array().map(Vec::len), Some(6));
        let chains = site.cluster.sql("SELECT string_agg(full_id::text, ',') FROM seguridad.v_backup_cadenas");
        assert_eq!(chains, "2,2");
        assert_eq!(site.cluster.sql("SELECT id FROM seguridad.get_last_full_backup()"), "2");
        let row = site.cluster.sql(
            "SELECT tipo_backup, estado, wal_inicio IS NULL, lsn_fin IS NULL, metadata ->> 'method', \
             checksum_sha256, tamano_bytes FROM seguridad.backup_manifest WHERE id = 3",
        );
        let expected = format!(
            "FULL|COMPLETADO|t|t|logical|{}|{}",
            second["sha256"].as_str().unwrap_or_default(),
            second["archive_bytes"]
        );
        assert_eq!(row, expected);
        let described = "SELECT descripcion FROM seguridad.v_backup_resumen WHERE id = 3";
        assert_eq!(site.cluster.sql(described), "Volcados de bases de datos");
        let before = site.cluster.sql("SELECT string_agg(m::text, '\n' ORDER BY id) FROM seguridad.backup_manifest m");
        site.ok(&["catalog", "rebuild", "--json"]);
        let rebuilt = site.cluster.sql("SELECT string_agg(m::text, '\n' ORDER BY id) FROM seguridad.backup_manifest m");
        assert_same_text(&rebuilt, &before);
        site.assert_nothing_left();
    }
}

#[test]
fn what_a_dump_can_not_do_is_refused_with_what_helps() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    let before = std::fs::read_dir(site.cadena.path("backups_incrementales/full")).map(Iterator::count).unwrap_or(0);
    // Before anything is begun.
    let error = site.refused(6, &["full", "--method", "logical", "--database", "nada"]);
    assert_eq!(
        (&error["key"], &error["known"]),
        (&"backup-unknown-database".into(), &"postgres, shop, template1".into())
    );
    for kind in ["diferencial", "incremental"] {
        let error = site.refused(2, &[kind, "--method", "logical"]);
        assert_eq!((&error["key"], &error["kind"]), (&"backup-method-kind".into(), &kind.to_uppercase().into()));
    }
    for options in [
        &["--database", "shop"][..],
        &["--method", "logical", "--reader", "sql"],
        &["--method", "logical", "--checkpoint", "fast"],
    ] {
        assert_eq!(site.refused(2, &[&["full"], options].concat())["key"], "usage-conflict");
    }
    let after = std::fs::read_dir(site.cadena.path("backups_incrementales/full")).map(Iterator::count).unwrap_or(0);
    assert_eq!(before, after, "nothing was begun");

    let id = site.logical(&["--database", "shop"])["id"].to_string();
    let backup = ["--backup", id.as_str()];
    let target = site.work.path().join("t").display().to_string();
    for arguments in [
        &["restore", "--to", target.as_str()][..],
        &["preview"],
        &["explore", "--owner", site.cluster.owner().name.as_str()],
    ] {
        let error = site.refused(6, &[arguments, &backup[..]].concat());
        assert_eq!(error["key"], "restore-logical", "{arguments:?}");
        assert!(
            error["remedy"].as_str().is_some_and(|remedy| remedy.contains(&format!("--backup {id} --database"))),
            "{error}"
        );
    }
    let error = site.refused(6, &["validate", &id, "--level", "drill"]);
    assert_eq!(error["key"], "restore-logical");
    let at = ["restore", "--at", "2030-01-01 00:00:00", "--database", "shop", "--as", "x"];
    assert_eq!(site.refused(6, &[&at[..], &backup[..]].concat())["key"], "restore-logical-target");
    let error = site.refused(6, &[&["restore", "--database", "otra", "--as", "x"][..], &backup[..]].concat());
    assert_eq!((&error["key"], &error["known"]), (&"database-unknown".into(), &"shop".into()));
    let error = site.refused(6, &[&["restore", "--database", "shop", "--as", "postgres"][..], &backup[..]].concat());
    assert_eq!(error["key"], "database-exists");
    let merge = site.refused(6, &["merge", &id]);
    assert_eq!(merge["key"], "backup-merge-alone");

    // A dump is exported as it is, or not at all.
    let file = site.work.path().join("shop.dump").display().to_string();
    let export = ["export", "--database", "shop", "-o", file.as_str()];
    assert_eq!(site.refused(6, &[&export[..], &backup[..], &["--schema-only"]].concat())["key"], "database-dump-whole");
    assert!(!Path::new(&file).exists());
    let exported = site.ok(&[&export[..], &backup[..], &["--json"]].concat()).json();
    assert_eq!(exported["backups"], serde_json::json!([id.parse::<u64>().unwrap_or(0)]));
    let list = output_of(Command::new(testkit::client_program("pg_restore")).args(["--list", &file]));
    assert!(list.contains("TABLE DATA public t"), "{list}");
    std::fs::remove_file(&file).unwrap_or_else(|error| panic!("{error}"));
    site.assert_nothing_left();
}

#[test]
fn some_tables_of_a_dump_come_back_with_what_they_stand_on() {
    for version in [MajorVersion::V15, MajorVersion::V18].into_iter().filter(|version| testkit::is_available(*version))
    {
        let site = Site::new(version);
        make_shop(&site.cluster);
        let id = site.logical(&["--database", "shop"])["id"].clone();
        let restore = |arguments: &[&str]| {
            let answer = site.restore(&id, &[&["--database", "shop"], arguments].concat());
            assert!([0, 3].contains(&answer.code), "{arguments:?}: {answer:?}");
            answer.json()["outcome"].clone()
        };
        let relations = |database: &str| {
            site.cluster.sql_in(
                database,
                "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace::regnamespace::text = 'ventas' AND relkind IN ('r', 'p', 'v', 'm')",
            )
        };
        let outcome = restore(&["--as", "part", "--table", "pedidos", "--table", "ventas.diario"]);
        assert_eq!(relations("part"), "diario,diario_2026,pedidos");
        assert_eq!(site.cluster.sql_in("part", "SELECT count(*) FROM ventas.pedidos"), "5000");
        assert_eq!(site.cluster.sql_in("part", "SELECT count(*) FROM ventas.diario"), "101");
        let warnings = outcome["warnings"].to_string();
        assert!(warnings.contains("ventas.pedidos pedidos_cliente_fkey"), "{warnings}");
        assert_eq!(site.cluster.sql_in("part", "SELECT count(*) FROM pg_largeobject_metadata"), "0");
        restore(&["--as", "whole_schema", "--schema", "ventas"]);
        assert_eq!(relations("whole_schema"), "clientes,cuenta,diario,diario_2026,pedidos,resumen");
        assert_eq!(site.cluster.sql_in("whole_schema", "SELECT count FROM ventas.cuenta"), "500");
        restore(&["--as", "definitions", "--schema-only"]);
        assert_eq!(site.cluster.sql_in("definitions", "SELECT count(*) FROM ventas.pedidos"), "0");
        let error = site.restore(&id, &["--database", "shop", "--as", "x", "--table", "nada"]);
        assert_eq!((error.code, &error.json()["error"]["key"]), (6, &"database-unknown-object".into()));

        // Roles that are missing are named, and made when that is asked for.
        site.cluster
            .sql("DROP DATABASE part; DROP DATABASE whole_schema; DROP DATABASE definitions; DROP DATABASE shop");
        site.cluster.sql("DROP ROLE gerente; DROP ROLE auditor; DROP ROLE \"ventas señor\"");
        let error = site.restore(&id, &["--database", "shop", "--as", "back"]);
        assert_eq!((error.code, &error.json()["error"]["key"]), (6, &"database-missing-roles".into()));
        let outcome = restore(&["--as", "back", "--create-roles"]);
        assert_eq!(outcome["created_roles"].as_array().map(Vec::len), Some(3), "{outcome}");
        assert_eq!(
            site.cluster.sql_in("back", "SELECT tableowner FROM pg_tables WHERE tablename = 'pedidos'"),
            "gerente"
        );
        restore(&["--as", "mine", "--no-owner", "--no-privileges"]);
        assert_eq!(
            site.cluster.sql_in("mine", "SELECT tableowner FROM pg_tables WHERE tablename = 'pedidos'"),
            site.cluster.user()
        );
        site.assert_nothing_left();
    }
}

#[test]
fn validation_finds_what_is_wrong_with_a_dump() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    make_bulk(&site.cluster, "shop");
    let record = site.logical(&["--database", "shop"]);
    let id = record["id"].to_string();
    for level in ["checksum", "deep"] {
        let report = site.ok(&["validate", &id, "--level", level, "--json"]).json();
        assert_eq!(report["valid"], true, "{report}");
    }
    let archive = site.archive(&record);
    let whole = std::fs::read(&archive).unwrap_or_else(|error| panic!("{error}"));
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&archive, &damaged).unwrap_or_else(|error| panic!("{error}"));
    for level in ["checksum", "deep"] {
        let answer = site.cadena.run(&["validate", &id, "--level", level, "--json"]);
        assert_eq!((answer.code, &answer.json()["valid"]), (5, &false.into()), "{answer:?}");
    }
    // Nothing of it reaches the server.
    let answer = site.restore(&record["id"], &["--database", "shop", "--as", "back"]);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert_eq!(site.cluster.sql("SELECT count(*) FROM pg_database WHERE datname = 'back'"), "0");
    let file = site.work.path().join("x.dump").display().to_string();
    let answer = site.cadena.run(&["export", "--backup", &id, "--database", "shop", "-o", &file, "--json"]);
    assert_eq!((answer.code, Path::new(&file).exists()), (5, false), "{answer:?}");
    std::fs::write(&archive, &whole).unwrap_or_else(|error| panic!("{error}"));
    site.assert_nothing_left();
}

#[test]
fn a_replica_has_it_verifies_it_and_gives_it_back() {
    let replica = TestFolder::new();
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    let config =
        format!("[[replica]]\nname = \"copy\"\nprovider = \"LOCAL\"\npath = \"{}\"\n", replica.path().display());
    site.cadena.write("cadena.toml", &config);
    let record = site.logical(&["--database", "shop"]);
    let copy = replica.path().join("full").join(record["archive_name"].as_str().unwrap_or_default());
    assert_eq!(oracle::sha256sum(&copy), record["sha256"].as_str().unwrap_or_default());
    let verified = site.ok(&["replica", "verify", "--json"]).json();
    assert_eq!(verified["findings"], serde_json::json!([]), "{verified}");
    assert_eq!(site.cluster.sql("SELECT nube_subido FROM seguridad.backup_manifest WHERE id = 1"), "t");
    std::fs::remove_dir_all(site.cadena.path("backups_incrementales/full")).unwrap_or_else(|error| panic!("{error}"));
    let answer = site.cadena.run(&[
        "restore",
        "--json",
        "--from-replica",
        "copy",
        "--backup",
        "1",
        "--database",
        "shop",
        "--as",
        "back",
    ]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(site.cluster.sql_in("back", "SELECT count(*) FROM t"), "10");
}

#[test]
fn a_role_that_may_only_read_takes_one_and_is_told_what_is_missing() {
    for version in [MajorVersion::V15, MajorVersion::V18].into_iter().filter(|version| testkit::is_available(*version))
    {
        let site = Site::new(version);
        site.cluster
            .sql("CREATE ROLE lector LOGIN PASSWORD 's3creto'; CREATE ROLE otra; CREATE DATABASE shop OWNER otra");
        site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n; GRANT SELECT ON t TO lector; CREATE TABLE secret (n int)");
        let conninfo =
            site.cluster.conninfo("postgres").replace(&format!("user='{}'", site.cluster.user()), "user='lector'");
        assert!(conninfo.contains("lector"), "{conninfo}");
        let run = |arguments: &[&str]| {
            let mut command = site.cadena.command(arguments);
            let output = command.env("DATABASE_URL", format!("{conninfo} password=s3creto")).output();
            let output = output.unwrap_or_else(|error| panic!("{error}"));
            let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            Answer {
                code: output.status.code().unwrap_or(-1),
                stdout: stdout.into_owned(),
                stderr: stderr.into_owned(),
            }
        };
        // pg_dump's own words say why, and no secret is among them.
        let answer = run(&["full", "--method", "logical", "--database", "shop", "--json"]);
        assert_eq!(answer.code, 1, "{answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(error["key"], "cluster-program", "{error}");
        assert!(
            error["detail"].as_str().is_some_and(|detail| detail.contains("permission denied for table secret")),
            "{error}"
        );
        assert!(!format!("{answer:?}").contains("s3creto"), "{answer:?}");
        let failed = site.ok(&["list", "--json"]).json()["backups"][0].clone();
        assert_eq!(
            (&failed["state"], &failed["method"], &failed["logical"]),
            (&"FALLIDO".into(), &"logical".into(), &Value::Null)
        );
        assert!(!failed.to_string().contains("s3creto"));
        let files =
            std::fs::read_dir(site.cadena.path("backups_incrementales/full")).unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<_> = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(names.len(), 1, "the record alone: {names:?}");

        site.cluster.sql_in("shop", "GRANT SELECT ON secret TO lector");
        let answer = run(&["full", "--method", "logical", "--database", "shop", "--json"]);
        assert_eq!(answer.code, 3, "{answer:?}");
        let record = answer.json()["backup"].clone();
        assert_eq!(record["logical"]["role_passwords"], false);
        assert_eq!(record["warnings"][0]["key"], "warning-logical-no-passwords", "{record}");
        let file = site.archive(&record);
        let globals = String::from_utf8(shell(&format!("zstd -qdc '{}' | tar -xO globals.sql", file.display())))
            .unwrap_or_default();
        assert!(globals.contains("CREATE ROLE otra") && !globals.contains("SCRAM"), "{globals}");
        let answer = site.restore(&record["id"], &["--database", "shop", "--as", "back"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'back'";
        assert_eq!(
            (site.cluster.sql(owner).as_str(), site.cluster.sql_in("back", "SELECT count(*) FROM t").as_str()),
            ("otra", "10")
        );
    }
}

/// A command that waits on a lock of a table: pg_dump is silent.
fn start_and_wait_for_pg_dump(site: &Site) -> std::process::Child {
    let mut command = site.cadena.command(&["full", "--method", "logical", "--database", "shop", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{error}"));
    site.cluster.wait_until(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ 'LOCK TABLE' AND wait_event_type = 'Lock')",
    );
    child
}

#[test]
fn a_dump_that_is_interrupted_or_killed_leaves_nothing_that_looks_whole() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    make_bulk(&site.cluster, "shop");
    let mut holder = site.cluster.session("shop");
    holder.run("BEGIN; LOCK TABLE bulk").unwrap_or_else(|failure| panic!("{failure}"));
    let no_dump_left = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND wait_event_type = 'Lock'";
        while site.cluster.sql(count) != "0" {
            assert!(Instant::now() < deadline, "a dump goes on without us");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let archives = || {
        let files =
            std::fs::read_dir(site.cadena.path("backups_incrementales/full")).unwrap_or_else(|error| panic!("{error}"));
        let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".backup")).collect::<Vec<_>>()
    };

    // ^C while pg_dump waits.
    let mut child = start_and_wait_for_pg_dump(&site);
    shell(&format!("kill -INT {}", child.id()));
    let status = child.wait().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.code(), Some(130));
    no_dump_left();
    assert_eq!(archives(), Vec::<String>::new());
    let list = site.ok(&["list", "--json"]).json();
    assert_eq!(
        (&list["backups"][0]["state"], &list["backups"][0]["error"]["key"]),
        (&"FALLIDO".into(), &"cancelled".into())
    );

    // kill -9: pg_dump goes with us, and the next backup sweeps up.
    let mut child = start_and_wait_for_pg_dump(&site);
    child.kill().unwrap_or_else(|error| panic!("{error}"));
    child.wait().unwrap_or_else(|error| panic!("{error}"));
    no_dump_left();
    assert_eq!(archives(), Vec::<String>::new());
    holder.run("ROLLBACK").unwrap_or_else(|failure| panic!("{failure}"));
    let record = site.logical(&["--database", "shop"]);
    let list = site.ok(&["list", "--json"]).json();
    let states: Vec<&str> =
        list["backups"].as_array().into_iter().flatten().filter_map(|backup| backup["state"].as_str()).collect();
    assert_eq!(states, ["FALLIDO", "FALLIDO", "COMPLETADO"]);
    let methods: Vec<&str> =
        list["backups"].as_array().into_iter().flatten().filter_map(|backup| backup["method"].as_str()).collect();
    assert_eq!(methods, ["logical"; 3], "also of the one that was killed");
    assert_eq!(list["orphan_archives"], serde_json::json!([]));
    assert_eq!(archives(), [record["archive_name"].as_str().unwrap_or_default()]);

    // pg_dump alone is killed: half a dump is no backup, however its output ended.
    holder.run("BEGIN; LOCK TABLE bulk").unwrap_or_else(|failure| panic!("{failure}"));
    let child = start_and_wait_for_pg_dump(&site);
    shell(&format!("pkill -9 -P {} pg_dump", child.id()));
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("cluster-program"), "{output:?}");
    assert_eq!(archives().len(), 1);
}

#[test]
fn programs_that_are_missing_or_older_than_the_server_are_named() {
    let version = MajorVersion::V18;
    if !testkit::is_available(version) {
        return testkit::skip("PostgreSQL 18 is not here");
    }
    if cadena::cluster::BinarySearch::default().find_clients(version, version).is_ok() {
        return testkit::skip("pg_dump 18 lies where it is always looked for");
    }
    let site = Site::new(version);
    let id = site.logical(&["--database", "postgres"])["id"].to_string();
    let bare = site.work.path().display().to_string();
    for arguments in [
        &["full", "--method", "logical", "--json"][..],
        &["validate", &id, "--level", "deep", "--json"],
        &["restore", "--backup", &id, "--database", "postgres", "--as", "x", "--json"],
    ] {
        let mut command = site.cadena.command(arguments);
        let output = command.env("PG_BIN_PATH", &bare).env("PATH", &bare).output();
        let output = output.unwrap_or_else(|error| panic!("{error}"));
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let text = answer.to_string();
        assert!(
            text.contains("cluster-binary-missing") && text.contains("pg_dump, pg_restore"),
            "{arguments:?}: {text}"
        );
        assert!(!output.status.success(), "{arguments:?}");
    }
    let list = site.ok(&["list", "--json"]).json();
    assert_eq!(list["backups"].as_array().map(Vec::len), Some(1), "nothing was begun: {list}");
}

#[test]
fn in_an_encrypted_repository_only_the_identity_opens_it() {
    let version = MajorVersion::V15;
    let site = Site::unmade(version);
    let made = site.ok(&["encryption", "identity", "identity.txt", "--json"]).json();
    let recipient = made["recipient"].as_str().unwrap_or_default();
    site.cadena.write("cadena.toml", &format!("[encryption]\nrecipients = '{recipient}'\n"));
    site.ok(&["init"]);
    site.cluster.sql("CREATE DATABASE shop");
    site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    let record = site.logical(&["--database", "shop"]);
    assert_eq!((&record["record_version"], &record["encryption"]["recipients"][0]), (&2.into(), &recipient.into()));
    let (archive, key) = (site.archive(&record), site.cadena.path("identity.txt"));
    let script = format!(
        "age -d -i '{}' '{}' | zstd -qdc | tar -xO databases/shop/dump.00000001 | '{}' --list",
        key.display(),
        archive.display(),
        testkit::client_program("pg_restore").display()
    );
    assert!(String::from_utf8(shell(&script)).unwrap_or_default().contains("TABLE DATA public t"));
    assert!(
        site.restore(&record["id"], &["--database", "shop", "--as", "back"])
            .stdout
            .contains("encryption-identity-missing")
    );
    let config = format!("[encryption]\nrecipients = '{recipient}'\nidentity_file = '{}'\n", key.display());
    site.cadena.write("cadena.toml", &config);
    let answer = site.restore(&record["id"], &["--database", "shop", "--as", "back"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(site.cluster.sql_in("back", "SELECT count(*) FROM t"), "10");
    let report = site.ok(&["validate", "1", "--level", "deep", "--json"]).json();
    assert_eq!(report["valid"], true, "{report}");
}

#[test]
fn a_restore_that_is_killed_leaves_nothing_that_the_next_command_does_not_remove() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    make_bulk(&site.cluster, "shop");
    // Building it takes a while.
    site.cluster.sql_in("shop", "CREATE INDEX ON bulk (md5(repeat(body, 100)))");
    let id = site.logical(&["--database", "shop"])["id"].clone();
    let arguments = ["restore", "--backup", &id.to_string(), "--database", "shop", "--as", "back", "--json"];
    let command = site.cadena.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = command.unwrap_or_else(|error| panic!("{error}"));
    site.cluster.wait_until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^CREATE INDEX')");
    child.kill().unwrap_or_else(|error| panic!("{error}"));
    child.wait().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(site.cluster.sql("SELECT count(*) FROM pg_database WHERE datname = 'back'"), "0");
    // pg_restore went with it; the folder goes with the next command, the unfinished database with the next restore.
    site.cluster.wait_until("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname ~ '^cadena_restoring')");
    let answer = site.restore(&id, &["--database", "shop", "--as", "back"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert_eq!(answer.json()["outcome"]["warnings"][0]["key"], "warning-database-swept", "{answer:?}");
    assert_eq!(site.cluster.sql_in("back", "SELECT count(*) FROM bulk"), "300000");
    site.assert_nothing_left();
}
